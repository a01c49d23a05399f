"""Do the drummer's drums fit real songs, with the beat grid given, and did it hear the bass?

    backline bench drummer_table -- --data DIR --checkpoint FILE

DIR holds NAME.beats (a beat a line: seconds, number in its bar), ref/NAME.mid (the true drums) and the bass as audio/NAME.flac or
audio/NAME.mid. Beside the drummer stand a plain rock beat, another song's drums, and the same drummer fed another song's bass:
if that is as good, the bass was not heard. Song by song and in the mean. Needs mir_eval and torch (extra `train`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.drummer_programs import Case, TorchStep, others_bass, others_drums, play, read_cases
from benchmarks.drummer_scores import rock_beat, score
from benchmarks.record import RESULTS, Row, print_table, write_rows
from models.drummer.planner import Settings
from models.step import Step

NAME = "drummer_table"
OURS, OTHER_BASS, ROCK, OTHER_DRUMS = "drummer", "drummer, another song's bass", "rock beat", "another song's drums"
COLUMNS = {"groove_cosine": "groove cosine", "kick_f1": "kick F1", "snare_f1": "snare F1", "time_f1": "timekeeper F1",
           "density_ratio": "density", "grid_share": "on the grid"}  # fmt: skip


def measure(
    cases: Sequence[Case], step: Step, settings: Settings, known: int, styles: Mapping[str, np.ndarray] | None = None
) -> Iterator[Row]:
    """Yield the rows of each song: the drummer and its controls; another song is every other one, averaged."""
    for case in cases:
        others = [other for other in cases if other is not case]
        played = {
            OURS: [play(step, case.bass, case.beats, settings, known, styles)],
            OTHER_BASS: [
                play(step, others_bass(other.bass, case.beats), case.beats, settings, known, styles) for other in others
            ],
            ROCK: [rock_beat(case.beats)],
            OTHER_DRUMS: [others_drums(other, case.beats) for other in others],
        }
        for name, tries in played.items():
            rows = [score(case.drums, hits, case.beats).to_json() for hits in tries]
            if rows:
                yield {"case": f"{case.name}: {name}"} | {
                    key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]
                }


def means(rows: Sequence[Row]) -> list[Row]:
    """Return the mean over songs of each player, and of how many songs the drummer is above the rock beat."""
    out: list[Row] = []
    by_player: dict[str, list[Row]] = {}
    for row in rows:
        by_player.setdefault(str(row["case"]).split(": ", 1)[1], []).append(row)
    for player, some in by_player.items():
        mean: Row = {"case": f"mean of {len(some)}: {player}"}
        mean |= {key: round(float(np.mean([float(r[key]) for r in some])), 3) for key in some[0] if key != "case"}
        if player == OURS:
            mean["songs_above_rock"] = sum(
                float(a["groove_cosine"]) > float(b["groove_cosine"])
                for a, b in zip(some, by_player[ROCK], strict=True)
            )
        out.append(mean)
    return out


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a table for a README."""
    lines = [f"| | {' | '.join(COLUMNS.values())} |", "|---|" + "---:|" * len(COLUMNS)]
    lines += [f"| {row['case']} | " + " | ".join(f"{row[name]:.2f}" for name in COLUMNS) + " |" for row in rows]
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, write the rows, print the table."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="songs with their beats, drums and bass"
    )
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="weights of a training run")
    parser.add_argument("--known", type=int, default=2, choices=range(5), metavar="N",
                        help="sixteenths heard of the beat before the planned one, 0 to 4 (default 2)")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the drummer")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)
    from models.drummer.network import load_styles

    try:
        settings = settings_of(arguments.set)
        rows = list(
            measure(
                read_cases(arguments.data),
                TorchStep(arguments.checkpoint),
                settings,
                arguments.known,
                load_styles(arguments.checkpoint),
            )
        )
    except (OSError, ValueError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    rows += means(rows)
    path = write_rows(NAME, rows, arguments.results)
    print_table(rows, f"{NAME} -> {path}")
    print(markdown(rows))
    return 0


def settings_of(words: Sequence[str]) -> Settings:
    """Read NAME=VALUE words over settings that play on the grid. Raises ValueError for a name there is not."""
    values: dict[str, object] = {"humanise": 0.0}
    kinds = {name: type(getattr(Settings(), name)) for name in Settings.__dataclass_fields__}
    for word in words:
        name, _, value = word.partition("=")
        if name not in kinds:
            raise ValueError(f"there is no setting '{name}'; allowed: {', '.join(kinds)}")
        values[name] = kinds[name](value)
    return Settings(**values)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
