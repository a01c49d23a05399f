"""What every streaming method owes, whichever it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.phase.frames import Frames
from models.phase.griffin_lim import spectral_convergence_db
from models.phase.informed import Informed
from models.phase.peaks import PeakGradient
from models.phase.rtisi import RtisiLa
from models.phase.stream import Hint, PhaseStream, run

SAMPLE_RATE = 32_000
FRAMES = Frames()
METHODS = {
    "informed": lambda frames: Informed(frames, SAMPLE_RATE),
    "informed, short reach": lambda frames: Informed(frames, SAMPLE_RATE, reach=frames.hop),
    "peak gradient": PeakGradient,
    "rtisi, no look-ahead": lambda frames: RtisiLa(frames, 0),
    "rtisi": RtisiLa,
}
BLIND = [name for name in METHODS if not name.startswith("informed")]
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
each_blind_method = pytest.mark.parametrize("method", [METHODS[name] for name in BLIND], ids=BLIND)


def tones(frequency: float, seconds: float = 1.0, partials: int = 1) -> np.ndarray:
    """Return a steady harmonic sound (samples,)."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(np.cos(2 * np.pi * h * frequency * time + h) / h for h in range(1, partials + 1))


def magnitudes_of(samples: np.ndarray, frames: Frames = FRAMES) -> np.ndarray:
    """Return the spectrogram (frames, bins) of samples, float32."""
    return np.abs(frames.analyse(samples)).astype(np.float32)


def hint_at(place: int, frequency: float, frames: Frames = FRAMES) -> Hint:
    """Return the hint of frame `place` of one steady cosine."""
    cycles = frequency * (place * frames.hop + frames.n_fft // 2) / SAMPLE_RATE
    return Hint(np.array([frequency]), np.ones(1), np.array([cycles]))


def loudness(samples: np.ndarray) -> np.ndarray:
    """Return how loud it is around each sample (samples,), about its mean."""
    power = np.cumsum(np.pad(samples.astype(float) ** 2, (512, 512)))
    level = np.sqrt(power[1024:] - power[:-1024])
    return level - level.mean()


def off_sinusoid_db(samples: np.ndarray, frequency: float) -> float:
    """Return the power of what no sinusoid of that frequency explains, relative to all."""
    angle = 2 * np.pi * frequency * np.arange(len(samples)) / SAMPLE_RATE
    basis = np.stack([np.cos(angle), np.sin(angle)], 1)
    fitted = basis @ np.linalg.lstsq(basis, samples, rcond=None)[0]
    return float(10 * np.log10(np.sum((samples - fitted) ** 2) / np.sum(samples.astype(float) ** 2)))


@pytest.mark.parametrize("frequency", [196.0, 440.0, 1234.5, 7040.0])
@each_method
def test_a_sinusoid_comes_back_as_one(method, frequency):
    magnitudes = magnitudes_of(tones(frequency))
    hints = [hint_at(k, frequency) for k in range(len(magnitudes))]
    samples = run(method(FRAMES), magnitudes, hints)[FRAMES.n_fft :]
    assert off_sinusoid_db(samples, frequency) < -40
    assert np.sqrt(2 * np.mean(samples**2)) == pytest.approx(1, abs=0.01)


@each_method
def test_a_hop_of_samples_comes_for_each_frame_and_the_same_after_a_reset(method):
    magnitudes = magnitudes_of(tones(440, 0.4, 6))
    stream = method(FRAMES)
    first = run(stream, magnitudes)
    stream.reset()
    hops = [stream.frame(magnitude) for magnitude in magnitudes]
    assert {hop.shape for hop in hops} == {(FRAMES.hop,)}
    assert {hop.dtype for hop in hops} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate(hops), first)
    np.testing.assert_array_equal(run(method(FRAMES), magnitudes), first)


@each_method
def test_a_hop_that_was_handed_out_is_the_callers_own(method):
    stream = method(FRAMES)
    magnitudes = magnitudes_of(tones(440, 0.3))
    kept = [stream.frame(magnitude) for magnitude in magnitudes]
    copies = [hop.copy() for hop in kept]
    run(stream, magnitudes)
    np.testing.assert_array_equal(kept, copies)


