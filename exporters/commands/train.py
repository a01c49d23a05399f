"""`backline train MODEL --data DIR --output DIR`: renders, training, checkpoints; stops and goes on where it stopped.

Under torchrun it runs once a process, and the first speaks for all.
"""

import argparse
import logging
import os
from pathlib import Path

from exporters.commands.refusal import refuse

TRAINABLE = ("transcriber",)
NETWORKS = ("piano", "general", "published")


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("model", metavar="MODEL", help=f"player to train: {', '.join(TRAINABLE)}")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the training data (the player's README lists it), or of a public data set",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for renders, checkpoints and curves"
    )
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        default="piano",
        help="piano; general: all instruments; published: as its paper has it (default piano)",
    )
    parser.add_argument(
        "--from", type=Path, dest="start_from", metavar="CHECKPOINT", help="begin with the weights of this checkpoint"
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
    first, alone = os.environ.get("RANK", "0") == "0", os.environ.get("WORLD_SIZE", "1") == "1"
    if arguments.network == "published" and (arguments.start_from or not alone):
        return refuse("the published network is trained in one process and from the start")
    if arguments.network == "published" and (arguments.output / "resume.safetensors").exists():
        return refuse(f"{arguments.output} holds another network's run; the published one wants a folder of its own")
    from models.transcriber.training import TrainingError

    logging.basicConfig(level=logging.INFO if first else logging.WARNING, format="%(message)s")
    try:
        checkpoint = _train(arguments)
    except (FileNotFoundError, TrainingError) as error:
        return refuse(str(error)) if first else 2
    if first:
        print(f"wrote {checkpoint}{_what_next(arguments, checkpoint)}")
    return 0


def _train(arguments: argparse.Namespace) -> Path:
    common = {"minutes": arguments.minutes, "seed": arguments.seed}
    if arguments.network == "published":
        from models.transcriber.published.experiment import train_published

        return train_published(arguments.data, arguments.output, **common)
    from models.transcriber.training import train

    return train(
        arguments.data,
        arguments.output,
        **common,
        hours_of_audio=arguments.hours,
        network=arguments.network,
        start_from=arguments.start_from,
    )


def _what_next(arguments: argparse.Namespace, checkpoint: Path) -> str:
    """Return how a model file comes of the checkpoint; none is made of the published network."""
    if arguments.network == "published":
        return ""
    if arguments.network == "general":
        return f"; `backline export` takes it along with a {checkpoint.with_name('transcriber.safetensors')}"
    return f"; `backline export {arguments.model} {checkpoint} -o {arguments.model}.onnx` makes a model of it"
