"""How right are notes of other instruments than the piano, group by group, beside Basic Pitch? Renders that validation hears.

    backline bench instrument_groups -- --data DATA --peers-python PYTHON

DATA is what `backline train` renders the general network's material from; these are its validation renders, dry: held-out
pieces on a font that training never hears. They are heard by the path of `backline run`, with `instrument=general` at the
latest head, commit. `--folder DIR` keeps them as GROUP_N.wav beside GROUP_N.mid; what is there is not made again, and
without --data it is all that is scored.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.record import Row
from benchmarks.transcription_beside import mean_case, run, score_files
from benchmarks.transcription_curve import Pairs, grouped, pairs_of
from benchmarks.transcription_material import events_of
from models.sound.performance import Performance
from models.sound.renders import SAMPLE_RATE, Plan, Render
from models.transcriber.plans import renders_of
from server.audio.file import write_audio
from server.errors import BacklineError
from server.evaluation import TICKS, reference_notes
from server.midi.file import write_midi

NAME = "instrument_groups"
INSTRUMENT = "general"
SEED = 11  # of the renders that the networks which ship were validated on
FULL_SCALE = 32_768


def measure(arguments: argparse.Namespace) -> list[Row]:
    """Score the groups and their mean. Raises BacklineError."""
    if arguments.data is None and arguments.folder is None:
        raise BacklineError(
            "there is nothing to hear: give --data, to make renders from, or --folder, which holds them"
        )
    with TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        groups = grouped(pairs_of(folder) if arguments.data is None else _prepared(arguments, folder))
        played = {audio: reference_notes(midi) for pairs in groups.values() for audio, midi in pairs}
        scores = score_files(arguments, INSTRUMENT, played)
    rows = [mean_case(group, [scores[audio] for audio, _ in pairs]) for group, pairs in groups.items()]
    return [*rows, mean_case("all", list(scores.values()))]


def make(plan: Plan, indices: Iterable[int], folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (audio, MIDI) of every render, numbered within its group; one that `folder` holds is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    play, numbers = None, dict[str, int]()
    for index in indices:
        group = plan.group(index)
        numbers[group] = numbers.get(group, -1) + 1
        audio = folder / f"{group}_{numbers[group]}.wav"
        if not audio.exists():
            play = play or plan.player()
            _write(play(index), audio)
        yield audio, audio.with_suffix(".mid")


def _prepared(arguments: argparse.Namespace, folder: Path) -> Pairs:
    plans = {
        side: (plan, indices) for side, plan, indices in renders_of("general", arguments.data, arguments.seed, 0.0)
    }
    return list(make(*plans["validation"], folder))


def _write(render: Render, audio: Path) -> None:
    """Write the notes first: where there is audio, the render is whole."""
    notes = render.notes / np.array([SAMPLE_RATE, SAMPLE_RATE, 1, 1])
    events = events_of(Performance(notes, render.pedal / SAMPLE_RATE))
    write_midi(audio.with_suffix(".mid"), events, TICKS, audio.stem)
    write_audio(audio, np.asarray(render.audio[None] / FULL_SCALE, np.float32), SAMPLE_RATE)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, metavar="DATA", help="what `backline train` renders from")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keeps the renders, or holds them")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the renders (default {SEED})")
    return run(NAME, parser, measure, words)


if __name__ == "__main__":
    raise SystemExit(main())
