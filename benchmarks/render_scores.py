"""How near a rendering of a score comes to a recording of the same performance, both on one time axis.

Both are mixed to one channel, brought to one rate and one loudness; the rendering may be moved by a constant of at most 60 ms, since
a declared latency is no fault. No figure stands alone: noise with the recording's envelope has a small mel distance, and
is found out by tonality and chroma. Needs librosa (extra `train`).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.audio.file import read_audio

RATE, WINDOW, HOP = 22050, 2048, 512  # Hz, samples, samples
BANDS, LOWEST, HIGHEST = 64, 30, 10_000  # of the mel spectrum; Hz
TONAL = (200, 5000)  # Hz, where flatness is taken
DEEPEST_DB = 60.0  # below the recording's loudest cell or frame: what lies deeper counts as that
SILENT_DB = 50.0  # below the recording's loudest frame: it does not sound
MOST_SHIFT_MS = 60.0
TINY = 1e-10  # of power

Curve = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Nearness:
    """The figures of one rendering.

    mel_db: root mean square difference of mel levels where the recording sounds, each band's mean difference taken out.
    tonality_db: how much less tonal the rendering is (spectral flatness); below 0, more.
    envelope, onset: correlations of the loudness and of the onset strength over time.
    timbre: mean over frames of the correlation of mel levels. chroma: mean over frames of the cosine of chroma.
    shift_ms: by which the rendering was moved.
    """

    mel_db: float
    tonality_db: float
    envelope: float
    timbre: float
    chroma: float
    onset: float
    shift_ms: float

    def to_json(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is seen of a sound, a column a frame: mel (bands, frames) and level in dB, chroma (12, frames), onset, flatness in dB."""

    mel: Curve
    level: Curve
    chroma: Curve
    onset: Curve
    flatness: Curve

    def moved(self, frames: int, margin: int) -> "Picture":
        """Return it later by `frames`, without `margin` frames at either end."""
        curves = (np.roll(getattr(self, name), frames, axis=-1) for name in self.__slots__)
        return Picture(*(curve[..., margin:-margin] for curve in curves))


@dataclass(frozen=True, slots=True)
class Recording:
    """What renderings are held against; made once for all of them. length: samples at RATE, a second at least."""

    length: int
    seen: Picture


def read_recording(path: Path) -> Recording:
    """Read an audio file to hold renderings against. Raises BacklineError where it cannot be read."""
    samples = load_sound(path)
    length = max(len(samples), RATE)
    return Recording(length, _picture(_as_loud(samples, length)))


def score_rendering(recording: Recording, rendering: Curve) -> Nearness:
    """Score samples (n,) at RATE; a rendering is cut or padded to the recording's length."""
    played, made = recording.seen, _picture(_as_loud(rendering, recording.length))
    margin = max(1, round(MOST_SHIFT_MS / 1000 * RATE / HOP))
    kept = played.moved(0, margin)
    shift = max(
        range(-margin, margin + 1), key=lambda frames: correlation(kept.onset, made.moved(frames, margin).onset)
    )
    made = made.moved(shift, margin)
    sounding = kept.level > kept.level.max() - SILENT_DB
    mel, mel_made = (np.maximum(side.mel, kept.mel.max() - DEEPEST_DB)[:, sounding] for side in (kept, made))
    least = played.level[margin:-margin].max() - DEEPEST_DB
    level, level_made = (np.maximum(side.level, least)[sounding] for side in (kept, made))
    apart = mel - mel_made
    chroma, chroma_made = (side.chroma / (np.linalg.norm(side.chroma, axis=0) + 1e-9) for side in (kept, made))
    return Nearness(
        mel_db=float(np.sqrt(np.mean((apart - apart.mean(1, keepdims=True)) ** 2))),
        tonality_db=float(made.flatness[sounding].mean() - kept.flatness[sounding].mean()),
        envelope=correlation(level, level_made),
        timbre=float(np.mean([correlation(a, b) for a, b in zip(mel.T, mel_made.T, strict=True)])),
        chroma=float((chroma * chroma_made).sum(0)[sounding].mean()),
        onset=correlation(kept.onset, made.onset),
        shift_ms=1000 * shift * HOP / RATE,
    )


def load_sound(path: Path) -> Curve:
    """Return an audio file as (n,) float32 at RATE, its channels mixed. Raises BacklineError where it cannot be read."""
    import soxr

    samples, rate = read_audio(path)
    mono = samples.mean(0)
    return np.asarray(soxr.resample(mono, rate, RATE) if rate != RATE else mono, np.float32)


def correlation(one: Curve, other: Curve) -> float:
    """Return Pearson's correlation; 0 where one does not move."""
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (np.sqrt((one * one).sum() * (other * other).sum()) + 1e-12))


def _picture(sound: Curve) -> Picture:
    import librosa

    power = np.abs(librosa.stft(sound, n_fft=WINDOW, hop_length=HOP)) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=BANDS, fmin=LOWEST, fmax=HIGHEST)
    tonal = power[slice(*(round(hertz / RATE * WINDOW) for hertz in TONAL))] + TINY
    return Picture(
        mel=10 * np.log10(mel + TINY),
        level=10 * np.log10(power.sum(0) + TINY),
        chroma=librosa.feature.chroma_stft(S=power, sr=RATE),
        onset=librosa.onset.onset_strength(y=sound, sr=RATE, hop_length=HOP),
        flatness=10 * np.log10(np.exp(np.log(tonal).mean(0)) / tonal.mean(0)),
    )


def _as_loud(sound: Curve, length: int) -> Curve:
    """Bring a sound to a root mean square of 1, then to a length."""
    loud = sound / max(1e-9, float(np.sqrt(np.mean(sound**2)))) if len(sound) else sound
    return np.pad(loud[:length], (0, max(0, length - len(loud)))).astype(np.float32)
