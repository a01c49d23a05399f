"""The translator that ships, listening: notes of made-up tones, when they leave, and nothing where nothing is played."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from models.block import Block
from models.events import Event, NoteOff, NoteOn
from models.manifest import Manifest
from models.sound.speech import talk
from models.step import Step
from models.translator.config import GROUPS
from models.translator.listening import Listening
from models.translator.processor import TranslatorProcessor

RATE, HOP = 32_000, 256
Open = Callable[..., Listening]


@pytest.fixture
def opened(manifest: Manifest, steps: dict[str, Step]) -> Open:
    """A function (**settings) -> a new listener."""

    def make(**settings: str | float) -> Listening:
        values = manifest.resolve({"direction": "listen", **settings})
        processor = TranslatorProcessor(manifest.facing(values), steps, values)
        assert isinstance(processor, Listening)
        return processor

    return make


def run(processor: Listening, audio: np.ndarray) -> list[Event]:
    events: list[Event] = []
    for start in range(0, len(audio) - HOP + 1, HOP):
        events += processor.process(Block(start, audio[None, start : start + HOP])).events
    return events + list(processor.flush().events)


def scene(tone: Callable[..., np.ndarray], *notes: tuple[float, float, int], seconds: float = 2.0) -> np.ndarray:
    """Tones (onset, offset, pitch), seconds."""
    audio = np.zeros(round(seconds * RATE), np.float32)
    for onset, offset, pitch in notes:
        sound = tone(pitch, offset - onset, level=0.05)
        sound[-640:] *= np.linspace(1, 0, 640, dtype=np.float32)
        audio[round(onset * RATE) : round(onset * RATE) + len(sound)] += sound
    return audio


def test_notes_are_heard_at_their_places_with_their_pitches(opened, tone):
    asked = [(0.3, 0.7, 60), (0.8, 1.2, 64), (1.3, 1.8, 67)]
    events = run(opened(), scene(tone, *asked))
    notes = [event for event in events if isinstance(event, NoteOn)]
    assert [note.pitch for note in notes] == [60, 64, 67]
    assert [note.sample / RATE for note in notes] == pytest.approx([onset for onset, *_ in asked], abs=0.05)
    assert all(1 <= note.velocity <= 127 for note in notes)
    ends = [event.sample / RATE for event in events if isinstance(event, NoteOff)]
    assert ends == pytest.approx([offset for _, offset, _ in asked], abs=0.15)


def test_a_live_note_leaves_at_the_end_of_a_hop_sooner_than_a_committed_one(opened, tone):
    audio, left = scene(tone, (0.3, 0.9, 67)), {}
    for kind in ("live", "commit"):
        processor = opened(stream=kind)
        for start in range(0, len(audio), HOP):
            events = processor.process(Block(start, audio[None, start : start + HOP])).events
            if any(isinstance(event, NoteOn) for event in events):
                left[kind] = start + HOP
                assert kind == "commit" or events[0].sample == start + HOP - 1
                break
    assert left["live"] <= left["commit"]
    assert left["live"] / RATE < 0.3 + 0.1


@pytest.mark.parametrize("kind", ["live", "commit"])
def test_speech_noise_and_silence_are_no_notes(opened, kind):
    rng = np.random.default_rng(5)
    for sound in (0.3 * talk(2 * RATE, RATE, rng), 0.03 * rng.standard_normal(2 * RATE), np.zeros(RATE)):
        heard = run(opened(stream=kind), sound.astype(np.float32))
        assert sum(isinstance(event, NoteOn) for event in heard) <= 1


def test_what_is_shown_are_probabilities(opened, tone):
    processor, audio = opened(), scene(tone, (0.1, 0.9, 60))
    for start in range(0, RATE // 2, HOP):
        shown = processor.process(Block(start, audio[None, start : start + HOP])).magnitude
    slots = shown.reshape(3, -1)
    assert ((slots >= 0) & (slots <= 1)).all()
    at = np.cumsum([1, *GROUPS.values()])
    for first, last in pairwise(at):
        assert slots[:, first:last].sum(1) == pytest.approx(1, abs=1e-4)
    surest = slots[slots[:, 0].argmax()]
    assert surest[at[1] : at[2]].argmax() == 0, "a C"


def test_parameters_move_what_is_sent(opened, tone):
    audio = scene(tone, (0.3, 0.9, 67))
    moved = [e for e in run(opened(transpose=12, channel=3), audio) if isinstance(e, NoteOn)]
    assert [(note.pitch, note.channel) for note in moved] == [(79, 2)]
    assert not run(opened(gate_db=0.0), audio)
    assert not run(opened(lowest=70), audio)
    assert not run(opened(highest=60), audio)
    processor = opened()
    processor.set("gate_db", 0.0)
    assert not run(processor, audio)
    with pytest.raises(KeyError):
        processor.set("stream", "live")


def test_a_transposed_note_ends_as_what_it_began(opened, tone):
    audio, processor = scene(tone, (0.2, 1.2, 67)), opened()
    first = [e for s in range(0, RATE, HOP) for e in processor.process(Block(s, audio[None, s : s + HOP])).events]
    processor.set("transpose", 5.0)
    owed = processor.flush().events
    assert [(e.pitch, type(e)) for e in (*first, *owed)] == [(67, NoteOn), (67, NoteOff)]


def test_no_number_and_full_scale_do_no_harm(opened, tone):
    audio = scene(tone, (0.6, 1.2, 67))
    audio[: RATE // 4] = np.nan
    audio[RATE // 4 : RATE // 3] = 1e9
    pitches = [event.pitch for event in run(opened(), audio) if isinstance(event, NoteOn)]
    assert 67 in pitches
