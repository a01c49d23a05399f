"""`backline train MODEL --data DIR --output DIR`: renders, training, checkpoints; stops and goes on where it stopped."""

import argparse
import logging
from pathlib import Path

from exporters.commands.refusal import refuse

TRAINABLE = ("transcriber",)


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("model", metavar="MODEL", help=f"player to train: {', '.join(TRAINABLE)}")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the training data (the player's README lists it)",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for renders, checkpoints and curves"
    )
    parser.add_argument(
        "--minutes", type=float, default=120.0, help="wall time to train, earlier runs counted (default 120)"
    )
    parser.add_argument("--hours", type=float, default=16.0, help="hours of audio to render (default 16)")
    parser.add_argument("--seed", type=int, default=1, help="seed of renders and training (default 1)")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.model not in TRAINABLE:
        return refuse(f"there is no training for '{arguments.model}'; there is for: {', '.join(TRAINABLE)}")
    if not arguments.data.is_dir():
        return refuse(f"there is no folder {arguments.data}")
    from models.transcriber.training import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        checkpoint = train(
            arguments.data,
            arguments.output,
            minutes=arguments.minutes,
            seed=arguments.seed,
            hours_of_audio=arguments.hours,
        )
    except FileNotFoundError as error:
        return refuse(str(error))
    print(
        f"wrote {checkpoint}; `backline export {arguments.model} {checkpoint} -o {arguments.model}.onnx` makes a model of it"
    )
    return 0
