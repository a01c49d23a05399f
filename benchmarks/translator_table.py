"""How often are a sound's symbols heard, and how near does a symbol's sound come? A baseline, the published network, and ours.

    backline bench translator_table -- --data DIR --folder WORK [--model translator]

DIR holds collections of single notes (`models.translator.notes`); WORK keeps features, renders and trained networks. All are
taught the same notes for the same minutes of a core, one network for each set of instruments (ours is one for all of them, and has the
minutes of all), and judged on cells of pitch and
dynamic that nobody was taught. Needs scikit-learn (extra `train`), and fluidsynth for the other source.

  one      single notes of the cells kept out: shares of octave, pitch class and dynamics that are right
  other    single notes of another source of the same instrument, a sound font that nobody was taught
  two, three  notes of two and three instruments added as signals, in whatever order they are told
  play     symbol to signal: Itakura-Saito divergence and log-spectral distance to the kept out notes of that symbol
  frames   the paper's own figures of its network: likelihoods both ways, divergence, strict and loose ratios of frames
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.record import RESULTS, Row, write_rows
from benchmarks.translator_systems import NAMES, Bench, System, systems
from models.translator.notes import Note, find_notes, on_side, read_audio
from models.translator.published.config import SAMPLE_RATE
from models.translator.published.corrections import Corrections
from models.translator.published.features import frames_of, sounding_seconds
from models.translator.published.listening import Symbol
from models.translator.published.measures import assigned_ratios, itakura_saito, log_spectral_distance, loose_ratios
from models.translator.renders import rendered_notes
from server.errors import BacklineError

NAME = "translator_table"
KINDS = ("baseline", "published", "separation", "ours")
SETS = (("cello",), ("flute",), ("saxophone",), ("saxophone", "cello"), ("saxophone", "cello", "flute"))
OTHER_FONT = "timgm6mb"
OTHERS, MIXTURES, SEED = 60, 150, 5  # notes of an instrument, mixtures of a set
SHORTEST_SECONDS = 0.5  # of a note in a mixture
NOBODY = Symbol(-2, -2, -2)  # stands for a source that was not told: no truth is like it
CASES = ("one", "other", "two", "three", "play")
COLUMNS = {"isd_median": "ISD, median note", "lsd_db": "LSD (dB)"}  # one missed partial makes a note's divergence huge


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound, (samples,) float32 at 22,050 Hz, of which the symbols are known, in the order of its instruments."""

    case: str
    instruments: tuple[str, ...]
    audio: np.ndarray
    symbols: tuple[Symbol, ...]


def sounds(
    notes: Sequence[Note], others: Sequence[Note], sets: Sequence[tuple[str, ...]], mixtures: int = MIXTURES
) -> list[Heard]:
    """Return what is listened to: notes kept out alone and together, and notes of another source."""
    rng = np.random.default_rng(SEED)
    made: list[Heard] = []
    for instruments in sets:
        kept = [[n for n in on_side(notes, "test") if n.instrument == one and n.dynamic] for one in instruments]
        if len(instruments) == 1:
            made += [_heard("one", [note]) for note in kept[0]]
            own = [note for note in others if note.instrument == instruments[0]]
            made += [_heard("other", [own[i]]) for i in sorted(rng.permutation(len(own))[:OTHERS])]
            continue
        long = [[n for n in some if sounding_seconds(read_audio(n, SAMPLE_RATE)) >= SHORTEST_SECONDS] for some in kept]
        case = {2: "two", 3: "three"}[len(instruments)]
        made += [_heard(case, [some[rng.integers(len(some))] for some in long]) for _ in range(mixtures)]
    return made


def listened(system: System, heard: Sequence[Heard]) -> Iterator[Row]:
    """Yield a row for each case: shares of right symbols, each source matched to what makes most of them right; and loose ones."""
    for case in dict.fromkeys(one.case for one in heard):
        own = [one for one in heard if one.case == case]
        hears = (system.hears_other if case == "other" else None) or system.hears
        if any(hears(one.instruments) is None for one in own):
            continue
        said, true = [], []
        for one in own:
            listener = hears(one.instruments)
            told = list(listener(one.audio, SAMPLE_RATE)) if listener else []
            said.append((told + [NOBODY] * len(one.symbols))[: len(one.symbols)])
            true.append(one.symbols)
        found, wanted = np.array(said), np.array(true)
        row: Row = {"case": f"{case}: {system.name}", "sounds": len(own)}
        row |= dict(zip(NAMES, _shares(assigned_ratios(found, wanted)), strict=True))
        if wanted.shape[1] > 1:
            row |= {f"loose_{name}": v for name, v in zip(NAMES, _shares(loose_ratios(found, wanted)), strict=True)}
        yield row


