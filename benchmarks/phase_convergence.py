"""How near do streamed samples come to a spectrogram, beside Griffin-Lim with 100 iterations over the whole of it?

    backline bench phase_convergence -- --audio FILE [FILE ...]

convergence_db: || |STFT(samples)| - M || / ||M||, in dB; beside_db: that less the one of the algorithm of 1984 on the same M,
beside_fast_db: less that of fast Griffin-Lim (momentum 0.99); below 0 is better than it. M is the spectrogram of a bowed line made
here, or of the files (from 10 s on, --seconds of each), or `drawn`: the absolute value of the complex frames that hints make of
that line. `informed` gets hints only where M is drawn, and there from the same frames. Times are of calls paced at the hop,
on the first spectrogram of a method.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.command import Options, run
from benchmarks.pacing import WARM_UP_CALLS, Pacer, calls, real_time
from benchmarks.record import Row, percentiles
from models.phase.frames import Frames
from models.phase.griffin_lim import griffin_lim, spectral_convergence_db
from models.phase.informed import Informed
from models.phase.peaks import PeakGradient
from models.phase.rtisi import RtisiLa
from models.phase.stream import Hint, PhaseStream
from models.phase.stream import run as run_stream
from server.errors import BacklineError

NAME, SECONDS = "phase_convergence", 8.0
SAMPLE_RATE, FRAMES = 32_000, Frames(2048, 256)
LEAST_SECONDS = 2.0  # of sound
ITERATIONS = 100
FROM_SECONDS = 10.0  # of a file
HIGHEST_HZ = 15_000.0
BLIND: dict[str, Callable[[], PhaseStream]] = {
    "peak gradient": lambda: PeakGradient(FRAMES),
    "RTISI-LA, look-ahead 0, 4 iterations": lambda: RtisiLa(FRAMES, 0, 4),
    "RTISI-LA, look-ahead 1, 4 iterations": lambda: RtisiLa(FRAMES, 1, 4),
    "RTISI-LA, look-ahead 2, 2 iterations": lambda: RtisiLa(FRAMES, 2, 2),
    "RTISI-LA, look-ahead 2, 4 iterations": lambda: RtisiLa(FRAMES, 2, 4),
    "RTISI-LA, look-ahead 3, 4 iterations": lambda: RtisiLa(FRAMES, 3, 4),
}
INFORMED: dict[str, Callable[[], PhaseStream]] = {
    f"informed, reach {reach}": lambda reach=reach: Informed(FRAMES, SAMPLE_RATE, reach=reach)  # type: ignore[misc]
    for reach in (1024, 512, 256)
}


@dataclass(frozen=True, slots=True)
class Case:
    """magnitudes (frames, bins); hints of the frames where their phases are known."""

    name: str
    magnitudes: np.ndarray
    hints: list[Hint] | None = None


def measure(options: Options, files: Sequence[Path] = ()) -> list[Row]:
    """Return a row per spectrogram and method."""
    rows: list[Row] = []
    seen: set[str] = set()  # methods that were timed
    for case in cases(max(LEAST_SECONDS, options.seconds), files):
        yardsticks = [distance(case, griffin_lim(case.magnitudes, FRAMES, ITERATIONS, m), 0) for m in (0.0, 0.99)]
        for name, figure in zip(("Griffin-Lim", "fast Griffin-Lim"), yardsticks, strict=True):
            rows.append({"case": f"{case.name}, {name}, {ITERATIONS} iterations", "convergence_db": round(figure, 2)})
        for name, make in (BLIND | INFORMED if case.hints else BLIND).items():
            stream = make()
            hints = case.hints if name in INFORMED else None
            given: Sequence[np.ndarray | None] = [None] * len(case.magnitudes) if hints else list(case.magnitudes)
            figure = distance(case, run_stream(stream, given, hints), stream.latency)
            row: Row = {
                "case": f"{case.name}, {name}",
                "convergence_db": round(figure, 2),
                "beside_db": round(figure - yardsticks[0], 2),
                "beside_fast_db": round(figure - yardsticks[1], 2),
                "latency_samples": stream.latency,
            }
            timed = name not in seen
            seen.add(name)
            rows.append(row | (time_hops(stream, given, hints, options.seconds) if timed else {}))
    return rows


def cases(seconds: float, files: Sequence[Path]) -> list[Case]:
    """Return the spectrograms."""
    sound, hints = bowed_line(seconds)
    drawing = Informed(FRAMES, SAMPLE_RATE)
    drawn = np.array([np.abs(drawing.spectrum(hint)) for hint in hints])
    heard = [Case(path.stem, np.abs(FRAMES.analyse(excerpt(path, seconds)))) for path in files]
    return [Case("bowed line", np.abs(FRAMES.analyse(sound))), *heard, Case("drawn", drawn, hints)]


def distance(case: Case, samples: np.ndarray, latency: int) -> float:
    """Return the convergence over the frames whose samples every method has given."""
    late = max(0, latency)
    placed = np.concatenate([np.zeros(late - latency, np.float32), samples])[late:]
    kept = len(case.magnitudes) - 2 * FRAMES.overlap
    return spectral_convergence_db(placed, case.magnitudes[:kept], FRAMES)


def time_hops(stream: PhaseStream, given: Sequence[np.ndarray | None], hints: list[Hint] | None, seconds: float) -> Row:
    """Return the percentiles of one hop, one call every hop of time."""
    budget, times = FRAMES.hop / SAMPLE_RATE, []
    with real_time() as scheduling:
        pacer = Pacer(budget)
        for call in range(WARM_UP_CALLS + calls(seconds, budget)):
            magnitude, hint = given[call % len(given)], hints[call % len(given)] if hints else None
            pacer.wait()
            began = time.perf_counter_ns()
            stream.frame(magnitude, hint)
            times.append((time.perf_counter_ns() - began) / 1000)
    figures = percentiles(times[WARM_UP_CALLS:])
    kept = {name: figures[name] for name in ("count", "p50_us", "p95_us")}
    return kept | {"budget_share": round(figures["p50_us"] / (1e6 * budget), 4), "scheduling": scheduling}


def bowed_line(seconds: float, seed: int = 0) -> tuple[np.ndarray, list[Hint]]:
    """Return a line of bowed notes (samples,) with silence around it, and the hints of its frames.

    Up to 40 harmonics with vibrato, attacks of 30 ms, releases of 100 ms over the next note, and a bow's noise.
    """
    rng, length = np.random.default_rng(seed), int(seconds * SAMPLE_RATE)
    sound, noise_level = np.zeros(length), np.zeros(length)
    centres = FRAMES.hop * np.arange(FRAMES.count(length)) + FRAMES.n_fft // 2
    parts: list[list[np.ndarray]] = [[] for _ in centres]
    start, end = 0.3, seconds - 0.5
    while start < end - 0.1:
        until = min(end, start + float(rng.choice([0.15, 0.3, 0.6, 1.2])) + 0.1)
        places = np.arange(int(start * SAMPLE_RATE), int(until * SAMPLE_RATE))
        elapsed = (places - places[0]) / SAMPLE_RATE
        vibrato = rng.uniform(5, 25) * np.clip((elapsed - 0.1) / 0.2, 0, 1) * np.sin(2 * np.pi * 5.6 * elapsed)
        frequency = 440 * 2 ** ((rng.integers(55, 88) - 69 + vibrato / 100) / 12)
        cycles = np.cumsum(frequency) / SAMPLE_RATE
        level = rng.uniform(0.2, 1) * np.clip(elapsed / 0.03, 0, 1) * np.clip((elapsed[-1] - elapsed) / 0.1, 0, 1)
        harmonics = np.arange(1, 1 + min(40, int(HIGHEST_HZ / frequency.max())))
        amplitudes = 0.1 * harmonics**-1.1 * 10 ** (rng.normal(0, 5, len(harmonics)) / 20)
        begins = rng.random(len(harmonics))
        for harmonic, loudness, begin in zip(harmonics, amplitudes, begins, strict=True):
            sound[places] += loudness * level * np.cos(2 * np.pi * (harmonic * cycles + begin))
        noise_level[places] += level
        for k in np.flatnonzero((centres >= places[0]) & (centres <= places[-1])):
            at = centres[k] - places[0]
            parts[k].append(
                np.stack([harmonics * frequency[at], amplitudes * level[at], harmonics * cycles[at] + begins])
            )
        start = until - 0.1
    bow = 0.003 * np.exp(-0.5 * (np.log2((np.arange(FRAMES.bins) + 1) * SAMPLE_RATE / FRAMES.n_fft / 3000) / 0.8) ** 2)
    shape = np.interp(np.linspace(0, 1, length // 2 + 1), np.linspace(0, 1, FRAMES.bins), bow)
    sound += noise_level * np.fft.irfft(np.fft.rfft(rng.standard_normal(length)) * shape, length)
    unit = np.sqrt(np.sum(FRAMES.window**2))  # magnitude of white noise of power 1
    hints = []
    for centre, part in zip(centres, parts, strict=True):
        frequency, amplitude, phase = np.concatenate(part, axis=1) if part else np.zeros((3, 0))
        hints.append(Hint(frequency, amplitude, phase, unit * noise_level[centre] * bow))
    return sound, hints


def excerpt(path: Path, seconds: float) -> np.ndarray:
    """Return (samples,) of a recording at our rate, its channels mixed, between silences of a window. Raises BacklineError."""
    import soundfile

    try:
        import soxr
    except ImportError as error:
        raise BacklineError("files are resampled with soxr; install backline[dev]") from error
    try:
        with soundfile.SoundFile(str(path)) as file:
            file.seek(min(int(FROM_SECONDS * file.samplerate), max(0, file.frames - int(seconds * file.samplerate))))
            samples = file.read(int(seconds * file.samplerate), always_2d=True).mean(axis=1)
            sound = soxr.resample(samples, file.samplerate, SAMPLE_RATE)
    except (soundfile.LibsndfileError, OSError) as error:
        raise BacklineError(f"cannot read {path}: {error}") from error
    ramp = np.clip(np.arange(len(sound)) / (0.02 * SAMPLE_RATE), 0, 1)
    return np.pad(sound * ramp * ramp[::-1], 2 * FRAMES.n_fft)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line: --audio FILES is ours, the rest is every benchmark's."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--audio", nargs="+", type=Path, default=[], metavar="FILE")
    chosen, rest = parser.parse_known_args(words)
    return run(NAME, lambda options: measure(options, chosen.audio), SECONDS, words=rest)


if __name__ == "__main__":
    raise SystemExit(main())
