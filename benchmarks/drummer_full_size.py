"""Does the published drummer run at its own size? A training step, the export, and whether the graph says what torch says.

    backline bench drummer_full_size

CycleGAN of 28.26 M parameters and Pix2Pix of 57.17 M at batch 1, crops of noise, by the functions that training and export use. A step of
CycleGAN is about 2 TFLOP: it takes minutes on a core and is no part of the tests for that.
"""

import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.command import Options, run
from benchmarks.record import Row

NAME, SECONDS = "drummer_full_size", 1.0
KINDS = ("cyclegan", "pix2pix")  # what the paper has; the live variant is ours


def measure(options: Options) -> list[Row]:
    """Return a row for the step, the export and what both say, of CycleGAN and of Pix2Pix."""
    import torch

    from models.drummer.published.config import PUBLISHED
    from models.drummer.published.corrections import Corrections
    from models.drummer.published.objectives import OBJECTIVES

    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(1)
    source, target = torch.rand(2, 1, 1, PUBLISHED.bands, PUBLISHED.frames, generator=random) * 2 - 1
    rows: list[Row] = []
    for kind in KINDS:
        objective = OBJECTIVES[kind](PUBLISHED, Corrections.all(), seed=1)
        began, work = time.perf_counter(), time.process_time()
        losses = objective.step(source, target)
        spent = {"seconds": time.perf_counter() - began, "core_seconds": time.process_time() - work}
        count = sum(parameter.numel() for parameter in objective.networks.parameters())
        losses = {f"loss_{name}": loss for name, loss in losses.items()}
        rows.append(
            {
                "case": f"{kind}: training step, batch 1",
                "parameters": count,
                **_rounded(spent | losses),
                "peak_mb": _peak_mb(),
            }
        )
        draws = objective.networks["draws"]
        del objective
        rows += _exported(kind, draws, source.numpy())
    return rows


def _exported(kind: str, network: object, source: np.ndarray) -> list[Row]:
    """Return a row for the export of a generator, and one for its graph beside it."""
    import onnxruntime
    import torch

    from models.drummer.published.export import export
    from models.drummer.published.network import Generator, UNet

    assert isinstance(network, Generator | UNet)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "published.onnx")
        began = time.perf_counter()
        export(network, path)
        spent = {"seconds": time.perf_counter() - began, "file_mb": path.stat().st_size / 1e6}
        chosen = onnxruntime.SessionOptions()
        chosen.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])
        with torch.no_grad():
            expected = network(torch.from_numpy(source)).numpy()
        began = time.perf_counter()
        said = session.run(None, {"source": source})[0]
        beside: Row = {
            "case": f"{kind}: graph beside torch",
            "worst_difference": float(np.abs(said - expected).max()),
            "largest_value": round(float(np.abs(expected).max()), 3),
            **_rounded({"seconds": time.perf_counter() - began}),
        }
    return [{"case": f"{kind}: export", **_rounded(spent)}, beside]


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in row.items()}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    return run(NAME, measure, SECONDS, words=words)


if __name__ == "__main__":
    raise SystemExit(main())
