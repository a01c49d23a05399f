"""How often are the chords right that the arranger foresees, beside the last bar's and those of the bar four before?

    backline bench arranger_foresight -- --data DIR --heard DIR --work DIR

DIR as for `arranger_table`. A figure is the share of the next bar's beats whose root is the true one, over all bars of the songs kept
aside, by what the ear heard of the bars before; `heard` is what it makes of the bar itself. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.arranger_table import first_versions
from benchmarks.command import report
from benchmarks.record import RESULTS, Row
from models.arranger.config import BEATS_A_BAR, CHORD, ROOTS
from models.arranger.foresight import MOST_BARS, foreseen, models_of
from models.arranger.material import Material
from models.arranger.songs import read_split
from models.arranger.training import prepare

NAME = "arranger_foresight"
PHRASE = 4  # bars before, which is often the same place of a phrase


def measure(material: Material, pieces: Sequence[int]) -> list[Row]:
    """Return a row for each way to guess the next bar: the share of beats with the right root, over all bars that have PHRASE before."""
    right: dict[str, list[float]] = {}
    for piece in pieces:
        first, bars = int(material.starts[piece]), int(material.bars[piece])
        beats = slice(first * BEATS_A_BAR, (first + bars) * BEATS_A_BAR)
        chords = material.chords[beats].astype(np.float32).reshape(bars, BEATS_A_BAR, CHORD)
        true = material.true_chords[beats].reshape(bars, BEATS_A_BAR, CHORD)[..., :ROOTS]
        for now in range(PHRASE - 1, bars - 1):
            there = true[now + 1].any(1)
            if not there.any():
                continue
            past = chords[max(0, now - MOST_BARS + 1) : now + 1].copy()
            past[-1, -1] = past[-1, -2]  # its last beat is not heard yet
            guesses = {
                "foreseen": foreseen(list(past), *models_of(past))[0],
                "the last bar again": past[-1],
                "four bars before": chords[now + 1 - PHRASE],
                "heard": chords[now + 1],
            }
            for name, guess in guesses.items():
                hit = guess[:, :ROOTS].argmax(1) == true[now + 1].argmax(1)
                right.setdefault(name, []).append(float(hit[there].mean()))
    return [
        {"case": name, "songs": len(pieces), "bars": len(shares), "root_right": round(float(np.mean(shares)), 4)}
        for name, shares in right.items()
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Measure, write the rows, print the table."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="POP909's songs, or packed material")
    parser.add_argument("--heard", type=Path, metavar="DIR", help="what the ear heard of them (default: simulated)")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where packed material is kept")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)

    def measured() -> list[Row]:
        material, split = prepare(arguments.data, arguments.work / "material", arguments.heard), read_split()
        return measure(material, first_versions(material, [*split["validation"], *split["test"]]))

    return report(NAME, measured, arguments.results, (ValueError,))


if __name__ == "__main__":
    sys.exit(main())
