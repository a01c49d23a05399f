"""`backline models`: what there is, what it takes and gives, how late it is, how good, under which licence."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from models.latency import declare_latency
from models.manifest import DIRECTION, Manifest
from models.model_parts import size_of
from server.directions import by_direction, ports_of
from server.errors import BacklineError
from server.model_store import Model, list_models, open_stream

HOST_RATE = 48_000  # the rate latencies are shown at


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with more models")
    parser.add_argument("--json", action="store_true", help="one JSON object for programs")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    rows = {name: _described(found) for name, found in list_models(arguments.models).items()}
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return 0
    console = Console()
    for name, row in rows.items():
        console.print(f"[bold]{name}[/bold]  {escape(_text(row))}", highlight=False)
    return 0


def _text(row: dict) -> str:  # type: ignore[type-arg]  # JSON
    """Return a model's row as lines for people."""
    if "problem" in row:
        return f"cannot be served: {row['problem']}"
    size = f"{row['sample_rate']} Hz, hop {row['hop']}, {row['bytes'] / 1e6:.2f} MB"
    ways = {f"direction {name}: ": each for name, each in row["directions"].items()} or {"": row}
    lines = [
        row["title"],
        *(
            line
            for name, each in ways.items()
            for line in (
                f"{name}{' '.join(each['in'])} -> {' '.join(each['out'])}, {size}",
                f"latency in samples at {HOST_RATE} Hz, by look-ahead in ms: {_heads(each)}",
            )
        ),
        *([f"measured: {', '.join(f'{k} {v:g}' for k, v in row['quality'].items())}"] if row["quality"] else []),
        f"licence: {row['licence']}",
    ]
    return "\n    ".join(lines)


def _heads(row: dict) -> str:  # type: ignore[type-arg]  # JSON
    return ", ".join(f"{h['look_ahead_ms']:g}: {h['latency_samples']} ({h['latency_ms']:g} ms)" for h in row["heads"])


def _described(found: Model | BacklineError) -> dict:  # type: ignore[type-arg]  # JSON
    try:
        return describe(found)
    except BacklineError as error:  # a manifest that reads well over a graph that does not
        return {"problem": str(error)}


def describe(found: Model | BacklineError) -> dict:  # type: ignore[type-arg]  # JSON
    """Return a model as JSON values; a broken file as its problem."""
    if isinstance(found, BacklineError):
        return {"problem": str(found)}
    manifest = found.manifest
    return {
        "title": manifest.title,
        "sample_rate": manifest.sample_rate,
        "hop": manifest.hop,
        **by_direction(manifest, lambda faced: _facing(found, faced)),
        "bytes": size_of(found.path),
        "quality": manifest.quality,
        "licence": manifest.licence,
        "trained_on": manifest.trained_on,
        "file": str(found.path),
    }


def _facing(found: Model, faced: Manifest) -> dict:  # type: ignore[type-arg]  # JSON
    """Return what a model is in one direction."""
    return {
        **ports_of(faced),
        "heads": [_head(found, faced, head.look_ahead_ms) for head in faced.heads],
        "parameters": {p.name: {"default": p.default, "minimum": p.minimum, "maximum": p.maximum, "choices": p.choices, "text": p.text,
                                "unit": p.unit, "fixed": p.fixed, "description": p.description} for p in faced.stream_parameters},
    }  # fmt: skip


def _head(found: Model, faced: Manifest, look_ahead_ms: float) -> dict[str, float]:
    settings: dict[str, str | float] = {"look_ahead_ms": f"{look_ahead_ms:g}"} if len(faced.heads) > 1 else {}
    if faced.directions:
        settings[DIRECTION] = faced.directions[0]
    spec = open_stream(found, settings, HOST_RATE).spec
    samples = declare_latency(spec, HOST_RATE).total
    return {
        "look_ahead_ms": look_ahead_ms,
        "latency_samples": samples,
        "latency_ms": round(1000 * samples / HOST_RATE, 2),
    }
