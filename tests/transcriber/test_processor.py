"""The transcriber's processor over a step made by hand: which parameter does what, and when what is known leaves."""

from collections.abc import Callable

import numpy as np
import pytest

from models.block import Block
from models.events import ControlChange, Event, NoteOff, NoteOn
from models.manifest import GraphSpec, Manifest
from models.step import Tensors
from models.transcriber.config import TranscriberConfig
from models.transcriber.manifest import instruments_of, transcriber_manifest
from models.transcriber.processor import TranscriberProcessor
from models.transcriber.targets import Score
from models.transcriber.tuning import tuning_taps

CONFIG = TranscriberConfig()
HOPS = 150
HOLD = 512
NOTES = np.array([(3_012, 9_000, 60, 90), (4_100, 8_000, 64, 40), (12_345, 14_000, 60, 100)], float)
PEDAL = np.array([(5_000.0, 11_000.0)])


def manifest() -> Manifest:
    """A transcriber of two networks, whose live streams let each head up to their own vote."""
    streams: dict[str, dict[str, object]] = {"commit": {}, "live": {}}
    for head, ms in enumerate(CONFIG.look_ahead_ms):
        own = {"frame_head": head, "frame": 0.5, "pedal": 0.5}
        one, all_of_them = {str(head): 0.5}, {str(h): 0.5 for h in range(head + 1)}
        streams["commit"][f"{ms:g}"] = own | {"onset": one, "low_onset": one}
        live = {"onset": all_of_them, "low_onset": all_of_them, "hold": HOLD, "live_delay": HOLD + 1}
        streams["live"][f"{ms:g}"] = own | live
    networks = {"piano": streams, "general": streams}
    settings = {"networks": networks, "instruments": instruments_of({name: {} for name in networks})}
    return transcriber_manifest(GraphSpec("step", "hop", (), ()), CONFIG, settings, {})


class Told:
    """A step that says what it is told, hop after hop, and keeps what it was asked."""

    def __init__(self, outputs: Tensors) -> None:
        self._outputs, self.asked = outputs, []

    def initial_state(self) -> Tensors:
        return {"hop": np.zeros(1)}

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        self.asked.append(inputs)
        hop = int(state["hop"][0])
        return {name: value[None, min(hop, HOPS - 1)] for name, value in self._outputs.items()}, {
            "hop": state["hop"] + 1
        }


@pytest.fixture
def opened(told) -> Callable[..., tuple[TranscriberProcessor, Told]]:
    """A function (settings...) -> a processor of a network that knows NOTES and PEDAL, and its step."""

    def make(**settings: str | float) -> tuple[TranscriberProcessor, Told]:
        step = Told(told(Score(NOTES, PEDAL, np.zeros((0, 2))), HOPS))
        own = manifest()
        return TranscriberProcessor(own, {"step": step}, own.resolve(settings)), step

    return make


def run(processor: TranscriberProcessor, level: float = 0.5, hops: int = HOPS) -> list[Event]:
    events: list[Event] = []
    for start in range(0, hops * CONFIG.hop, CONFIG.hop):
        events += processor.process(Block(start, np.full((1, CONFIG.hop), level, np.float32))).events
    return events + list(processor.flush().events)


def onsets(events: list[Event]) -> list[tuple[float, int]]:
    return [(round(event.sample, 1), event.pitch) for event in events if isinstance(event, NoteOn)]


PLAYED = [(float(onset), int(pitch)) for onset, _, pitch, _ in NOTES]


@pytest.mark.parametrize("look_ahead_ms", ["auto", 0, 10, 40, 160])
def test_a_commit_stream_says_what_is_played_at_its_place(opened, look_ahead_ms):
    processor, _ = opened(look_ahead_ms=look_ahead_ms)
    assert onsets(run(processor)) == PLAYED


def test_auto_waits_160_ms_for_a_clip_and_40_for_an_ear(opened):
    before = 2 * CONFIG.frame - CONFIG.hop
    assert opened()[0].spec.look_ahead == 2560 + before
    live = opened(stream="live")[0].spec
    assert (live.look_ahead, live.live_delay) == (640 + before, HOLD + 1)


def test_a_live_note_leaves_by_the_early_heads_a_constant_time_after_its_place(opened):
    assert onsets(run(opened(stream="live")[0])) == [(onset + HOLD, pitch) for onset, pitch in PLAYED]


def test_the_pedal_is_a_pianos_and_may_be_left_out(opened):
    def pedals(**settings: str) -> list[int]:
        return [event.value for event in run(opened(**settings)[0]) if isinstance(event, ControlChange)]

    assert pedals() == [127, 0]
    assert pedals(pedal="off") == pedals(instrument="guitar") == []


def test_an_instrument_of_single_notes_ends_one_before_the_next(opened):
    events = run(opened(instrument="bass")[0])
    assert onsets(events) == PLAYED
    assert NoteOff(4_100.0, 60) in [type(e)(round(e.sample, 1), e.pitch) for e in events if isinstance(e, NoteOff)]


def test_no_note_starts_below_the_gate(opened):
    assert onsets(run(opened(gate_db=-20)[0], level=0.09)) == []
    assert onsets(run(opened(gate_db=-20)[0], level=0.11)) == PLAYED


def test_transposition_and_channel_are_those_of_the_parameters_and_change_while_it_runs(opened):
    processor, _ = opened(transpose=-12, channel=4)
    assert {(e.pitch, e.channel) for e in run(processor) if isinstance(e, NoteOn)} == {(48, 3), (52, 3)}
    processor.reset()
    processor.set("transpose", 0.0)
    processor.set("channel", 1.0)
    assert {(e.pitch, e.channel) for e in run(processor) if isinstance(e, NoteOn)} == {(60, 0), (64, 0)}


@pytest.mark.parametrize(("tuning_hz", "semitones"), [(440.0, 0.0), (446.0, 0.2345), (415.3, -1.0)])
def test_a_given_tuning_reaches_the_network_as_features_weigh_it(opened, tuning_hz, semitones):
    processor, step = opened(tuning_hz=tuning_hz)
    run(processor, hops=2)
    assert step.asked[-1]["tuning"] == pytest.approx(tuning_taps(semitones, CONFIG.bins_per_semitone)[None], abs=1e-3)


def test_a_tuning_of_zero_is_found_from_what_is_played(opened):
    processor, step = opened(tuning_hz=0)
    audio = 0.3 * np.sin(2 * np.pi * 446 * np.arange(4 * CONFIG.sample_rate) / CONFIG.sample_rate).astype(np.float32)
    for start in range(0, len(audio), CONFIG.hop):
        processor.process(Block(start, audio[None, start : start + CONFIG.hop]))
    assert step.asked[0]["tuning"].tolist() == [[0, 0, 1, 0, 0]], "not yet known"
    found = tuning_taps(12 * np.log2(446 / 440), CONFIG.bins_per_semitone)
    assert step.asked[-1]["tuning"] == pytest.approx(found[None], abs=0.1)


def test_what_is_fixed_or_unknown_cannot_be_set(opened):
    for name in ("look_ahead_ms", "stream", "instrument", "volume"):
        with pytest.raises(KeyError):
            opened()[0].set(name, 1.0)


def test_reset_forgets_what_was_heard_and_keeps_what_was_set(opened):
    processor, _ = opened()
    processor.set("lowest", 62.0)
    once = run(processor)
    processor.reset()
    assert run(processor) == once
    assert onsets(once) == PLAYED[1:2]
