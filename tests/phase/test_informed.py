"""What the score says is what sounds: partials to the sample, noise with the spectrum asked for."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.phase.frames import Frames
from models.phase.informed import Informed, WhiteNoise
from models.phase.oscillators import Oscillators
from models.phase.stream import Hint, run

SAMPLE_RATE = 32_000
FRAMES = Frames()
NOTHING = Hint(np.zeros(0), np.zeros(0), np.zeros(0))


def bowed(seconds: float, fundamental: float, vibrato_cents: float, attack: float) -> tuple[np.ndarray, list[Hint]]:
    """Return an additive sound (samples,) and the hints of its frames."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    frequency = fundamental * 2 ** (vibrato_cents / 1200 * np.sin(2 * np.pi * 5.5 * time))
    cycles = np.cumsum(frequency) / SAMPLE_RATE
    level = np.clip((time - 0.3) / attack, 0, 1)
    harmonics = np.arange(1, 1 + min(20, int(0.95 * SAMPLE_RATE / 2 / fundamental)))
    amplitudes = harmonics**-1.2
    sound = level * sum(a * np.cos(2 * np.pi * h * cycles) for h, a in zip(harmonics, amplitudes, strict=True))
    centres = FRAMES.hop * np.arange(FRAMES.count(len(time))) + FRAMES.n_fft // 2
    return sound, [Hint(harmonics * frequency[c], amplitudes * level[c], harmonics * cycles[c]) for c in centres]


def error_db(samples: np.ndarray, reference: np.ndarray) -> float:
    """Return the power of the difference relative to the reference."""
    return float(10 * np.log10(np.sum((samples - reference) ** 2) / np.sum(reference**2)))


@pytest.mark.parametrize(
    ("reach", "vibrato_cents", "attack", "below_db"),
    [(1024, 0, 0.1, -45), (512, 0, 0.1, -50), (256, 0, 0.1, -50), (256, 15, 0.05, -40), (256, 0, 0.02, -43)],
)
@pytest.mark.parametrize("fundamental", [196.0, 440.0])
def test_an_additive_sound_is_reproduced(fundamental, reach, vibrato_cents, attack, below_db):
    sound, hints = bowed(1.5, fundamental, vibrato_cents, attack)
    stream = Informed(FRAMES, SAMPLE_RATE, reach=reach)
    samples = run(stream, [None] * len(hints), hints)
    assert error_db(samples, sound[-stream.latency :][: len(samples)]) < below_db


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1, 15_999),
    st.floats(0, 1, allow_subnormal=False),
    st.sampled_from([Frames(), Frames(512, 64), Frames(64, 16)]),
)
def test_a_frame_is_the_spectrum_of_its_partials(frequency, phase, frames):
    assume(min(frequency, SAMPLE_RATE / 2 - frequency) > 0.5 * SAMPLE_RATE / frames.n_fft)
    middle = np.arange(frames.n_fft) - frames.n_fft // 2
    signal = 0.7 * np.cos(2 * np.pi * (frequency / SAMPLE_RATE * middle + phase))
    expected = frames.analyse(signal)[0]
    drawn = Informed(frames, SAMPLE_RATE).partials(Hint(np.array([frequency]), np.array([0.7]), np.array([phase])))
    assert np.abs(drawn - expected).max() < 0.004 * 0.7 * frames.n_fft / 4 * 2


def test_noise_has_the_spectrum_asked_for():
    asked = 0.1 + 3 * np.exp(-0.5 * ((np.arange(FRAMES.bins) - 300) / 60) ** 2)
    hint = Hint(np.zeros(0), np.zeros(0), np.zeros(0), asked)
    for reach in (None, 256):
        samples = run(Informed(FRAMES, SAMPLE_RATE, reach=reach), [None] * 1600, [hint] * 1600)
        found = np.sqrt(np.mean(np.abs(FRAMES.analyse(samples[FRAMES.n_fft :])) ** 2, axis=0))
        bands = slice(4, 1020)
        ratio = (found[bands] / asked[bands]).reshape(-1, 8).mean(axis=1)
        assert np.abs(20 * np.log10(ratio)).max() < 1


