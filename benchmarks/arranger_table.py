"""Are the arranger's notes those that a human wrote, and did it hear the song?

    backline bench arranger_table -- --data DIR --heard DIR --work DIR --minutes M --seeds N

DIR holds POP909's songs and what the arranger's ear heard of each; `models/arranger/split.json` says which are kept aside. Every
variant is trained for the same minutes of a core with each seed into WORK/VARIANT_SEED, or goes on there where it stopped. Each
then writes the songs kept aside, following and planning, with the melody and without, from their own sound and from another song's:
if that is as good, the song was not heard. Needs torch (extra `train`) and SciPy.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.record import RESULTS, Row, print_table, write_rows
from models.arranger.config import BEATS_A_BAR, SLOTS
from models.arranger.material import Material
from models.arranger.network import ArrangerNetwork, load_network
from models.arranger.scores import (
    bass_onset_f1,
    chord_tone_ratio,
    distance,
    groove_cosine,
    melody_onset_f1,
    notes_a_bar,
    notes_of_cells,
    onset_f1,
    ranges,
    top_line,
)
from models.arranger.sizes import VARIANTS, sized
from models.arranger.songs import read_split
from models.arranger.training import learn, prepare
from models.arranger.validation import Task, tasks_of, truth, write_all

NAME = "arranger_table"
OWN, OTHER = "own sound", "another song's"
HUMAN = "human"
SCORES = "scores.json"
COLUMNS = {"onset_f1": "onset F1", "chord_tones": "chord tones", "bass_f1": "bass onsets", "melody_f1": "melody onsets",
           "groove": "groove", "notes_distance": "notes a bar", "range_distance": "range"}  # fmt: skip


def measure(material: Material, network: ArrangerNetwork, pieces: Sequence[int], bars: int = 1000) -> list[Row]:
    """Return a row for every mode, with the melody and without, from the pieces' own sound and another's."""
    own = tasks_of(material, pieces, bars)
    after = {int(piece): _other(material, pieces, index) for index, piece in enumerate(pieces)}
    tasks = own + [task._replace(heard=after[task.piece]) for task in own]
    return rate(material, tasks, write_all(network, material, tasks))


def human(material: Material, pieces: Sequence[int], bars: int = 1000) -> list[Row]:
    """Return the same of what the human wrote: the most there is to reach, and the share of tones outside the chords."""
    tasks = tasks_of(material, pieces, bars)
    return rate(material, tasks, [truth(material, task) for task in tasks])


def rate(material: Material, tasks: Sequence[Task], written: Sequence[np.ndarray]) -> list[Row]:
    """Return rows of what is written of tasks, (…, SLOTS, 2) each: F1s and ratios are means over pieces, distances over all bars."""
    groups: dict[tuple[str, str, str], list[tuple[Task, np.ndarray]]] = {}
    for task, cells in zip(tasks, written, strict=True):
        sound = OWN if task.heard == task.piece else OTHER
        key = ("plan" if task.plan else "follow", "with melody" if task.melody else "without", sound)
        groups.setdefault(key, []).append((task, cells))
    rows: list[Row] = []
    for (mode, melody, sound), some in groups.items():
        figures: dict[str, list[float]] = {}
        bars: dict[str, list[np.ndarray]] = {"notes": [], "true notes": [], "range": [], "true range": []}
        for task, cells in some:
            made, true = notes_of_cells(cells.reshape(-1, SLOTS, 2)), notes_of_cells(truth(material, task))
            for name, value in _compare(material, task, true, made).items():
                figures.setdefault(name, []).append(value)
            for which, notes in (("", made), ("true ", true)):
                bars[f"{which}notes"].append(notes_a_bar(notes, task.bars))
                bars[f"{which}range"].append(ranges(notes, task.bars))
        row: Row = {"mode": mode, "melody": melody, "sound": sound, "pieces": len(some)}
        row |= {name: round(float(np.nanmean(values)), 4) for name, values in figures.items()}
        pooled = {name: np.concatenate(values) for name, values in bars.items()}
        row["notes_a_bar"] = round(float(pooled["notes"].mean()), 2)
        row["notes_distance"] = round(distance(pooled["true notes"], pooled["notes"]), 3)
        row["range_distance"] = round(distance(pooled["true range"], pooled["range"]), 3)
        rows.append(row)
    return rows


def table(rows: Sequence[Row]) -> list[Row]:
    """Return for every variant the mean over modes and melodies from its own sound, and how far seeds lie apart.

    `other_f1` is onset F1 from another song's sound; `follow_f1` and `plan_f1` are of that mode alone.
    """
    out: list[Row] = []
    for variant in dict.fromkeys(str(row["variant"]) for row in rows):
        mine = [row for row in rows if row["variant"] == variant]
        by_seed = []
        for seed in dict.fromkeys(row["seed"] for row in mine):
            some = [row for row in mine if row["seed"] == seed]
            heard, other = ([row for row in some if row["sound"] == sound] for sound in (OWN, OTHER))
            figures = {name: _mean(heard, name) for name in COLUMNS}
            figures["other_f1"] = _mean(other, "onset_f1")
            for mode in ("follow", "plan"):
                figures[f"{mode}_f1"] = _mean([row for row in heard if row["mode"] == mode], "onset_f1")
            by_seed.append(figures)
        row = {"case": variant, "seeds": len(by_seed)}
        row |= {name: round(float(np.mean([one[name] for one in by_seed])), 4) for name in by_seed[0]}
        f1s = [one["onset_f1"] for one in by_seed]
        row["onset_f1_spread"] = round(max(f1s) - min(f1s), 4)
        out.append(row)
    return out


def markdown(rows: Sequence[Row]) -> str:
    """Return the table for a README."""
    names = {
        "onset_f1": "onset F1",
        "onset_f1_spread": "seeds apart",
        "follow_f1": "following",
        "plan_f1": "planning",
        "other_f1": "another song's sound",
    } | {name: title for name, title in COLUMNS.items() if name != "onset_f1"}
    lines = [f"| | {' | '.join(names.values())} |", "|---|" + "---:|" * len(names)]
    lines += [f"| {row['case']} | " + " | ".join(_shown(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def scored(folder: Path, measured: Callable[[Path], list[Row]], checkpoint: Path) -> list[Row]:
    """Return the rows of a checkpoint: those kept beside it, where it has not changed since, or measured now."""
    kept = folder / SCORES
    if kept.exists() and kept.stat().st_mtime >= checkpoint.stat().st_mtime:
        rows: list[Row] = json.loads(kept.read_text())
        return rows
    rows = measured(checkpoint)
    kept.write_text(json.dumps(rows))
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Train what is not trained, measure, write the rows, print the tables."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="POP909's songs, or their packed material"
    )
    parser.add_argument("--heard", type=Path, metavar="DIR", help="what the ear heard of them (default: simulated)")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder of the trainings")
    parser.add_argument("--minutes", type=float, default=12.0, help="of a core, for each training (default 12)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each variant (default 3)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--bars", type=int, default=1000, help="of a song at most (default all)")
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="which songs (default test)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    split = read_split()
    try:
        material = prepare(arguments.data, arguments.work / "material", arguments.heard)
    except (OSError, ValueError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    pieces = first_versions(material, split[arguments.part])
    if len(pieces) < 2:
        print(
            f"backline bench {NAME}: {arguments.data} has {len(pieces)} of the songs kept aside; at least 2 are needed",
            file=sys.stderr,
        )
        return 2

    def measured(checkpoint: Path) -> list[Row]:
        return measure(material, load_network(checkpoint), pieces, arguments.bars)

    rows = [{"variant": HUMAN, "seed": 0} | row for row in human(material, pieces, arguments.bars)]
    for seed in range(1, arguments.seeds + 1):
        for variant in arguments.variants:
            folder = arguments.work / f"{variant}_{seed}"
            checkpoint = learn(
                material, split, folder, seconds=60 * arguments.minutes, seed=seed, config=sized(variant)
            )
            rows += [{"variant": variant, "seed": seed} | row for row in scored(folder, measured, checkpoint)]
    rows = [{"case": _case(row)} | row for row in rows]
    means = table(rows)
    path = write_rows(NAME, [*rows, *means], arguments.results)
    print_table(means, f"{NAME} -> {path}")
    print(markdown(means))
    return 0


def first_versions(material: Material, songs: Sequence[str]) -> list[int]:
    """Return the pieces of songs, of each song the longest section of its first render."""
    longest: dict[str, int] = {}
    for piece in material.pieces_of(songs):
        song, version = material.names[piece].split("_")[:2]
        best = longest.get(song)
        if best is None or (
            material.names[best].split("_")[1] == version and material.bars[piece] > material.bars[best]
        ):
            longest[song] = int(piece)
    return list(longest.values())


def _compare(material: Material, task: Task, true: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Return the figures of one piece."""
    bar = int(material.starts[task.piece]) + task.first + task.plan
    chords = material.true_chords[bar * BEATS_A_BAR : (bar + task.bars) * BEATS_A_BAR]
    line = top_line(true)
    if task.melody:
        first = bar * 4 * BEATS_A_BAR
        line = np.flatnonzero(material.line[1, first : first + 4 * BEATS_A_BAR * task.bars] >= 0)
    return {
        "onset_f1": onset_f1(true, made),
        "chord_tones": chord_tone_ratio(made, chords),
        "bass_f1": bass_onset_f1(true, made),
        "melody_f1": melody_onset_f1(line, made),
        "groove": groove_cosine(true, made, task.bars),
        "density": len(made) / max(1, len(true)),
    }


def _other(material: Material, pieces: Sequence[int], index: int) -> int:
    """Return the piece half way around: another song's."""
    order = [int(pieces[(index + len(pieces) // 2 + i) % len(pieces)]) for i in range(len(pieces))]
    song = material.names[pieces[index]].split("_")[0]
    return next(piece for piece in order if material.names[piece].split("_")[0] != song)


def _mean(rows: Sequence[Row], name: str) -> float:
    return float(np.mean([row[name] for row in rows])) if rows else float("nan")


def _case(row: Row) -> str:
    return f"{row['variant']} {row['seed']}, {row['mode']}, {row['melody']}, {row['sound']}"


def _shown(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
