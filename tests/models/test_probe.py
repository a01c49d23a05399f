"""The probe alone, hop by hop, over a step made of plain NumPy."""

import numpy as np
import pytest

from models.block import Block
from models.events import ControlChange, NoteOff, NoteOn
from models.manifest import GraphSpec, TensorSpec
from models.probe.manifest import probe_manifest
from models.probe.processor import NOTE_LENGTH, PEAK_REACH, REFRACTORY, ProbeProcessor

HOP, TAIL = 128, 64


class DelayLine:
    """What the probe's network does, in NumPy."""

    def initial_state(self):
        return {"audio": np.zeros((1, TAIL), np.float32), "pulses": np.zeros((1, TAIL), np.float32)}

    def __call__(self, inputs, state):
        heard = np.concatenate([state["audio"], inputs["audio"]], axis=1)
        played = np.concatenate([state["pulses"], inputs["pulses"]], axis=1)
        return {"heard": heard[:, :HOP], "played": played[:, :HOP]}, {
            "audio": heard[:, HOP:],
            "pulses": played[:, HOP:],
        }


def new_probe(stream: str = "commit") -> ProbeProcessor:
    sizes, tails = (
        (TensorSpec(n, (HOP,)) for n in ("audio", "pulses")),
        (TensorSpec(n, (TAIL,)) for n in ("audio", "pulses")),
    )
    outputs = (TensorSpec("heard", (HOP,)), TensorSpec("played", (HOP,)))
    manifest = probe_manifest(GraphSpec("step", "hop", tuple(sizes), outputs, tuple(tails)), HOP, TAIL)
    return ProbeProcessor(manifest, {"step": DelayLine()}, manifest.resolve({"stream": stream}))


def run(probe, audio, events=()):
    """Return (events, audio placed by its own start) of whole hops."""
    found, played = [], np.zeros(audio.size + HOP)
    for start in range(0, audio.size, HOP):
        due = tuple(e for e in events if start <= e.sample < start + HOP)
        result = probe.process(Block(start, audio[None, start : start + HOP], due))
        found += result.events
        first = max(0, result.start)
        played[first : result.end] = result.samples[0, first - result.start :]
    return found, played


@pytest.mark.parametrize("place", [0, 1, 127, 128, 500, 1023])
@pytest.mark.parametrize("level", [0.11, 1.0, -0.7])
def test_an_impulse_is_a_note_at_its_sample_as_loud_as_it_is_high(place, level):
    audio = np.zeros(16 * HOP, np.float32)
    audio[place] = level
    events, _ = run(new_probe(), audio)
    assert events == [NoteOn(place, 60, round(127 * abs(level))), NoteOff(place + NOTE_LENGTH, 60)]


def test_what_is_too_soft_is_no_impulse():
    audio = np.zeros(8 * HOP, np.float32)
    audio[300] = 0.09
    assert run(new_probe(), audio)[0] == []


def test_of_two_impulses_within_the_rest_only_the_first_is_a_note():
    audio = np.zeros(16 * HOP, np.float32)
    audio[[200, 200 + REFRACTORY - 1, 200 + 2 * REFRACTORY]] = 0.9
    assert [e.sample for e in run(new_probe(), audio)[0] if isinstance(e, NoteOn)] == [200, 200 + 2 * REFRACTORY]


@pytest.mark.parametrize("between", [0.0, 0.25, 0.5, 0.8])
def test_an_impulse_between_two_samples_is_placed_between_them(between):
    place, index = 700 + between, np.arange(16 * HOP)
    audio = (0.9 * np.sinc(index - place) * np.exp(-(((index - place) / 20) ** 2))).astype(np.float32)
    [note, _] = run(new_probe(), audio)[0]
    assert note.sample == pytest.approx(place, abs=0.115)  # measured 0.108 at 0.25


@pytest.mark.parametrize("place", [PEAK_REACH, 127, 128, 333.0, 700.5])
def test_a_note_is_an_impulse_at_its_sample(place):
    _, played = run(new_probe(), np.zeros(16 * HOP, np.float32), [NoteOn(place, 60, 100)])
    top = played.max()
    assert np.argmax(played) in (int(place), int(np.ceil(place)))
    assert top == pytest.approx(1.0 if place == int(place) else 2 / np.pi, abs=1e-3)


def test_only_note_ons_make_impulses():
    _, played = run(new_probe(), np.zeros(8 * HOP, np.float32), [NoteOff(100, 60), ControlChange(200, 1, 127)])
    assert not played.any()


def test_a_live_probe_answers_with_the_last_sample_of_the_hop_that_made_it_sure():
    audio = np.zeros(8 * HOP, np.float32)
    audio[200] = 0.9
    [note, off] = run(new_probe("live"), audio)[0]
    assert note.sample == (200 + TAIL + PEAK_REACH) // HOP * HOP + HOP - 1
    assert off.sample == note.sample + NOTE_LENGTH


def test_reset_forgets_an_impulse_on_its_way():
    probe, audio = new_probe(), np.zeros(4 * HOP, np.float32)
    audio[HOP - 1] = 0.9
    probe.process(Block(0, audio[None, :HOP], (NoteOn(100, 60, 1),)))
    probe.reset()
    events, played = run(probe, np.zeros(8 * HOP, np.float32))
    assert events == []
    assert not played.any()


def test_the_probe_has_nothing_to_set():
    with pytest.raises(KeyError):
        new_probe().set("gain", 1.0)
