"""What does the paper's second task reach, a song for a voice?

    python -m models.drummer.published.rendered PROJECT_DATA WORK --task voice2song
    backline bench drummer_voice2song -- --data PROJECT_DATA --folder WORK [--minutes M]

WORK holds the pictures to train on, and keeps the network. It hears the voices of songs that it was never taught and its song is
held against the real one: Fréchet's distance of mel spectrograms, strokes in three regions of the spectrum (as of drums), and the
correlation of mel bands. Drawn by windows, and by bars: lines every four beats of the tempo that the real song's strokes keep, as a
host would say them. Beside it stand the voice left alone and another song.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.drummer_mel_systems import trained
from benchmarks.drummer_onsets import strokes
from benchmarks.drummer_scores import GROOVE, KICK, part_f1
from benchmarks.record import RESULTS, Row, print_table, write_rows
from models.drummer.published.config import SMALL
from models.drummer.published.evaluator import correlations
from models.drummer.published.frechet import mel_frechet
from models.drummer.published.network import load_network
from models.drummer.published.rendered import Rendered, real_songs
from models.drummer.published.synthesis import render
from server.errors import BacklineError

NAME, TASK, KIND = "drummer_voice2song", "voice2song", "put right"
RATE = SMALL.sample_rate
MINUTES, BEATS_A_BAR = 2.0, 4
TEMPI_BPM = np.arange(80, 160, 0.02)
STRUCK_SECONDS = 0.06
NAMES = dict(zip(GROOVE, ("low", "middle", "high"), strict=True))


def measure(work: Path, minutes: float, seeds: int, songs: Sequence[Rendered]) -> Iterator[Row]:
    """Yield the rows of each song that was kept aside."""
    aside = [song for song in songs if song.split != "train"]
    others = [song for song in songs if song.split == "train"]
    if not aside or not others:
        raise BacklineError("there is no song with a voice to judge with, or none to learn from")
    networks = {
        f"network, seed {seed}": load_network(trained(work, KIND, seed, minutes, TASK)) for seed in range(1, seeds + 1)
    }
    for song in aside:
        voice, real = (song.audio(stem, RATE) for stem in ("vocals", "mixture"))
        voice = np.pad(voice, (0, max(0, len(real) - len(voice))))[: len(real)]
        other = np.resize(others[0].audio("mixture", RATE), len(real))
        yield {"case": f"{song.name}: voice alone"} | figures_of(real, voice)
        yield {"case": f"{song.name}: another song"} | figures_of(real, other)
        lines = bar_lines(real)
        for name, (network, card) in networks.items():
            for way, bars in (("by windows", ()), ("by bars", lines)):
                made = render(network, voice, RATE, bar_lines=bars)
                row: Row = {"case": f"{song.name}: {name}, {way}", "core_minutes": minutes, "steps": int(card["step"])}
                yield row | figures_of(real, made)


def figures_of(real: np.ndarray, made: np.ndarray) -> Row:
    """Return how far made song (samples,) is from the real one, both at RATE."""
    true, played = strokes(real, RATE), strokes(made, RATE)
    row: Row = {"frechet": round(mel_frechet([(real, RATE)], [(made, RATE)]), 2)}
    row |= {f"{name}_f1": round(part_f1(true, played, part), 3) for part, name in NAMES.items()}
    row["density_ratio"] = round(len(played.times) / max(1, len(true.times)), 3)
    return row | {"correlation": round(float(correlations(real, made, RATE).mean()), 3)}


def bar_lines(song: np.ndarray) -> list[float]:
    """Return the seconds at which bars begin in a song (samples,) at RATE that keeps its tempo; none where nothing is struck."""
    hits = strokes(song, RATE)
    kicks = hits.times[hits.parts == KICK]
    if not len(kicks):
        return []
    turns = np.exp(2j * np.pi * hits.times[:, None] * TEMPI_BPM / 60).sum(0)
    fastest = int(np.abs(turns).argmax())
    beat = 60 / TEMPI_BPM[fastest]
    beats = np.arange(np.angle(turns[fastest]) / (2 * np.pi) % 1, len(song) / RATE / beat) * beat
    struck = np.abs(beats[:, None] - kicks[None]).min(1) < STRUCK_SECONDS
    first = max(range(min(BEATS_A_BAR, len(beats))), key=lambda place: struck[place::BEATS_A_BAR].mean())
    return [float(one) for one in beats[first::BEATS_A_BAR]]


def main(words: Sequence[str] | None = None) -> int:
    """Train, judge, write the rows."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME}")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the project's data folder")
    parser.add_argument("--folder", type=Path, required=True, metavar="WORK", help="pictures; keeps the network")
    parser.add_argument("--minutes", type=float, default=MINUTES, metavar="M", help=f"of a core (default {MINUTES:g})")
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    arguments = parser.parse_args(words)
    try:
        songs = list(real_songs(arguments.data, TASK))
        rows = list(measure(arguments.folder, arguments.minutes, arguments.seeds, songs))
    except (BacklineError, OSError, ImportError, ValueError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    path = write_rows(NAME, rows, arguments.results)
    print_table(rows, f"{NAME} -> {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
