"""A bass line to drums, or a voice to a song, by the published network: pictures in windows as long as its crops, then samples.

    python -m models.drummer.published.synthesis CHECKPOINT VOICE -o SONG.wav [--beats FILE] [--with-input]

Offline: it wants 84 frames of the future (2 s) and the whole window for its norms. With a beats file (a beat a line: seconds, number
in the bar) each bar lies in the middle of a window of its own, so that equal bars are drawn equally.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from models.drummer.published.inversion import ITERATIONS, sound
from models.drummer.published.mel import picture
from models.drummer.published.network import ALIGNED, Drawing, LiveGenerator, UNet, load_network

BATCH = 4  # windows
JOINED = 4  # frames to each side of a bar line in which one bar's picture becomes the next one's


def render(
    network: Drawing,
    audio: np.ndarray,
    sample_rate: int,
    *,
    method: str = "griffin_lim",
    iterations: int = ITERATIONS,
    seed: int = 0,
    bar_lines: Sequence[float] = (),
) -> np.ndarray:
    """Return (samples,) float32 at the network's rate of (samples,) float32 at `sample_rate`, as long as what was given.

    method: how phases are found, see `inversion.sound`. bar_lines: seconds; where there are any it is drawn by bars.
    """
    import soxr

    config = network.config
    given = soxr.resample(np.asarray(audio, np.float32), sample_rate, config.sample_rate)
    samples = round(len(audio) * config.sample_rate / sample_rate)
    if not len(given):
        return np.zeros(0, np.float32)
    grey, lines = picture(given, config), [round(line * config.frame_rate) for line in bar_lines]
    drawn = draw_bars(network, grey, lines) if lines else draw(network, grey)
    return sound(drawn, config, samples, method=method, iterations=iterations, seed=seed)


def draw(network: Drawing, grey: np.ndarray) -> np.ndarray:
    """Return the picture (bands, frames) float32 that the network makes of one of any length."""
    config = network.config
    network.eval()
    frames = grey.shape[1]
    if isinstance(network, LiveGenerator):
        late = np.pad(grey, ((0, 0), (0, -frames % ALIGNED)), constant_values=-1)
        drawn = _drawn(network, late[None])[0, :, : max(0, frames - config.ahead)]
        return np.pad(drawn, ((0, 0), (frames - drawn.shape[1], 0)), constant_values=-1)
    if not network.corrections.windowed and not isinstance(network, UNet):
        whole = np.pad(grey, ((0, 0), (0, -frames % ALIGNED)), constant_values=-1)
        return _drawn(network, whole[None])[0, :, :frames]
    hop = config.frames - config.overlap
    count = 1 + max(0, -(-(frames - config.frames) // hop))
    padded = np.pad(grey, ((0, 0), (0, (count - 1) * hop + config.frames - frames)), constant_values=-1)
    ramp = (np.arange(config.overlap) + 0.5) / config.overlap
    weight = np.ones(config.frames, np.float32)
    weight[: config.overlap], weight[config.frames - config.overlap :] = ramp, ramp[::-1]
    made, shares = np.zeros_like(padded), np.zeros(padded.shape[1], np.float32)
    starts = range(0, count * hop, hop)
    for first in range(0, count, BATCH):
        some = starts[first : first + BATCH]
        said = _drawn(network, np.stack([padded[:, start : start + config.frames] for start in some]))
        for start, one in zip(some, said, strict=True):
            made[:, start : start + config.frames] += weight * one
            shares[start : start + config.frames] += weight
    return np.asarray(made / shares)[:, :frames]


def draw_bars(network: Drawing, grey: np.ndarray, lines: Sequence[int]) -> np.ndarray:
    """Return the picture (bands, frames) that the network makes bar by bar. lines: first frames of bars, rising.

    What comes before the first and after the last line are bars too; a bar that is too long for a window is halved until it fits.
    """
    config, frames = network.config, grey.shape[1]
    network.eval()
    edges = sorted({0, frames, *(line for line in lines if 0 < line < frames)})
    longest = config.frames - 2 * JOINED
    places = [part for first, last in pairwise(edges) for part in _halves(first, last, longest)]
    made, shares = np.zeros_like(grey), np.zeros(frames, np.float32)
    padded = np.pad(grey, ((0, 0), (config.frames, config.frames)), constant_values=-1)
    for first, last in places:
        start = (first + last - config.frames) // 2
        said = _drawn(network, padded[None, :, start + config.frames : start + 2 * config.frames])[0]
        weight = np.interp(np.arange(start, start + config.frames),
                           [first - JOINED, first + JOINED, last - JOINED, last + JOINED], [0, 1, 1, 0])  # fmt: skip
        inside = slice(max(0, -start), min(config.frames, frames - start))
        made[:, start + inside.start : start + inside.stop] += (weight * said)[:, inside]
        shares[start + inside.start : start + inside.stop] += weight[inside]
    return np.asarray(made / np.maximum(shares, 1e-6), np.float32)


def _halves(first: int, last: int, longest: int) -> list[tuple[int, int]]:
    if last - first <= longest:
        return [(first, last)]
    middle = (first + last) // 2
    return [*_halves(first, middle, longest), *_halves(middle, last, longest)]


def _drawn(network: Drawing, pictures: np.ndarray) -> np.ndarray:
    """(batch, bands, frames) -> the same shape."""
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(pictures.astype(np.float32))[:, None])[:, 0].float().numpy())


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line."""
    import soundfile
    import soxr

    parser = argparse.ArgumentParser(prog="python -m models.drummer.published.synthesis")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("input", type=Path, metavar="VOICE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="SONG.wav")
    parser.add_argument("--beats", type=Path, metavar="FILE", help="a beat a line: seconds, number in the bar")
    parser.add_argument("--with-input", action="store_true", help="write what was given as well, mixed in")
    arguments = parser.parse_args(words)
    try:
        network, _ = load_network(arguments.checkpoint)
        audio, rate = soundfile.read(str(arguments.input), dtype="float32", always_2d=True)
        lines = () if arguments.beats is None else read_bar_lines(arguments.beats)
        made = render(network, audio.mean(1), rate, bar_lines=lines)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        raise SystemExit(f"{parser.prog}: {error}") from error
    own = network.config.sample_rate
    if arguments.with_input:
        given = soxr.resample(audio.mean(1), rate, own)[: len(made)]
        made[: len(given)] += given
        made /= max(1.0, float(np.abs(made).max(initial=0)))
    soundfile.write(arguments.output, soxr.resample(made, own, rate), rate)


def read_bar_lines(path: Path) -> list[float]:
    """Return the seconds at which bars begin. Raises ValueError where the file holds none."""
    rows = [line.split()[:2] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        lines = [float(seconds) for seconds, number in rows if float(number) == 1]
    except ValueError as error:
        raise ValueError(
            f"{path} is no beats file: a line is a time in seconds and the beat's number in its bar"
        ) from error
    if not lines:
        raise ValueError(f"{path} holds no beat that begins a bar: one whose number is 1")
    return lines


if __name__ == "__main__":
    main()
