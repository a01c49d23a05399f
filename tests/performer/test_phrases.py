"""Single notes become phrases: the written pitches at the written times, loud as their velocities say, cells kept apart."""

from collections.abc import Callable

import numpy as np
import pytest

from models.performer.loudness import levels
from models.performer.phrases import Notes, Sample, in_room, join, prolonged
from models.sound.single_notes import Recording, cut

RATE = 32_000
SOURCE_RATE = 44_100
DYNAMICS = ("piano", "forte")


@pytest.fixture(scope="module")
def samples(bowed: Callable[..., np.ndarray]) -> list[Sample]:
    """Notes of 0.8 s, four semitones apart, in two dynamics 12 dB apart."""
    made = []
    for pitch in range(60, 81, 4):
        for dynamic, level in zip(DYNAMICS, (0.25, 1.0), strict=True):
            audio = level * bowed(np.array([(0.05, 0.85, pitch, 80.0)]), 1.1, SOURCE_RATE)
            note = cut(audio, SOURCE_RATE, pitch, 0.5)
            made.append(
                Sample(note, 20 * np.log10(0.1 * np.abs(audio).max() / np.abs(note.audio).max()), (pitch, dynamic))
            )
    return made


def source() -> np.ndarray:
    onsets = 0.3 * np.arange(40)
    pitches = 60 + np.cumsum(np.random.default_rng(0).integers(-4, 5, 40)) % 17
    return np.stack([onsets, onsets + 0.28, pitches, np.linspace(40, 110, 40)], 1)


def test_a_phrase_has_the_pitches_that_its_notes_say(samples: list[Sample]) -> None:
    phrase = join(source(), Notes(samples), 8.0, RATE, np.random.default_rng(3))
    assert phrase.audio.dtype == np.float32
    assert 8.0 <= len(phrase.audio) / RATE <= 10.0
    assert np.abs(phrase.audio).max() <= 1
    assert len(phrase.notes) > 10
    assert (np.diff(phrase.notes[:, 0]) > 0).all()
    assert phrase.notes[:, 2].min() >= 60
    assert phrase.notes[:, 2].max() <= 80
    assert phrase.notes[:, 3].min() >= 20
    assert phrase.notes[:, 3].max() <= 120
    sounding = (phrase.notes[:, 1] - phrase.notes[:, 0]).sum() / 0.008
    assert len(phrase.f0) > 0.7 * sounding
    assert np.abs(np.median(phrase.f0[:, 2])) < 0.05


def test_a_phrase_is_the_same_again_from_the_same_seed(samples: list[Sample]) -> None:
    first, second = (join(source(), Notes(samples), 4.0, RATE, np.random.default_rng(9)) for _ in range(2))
    assert (first.audio == second.audio).all()
    assert (first.notes == second.notes).all()


def test_velocity_is_loudness(samples: list[Sample]) -> None:
    phrase = join(source(), Notes(samples), 10.0, RATE, np.random.default_rng(4))
    loudness = levels(phrase.audio, RATE, phrase.notes)
    assert np.corrcoef(loudness, phrase.notes[:, 3])[0, 1] > 0.85


def test_cells_left_out_are_not_played_and_cells_put_first_are(samples: list[Sample]) -> None:
    apart = [(68, "piano")]
    rng = np.random.default_rng(0)
    heard = {Notes(samples, without=apart).choose(68, v, 0.5, rng).cell for v in range(20, 121, 5)}  # type: ignore[union-attr]
    assert heard == {(68, "forte")}  # the others are too far away
    heard = {Notes(samples, first=apart).choose(68, v, 0.5, rng).cell for v in range(20, 60, 5)}  # type: ignore[union-attr]
    assert heard == {(68, "piano")}
    assert Notes(samples).choose(40, 80, 0.5, rng) is None
    with pytest.raises(FileNotFoundError, match="no recorded notes to join"):
        Notes(samples, without=[(sample.cell) for sample in samples])


@pytest.mark.parametrize(("steps", "seconds", "slurred"), [(-2.0, 0.1, False), (0.5, 0.6, True), (2.0, 3.0, False)])
def test_a_note_lasts_as_long_as_it_is_written_at_its_pitch(
    samples: list[Sample], steps: float, seconds: float, slurred: bool
) -> None:
    note: Recording = samples[5].recording
    sound = prolonged(note, steps, seconds, slurred, RATE, np.random.default_rng(1))
    assert len(sound) >= seconds * RATE
    held = sound[: round(seconds * RATE)]
    blocks = np.sqrt(np.mean(held[: len(held) // 1600 * 1600].reshape(-1, 1600) ** 2, 1))
    assert blocks[1:].min(initial=blocks.max()) > 0.4 * blocks.max()  # no hole where it was prolonged
    spectrum = np.abs(np.fft.rfft(held * np.hanning(len(held)), 1 << 18))
    expected = 440 * 2 ** ((note.pitch + steps - 69) / 12)
    assert np.argmax(spectrum) * RATE / (1 << 18) == pytest.approx(expected, rel=0.01)


def test_a_room_leaves_the_direct_sound_and_rings() -> None:
    click = np.zeros(2 * RATE, np.float32)
    click[100] = 1
    ringing = in_room(click, RATE, np.random.default_rng(2))
    assert ringing[100] == pytest.approx(1, abs=1e-5)
    assert np.abs(ringing[:100]).max() < 1e-5
    assert 10 * np.log10(np.sum(ringing[101:] ** 2)) == pytest.approx(-9.5, abs=5)
    assert np.sum(ringing[RATE // 10 : RATE // 5] ** 2) > 100 * np.sum(ringing[RATE:] ** 2)
