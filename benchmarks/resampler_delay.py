"""How much audio does a streaming resampler hold back? Ours beside every quality of soxr's, to a 16 kHz model.

Held back is the most input, in milliseconds, that had gone in without its output having come out, after a start of
half the signal. It is counted in samples and is the same on every machine. Needs soxr (extra `dev`).
"""

import numpy as np

from benchmarks.command import Options, run
from benchmarks.record import Row
from server.errors import BacklineError
from server.resample import Resampler

NAME, SECONDS = "resampler_delay", 2.0
MODEL_RATE = 16_000
HOST_RATES = (44_100, 48_000, 96_000)
QUALITIES = ("LQ", "MQ", "HQ", "VHQ")
BLOCK = 64


def measure(options: Options) -> list[Row]:
    """Return a row per host rate and resampler."""
    try:
        import soxr  # noqa: F401
    except ImportError as error:
        raise BacklineError("this benchmark compares with soxr; install backline[dev]") from error
    rows: list[Row] = []
    for rate in HOST_RATES:
        rows.append({"case": f"{rate} Hz, backline", "held_back_ms": round(1000 * ours(rate) / rate, 2)})
        for quality in QUALITIES:
            held = theirs(rate, quality, False, options.seconds)
            rows.append({"case": f"{rate} Hz, soxr {quality}", "held_back_ms": round(1000 * held / rate, 2)})
        held = theirs(rate, "HQ", True, options.seconds)
        rows.append({"case": f"{rate} Hz, soxr HQ, variable rate", "held_back_ms": round(1000 * held / rate, 2)})
    return rows


def ours(rate: int) -> float:
    """Return the input samples that our newest output waits for: known, since every output is a sum around its place."""
    resampler = Resampler(rate, MODEL_RATE)
    return max(resampler.last_input(m) - m * rate / MODEL_RATE for m in range(MODEL_RATE))


def theirs(rate: int, quality: str, variable: bool, seconds: float) -> float:
    """Return the most input samples that soxr's stream held back in its second half."""
    import soxr

    stream = soxr.ResampleStream(rate, MODEL_RATE, 1, dtype="float32", quality=quality, vr=variable)
    noise = np.random.default_rng(0).standard_normal(int(seconds * rate)).astype(np.float32)
    out, most = 0, 0.0
    for start in range(0, noise.size - BLOCK, BLOCK):
        out += len(stream.resample_chunk(noise[start : start + BLOCK]))
        if start > noise.size / 2:
            most = max(most, start + BLOCK - out * rate / MODEL_RATE)
    return most


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
