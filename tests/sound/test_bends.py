"""What bends is heard as it is written: vibrato, slides and bends, through the pitch wheel and through an oscillator."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.sound.bends import with_bends
from models.sound.oscillator import OSCILLATOR_RATE, SHAPES, play_oscillator
from models.sound.performance import Performance
from models.sound.soundfont import RENDER_RATE, play_soundfont

SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
fluidsynth = (
    pytest.mark.fluidsynth,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed"),
    pytest.mark.skipif(not SOUND_FONT.exists(), reason="TimGM6mb.sf2 (timgm6mb-soundfont) is not installed"),
)
BEND = [(0, 0), (0.5, 0), (1.0, 1.5), (1.5, 1.5), (2.0, -1.0), (3.0, -1.0)]


@pytest.fixture
def line(performance) -> Performance:
    """Twenty notes of 0.9 s with rests between some."""
    return performance([(k, k + (0.9 if k % 3 else 0.99), 60 + k % 5, 80) for k in range(20)])


def semitones(audio: np.ndarray, rate: int, at: float, pitch: float) -> float:
    """Measure how far the strongest partial near `pitch` is away from it, in 60 ms around `at`."""
    first = round((at - 0.03) * rate)
    piece = audio[first : first + round(0.06 * rate)]
    spectrum = np.log(np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 8 * len(piece))) + 1e-12)
    step = rate / 8 / len(piece)
    low, high = (int(440 * 2 ** ((pitch + k - 69) / 12) / step) for k in (-3, 3))
    peak = low + int(np.argmax(spectrum[low:high]))
    left, middle, right = spectrum[peak - 1 : peak + 2]
    frequency = step * (peak + 0.5 * (left - right) / (left - 2 * middle + right))
    return 69 + 12 * np.log2(frequency / 440) - pitch


def assert_heard(audio: np.ndarray, rate: int, pitch: float, cents: float) -> None:
    for at in (0.3, 0.6, 0.75, 0.9, 1.3, 1.6, 1.75, 1.9, 2.5):
        written = np.interp(at, *np.array(BEND, float).T)
        assert 100 * semitones(audio, rate, at, pitch) == pytest.approx(100 * written, abs=cents), at


@pytest.mark.parametrize("shape", [*SHAPES, "voice"])
def test_an_oscillator_bends_as_written(shape):
    for seed in range(4):
        played = Performance(np.array([(0.1, 2.9, 76, 100)], float), np.zeros((0, 2)), np.array(BEND, float))
        audio = play_oscillator(played, 3.0, np.random.default_rng(seed), shape)
        assert_heard(audio, OSCILLATOR_RATE, 76, 0.5)  # cents; measured 0.03


def test_an_oscillator_begins_where_the_label_says(begins_at):
    for seed in range(10):
        played = Performance(np.array([(0.5, 0.9, 69, 100)], float), np.zeros((0, 2)))
        audio = play_oscillator(played, 1.5, np.random.default_rng(seed))
        assert not audio[: round(0.5 * OSCILLATOR_RATE)].any()
        assert (
            begins_at(audio, OSCILLATOR_RATE, 0.5, 0.1) - 0.5 <= 0.008
        )  # a tenth of the slowest attack; measured 5 ms


@pytest.mark.parametrize("program", [pytest.param(program, marks=fluidsynth) for program in (24, 73, 79)])
def test_a_sound_font_bends_as_written(program):
    played = Performance(np.array([(0.1, 2.9, 76, 100)], float), np.zeros((0, 2)), np.array(BEND, float))
    audio = play_soundfont(played, SOUND_FONT, program, 3.0)
    straight = play_soundfont(Performance(played.notes, played.pedal), SOUND_FONT, program, 3.0)
    tuning = semitones(straight, RENDER_RATE, 1.0, 76)
    assert_heard(audio, RENDER_RATE, 76 + tuning, 10)  # cents; measured 6.2, 2.2 for all but the flute


@pytest.mark.parametrize("upward", [True, False])
def test_bends_stay_within_the_wheel_and_are_written_in_its_steps(line, upward):
    for seed in range(30):
        bend = with_bends(line, np.random.default_rng(seed), upward=upward).bend
        assert (np.diff(bend[:, 0]) > 0).all()
        assert np.abs(bend[:, 1]).max(initial=0) <= 2
        assert np.allclose(bend[:, 1] * 4096, np.round(bend[:, 1] * 4096))


def test_every_note_without_expression_is_in_tune_and_some_bend(line):
    moved = [np.ptp(with_bends(line, np.random.default_rng(seed), upward=False).bend[:, 1]) for seed in range(30)]
    assert np.median(moved) > 0.1
    straight = Performance(np.array([(0.1, 0.15, 60, 80), (0.3, 0.35, 62, 80)]), np.zeros((0, 2)))
    for seed in range(20):  # notes of 50 ms are too short for anything
        assert not len(with_bends(straight, np.random.default_rng(seed), upward=False).bend)


def test_a_vibrato_starts_late_and_is_4_to_7_hz_and_at_most_60_cents_and_some(performance):
    alone = performance([(0.0, 4.0, 60, 80)])
    rates = []
    for seed in range(60):
        bend = with_bends(alone, np.random.default_rng(seed), upward=False).bend
        if not len(bend) or bend[0, 0] < 0.07 or np.abs(bend[:, 1]).max() > 0.75:
            continue  # it slides or bends as well
        middle = bend[(bend[:, 0] > 1) & (bend[:, 0] < 3)]
        rates.append(np.sum(np.diff(np.signbit(middle[:, 1]).astype(int)) != 0) / 2 / 2)
    assert len(rates) > 10
    assert min(rates) >= 3.5
    assert max(rates) <= 7.75


def test_a_seed_is_a_bend(line):
    one, same, other = (with_bends(line, np.random.default_rng(seed), upward=True).bend for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
