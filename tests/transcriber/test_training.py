"""A training run learns, stops and goes on where it stopped; its checkpoint becomes the same network and a served file.

The network is tiny and the clock is made: every look at it is a second later.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from exporters.errors import ExportError
from exporters.players import export_transcriber
from models.events import NoteOff, NoteOn
from models.layers.checkpoint import read_card, write_tensors
from models.model_file import read_manifest
from models.registry import open_processor
from models.sound.renders import Render, store_render
from models.transcriber import material, training
from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.material import TrainingError, folders_of
from models.transcriber.network import OUTPUTS, TranscriberNetwork, load_network
from models.transcriber.run import Losses, Run
from models.transcriber.targets import Score, stack_heads
from models.transcriber.validation import Excerpt
from server.live_stream import LiveStream
from server.model_store import find_model, open_stream

TINY = TranscriberConfig(
    look_ahead=(0, 640, 2560), spectral_channels=4, harmonic_channels=8, channels=8, narrow_channels=4, memory_channels=4,
    head_channels=12, pedal_channels=4,
)  # fmt: skip
HEADS = len(TINY.look_ahead)
FRAMES = 40
FIGURES = {"onset_f1": [0.5, 0.7, 0.8], "onset_threshold": [0.6] * 3, "live_f1": [0.5] * 3, "low_recall": [0.2] * 3,
           "error_ms": [1.0] * 3, "spread_ms": [9.0] * 3, "velocity": [0.8] * 3, "note_f1": [0.4] * 3,
           "frame_threshold": [0.3] * 3, "pedal_f1": [0.6] * 3, "pedal_threshold": [0.45] * 3}  # fmt: skip


DECODING = {
    kind: {
        f"{look_ahead:g}": {"onset": {str(head): 0.6}, "low_onset": {str(head): 0.6}, "frame_head": head, "frame": 0.3,
                            "hold": 640, "live_delay": 640}
        for head, look_ahead in enumerate(TINY.look_ahead_ms)
    }
    for kind in ("commit", "live")
}  # fmt: skip
CALIBRATION = {
    f"{kind} {look_ahead}": {"onset_f1": 0.8, "low_recall": 0.5}
    for kind, rows in DECODING.items()
    for look_ahead in rows
}


def new_run(folder: Path, seed: int = 1, **options: object) -> Run:
    """Return a run of a tiny network; its rate rises by 0.001 a step."""
    torch.manual_seed(seed)
    return Run(TranscriberNetwork(TINY), folder, seconds=60.0, learning_rate=0.2, **options)


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, dict[str, Tensor]]:
    """Two segments of 40 frames, a tone in each, and what the heads should say."""
    time = np.arange(FRAMES * TINY.frame) / TINY.sample_rate
    tones, scores = [], []
    for onset, pitch in ((0.12, 60), (0.2, 67)):
        sound = (
            np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * np.exp(-4 * (time - onset)) * (time >= onset)
        )
        tones.append(0.3 * sound.astype(np.float32))
        note = np.array([(onset * TINY.sample_rate, 0.5 * TINY.sample_rate, pitch, 120)])
        pedal = np.array([(0.3 * TINY.sample_rate, 0.6 * TINY.sample_rate)])
        scores.append(Score(note, pedal, np.zeros((0, 2))))
    return torch.from_numpy(np.stack(tones)), stack_heads(scores, FRAMES, TINY)


def test_the_losses_fall_on_a_batch_that_comes_again(tmp_path, batch):
    run = new_run(tmp_path)
    losses = [run.learn(*batch) for _ in range(16)]
    for part in ("onset", "frame", "offset", "velocity"):  # where in its frame an onset lies is learnt last
        assert losses[-1][part] < 0.8 * losses[0][part]  # measured 0.49, 0.41, 0.43 and 0.14
    assert losses[-1]["pedal"] < losses[0]["pedal"]
    assert np.isfinite([list(row.values()) for row in losses]).all()
    assert run.step == 16


def test_the_rate_warms_up_by_steps_and_falls_with_the_time_that_is_left(tmp_path, batch):
    run = new_run(tmp_path)
    first, second = run.learn(*batch)["learning_rate"], run.learn(*batch)["learning_rate"]
    assert second == pytest.approx(2 * first)
    run.elapsed, run.step = 60.0, 10_000
    assert run.learn(*batch)["learning_rate"] == pytest.approx(0.01 * run.learning_rate)


def test_a_step_whose_gradient_is_not_finite_changes_nothing(tmp_path, batch):
    run = new_run(tmp_path)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    audio, targets = batch
    run.learn(audio, targets | {"velocity": targets["velocity"] * torch.inf})
    assert all(torch.equal(before[name], value) for name, value in run.network.state_dict().items())


def test_a_run_that_is_resumed_goes_on_as_if_it_had_not_stopped(tmp_path, batch):
    run, resumed = new_run(tmp_path), new_run(tmp_path, seed=2)
    for _ in range(3):
        run.learn(*batch)
    run.elapsed, run.best = 12.5, 0.25
    run.save()
    assert resumed.resume()
    assert (resumed.step, resumed.elapsed, resumed.best) == (3, 12.5, 0.25)
    for _ in range(2):
        assert run.learn(*batch) == resumed.learn(*batch)
    for one, other in ((run.network, resumed.network), (run.averaged, resumed.averaged)):
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_run_without_a_past_begins_at_nothing(tmp_path):
    run = new_run(tmp_path)
    assert not run.resume()
    assert (run.step, run.elapsed) == (0, 0.0)


def test_a_run_may_begin_with_the_weights_of_another(tmp_path):
    run, begun = new_run(tmp_path), new_run(tmp_path, seed=2, name="general")
    run.offer(FIGURES)
    taken, all_of_them = begun.start_from(run.checkpoint)
    assert taken == all_of_them == len(run.network.state_dict())
    for network in (begun.network, begun.averaged):
        assert all(torch.equal(a, b) for a, b in zip(run.network.parameters(), network.parameters(), strict=True))


def test_weights_of_another_shape_stay_where_they_are(tmp_path):
    run, begun = new_run(tmp_path), new_run(tmp_path, seed=2)
    own = {name: value.clone() for name, value in begun.network.state_dict().items()}
    weights = run.network.state_dict() | {"heads.weight": torch.zeros(6, 12), "memory_of_another": torch.zeros(3)}
    write_tensors(tmp_path / "other.safetensors", weights, {})
    taken, all_of_them = begun.start_from(tmp_path / "other.safetensors")
    assert taken == all_of_them - 1
    assert torch.equal(begun.network.heads.weight, own["heads.weight"])
    assert torch.equal(begun.network.memory.weight, weights["memory.weight"])


@pytest.mark.parametrize(
    ("tensors", "words"),
    [({"other": torch.zeros(3)}, "holds no weights of this network's shapes"), (None, "is no checkpoint")],
)
def test_a_file_that_has_nothing_to_begin_with_is_refused(tmp_path, tensors, words):
    path = tmp_path / "other.safetensors"
    if tensors is None:
        path.write_bytes(b"no tensors")
    else:
        write_tensors(path, tensors, {})
    with pytest.raises(TrainingError, match=words):
        new_run(tmp_path).start_from(path)


def test_every_tensor_of_a_step_lies_on_the_device_of_its_audio(batch):
    """On torch's `meta` device, which computes nothing but refuses what lies elsewhere."""
    audio, targets = batch
    losses = Losses(TranscriberNetwork(TINY), bfloat16=False).to("meta")
    parts = losses(audio.to("meta"), {name: value.to("meta") for name, value in targets.items()})
    assert {value.device.type for value in parts.values()} == {"meta"}


