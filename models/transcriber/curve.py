"""The curve of a training run: a row of losses and validation figures at a time as JSON, and a picture of it.

Called by `training`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any  # Any: JSON values

ENDINGS = {"note_f1": "note F1", "velocity": "velocity, correlation", "pedal_f1": "pedal F1"}


def add_row(path: Path, row: Mapping[str, Any], look_ahead_ms: Sequence[float]) -> None:
    """Append a row to the file and draw it anew; look_ahead_ms: of the heads, in the figures' order."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    draw([json.loads(line) for line in path.read_text().splitlines()], path.with_suffix(".png"), look_ahead_ms)


def draw(rows: Sequence[Mapping[str, Any]], path: Path, look_ahead_ms: Sequence[float]) -> None:
    """Draw onset F1 of every head, and beside it what else the head that looks ahead longest has learnt."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(11, 4), layout="constrained")
    onsets, others = figure.subplots(1, 2, sharey=True)
    minutes = [row["minutes"] for row in rows]
    mark = "o" if len(rows) == 1 else ""
    for head, look_ahead in enumerate(look_ahead_ms):
        onsets.plot(minutes, [row["onset_f1"][head] for row in rows], mark + "-", label=f"{look_ahead:g} ms")
    for name, label in ENDINGS.items():
        others.plot(minutes, [row[name][-1] for row in rows], mark + "-", label=label)
    onsets.set(title="onset F1 (50 ms) by look-ahead", xlabel="minutes", ylabel="validation", ylim=(0, 1))
    others.set(title=f"with {look_ahead_ms[-1]:g} ms of look-ahead", xlabel="minutes")
    for axes in (onsets, others):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    figure.savefig(path)
