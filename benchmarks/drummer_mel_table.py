"""Which drums sound most like real ones and fit the song: those that networks draw as sound, the drummer's, or a plain beat's?

    python -m models.drummer.published.rendered PROJECT_DATA WORK
    backline bench drummer_mel_table -- --data DIR --folder WORK [--minutes M] [--seeds 3] [--model drummer]

DIR holds songs to judge with: NAME.beats (a beat a line), ref/NAME.mid (the true drums), and sound, audio/NAME.flac of the bass and
drums/NAME.flac of the drums. WORK holds the pictures to train on, and keeps the networks: all are taught the same songs for the same
minutes of a core. Needs torch, librosa and mir_eval (extra `train`).

  frechet       distance of the drums of all songs from the real ones (`models.drummer.published.frechet`)
  groove_cosine and what follows: measures of `drummer_scores`, of strokes that `drummer_onsets` reads from the sound; those ending
                in _notes of strokes as they were played, where somebody says so
  correlation   the paper's own: how each mel band moves with that of the true drums, the mean over bands
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.drummer_mel_systems import NETWORKS, Played, Song, System, read_songs, systems
from benchmarks.drummer_onsets import strokes
from benchmarks.drummer_scores import score
from benchmarks.record import RESULTS, Row, write_rows
from models.drummer.published.evaluator import correlations
from models.drummer.published.frechet import mel_frechet
from server.errors import BacklineError

NAME = "drummer_mel_table"
MINUTES, SEEDS = 2.0, 3
COLUMNS = {"frechet": "Fréchet distance", "groove_cosine": "groove cosine", "kick_f1": "kick F1", "snare_f1": "snare F1",
           "time_f1": "timekeeper F1", "density_ratio": "density", "grid_share": "on the grid", "correlation": "correlation",
           "groove_cosine_notes": "cosine, its notes", "kick_f1_notes": "kick F1, its notes"}  # fmt: skip
NOTES = ("groove_cosine", "kick_f1", "snare_f1", "time_f1")
SEED = re.compile(r", seed \d+$")
LEAST, MOST = "_least", "_most"


def measure(who: Iterator[System], songs: Sequence[Song]) -> Iterator[Row]:
    """Yield a row for each song and one for all songs, of everybody who plays."""
    for system in who:
        played = [system.plays(song) for song in songs]
        rows = [figures_of(song, one) for song, one in zip(songs, played, strict=True)]
        yield from ({"case": f"{song.name}: {system.name}"} | row for song, row in zip(songs, rows, strict=True))
        whole: Row = {"case": f"all {len(songs)}: {system.name}"} | system.about
        whole["frechet"] = round(mel_frechet([s.drums for s in songs], [(one.audio, one.rate) for one in played]), 2)
        whole |= {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}
        print(whole, file=sys.stderr)
        yield whole


def figures_of(song: Song, played: Played) -> Row:
    """Return what is measured of one song."""
    row: Row = dict(score(song.hits, strokes(played.audio, played.rate), song.beats).to_json())
    drums, rate = song.drums
    made = played.audio if played.rate == rate else _resampled(played.audio, played.rate, rate)
    row["correlation"] = round(float(correlations(drums, made, rate).mean()), 3)
    if played.hits is not None:
        notes = score(song.hits, played.hits, song.beats).to_json()
        row |= {f"{name}_notes": notes[name] for name in NOTES}
    return row


def over_seeds(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield mean, least and most of the rows whose names differ only by their seeds."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["case"].startswith("all ") and SEED.search(row["case"]):
            groups.setdefault(SEED.sub("", row["case"]), []).append(row)
    for case, group in groups.items():
        whole: Row = {"case": f"{case}, {len(group)} seeds"}
        for name in ("core_minutes", "steps", *(name for name in COLUMNS if name in group[0])):
            values = [float(row[name]) for row in group]
            whole |= {name: round(float(np.mean(values)), 3), name + LEAST: min(values), name + MOST: max(values)}
        yield whole


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows of all songs as a table for a README, those of seeds as their mean and what they lie between."""
    lines = [f"| | {' | '.join(COLUMNS.values())} |", "|---|" + "---:|" * len(COLUMNS)]
    for row in (row for row in rows if row["case"].startswith("all ") and not SEED.search(row["case"])):
        cells = " | ".join(_cell(row, name) for name in COLUMNS)
        lines.append(f"| {row['case'].split(': ', 1)[1]} | {cells} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Train, judge, write the rows, print the table."""
    arguments = _parser().parse_args(words)
    try:
        songs = read_songs(arguments.data)
        who = systems(arguments.folder, arguments.kinds, arguments.seeds, arguments.minutes, arguments.model or None)
        rows = list(measure(who, songs))
        rows += over_seeds(rows)
        path = write_rows(NAME, rows, arguments.results)
    except (BacklineError, OSError, ImportError, ValueError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    print(f"{markdown(rows)}\n\n-> {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="songs to judge with")
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="WORK", help="pictures to train on; keeps networks"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="M",
                        help=f"of a core for each network (default {MINUTES:g})")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"of each network (default {SEEDS})")
    parser.add_argument("--kinds", nargs="*", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME",
                        help=f"networks: {', '.join(NETWORKS)} (default all)")  # fmt: skip
    parser.add_argument("--model", default="drummer", help="of ours; an empty name leaves it out (default drummer)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    return parser


def _cell(row: Row, name: str) -> str:
    if name not in row:
        return ""
    digits = 1 if name == "frechet" else 2
    mean = f"{row[name]:.{digits}f}"
    if name + LEAST not in row:
        return mean
    return f"{mean} ({row[name + LEAST]:.{digits}f} to {row[name + MOST]:.{digits}f})"


def _resampled(audio: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    import soxr

    return np.asarray(soxr.resample(audio, rate, wanted), np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