def played(system: System, heard: Sequence[Heard]) -> Iterator[Row]:
    """Yield a row of how far the spectra that a system plays are from those of the notes kept out."""
    if system.plays is None:
        return
    divergences, distances = [], []
    for one in heard:
        true = frames_of(one.audio).magnitudes if one.case == "one" else np.zeros((0, 0))
        said = system.plays(one.instruments[0], one.symbols[0]) if len(true) else None
        if said is None or not len(said):
            continue
        mean = np.exp(np.log(np.maximum(said, 1e-9)).mean(0, keepdims=True))
        divergences.append(itakura_saito(true, mean.repeat(len(true), 0)))
        distances.append(log_spectral_distance(true, mean.repeat(len(true), 0)))
    if divergences:
        row: Row = {"case": f"play: {system.name}", "sounds": len(divergences)}
        found = {"isd": np.mean(divergences), "isd_median": np.median(divergences), "lsd_db": np.mean(distances)}
        yield row | {name: round(float(value), 3) for name, value in found.items()}


def markdown(rows: Sequence[Row]) -> str:
    """Return one line for each system: the mean over its seeds, octave / pitch class / dynamics in percent."""
    names = list(dict.fromkeys(row["case"].split(": ")[1].split(", seed ")[0] for row in rows))
    lines = ["| | " + " | ".join((*CASES[:-1], *COLUMNS.values())) + " |", "|---|" + "---:|" * (len(CASES) + 1)]
    for name in names:
        cells = []
        for case in CASES[:-1]:
            own = [r for r in rows if _of(r, case, name)]
            cells.append(" / ".join(f"{100 * np.mean([r[n] for r in own]):.1f}" for n in NAMES) if own else "")
        for column in COLUMNS:
            own = [r for r in rows if _of(r, "play", name)]
            cells.append(f"{np.mean([r[column] for r in own]):.2f}" if own else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    arguments = _parser().parse_args(words)
    try:
        notes = find_notes(arguments.data)
        others = rendered_notes(arguments.folder / "renders", (OTHER_FONT,)) if arguments.other else []
        sets = tuple(tuple(text.split("+")) for text in arguments.sets)
        corrections = Corrections.as_released() if arguments.as_released else Corrections.all()
        bench = Bench(notes, sets, arguments.minutes, arguments.folder, corrections)
        heard = sounds(notes, others, sets, arguments.mixtures)
        if not heard:
            raise BacklineError(f"{arguments.data} holds no kept out notes of {', '.join(arguments.sets)}")
        rows: list[Row] = []
        for system in systems(bench, arguments.kinds, arguments.seeds, arguments.model):
            found = [*listened(system, heard), *played(system, heard), *system.own()]
            rows += [row | {"core_minutes": arguments.minutes} if system.trained else row for row in found]
            for row in found:
                print(row, file=sys.stderr)
        path = write_rows(NAME, rows, arguments.results)
    except (BacklineError, OSError, ImportError, ValueError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    print(f"\n{markdown(rows)}\n\n-> {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="collections of single notes")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="keeps features, renders, networks")
    parser.add_argument(
        "--minutes", type=float, default=1.0, metavar="N", help="of a core for each network (default 1)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each system (default 3)")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS), help="what is trained (default all)")
    parser.add_argument("--as-released", action="store_true", help="with the release's mistakes, its leaking split too")
    parser.add_argument(
        "--sets",
        nargs="+",
        default=["+".join(one) for one in SETS],
        metavar="A+B",
        help="instruments that sound together",
    )
    parser.add_argument(
        "--mixtures", type=int, default=MIXTURES, metavar="N", help=f"of each set that are heard (default {MIXTURES})"
    )
    parser.add_argument("--no-other", dest="other", action="store_false", help="leave out the other source")
    parser.add_argument(
        "--model", nargs="*", default=[], metavar="MODEL", help="names, files or folders of models of ours"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where rows are appended")
    return parser


def _heard(case: str, notes: Sequence[Note]) -> Heard:
    audio = [read_audio(note, SAMPLE_RATE) for note in notes]
    mixed = np.zeros(max(map(len, audio)), np.float32)
    for one in audio:
        mixed[: len(one)] += one
    symbols = [Symbol(note.symbols[1], note.symbols[0], note.symbols[2]) for note in notes]
    return Heard(case, tuple(note.instrument for note in notes), mixed, tuple(symbols))


def _shares(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


def _of(row: Row, case: str, name: str) -> bool:
    said, system = row["case"].split(": ")
    return said == case and system.split(", seed ")[0] == name


if __name__ == "__main__":
    raise SystemExit(main())
