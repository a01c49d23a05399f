"""The translator that ships, playing: what notes and parameters do to its sound, measured in the sound."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from models.block import Block
from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend
from models.manifest import Manifest
from models.step import Step
from models.translator.playing import Playing
from models.translator.processor import TranslatorProcessor

RATE, HOP = 32_000, 256
A4 = (NoteOn(1000, 69, 80), NoteOff(25_000, 69))
STEADY = slice(8_000, 24_000)  # of A4
Open = Callable[..., Playing]


@pytest.fixture
def opened(manifest: Manifest, steps: dict[str, Step]) -> Open:
    """A function (**settings) -> a new player."""

    def make(**settings: str | float) -> Playing:
        values = manifest.resolve({"direction": "play", **settings})
        processor = TranslatorProcessor(manifest.facing(values), steps, values)
        assert isinstance(processor, Playing)
        return processor

    return make


def run(
    processor: Playing,
    events: Sequence[Event] = A4,
    length: int = 32_000,
    turns: Sequence[tuple[int, str, float | str]] = (),
) -> np.ndarray:
    """(samples,): what it plays; turns: (sample, name, value) of parameters."""
    parts = []
    for start in range(0, length, HOP):
        for _, name, value in (turn for turn in turns if start <= turn[0] < start + HOP):
            processor.set(name, value)
        inside = tuple(event for event in events if start <= event.sample < start + HOP)
        parts.append(processor.process(Block(start, np.zeros((0, HOP), np.float32), inside)).samples[0])
    return np.concatenate(parts)


def power_at(audio: np.ndarray, hertz: float) -> float:
    """Level in dB of the loudest bin within 3 % of a frequency."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) * 4 / len(audio)
    bins = np.fft.rfftfreq(len(audio), 1 / RATE)
    return float(20 * np.log10(spectrum[np.abs(bins / hertz - 1) < 0.03].max() + 1e-12))


def brightness(audio: np.ndarray) -> float:
    """The middle of the spectrum's power in Hz."""
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    return float((spectrum * np.fft.rfftfreq(len(audio), 1 / RATE)).sum() / spectrum.sum())


@pytest.mark.parametrize("instrument", ["violin", "cello", "flute", "saxophone", "trumpet", "french_horn", "piano"])
@pytest.mark.parametrize("pitch", [60, 72])
def test_a_note_has_its_pitch(opened, instrument, pitch):
    audio = run(opened(instrument=instrument), (NoteOn(1000, pitch, 90), NoteOff(25_000, pitch)))[STEADY]
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    partials = [power_at(audio, number * hertz) for number in (1, 2, 3)]
    beside = [power_at(audio, hertz * 2 ** (steps / 12)) for steps in (-6, 6)]
    assert max(partials) > max(beside) + 15


def test_it_begins_at_its_sample_and_rings_out(opened):
    audio = run(opened(), length=64_000)
    assert np.abs(audio[:960]).max() < 1e-8  # what is taken out of the hop and put back rounds
    assert np.abs(audio[1000:1300]).max() > 0
    assert np.abs(audio[50_000:]).max() < 1e-4
    assert np.abs(audio[STEADY]).max() > 1e-3


def test_harder_is_louder_and_brighter(opened):
    soft, loud = (
        run(opened(instrument="trumpet"), (NoteOn(1000, 67, v), NoteOff(25_000, 67)))[STEADY] for v in (30, 118)
    )
    assert np.sqrt(np.mean(loud**2)) > 2 * np.sqrt(np.mean(soft**2))
    assert brightness(loud) > brightness(soft)


def test_a_morph_ends_as_the_other_instrument(opened):
    flute, violin = (run(opened(instrument=name))[STEADY] for name in ("flute", "violin"))
    whole = run(opened(instrument="flute", morph=1.0, morph_instrument="violin"))[STEADY]
    half = run(opened(instrument="flute", morph=0.5, morph_instrument="violin"))[STEADY]

    def shape(audio: np.ndarray) -> np.ndarray:
        return np.array([power_at(audio, 440 * number) for number in range(1, 11)])

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.sqrt(np.mean((shape(one) - shape(other)) ** 2)))

    assert apart(whole, violin) < 0.1
    assert apart(flute, violin) > 3
    assert apart(half, violin) < apart(flute, violin)
    assert apart(half, flute) > 0.5


