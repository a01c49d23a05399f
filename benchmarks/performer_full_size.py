"""Does the published network run at its own size? One training step, the export, and whether the graph says what torch says.

    backline bench performer_full_size

249,804,801 parameters at batch 1, a chunk of 5 s of a scale made here, by the functions that training and export use. It takes
5 GB of memory, 1 GB of disk and a minute, and is no part of the tests for that.
"""

import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.command import Options, run
from benchmarks.record import Row
from models.performer.material import SAMPLE_RATE, Excerpt

NAME, SECONDS = "performer_full_size", 1.0
SCALE_SECONDS = 12.0
SCALE = (67, 69, 71, 72, 74, 76, 78, 79)


def measure(options: Options) -> list[Row]:
    """Return a row for the step, one for the export and one for what both say."""
    import onnxruntime
    import torch

    from models.performer.published.config import PUBLISHED
    from models.performer.published.corrections import Corrections
    from models.performer.published.data import split_chunks
    from models.performer.published.export import export
    from models.performer.published.training import RATE, Run, loss_of

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        heard, _ = split_chunks([_scale()], PUBLISHED, Corrections.all(), seed=1)
        chunk = heard.batch([0])
        training = Run(Path(scratch), PUBLISHED, Corrections.all(), seed=1, rate=RATE)
        network = training.network
        began, work = time.perf_counter(), time.process_time()
        loss = loss_of(network, *chunk)
        loss.backward()
        training.optimizer.step()
        spent = {"seconds": time.perf_counter() - began, "core_seconds": time.process_time() - work}
        with torch.no_grad():
            after = loss_of(network, *chunk).item()
        rows: list[Row] = [
            {
                "case": "training step, batch 1",
                "parameters": network.parameter_count,
                "frames": chunk[0].shape[-1],
                "loss": round(loss.item(), 4),
                "loss_after": round(after, 4),
                **_rounded(spent),
                "peak_mb": _peak_mb(),
            }
        ]
        training.optimizer.zero_grad(set_to_none=True)
        training.optimizer.state.clear()
        path = Path(scratch, "published.onnx")
        began = time.perf_counter()
        export(network, path)
        spent = {"seconds": time.perf_counter() - began, "file_mb": path.stat().st_size / 1e6}
        rows.append({"case": "export", **_rounded(spent)})
        given = dict(zip(("pianoroll", "on_off"), chunk, strict=False))
        with torch.no_grad():
            expected = network(*given.values()).numpy()
        chosen = onnxruntime.SessionOptions()
        chosen.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])
        began = time.perf_counter()
        said = session.run(None, {name: value.numpy() for name, value in given.items()})[0]
        spent = {"seconds": time.perf_counter() - began}
        rows.append(
            {
                "case": "graph beside torch",
                "worst_difference": float(np.abs(said - expected).max()),
                "largest_value": round(float(np.abs(expected).max()), 3),
                **_rounded(spent),
            }
        )
    return rows


def _scale() -> Excerpt:
    """Return a scale with eight partials a note."""
    starts = np.arange(0, SCALE_SECONDS - 0.5, 0.5)
    notes = np.array([(on, on + 0.45, SCALE[place % len(SCALE)], 80) for place, on in enumerate(starts)])
    sound = np.zeros(round(SCALE_SECONDS * SAMPLE_RATE))
    for onset, offset, pitch, _ in notes:
        span = slice(round(onset * SAMPLE_RATE), round(offset * SAMPLE_RATE))
        seconds = np.arange(span.stop - span.start) / SAMPLE_RATE
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        sound[span] = sum(np.sin(2 * np.pi * n * hertz * seconds) / n for n in range(1, 9)) * 0.2
    audio = np.round(sound * 32767).astype(np.int16)
    return Excerpt(audio, notes, np.zeros((0, 3)), "violin", "nobody", "scale", "train")


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in row.items()}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    return run(NAME, measure, SECONDS, words=words)


if __name__ == "__main__":
    raise SystemExit(main())
