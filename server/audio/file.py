"""Audio files as streams: any rate from 8 to 192 kHz, any channel count, read whole and mixed to one channel."""

from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from models.block import Samples
from server.errors import BacklineError
from server.files import write_whole

WRITABLE_SUFFIXES = (".wav", ".flac", ".ogg")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
LOWEST_RATE, HIGHEST_RATE = 8000, 192_000


def check_rate(rate: int) -> int:
    """Return `rate` if it can be served. Raises BacklineError with what is allowed."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BacklineError(f"sample rate is {rate} Hz; allowed: {LOWEST_RATE} to {HIGHEST_RATE}")
    return rate


def read_audio(path: Path) -> tuple[Samples, int]:
    """Return ((1, samples) float32, sample rate in Hz) of an audio file. Raises BacklineError with the reason."""
    if not path.exists():
        raise BacklineError(f"there is no file {path}")
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        raise BacklineError(f"{path} is no audio file by its name; allowed: {' '.join(AUDIO_SUFFIXES)}")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except MemoryError as error:
        raise BacklineError(f"{path} is too long to be read whole") from error
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise BacklineError(f"cannot read {path} as audio: {getattr(error, 'error_string', error)}") from error
    if not len(samples):
        raise BacklineError(f"{path} holds no audio (0 samples)")
    return np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)[None]), check_rate(int(rate))


def write_audio(path: Path, samples: Samples, rate: int) -> None:
    """Write (channels, samples) float32 as 24-bit audio, whole or not at all. Raises BacklineError."""
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise BacklineError(f"cannot write {path}: audio goes to {' '.join(WRITABLE_SUFFIXES)}")
    kind = path.suffix.lower().removeprefix(".")
    # By way of memory: libsndfile has no words for a disk that is full, Python has.
    whole = BytesIO()
    soundfile.write(
        whole, np.clip(samples.T, -1.0, 1.0), rate, format=kind, subtype=None if kind == "ogg" else "PCM_24"
    )
    write_whole(path, lambda partial: _write_bytes(partial, whole.getvalue()))


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
