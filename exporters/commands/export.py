"""`backline export MODEL CHECKPOINT -o FILE.onnx`: a checked model, or a reason and nothing written.

With `--one-phase`, of a transcriber that is exported, the one that ships unless its file stands for the checkpoint.
"""

import argparse
import json
from pathlib import Path

from exporters.commands.refusal import refuse

CARRIED = ("onset_f1", "live_f1", "note_f1", "velocity_f1")


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("model", metavar="MODEL", help="the player the checkpoint belongs to")
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        nargs="?",
        help=".safetensors file of a training run; `none` for the probe; with --one-phase an .onnx file, or nothing",
    )
    parser.add_argument(
        "--one-phase",
        action="store_true",
        help="transcriber: the weights of an exported one with a step every 16 ms, not 8: half the work, a little later",
    )
    parser.add_argument(
        "--scores",
        action="append",
        default=[],
        metavar="NAME=FILE.json",
        help="figures of `backline evaluate --json` that the file shall carry, under a name",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="where to write the model; one of several graphs is a folder or FILE.zip",
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from exporters.errors import ExportError
    from exporters.players import EXPORTERS
    from models.manifest import ManifestError
    from models.model_parts import ModelFileError, size_of

    if arguments.model not in EXPORTERS:
        return refuse(f"there is no player '{arguments.model}' to export; there are: {', '.join(EXPORTERS)}")
    if arguments.output.suffix not in (".onnx", ".zip", "") or not arguments.output.parent.is_dir():
        return refuse(f"cannot write {arguments.output}: it must end in .onnx (of several graphs: .zip, or be a folder) "
                      "and lie in a folder that exists")  # fmt: skip
    if arguments.one_phase and arguments.model != "transcriber":
        return refuse(f"--one-phase is for the transcriber; the {arguments.model} has no phases")
    if arguments.checkpoint is None and not arguments.one_phase:
        return refuse(
            f"which checkpoint of the {arguments.model} is to be exported? `none` for the probe, which has no weights"
        )
    checkpoint = None if arguments.checkpoint in ("none", None) else Path(arguments.checkpoint)
    try:
        quality = _quality(arguments.scores)
        if arguments.one_phase:
            from exporters.one_phase import export_one_phase

            found, difference = export_one_phase(checkpoint, arguments.output, quality)
            print(f"the weights give what the graph gives: they differ by {found:.1g} at most over 50 hops")
        else:
            difference = EXPORTERS[arguments.model](checkpoint, arguments.output, quality)
    except (ExportError, ManifestError, ModelFileError, OSError) as error:
        return refuse(str(error))
    size = size_of(arguments.output)
    print(
        f"wrote {arguments.output}, {size / 1e6:.2f} MB; torch and ONNX differ by {difference:.1g} at most over 50 hops"
    )
    return 0


def _quality(words: list[str]) -> dict[str, float]:
    """Return the mean figures of evaluations, each under the name it is given. Raises OSError or ExportError."""
    from exporters.errors import ExportError

    figures: dict[str, float] = {}
    for word in words:
        name, equals, file = word.partition("=")
        try:
            means = json.loads(Path(file).read_text(encoding="utf-8"))["MEAN"] if equals else {}
            figures |= {f"{name} {key}": float(means[key]) for key in CARRIED}
        except (ValueError, KeyError, TypeError) as error:
            raise ExportError(f"--scores is '{word}'; it is NAME=FILE.json of `backline evaluate --json`") from error
    return figures
