"""`backline triton MODEL -o DIR`: a model as entries of an NVIDIA Triton model repository."""

import argparse
from pathlib import Path

from exporters.commands.refusal import refuse


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("model", metavar="MODEL", help="a bundled model's name, or an .onnx file, .zip or folder/")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="the model repository; made if it is missing"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from exporters.errors import ExportError
    from exporters.triton import write_repository
    from models.model_parts import FILES
    from models.registry import bundled_files

    bundled = bundled_files()
    named = "/" in arguments.model or Path(arguments.model).suffix.lower() in FILES
    if not named and arguments.model not in bundled:
        return refuse(f"there is no model '{arguments.model}'; there are: {', '.join(bundled)}, or a path")
    if not arguments.output.parent.is_dir() or arguments.output.is_file():
        return refuse(f"cannot write {arguments.output}: it must be a folder, in a folder that exists")
    try:
        names = write_repository(Path(arguments.model) if named else bundled[arguments.model], arguments.output)
    except (ExportError, OSError) as error:
        return refuse(str(error))
    print(
        f"wrote {', '.join(names)} to {arguments.output}; `tritonserver --model-repository={arguments.output}` serves it"
    )
    return 0
