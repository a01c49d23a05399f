"""Does the published arranger run at its own size? A training step of each stage, the exports, and whether the graphs say what torch says.

    backline bench arranger_full_size

62.27 M parameters at batch 1, two bars of a scale made here, by the functions that training and export use. It takes some 3 GB of memory
and a few minutes, and is no part of the tests for that.
"""

import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.command import Options, run
from benchmarks.record import Row

NAME, SECONDS = "arranger_full_size", 1.0
BARS = 6
BEAT_SECONDS = 0.6
SCALE = (60, 62, 64, 65, 67, 69, 71, 72)
WINDOW_SECONDS = 8 * BEAT_SECONDS


def measure(options: Options) -> list[Row]:
    """Return a row for the step of each stage, one for the exports, one a graph beside torch, and one for writing a window."""
    import torch

    from models.arranger.published.config import PUBLISHED
    from models.arranger.published.corrections import Corrections
    from models.arranger.published.data import Material
    from models.arranger.published.network import PublishedNetwork
    from models.arranger.published.schedules import STAGES
    from models.arranger.published.training import Run

    torch.set_num_threads(1)
    released = Corrections.as_released()
    with torch.device("meta"):
        count = PublishedNetwork(PUBLISHED, released).parameter_count
    rows: list[Row] = [{"case": "as released", "parameters": count}]
    song, sound = _scale()
    material = Material([song], {song.name: sound}, Corrections.all())
    with tempfile.TemporaryDirectory() as scratch:
        network = None
        for name, stage in STAGES.items():
            taking = Run(Path(scratch), "cvae", PUBLISHED, material.corrections, stage, seed=1)
            chosen = material.rows([2], stage, PUBLISHED, taking.rng(0))
            began, work = time.perf_counter(), time.process_time()
            losses = taking.learn(chosen)
            spent = {"seconds": time.perf_counter() - began, "core_seconds": time.process_time() - work}
            losses = {f"loss_{key}": losses[key] for key in ("all", "pitch")}
            rows.append(
                {
                    "case": f"training step of stage {name}, batch 1",
                    "parameters": taking.network.parameter_count,
                    **_rounded(spent | losses),
                    "peak_mb": _peak_mb(),
                }
            )
            network = taking.network
            del taking
        assert network is not None
        rows += _exported(network, chosen.spectrum, chosen.chords, chosen.roll, Path(scratch))
    return rows


def _exported(network: object, spectrum: object, chords: object, roll: object, folder: Path) -> list[Row]:
    """Return a row for the exports, and one for each graph beside torch."""
    import onnxruntime
    import torch

    from models.arranger.published.export import ENCODED, WRITTEN, Encode, Write, export, inputs_of
    from models.arranger.published.network import PublishedNetwork

    assert isinstance(network, PublishedNetwork)
    paths = folder / "encode.onnx", folder / "write.onnx"
    began = time.perf_counter()
    export(network, *paths)
    spent = {"seconds": time.perf_counter() - began, "file_mb": sum(path.stat().st_size for path in paths) / 1e6}
    rows: list[Row] = [{"case": "export of both graphs", **_rounded(spent)}]
    encoded, written = inputs_of(network)
    encoded |= {"spectrum": spectrum, "chords": chords, "roll": roll}
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = 1
    for module, given, path, names in (
        (Encode(network), encoded, paths[0], ENCODED),
        (Write(network), written, paths[1], WRITTEN),
    ):
        if "z" in given:
            given["z"] = torch.randn(given["z"].shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            said = module(*given.values())
        expected = dict(zip(names, (said,) if isinstance(said, torch.Tensor) else said, strict=True))
        session = onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])
        feed = {
            name: value.numpy() for name, value in given.items() if name in {one.name for one in session.get_inputs()}
        }
        began = time.perf_counter()
        found = dict(zip(names, session.run(list(names), feed), strict=True))
        spent = {"seconds": time.perf_counter() - began}
        worst = max(float(np.abs(found[name] - expected[name].numpy()).max()) for name in names)
        largest = max(float(expected[name].abs().max()) for name in names if expected[name].is_floating_point())
        case = "encoder's graph beside torch" if path == paths[0] else "graph of a sixteenth beside torch"
        rows.append({"case": case, "worst_difference": worst, "largest_value": round(largest, 3), **_rounded(spent)})
    began = time.perf_counter()
    network.write(network.means(spectrum, chords))
    seconds = time.perf_counter() - began
    rows.append(
        {
            "case": "a window written by torch",
            "seconds": round(seconds, 3),
            "of_its_time": round(seconds / WINDOW_SECONDS, 3),
        }
    )
    return rows


def _scale() -> tuple:  # a Song and its (samples,) float32
    """Return a scale over a low note a bar, and its sound with eight partials a note."""
    from models.arranger.published.config import STRETCHED_RATE
    from models.arranger.songs import Song, chord_row

    beats = np.arange(4 * BARS) * BEAT_SECONDS
    piano = np.array([(half / 2, half / 2 + 0.5, SCALE[half % 8], 80) for half in range(8 * BARS)], float)
    bass = np.array([(4 * bar, 4 * bar + 4, 36, 90) for bar in range(BARS)], float)
    chords = np.stack([chord_row(0, (0, 4, 7), 0)] * len(beats))
    notes = np.concatenate([piano, bass])
    sound = np.zeros(round(len(beats) * BEAT_SECONDS * STRETCHED_RATE), np.float32)
    for onset, offset, pitch, _ in notes:
        span = slice(round(onset * BEAT_SECONDS * STRETCHED_RATE), round(offset * BEAT_SECONDS * STRETCHED_RATE))
        seconds = np.arange(len(sound[span])) / STRETCHED_RATE
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        sound[span] += 0.05 * sum(np.sin(2 * np.pi * n * hertz * seconds) / n for n in range(1, 9))
    none = np.zeros((0, 4))
    return Song(
        "scale", beats, chords, none, piano + np.array([0, 0, 12, 0]), notes[np.argsort(notes[:, 0], kind="stable")]
    ), sound


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)


def _rounded(row: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in row.items()}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    return run(NAME, measure, SECONDS, words=words)


if __name__ == "__main__":
    raise SystemExit(main())
