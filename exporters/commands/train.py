"""`backline train MODEL --data DIR --output DIR`: renders, training, checkpoints; stops and goes on where it stopped.

Under torchrun it runs once a process, and the first speaks for all.
"""

import argparse
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from exporters.commands.refusal import refuse
from models.performer.config import INSTRUMENTS

TRAINABLE = {
    "transcriber": ("piano", "general", "published"),
    "performer": ("live", "published"),
    "translator": ("live",),
    "drummer": ("live",),
    "arranger": ("live", "ear"),
}
"""Player -> its networks, the usual one first."""

VARIANTS = ("autoregressive", "prior", "supervised", "supervised_kl", "chord_only")
"""What the arranger's network can be, the one that ships first; the others are compared with it."""

WITHOUT: dict[str, dict[str, Any]] = {
    "on_off": {"live": False, "published": ()},
    "multi_bands": {"live": (), "published": ()},
}
"""Part of the performer's networks -> what its size has instead, network by network."""


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
        choices=sorted({name for names in TRAINABLE.values() for name in names}),
        help="transcriber: piano (default), or general, all instruments; the others: live (default); "
        "published: as its paper has it",
    )
    parser.add_argument(
        "--from", type=Path, dest="start_from", metavar="CHECKPOINT", help="begin with the weights of this checkpoint"
    )
    parser.add_argument(
        "--minutes", type=float, default=120.0, help="wall time to train, earlier runs counted (default 120)"
    )
    parser.add_argument("--hours", type=float, default=16.0, help="hours of audio to render (default 16)")
    parser.add_argument(
        "--everything", action="store_true", help="performer: train on the violin's test piece too, as for what ships"
    )
    parser.add_argument(
        "--instrument",
        action="append",
        choices=INSTRUMENTS,
        help="performer: this one alone (may be given again; default all)",
    )
    parser.add_argument(
        "--without", choices=sorted(WITHOUT), help="performer: leave out the on/off encoder or the multi-band blocks"
    )
    parser.add_argument("--variant", choices=VARIANTS, help=f"arranger: which network (default {VARIANTS[0]})")
    parser.add_argument(
        "--heard", type=Path, metavar="DIR", help="arranger: what its ear heard of the songs (default: simulated)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of renders and training (default 1)")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.model not in TRAINABLE:
        return refuse(f"there is no training for '{arguments.model}'; there is for: {', '.join(TRAINABLE)}")
    networks = TRAINABLE[arguments.model]
    arguments.network = arguments.network or networks[0]
    if arguments.network not in networks:
        return refuse(f"--network is '{arguments.network}'; allowed for the {arguments.model}: {', '.join(networks)}")
    if not arguments.data.is_dir():
        return refuse(f"there is no folder {arguments.data}")
    if arguments.heard and not arguments.heard.is_dir():
        return refuse(f"there is no folder {arguments.heard}")
    first, alone = os.environ.get("RANK", "0") == "0", os.environ.get("WORLD_SIZE", "1") == "1"
    begun = arguments.start_from and arguments.model != "translator"
    if arguments.network in ("published", "live") and (begun or not alone):
        return refuse(f"the {arguments.network} network is trained in one process and from the start")
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
    if arguments.model == "performer":
        return _train_performer(arguments, common)
    if arguments.model == "translator":
        from models.translator.training import train as train_translator

        return train_translator(arguments.data, arguments.output, **common, start_from=arguments.start_from)
    if arguments.model == "drummer":
        from models.drummer.training import train as train_drummer

        return train_drummer(arguments.data, arguments.output, **common)
    if arguments.model == "arranger":
        from models.arranger.training import train as train_arranger

        if arguments.network == "ear":
            from models.arranger.ear_lessons import train_by_ear

            return train_by_ear(arguments.data, arguments.output, **common, hours=arguments.hours)
        variant = arguments.variant or VARIANTS[0]
        return train_arranger(arguments.data, arguments.output, **common, variant=variant, heard=arguments.heard)
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


def _train_performer(arguments: argparse.Namespace, common: dict[str, Any]) -> Path:
    from models.performer.config import PerformerConfig

    part = arguments.without
    left_out = {part: WITHOUT[part][arguments.network]} if part else {}
    if arguments.network == "published":  # one network plays one instrument: the one of which there are recordings
        from models.performer.material import load_excerpts
        from models.performer.published.config import EXTRA_SMALL
        from models.performer.published.training import train as train_published
        from models.performer.sources import prepare

        prepare(arguments.data, arguments.output / "excerpts")
        excerpts = load_excerpts(arguments.output / "excerpts", "train", "violin")
        return train_published(excerpts, arguments.output, **common, size=replace(EXTRA_SMALL, **left_out))
    from models.performer.training import train

    return train(
        arguments.data,
        arguments.output,
        **common,
        instruments=arguments.instrument or INSTRUMENTS,
        everything=arguments.everything,
        config=replace(PerformerConfig(), **left_out),
    )


def _what_next(arguments: argparse.Namespace, checkpoint: Path) -> str:
    """Return how a model file comes of the checkpoint; none is made of the published network."""
    if arguments.network == "published":
        return ""
    if arguments.network == "general":
        return f"; `backline export` takes it along with a {checkpoint.with_name('transcriber.safetensors')}"
    if arguments.model == "arranger":
        return "; `backline export arranger FOLDER -o arranger` makes a model of a folder with ear.safetensors and writer.safetensors"
    ending = "zip" if arguments.model == "translator" else "onnx"  # it has several graphs
    return f"; `backline export {arguments.model} {checkpoint} -o {arguments.model}.{ending}` makes a model of it"