def test_noise_frames_are_windows_on_one_noise_of_unit_power():
    noise = WhiteNoise(FRAMES, 5)
    spectra = np.array([noise.next() for _ in range(800)])
    power = np.mean(np.abs(spectra) ** 2, axis=0)
    assert np.mean(power) == pytest.approx(1, abs=0.02)
    assert power[[0, -1]].mean() == pytest.approx(1, abs=0.4)
    back = FRAMES.analyse(FRAMES.synthesise(spectra))
    np.testing.assert_allclose(back[8:-8], spectra[8:-8], atol=1e-6)


def test_seeds_differ_and_repeat():
    magnitudes = [np.ones(FRAMES.bins)] * 12
    one, again, other = (run(Informed(FRAMES, SAMPLE_RATE, seed), magnitudes) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_drawing_and_adding_by_oneself_is_the_same():
    _, hints = bowed(0.5, 300, 10, 0.01)
    whole, parts = Informed(FRAMES, SAMPLE_RATE), Informed(FRAMES, SAMPLE_RATE)
    spectra = [parts.spectrum(hint) for hint in hints]
    added = np.concatenate([parts.add(spectrum) for spectrum in spectra])
    np.testing.assert_array_equal(run(whole, [None] * len(hints), hints), added)


def test_a_magnitude_takes_the_hints_phases():
    sound, hints = bowed(1.0, 440, 5, 0.02)
    magnitudes = np.abs(FRAMES.analyse(sound))
    samples = run(Informed(FRAMES, SAMPLE_RATE), magnitudes, hints)
    assert error_db(samples, sound[: len(samples)]) < -25
    doubled = run(Informed(FRAMES, SAMPLE_RATE), 2 * magnitudes, hints)
    np.testing.assert_allclose(doubled, 2 * samples, atol=1e-4)
    only_noise = run(Informed(FRAMES, SAMPLE_RATE), magnitudes, [NOTHING] * len(hints))
    assert np.sqrt(np.mean(only_noise**2)) == pytest.approx(np.sqrt(np.mean(sound**2)), rel=0.5)


def test_partials_that_cannot_sound_are_left_out():
    frequency = np.array([440, np.nan, -5, 0, 16_000, 40_000, np.inf, 500, 600, 700])
    amplitude = np.array([1, 1, 1, 1, 1, 1, 1, np.nan, np.inf, 1])
    phase = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, np.nan])
    informed = Informed(FRAMES, SAMPLE_RATE)
    kept = Hint(np.array([440.0]), np.ones(1), np.zeros(1))
    np.testing.assert_array_equal(informed.partials(Hint(frequency, amplitude, phase)), informed.partials(kept))
    assert not np.any(informed.partials(NOTHING))
    noisy = Hint(np.zeros(0), np.zeros(0), np.zeros(0), np.full(FRAMES.bins, np.nan))
    assert not np.any(informed.frame(None, noisy))


def test_oscillators_carry_phases_between_frames():
    _, hints = bowed(1.0, 440, 30, 0.1)
    oscillators = Oscillators(1, FRAMES.hop, SAMPLE_RATE)
    first = oscillators.advance(hints[0].frequency[:1], begins=hints[0].phase[:1])
    found = [first] + [oscillators.advance(hint.frequency[:1]) for hint in hints[1:]]
    expected = [hint.phase[:1] for hint in hints]
    distance = (np.array(found) - expected + 0.5) % 1 - 0.5
    assert np.abs(distance).max() < 0.005
    assert np.all((np.array(found) >= 0) & (np.array(found) < 1))


def test_oscillators_begin_hold_and_reset():
    oscillators = Oscillators(3, 256, SAMPLE_RATE)
    begins = np.array([0.25, np.nan, 1.5])
    np.testing.assert_allclose(oscillators.advance(np.array([125.0, 0.0, 250.0]), begins), [0.25, 0, 0.5])
    np.testing.assert_allclose(oscillators.advance(np.array([125.0, 250.0, np.nan])), [0.25, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(oscillators.advance(np.array([125.0, 250.0, 250.0])), [0.25, 0, 0.5], atol=1e-12)
    oscillators.reset()
    np.testing.assert_array_equal(oscillators.advance(np.zeros(3)), np.zeros(3))