@pytest.mark.parametrize(
    "turn",
    [
        ("morph", 1.0),
        ("map_x", 1.5),
        ("instrument", "violin"),
        ("morph_instrument", "piano"),
        ("dynamics", 1.0),
        ("map", 1.0),
    ],
)
def test_no_turn_of_a_knob_clicks(opened, turn):
    """Nothing above 8 kHz that the sound before and after has not: a click has as much there as anywhere."""
    settings = {
        "instrument": "flute",
        "morph_instrument": "french_horn",
        "morph": 0.5 if turn[0] == "morph_instrument" else 0.0,
    }
    settings |= {"map": 1.0} if turn[0] == "map_x" else {}
    held = (NoteOn(1000, 69, 80),)
    turned = run(opened(**settings), held, 40_000, [(20_000, *turn)])
    assert np.abs(turned).max() < 1
    high = np.abs(np.diff(turned, 4))  # what is highest, most
    around, elsewhere = high[19_000:23_000].max(), max(high[10_000:19_000].max(), high[26_000:].max())
    assert around < 2.5 * elsewhere
    still = run(opened(**settings), held, 40_000)
    assert not np.allclose(turned[30_000:], still[30_000:], atol=1e-5), "the knob does nothing"


def test_the_map_moves_the_sound_and_not_the_pitch(opened):
    places = [(-1.0, -1.0), (1.0, 1.0), (1.0, -1.0)]
    sounds = [run(opened(map=1.0, map_x=x, map_y=y))[STEADY] for x, y in places]
    shapes = [np.array([power_at(sound, 440 * number) for number in range(1, 8)]) for sound in sounds]
    assert np.abs(shapes[0] - shapes[1]).max() > 1
    assert np.abs(shapes[1] - shapes[2]).max() > 1
    for sound in sounds:
        assert max(power_at(sound, 440 * n) for n in (1, 2, 3)) > power_at(sound, 440 * 2**0.5) + 15


def test_wheel_pedal_and_expression_are_followed(opened):
    bent = run(opened(), (NoteOn(1000, 69, 80), PitchBend(1000, 4096), NoteOff(25_000, 69)))[STEADY]
    assert power_at(bent, 440 * 2 ** (1 / 12)) > power_at(bent, 440 / 2 ** (1 / 12)) + 20
    held = run(opened(), (ControlChange(500, 64, 127), *A4), 40_000)
    assert np.abs(held[32_000:]).max() > 0.1 * np.abs(held[STEADY]).max()
    soft = run(opened(), (ControlChange(500, 11, 20), *A4))[STEADY]
    assert np.abs(soft).max() < np.abs(run(opened())[STEADY]).max()


def test_reset_is_a_new_one_and_gain_is_a_factor(opened):
    processor = opened(gain_db=-6.0)
    first = run(processor)
    processor.reset()
    assert np.array_equal(run(processor), first)
    assert np.abs(first[STEADY]).max() == pytest.approx(10 ** (-6 / 20) * np.abs(run(opened())[STEADY]).max(), rel=0.01)


def test_eight_notes_and_a_ninth(opened):
    chord = tuple(NoteOn(1000 + 10 * n, 50 + 3 * n, 70) for n in range(9))
    audio = run(opened(instrument="piano"), chord)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() > 1e-3


def test_flush_ends_what_rings(opened):
    processor = opened()
    run(processor, (NoteOn(1000, 69, 80),), 16_000)
    owed = processor.flush()
    assert owed.samples.shape[1] > 0.3 * RATE
    assert np.abs(owed.samples[0, -HOP:]).max() < 1e-4


def test_only_what_may_change_changes(opened):
    processor = opened()
    with pytest.raises(KeyError):
        processor.set("direction", "listen")
    with pytest.raises(ValueError, match="allowed: violin"):
        processor.set("instrument", "kazoo")