@each_method
def test_after_sound_silence_is_exact(method):
    stream = method(FRAMES)
    run(stream, magnitudes_of(tones(440, 0.4, 6)))
    silence = [np.zeros(FRAMES.bins, np.float32)] * 30
    tail = run(stream, silence)
    settled = FRAMES.n_fft + max(0, stream.latency)
    assert np.any(tail[: FRAMES.hop // 2])
    assert not np.any(tail[settled:])
    stream.reset()
    assert not np.any(run(stream, silence))


@each_method
def test_what_is_no_number_ends_with_its_frames(method):
    magnitudes = magnitudes_of(tones(440, 0.5, 6))
    magnitudes[10] = np.nan
    magnitudes[11, ::3] = np.inf
    magnitudes[12] = -1
    samples = run(method(FRAMES), magnitudes)
    assert np.all(np.isfinite(samples))
    assert np.abs(samples[(12 + 2 * FRAMES.overlap + 2) * FRAMES.hop :]).max() < 10


@each_blind_method
def test_a_missing_or_wrong_magnitude_is_refused(method):
    with pytest.raises(ValueError, match="the magnitude is missing"):
        method(FRAMES).frame(None)
    with pytest.raises(ValueError, match=r"the magnitude is of shape \(3,\)"):
        method(FRAMES).frame(np.zeros(3))


@each_blind_method
def test_latency_is_where_the_sound_lies(method):
    """Steps of loudness in the input are found in the output, `latency` samples later."""
    rng = np.random.default_rng(3)
    loud = np.repeat(rng.choice([0.1, 1.0], 12), 3000)
    sound = loud * tones(700, len(loud) / SAMPLE_RATE, 8)
    stream = method(FRAMES)
    samples = run(stream, magnitudes_of(sound))
    before, after = (loudness(x[: len(samples)]) for x in (sound, samples))
    middle = np.arange(4096, len(samples) - 8192)
    lags = range(stream.latency - 640, stream.latency + 641, 32)
    best = max(lags, key=lambda lag: float(np.dot(before[middle], after[middle + lag])))
    assert abs(best - stream.latency) <= FRAMES.hop // 2


def test_latency_is_declared_in_samples():
    assert [RtisiLa(FRAMES, hops).latency for hops in (0, 1, 3)] == [0, 256, 768]
    assert PeakGradient(FRAMES).latency == 0
    assert [Informed(FRAMES, SAMPLE_RATE, reach=reach).latency for reach in (None, 512, 256)] == [0, -512, -768]


@pytest.mark.parametrize("hops", [1, 3])
def test_look_ahead_delays_by_its_hops_to_the_sample(hops):
    """Without iterations nothing is made of the look-ahead but the delay."""
    magnitudes = magnitudes_of(tones(440, 0.4, 6))
    at_once, later = (run(RtisiLa(FRAMES, look_ahead, 0), magnitudes) for look_ahead in (0, hops))
    delay = hops * FRAMES.hop
    assert not np.any(later[:delay])
    np.testing.assert_allclose(later[delay:], at_once[:-delay], atol=1e-4)


@each_method
def test_a_stream_does_not_grow(method):
    magnitudes = magnitudes_of(tones(440, 0.4, 6))
    stream = method(FRAMES)
    run(stream, magnitudes)
    before = held_bytes(stream)
    run(stream, magnitudes)
    assert held_bytes(stream) == before


def held_bytes(stream: PhaseStream) -> int:
    """Return the size of all arrays an object holds."""
    if isinstance(stream, np.ndarray):
        return stream.nbytes
    if isinstance(stream, list | tuple):
        return sum(map(held_bytes, stream))
    return sum(map(held_bytes, vars(stream).values())) if hasattr(stream, "__dict__") else 0


@settings(max_examples=15, deadline=None)
@given(
    st.integers(5, 9),
    st.integers(1, 2),
    st.integers(0, 3),
    st.integers(0, 3),
    st.floats(0, 0.95, allow_subnormal=False),
    st.integers(0, 99),
)
def test_every_size_gives_finite_sound_and_no_more_than_it_was_given(
    power, share, look_ahead, iterations, momentum, seed
):
    frames = Frames(2**power, 2**power // 2 // 2**share)
    signal = np.random.default_rng(seed).standard_normal(4 * frames.n_fft)
    magnitudes = magnitudes_of(signal, frames)
    for stream in (
        PeakGradient(frames),
        RtisiLa(frames, look_ahead, iterations, momentum),
        Informed(frames, SAMPLE_RATE, seed),
    ):
        samples = run(stream, magnitudes)
        assert samples.shape == (len(magnitudes) * frames.hop,)
        assert np.all(np.isfinite(samples))
        settled = samples[2 * frames.n_fft :].astype(float)
        assert np.sqrt(np.mean(settled**2)) < 3
        assert spectral_convergence_db(samples[max(0, stream.latency) :], magnitudes[: -2 * frames.overlap], frames) < 6


def test_rtisi_refuses_negative_numbers():
    with pytest.raises(ValueError, match="look_ahead is -1 and iterations is 2; allowed: 0 and more"):
        RtisiLa(FRAMES, -1, 2)