def test_a_worse_network_does_not_replace_the_best(tmp_path):
    run = new_run(tmp_path)
    run.offer(FIGURES)
    best = (tmp_path / "transcriber.safetensors").read_bytes()
    run.step = 7
    run.offer(FIGURES | {"onset_f1": [0.1] * HEADS})
    run.offer(FIGURES | {"note_f1": [0.3] * HEADS})
    run.offer(FIGURES | {"onset_f1": [0.5, 0.7, 0.82], "note_f1": [0.35] * HEADS})
    assert (tmp_path / "transcriber.safetensors").read_bytes() == best
    run.offer(FIGURES | {"onset_f1": [0.9] * HEADS})
    assert read_card(tmp_path / "transcriber.safetensors")["step"] == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["transcriber.safetensors"], "something was left behind"


def write_render(folder: Path, seed: int) -> None:
    """Write 3 s of decaying tones as training finds them."""
    rng, rate = np.random.default_rng(seed), TINY.sample_rate
    audio, notes = np.zeros(3 * rate), []
    for onset in np.arange(0.2, 2.0, 0.2):
        pitch, start = int(rng.integers(40, 90)), round(onset * rate)
        time = np.arange(len(audio) - start) / rate
        audio[start:] += 0.2 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * np.exp(-6 * time)
        notes.append((start, start + rate // 4, pitch, 80))
    folder.mkdir(parents=True, exist_ok=True)
    samples = np.round(audio * 32767).astype(np.int16)
    pedal = np.array([(rate, 2 * rate)], np.int32)
    store_render(Render(samples, np.array(notes, np.int32), pedal), folder / f"render_{seed:05d}.npz")


def calibrate_groups(
    outputs: list[dict[str, np.ndarray]], excerpts: list[Excerpt], _: TranscriberConfig
) -> tuple[object, object]:
    """Stand in for the search of the thresholds, which takes a minute, and look at what it is given."""
    assert [one["onset"].shape[1:] for one in outputs] == [(HEADS, PITCHES)]
    assert len(excerpts) == 1
    return {"": DECODING}, CALIBRATION


@pytest.fixture(scope="module")
def train_for(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """A function (seconds) that trains in one and the same folder for this long and returns the checkpoint."""
    output = tmp_path_factory.mktemp("run")
    for network in ("piano", "general"):
        training_folder, validation_folder = folders_of(output, network)
        for seed, folder in enumerate((training_folder, training_folder, validation_folder)):
            write_render(folder, seed)
    ticks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
        patch.setattr(training, "prepare_renders", lambda *_: None)
        patch.setattr(training, "_keep_freed_memory", lambda: None)  # it would bind the rest of this process
        patch.setattr(training, "calibrate_groups", calibrate_groups)
        for module in (training, material):
            patch.setattr(module, "SEGMENT_FRAMES", FRAMES)

        def train(seconds: float, **options: object) -> Path:
            return training.train(
                Path("no data"), output, minutes=seconds / 60, config=TINY, learning_rate=0.01, **options
            )

        yield train


@pytest.fixture(scope="module")
def stopped_once(train_for) -> Path:
    """The checkpoint of three steps, a stop, and two more; each step and each validation takes a second."""
    train_for(3)
    return train_for(6)


def curve(checkpoint: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (checkpoint.parent / "curve.jsonl").read_text().splitlines()]


def test_training_goes_on_at_the_step_and_the_minute_at_which_it_stopped(stopped_once):
    rows = curve(stopped_once)
    assert [row["step"] for row in rows] == [3, 5]
    assert [row["minutes"] for row in rows] == [pytest.approx(4 / 60, abs=0.01), pytest.approx(7 / 60, abs=0.01)]


def test_training_leaves_a_curve_a_checkpoint_and_what_is_needed_to_go_on(stopped_once):
    names = {path.name for path in stopped_once.parent.iterdir()}
    assert names == {"renders", "transcriber.safetensors", "resume.safetensors", "curve.jsonl", "curve.png"}


def test_the_curve_holds_losses_and_figures(stopped_once):
    row = curve(stopped_once)[0]
    assert set(FIGURES) | {"step", "minutes", "onset", "pedal", "bend", "learning_rate", "gradient"} <= set(row)


def test_a_run_whose_time_is_up_does_nothing_more(stopped_once, train_for):
    before = stopped_once.read_bytes(), curve(stopped_once)
    assert train_for(6) == stopped_once
    assert (stopped_once.read_bytes(), curve(stopped_once)) == before


def test_a_checkpoints_card_holds_the_sizes_the_thresholds_and_the_figures(stopped_once):
    card = read_card(stopped_once)
    assert TranscriberConfig.from_json(json.loads(card["config"])) == TINY
    figures = json.loads(card["figures"])
    assert set(figures) == set(FIGURES)
    assert all(len(values) == HEADS for values in figures.values())
    assert all(0 < threshold < 1 for name in ("onset_threshold", "frame_threshold") for threshold in figures[name])
    assert int(card["step"]) in (3, 5)


def test_a_checkpoints_card_holds_how_each_stream_is_decoded(stopped_once):
    card = read_card(stopped_once)
    assert (json.loads(card["decoding"]), json.loads(card["calibration"])) == ({"": DECODING}, CALIBRATION)


def test_the_network_of_all_instruments_is_a_run_of_its_own_in_the_same_folder(stopped_once, train_for):
    piano = stopped_once.read_bytes()
    general = train_for(2, network="general", start_from=stopped_once)
    assert general.name == "general.safetensors"
    assert stopped_once.read_bytes() == piano
    assert {path.name for path in general.parent.glob("general*")} == {
        "general.safetensors", "general_resume.safetensors", "general_curve.jsonl", "general_curve.png"
    }  # fmt: skip
    learnt, known = load_network(general).heads.weight, load_network(stopped_once).heads.weight
    assert 0 < float((learnt - known).detach().abs().mean()) < 0.01  # two steps later


@pytest.mark.parametrize(("minutes", "hours"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_training_for_no_time_or_on_nothing_is_refused(tmp_path, minutes, hours):
    with pytest.raises(TrainingError, match="there is nothing to do in"):
        training.train(tmp_path, tmp_path / "run", minutes=minutes, hours_of_audio=hours)
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory, noise) -> tuple[TranscriberNetwork, Path]:
    """A network with random weights whose activations swing widely over noise, so that notes abound; its checkpoint."""
    run = new_run(tmp_path_factory.mktemp("talkative"), seed=4)
    network = run.averaged
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(noise(60 * TINY.frame, level=0.3)))
        stacked = torch.stack([logits[name] for name in OUTPUTS])  # (outputs, 1, frames, heads, pitches)
        spread = 0.5 * stacked.std(2).mean((1, 3)).flatten()  # over time: (outputs * heads,)
        spread[spread == 0] = 1.0  # bends do not move before they are learnt
        network.heads.weight /= spread[:, None]
        network.heads.bias -= stacked.mean((1, 2, 4)).flatten()
        network.heads.bias /= spread
    run.offer(FIGURES)
    chosen = {"decoding": json.dumps({"": DECODING}), "calibration": json.dumps(CALIBRATION)}
    write_tensors(run.checkpoint, network.state_dict(), read_card(run.checkpoint) | chosen)
    return network, run.checkpoint


@torch.no_grad()
def test_a_checkpoint_is_loaded_as_the_network_that_was_saved(talkative, noise):
    network, checkpoint = talkative
    audio = torch.from_numpy(noise(20 * TINY.hop))
    loaded, saved = load_network(checkpoint)(audio), network(audio)
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert saved["onset"].shape == (1, 20, HEADS, PITCHES)


@pytest.fixture(scope="module")
def exported(talkative, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    assert export_transcriber(talkative[1], path, {"mine": 0.5}) < 5e-4  # torch to ONNX over 50 hops
    return path


def test_an_exported_file_carries_the_cards_thresholds_and_figures(exported):
    manifest = read_manifest(exported)
    assert manifest.settings["networks"] == {"piano": DECODING}
    assert manifest.quality == {"validation piano onset_f1": 0.8, "validation piano low_recall": 0.5, "mine": 0.5}
    assert [head.look_ahead_ms for head in manifest.heads] == list(TINY.look_ahead_ms)


@pytest.mark.parametrize("stream", ["commit", "live"])
def test_an_exported_file_is_served_and_hears_what_torch_hears(exported, talkative, torch_step, noise, feed, stream):
    audio = noise(48_000, level=0.3)
    served = feed(open_stream(find_model(str(exported)), {"stream": stream}, 48_000), audio, 480)
    manifest = read_manifest(exported)
    step = torch_step(talkative[0], ("audio", "tuning"))
    processor = open_processor(manifest, {"step": step}, manifest.resolve({"stream": stream}))
    in_torch = feed(LiveStream(processor, 48_000), audio, 480)
    one, other = (
        Counter((type(e.event), e.event.pitch, round(e.due / 480)) for e in heard.emissions if notes(e.event))
        for heard in (served, in_torch)
    )
    assert (one & other).total() >= 0.98 * max(one.total(), other.total())  # an activation may lie at the threshold
    kinds = [type(e.event) for e in served.emissions]
    assert kinds.count(NoteOn) == kinds.count(NoteOff) > 20


def notes(event: object) -> bool:
    return isinstance(event, NoteOn | NoteOff)


def test_a_checkpoint_that_is_not_there_is_not_exported(tmp_path):
    for missing in (None, tmp_path / "nothing.safetensors"):
        with pytest.raises(ExportError, match=r"there is no checkpoint .*; `backline train transcriber` makes one"):
            export_transcriber(missing, tmp_path / "tiny.onnx", {})
    assert not any(tmp_path.iterdir())
