"""Paths, controllers and parameters through the space: what the network is told, what is heard, and that nothing clicks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from models.block import Block
from models.events import ControlChange, Event, NoteOff, NoteOn, Transport
from models.manifest import Manifest, ManifestError
from models.step import Tensors
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.playing import Playing
from models.translator.steering import CONTROLLERS
from server.errors import BacklineError
from server.live_stream import LiveStream
from server.model_store import Model, find_model, open_stream
from server.onnx_step import OnnxStep, open_session

RATE, HOP = 32_000, 256
HELD = (NoteOn(1000, 69, 80),)
FLUTE, CELLO, PIANO = (INSTRUMENTS.index(name) for name in ("flute", "cello", "piano"))


class Told:
    """The graph's own step, and what it is told."""

    def __init__(self, step: OnnxStep) -> None:
        self._step, self.inputs = step, list[Tensors]()

    def initial_state(self) -> Tensors:
        return self._step.initial_state()

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        self.inputs.append(inputs)
        return self._step(inputs, state)

    def at(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the instruments and the dynamics of voice 0, and where it is on the map, in the hop that ends then; all hops since
        sample 0 sounded."""
        told = self.inputs[round(seconds * RATE / HOP) - 1]
        morph = told["morph"][0, 0]
        return (1 - morph) * told["symbols"][0, 0] + morph * told["targets"][0, 0], told["position"][0, :3]


@pytest.fixture(scope="module")
def model(translator_folder: Path) -> Model:
    return find_model("translator", translator_folder)


@pytest.fixture
def opened(model: Model) -> Callable[..., tuple[Playing, Told]]:
    """A function (**settings) -> a new player and what its network is told."""

    def make(**settings: str | float) -> tuple[Playing, Told]:
        values = model.manifest.resolve({"direction": "play", **settings})
        faced: Manifest = model.manifest.facing(values)
        (graph,) = faced.graphs
        told = Told(OnnxStep(open_session(model.path, file=graph.file), graph))
        return Playing(faced, told, values), told

    return make


def run(
    player: Playing,
    events: tuple[Event | Transport, ...],
    length: int,
    turns: tuple[tuple[int, str, float | str], ...] = (),
) -> np.ndarray:
    """(samples,): what it plays; turns: (sample, name, value) of parameters."""
    parts = []
    for start in range(0, length, HOP):
        for _, name, value in (turn for turn in turns if start <= turn[0] < start + HOP):
            player.set(name, value)
        inside = tuple(event for event in events if start <= event.sample < start + HOP)
        parts.append(player.process(Block(start, np.zeros((0, HOP), np.float32), inside)).samples[0])
    return np.concatenate(parts)


def sharpest(audio: np.ndarray) -> float:
    """The largest fourth difference: a click has as much up high as anywhere."""
    return float(np.abs(np.diff(audio.astype(np.float64), 4)).max())


def test_a_path_is_where_it_says_at_its_times(opened):
    player, told = opened(path="flute pp 0, cello ff 0.5, piano 1")
    run(player, (NoteOn(0, 69, 80),), 2 * RATE)
    early, _ = told.at(0.016)
    assert early[FLUTE] > 0.95
    middle, _ = told.at(0.25)
    assert middle[FLUTE] == pytest.approx(0.5, abs=0.1)
    assert middle[FLUTE] + middle[CELLO] == pytest.approx(1, abs=1e-3)
    later, position = told.at(0.6)
    assert later[CELLO] > 0.7
    assert later[-1] > 0.95, "ff"
    assert position[2] == 0
    end, _ = told.at(1.5)
    assert end[PIANO] > 0.99
    assert end[-len(DYNAMICS) :].tolist() == pytest.approx([0, 0, 0, 0, 1], abs=1e-3), "what is unsaid stays"


def test_it_begins_when_it_is_set_and_when_the_transport_rolls(opened):
    player, told = opened(instrument="trumpet")
    roll = Transport(3 * RATE, True, 0)
    events = (NoteOn(0, 69, 80), Transport(RATE, False, 0), roll, Transport(3.25 * RATE, True, 8000))
    run(player, events, 5 * RATE, ((RATE, "path", "piano 1"),))
    assert told.at(0.9)[0][INSTRUMENTS.index("trumpet")] > 0.99
    assert told.at(1.5)[0][PIANO] == pytest.approx(0.5, abs=0.05)
    assert told.at(2.9)[0][PIANO] > 0.99
    assert told.at(3.5)[0][PIANO] == pytest.approx(0.5, abs=0.05), (
        "from the beginning, and what rolls on changes nothing"
    )
    player.set("path", "")
    run(player, (), RATE)
    assert told.at(len(told.inputs) * HOP / RATE)[0][INSTRUMENTS.index("trumpet")] > 0.99


def test_a_path_over_the_map_and_a_hand_above_it(opened):
    player, told = opened(path="flute 0, 0.5 -0.5 0.5, -1 1 1", map_x=1.25, map_y=0.75)
    run(player, (NoteOn(0, 69, 80),), 3 * RATE, ((2 * RATE, "map", 1.0), (int(2.5 * RATE), "map", 0.0)))
    assert told.at(0.25)[1] == pytest.approx([0.5, -0.5, 0.5], abs=0.1)
    assert told.at(0.75)[1] == pytest.approx([-0.25, 0.25, 1], abs=0.15)
    assert told.at(1.9)[1] == pytest.approx([-1, 1, 1], abs=0.01)
    assert told.at(2.45)[1] == pytest.approx([1.25, 0.75, 1], abs=0.01)
    assert told.at(2.9)[1] == pytest.approx([-1, 1, 1], abs=0.01)


def test_controllers_turn_their_parameters_until_these_are_set(opened):
    player, told = opened(instrument="flute", morph_instrument="piano", path="")
    turns = tuple(ControlChange(4000 + n, control, 127) for n, control in enumerate(CONTROLLERS))
    back = (
        ControlChange(RATE, 16, 64),
        ControlChange(RATE, 18, 0),
        ControlChange(RATE, 1, 64),
        ControlChange(RATE, 20, 0),
    )
    run(player, (NoteOn(0, 69, 80), *turns, *back), 3 * RATE, ((2 * RATE, "morph", 0.25),))
    assert told.at(0.9)[0][PIANO] > 0.99
    assert told.at(0.9)[1] == pytest.approx([1.5, 1.5, 1], abs=1e-3)
    assert told.at(1.9)[0][PIANO] == pytest.approx(0.5, abs=1e-3)
    assert told.at(1.9)[1] == pytest.approx([0, 1.5, 0], abs=1e-3)
    assert told.inputs[-1]["position"][0].tolist() == pytest.approx([0, 1.5, 0, 1.5, -1.5, 1.5, 1.5], abs=1e-3)
    assert told.at(2.9)[0][PIANO] == pytest.approx(0.25, abs=1e-3)
    player.reset()
    run(player, HELD, RATE)
    assert told.inputs[-1]["position"][0].tolist() == pytest.approx([0] * 7), (
        "a controller's value goes with the stream's beginning"
    )


@pytest.mark.parametrize("control", sorted(CONTROLLERS))
@pytest.mark.parametrize("way", ["swept", "thrown"])
def test_no_turn_of_a_controller_clicks(opened, control, way):
    """It sounds no sharper on its way than at either end, and no hop takes more than a part of the way."""
    values = [*range(0, 128), *range(127, -1, -1)] if way == "swept" else [127]
    events = tuple(ControlChange(10_000 + 80 * n, control, value) for n, value in enumerate(values))
    on_map = CONTROLLERS[control] in ("map_x", "map_y")
    settings = {"morph_instrument": "piano", "map": float(on_map), "map_x": 0.4, "map_y": -0.6}
    low, high = (ControlChange(0, control, value) for value in (0, 127))
    ends = [run(opened(**settings)[0], (*HELD, end), 24_000) for end in (low, high)]
    assert not np.allclose(ends[0], ends[1], atol=1e-5), "it does nothing"
    player, told = opened(**settings)
    turned = run(player, (low, *HELD, *events), 40_000)
    steady = max(sharpest(audio[8_000:]) for audio in ends)
    assert sharpest(turned[8_000:]) < 1.5 * steady
    places = np.array([[one["morph"][0, 0], *one["position"][0]] for one in told.inputs])
    assert np.ptp(places, 0).max() > 0.9
    assert np.abs(np.diff(places, axis=0)).max() < 0.3 * np.ptp(places, 0).max()


def test_no_path_clicks(opened):
    """A path with the shortest legs sounds no sharper than its points do, where they stand still."""
    points = ("flute pp", "piano ff", "-1.5 1.5", "1.5 -1.5", "cello")
    path = (
        "".join(f"{point} {second}, " for point, second in zip(points, (0, 0.4, 0.5, 0.6, 0.61), strict=True))
        + "loop 0.8"
    )
    steady = max(
        sharpest(run(opened(path=f"flute pp 0, piano ff 0.01, {point} 0.02")[0], HELD, RATE)[8_000:])
        for point in points
    )
    turned = run(opened()[0], HELD, 2 * RATE, ((10_000, "path", path), (RATE, "path", path), (RATE + 9000, "path", "")))
    assert np.isfinite(turned).all()
    assert sharpest(turned[8_000:]) < 1.5 * steady


@pytest.fixture
def stream(model: Model) -> Callable[..., LiveStream]:
    def make(**settings: str | float) -> LiveStream:
        return open_stream(model, {"direction": "play", **settings}, 44_100)

    return make


def test_any_block_size_gives_the_same_samples(stream, feed):
    events = (
        *(ControlChange(5000 + 37 * n, 16, n) for n in range(0, 128)), *(ControlChange(9000 + 11 * n, 18, n) for n in range(0, 128)),
        ControlChange(16_001, 1, 99), NoteOn(1003, 69, 90), NoteOn(12_345, 57, 30), NoteOff(30_000, 69),
    )  # fmt: skip
    given = {"path": "flute 0, cello ff 0.31, 0.2 -0.7 0.5, loop 0.9", "map_y": 0.7}
    silence = np.zeros((0, 40_000), np.float32)
    heard = [feed(stream(**given), silence, block, events).audio for block in (64, 4096, (1, 333, 17, 1024))]
    assert np.abs(heard[0]).max() > 1e-4
    assert all(np.array_equal(heard[0], other) for other in heard[1:])


@pytest.fixture
def refusals() -> Iterator[list[str]]:
    return iter(
        [
            ["flute zz 0", "path has 'zz'"],
            ["flute 0, cello 0", "later than the one before"],
            ["a" * 401, "allowed: 400"],
        ]
    )


def test_a_wrong_path_is_refused_and_changes_nothing(opened, stream, refusals):
    player, told = opened(path="piano 0")
    run(player, (NoteOn(0, 69, 80),), HOP)
    for wrong, sentence in refusals:
        with pytest.raises(ManifestError, match=sentence):
            player.set("path", wrong)
        with pytest.raises(BacklineError, match=sentence):
            stream(path=wrong)
    run(player, (), RATE)
    assert told.inputs[-1]["symbols"][0, 0, PIANO] == 1


def test_the_expression_pedal_is_smooth_too(opened):
    events = tuple(ControlChange(12_000 + 200 * n, 11, value) for n, value in enumerate([10, 127] * 30))
    player, told = opened()
    run(player, (*HELD, *events), RATE)
    dynamics = np.array([one["symbols"][0, 0, -len(DYNAMICS) :] @ np.arange(len(DYNAMICS)) for one in told.inputs])
    assert np.ptp(dynamics[20:]) > 0.5
    assert np.abs(np.diff(dynamics)).max() < 0.3 * (len(DYNAMICS) - 1)
