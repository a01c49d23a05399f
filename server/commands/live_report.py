"""What `backline live` says of a file that it has played: a row for the report, and a line."""

import argparse
import os
import platform
import sys
from pathlib import Path

from rich.console import Console

from plugin_bridge.client import BridgeStream
from server.live_file import Listening, spread
from server.live_routes import TAKE


def report_row(
    arguments: argparse.Namespace,
    heard: Listening,
    stream: BridgeStream,
    status: dict[str, object],
    rate: int,
    path: Path,
) -> dict[str, object]:
    """Return what was measured while a file played."""
    return {
        "model": arguments.model,
        "input": "take" if path == TAKE else str(path),
        "sample_rate": rate,
        "block": arguments.block,
        "notes": sum(1 for e, _ in heard.take.emissions if type(e.event).__name__ == "NoteOn"),
        "declared_latency_samples": stream.latency,
        "declared_latency_ms": round(1000 * stream.latency / rate, 2),
        "onset_to_arrival_ms": spread(heard.waits_ms),
        "block_answered_us": spread(heard.replies_us, first_apart=True),
        "late_events": stream.late,
        "blocks_sent_late": heard.late_sends,
        "engine": status,
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "python": sys.version.split()[0]},
    }


def say_row(console: Console, row: dict[str, object], files: list[Path | None]) -> None:
    """Say it in a line, with the files that were written."""
    waits = row["onset_to_arrival_ms"]
    assert isinstance(waits, dict)
    line = f"{row['notes']} notes"
    if waits:
        line += f", heard {waits['p50']:.0f} ms after their place (p95 {waits['p95']:.0f}, slowest {waits['max']:.0f})"
        line += f", {row['late_events']} late"
    written = " and ".join(str(path) for path in files if path)
    console.print(line + (f"; wrote {written}" if written else ""), highlight=False)
