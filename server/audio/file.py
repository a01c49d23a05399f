"""Audio files as streams: any rate from 8 to 192 kHz, any channel count, read whole and mixed to one channel, written in pieces."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from models.block import Samples
from server.errors import BacklineError
from server.files import WholeFile

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
    with np.errstate(all="ignore"):  # a damaged file of floats may hold any number, and what is none
        mono = samples.mean(axis=1, dtype=np.float32)
    return np.nan_to_num(mono[None], nan=0.0, posinf=1.0, neginf=-1.0), check_rate(int(rate))


def write_audio(path: Path, samples: Samples, rate: int) -> None:
    """Write (channels, samples) float32 as 24-bit audio, whole or not at all. Raises BacklineError."""
    with AudioWriter(path, rate, samples.shape[0]) as writer:
        writer.write(samples)
        writer.finish()


class AudioWriter:
    """24-bit audio written piece by piece beside its place, and renamed into it by `finish`; without that nothing is left.

    A context manager. Raises BacklineError where it cannot be written.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        if path.suffix.lower() not in WRITABLE_SUFFIXES:
            raise BacklineError(f"cannot write {path}: audio goes to {' '.join(WRITABLE_SUFFIXES)}")
        kind = path.suffix.lower().removeprefix(".")
        self._path, self._whole = path, WholeFile(path)
        self._disk = _Disk(self._whole.file)
        self._waiting: list[Samples] = []
        self._count, self._rate = 0, rate
        self._sound: soundfile.SoundFile | None = None
        try:
            with self._named():
                self._sound = soundfile.SoundFile(
                    self._disk, "w", rate, channels, format=kind, subtype=None if kind == "ogg" else "PCM_24"
                )
        except BacklineError:
            self._discard()
            raise

    def __enter__(self) -> "AudioWriter":
        return self

    def __exit__(self, *problem: object) -> None:
        self._discard()

    def write(self, samples: Samples) -> None:
        """Take the next (channels, samples) float32; what is above full scale is clipped."""
        self._waiting.append(samples)
        self._count += samples.shape[1]
        if self._count >= self._rate:
            self._flush()

    def finish(self) -> None:
        """Put the file into its place."""
        self._flush()
        with self._named():
            self._close()
        self._whole.finish()

    def _flush(self) -> None:
        if self._waiting:
            piece = np.concatenate(self._waiting, axis=1)
            self._waiting, self._count = [], 0
            assert self._sound is not None
            with self._named():
                self._sound.write(np.clip(piece.T, -1.0, 1.0))

    def _discard(self) -> None:
        with suppress(soundfile.LibsndfileError):
            self._close()
        self._whole.discard()

    def _close(self) -> None:
        if self._sound is not None:
            self._sound.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say what the disk said: libsndfile has no words for one that is full."""
        try:
            yield
        except soundfile.LibsndfileError as error:
            if self._disk.problem is None:
                raise BacklineError(f"cannot write {self._path}: {error.error_string}") from error
        if self._disk.problem is not None:
            problem = self._disk.problem
            raise BacklineError(f"cannot write {self._path}: {problem.strerror or problem}") from problem


class _Disk:
    """A file as libsndfile's virtual one: what goes wrong is kept, since nothing may be raised through C."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.problem: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all, as far as the disk takes it; return the bytes, as if it had: soundfile asserts that."""
        view, written = memoryview(data), 0
        try:
            while written < len(view) and self.problem is None:
                written += self._file.write(view[written:])
        except OSError as error:
            self.problem = error
        return len(view)

    def flush(self) -> None:
        """Pass on what the file holds back."""
        try:
            self._file.flush()
        except OSError as error:
            self.problem = self.problem or error

    def read(self, count: int) -> bytes:
        """Return what was written: libsndfile mends a header so."""
        return self._file.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; return the new place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()
