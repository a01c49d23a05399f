"""A spectrogram as a picture: time to the right, frequency upwards, 80 dB from black over red to white.

The PNG is written here: one image type with one palette is a dozen lines (PNG specification, chunks IHDR, PLTE, IDAT, IEND).
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.errors import BacklineError
from server.files import write_whole

PICTURE_SUFFIXES = (".png",)
MOST_COLUMNS = 4096  # then every two become one, the louder: half an hour takes no more memory than half a minute
RANGE_DB = 80.0
LEVELS = 256
_STOPS = ((0, (0, 0, 0)), (90, (80, 20, 110)), (160, (210, 60, 60)), (220, (250, 180, 40)), (255, (255, 255, 240)))
"""Level -> red, green, blue; between them straight lines."""


class Picture:
    """A picture that grows to the right, frame by frame."""

    def __init__(self) -> None:
        self._columns: list[NDArray[np.float32]] = []
        self._together, self._taken = 1, 0  # frames a column, and those in the newest one

    def add(self, bins: NDArray[np.float32]) -> None:
        """Take the next frame, (bins,) float32, linear."""
        if self._columns and self._taken < self._together:
            np.maximum(self._columns[-1], bins, out=self._columns[-1])
            self._taken += 1
            return
        if len(self._columns) == MOST_COLUMNS:
            pairs = zip(self._columns[::2], self._columns[1::2], strict=True)
            self._columns = [np.maximum(*pair) for pair in pairs]
            self._together *= 2
        self._columns.append(bins.copy())
        self._taken = 1

    def write(self, path: Path) -> None:
        """Write the picture, whole or not at all. Raises BacklineError: it cannot be written, or no frame has come."""
        if not self._columns:
            raise BacklineError(f"cannot write {path}: the player showed no spectrogram")
        levels = 20 * np.log10(np.maximum(np.stack(self._columns, axis=1), 1e-20))  # (bins, columns)
        shades = np.clip(1 + (levels - levels.max()) / RANGE_DB, 0, 1) * (LEVELS - 1)
        image = png(np.round(shades[::-1]).astype(np.uint8))
        write_whole(path, lambda partial: partial.write_bytes(image))


def png(shades: NDArray[np.uint8]) -> bytes:
    """Return an image of (rows, columns) palette entries."""
    rows, columns = shades.shape
    stops = np.array([(level, *colour) for level, colour in _STOPS], float)
    palette = np.stack([np.interp(np.arange(LEVELS), stops[:, 0], stops[:, part]) for part in (1, 2, 3)], axis=1)
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), shades], axis=1)  # a byte before each row: no filter
    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)  # 8 bits, palette
    return b"\x89PNG\r\n\x1a\n" + b"".join((
        _chunk(b"IHDR", head), _chunk(b"PLTE", palette.round().astype(np.uint8).tobytes()),
        _chunk(b"IDAT", zlib.compress(lines.tobytes())), _chunk(b"IEND", b""),
    ))  # fmt: skip


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
