"""Options that several commands share, so that a word means one thing everywhere."""

import argparse
import sys
from pathlib import Path

from server.errors import BacklineError
from server.midi.clip import Clip
from server.rebuffer import LARGEST_BLOCK


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add MODEL, --models, --set and --provider."""
    parser.add_argument(
        "model", metavar="MODEL", help="a model's name (backline models), or an .onnx file, .zip or folder/"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with more models")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter, for instance look_ahead_ms=16"
    )
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda (default auto)")


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """Add --track."""
    parser.add_argument(
        "--track", action="append", default=[], metavar="N|NAME",
        help="a track of a .mid (a channel, where it has one track) by number or name; again for more; default: all but drums",
    )  # fmt: skip


def say_remarks(clip: Clip) -> None:
    """Say on standard error what was left out of a clip, or mended."""
    for remark in clip.remarks:
        sys.stderr.write(f"backline: {remark}\n")


def parse_settings(words: list[str]) -> dict[str, str | float]:
    """Return NAME=VALUE words as a dictionary. Raises BacklineError."""
    settings: dict[str, str | float] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise BacklineError(f"--set is '{word}'; it is written NAME=VALUE, for instance look_ahead_ms=16")
        settings[name] = value
    return settings


def server_address(text: str) -> tuple[str, int]:
    """Parse --server. Raises BacklineError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise BacklineError(f"--server is '{text}'; it is written HOST:PORT, for instance 127.0.0.1:9010")
    return host, int(port)


def block_size(text: str) -> int:
    """Parse --block."""
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} samples; allowed: 1 to 65536, and devices go up to {LARGEST_BLOCK}")
    return int(text)
