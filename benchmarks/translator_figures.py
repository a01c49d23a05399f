"""Which symbols does the translator hear, of notes that it never heard, and how soon?

    backline bench translator_figures -- --data DIR --output RUN

DIR holds the collections of single notes, RUN what training made of them. Single notes, two and three at once of the held-out
cells of pitch and dynamic, and single notes of a sound font that was never trained on; at the levels they were recorded with, and
each brought to the same peak while the listener is told that levels say nothing. A figure is the share of notes whose symbol
is right, notes and slots matched so that most are; `whole` the share of mixtures in which all are. `pitch`: class and octave.
live: held-out notes one after another in a live stream at 48 kHz in blocks of 64, as `backline run --log` says when events
leave; nothing: talk, noise and silence. Needs mir_eval and torch (extra `train`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.record import RESULTS, Row, percentiles, print_table, write_rows
from models.events import NoteOn
from models.sound.speech import talk
from models.translator.config import TranslatorConfig
from models.translator.judging import Hearing, judge_mixtures, mixtures, step_hearing
from models.translator.material import Bank
from models.translator.notes import INSTRUMENTS
from models.translator.training import banks
from server.errors import BacklineError
from server.model_store import Model, find_model, open_stream
from server.onnx_step import OnnxStep, open_session

NAME = "translator_figures"
RATE, BLOCK = 48_000, 64
NORMALISED_PEAK = 0.3
E2 = 40
NOTE_SECONDS, GAP_SECONDS = 0.6, 0.35
PLACED = 0.05  # seconds either side of an onset within which a note counts as found
OTHER_COUNT = 640  # notes of the other source: more say the same
NOTHING_SECONDS = 30.0


def step_of(model: Model, name: str) -> OnnxStep:
    """One graph of the translator, as it ships."""
    graph = next(graph for graph in model.manifest.graphs if graph.name == name)
    return OnnxStep(open_session(model.path, file=graph.file), graph)


def held_out(hear: Hearing, config: TranslatorConfig, bank: Bank, count: int, seed: int) -> list[Row]:
    """One, two and three notes at once, as recorded and level-normalised, and one by one each instrument."""
    rows: list[Row] = []
    for notes, words in ((1, "one note"), (2, "two at once"), (3, "three at once")):
        sets = mixtures(bank, notes, 0 if notes == 1 else count, seed)
        for peak, levels in ((None, "as recorded"), (NORMALISED_PEAK, "level-normalised")):
            figures, right = judge_mixtures(hear, config, bank, sets, peak, peak is not None)
            rows.append({"case": f"held-out cells, {words}, {levels}", "sets": len(sets)} | _rounded(figures))
            if notes == 1 and peak is None:
                for index, name in enumerate(INSTRUMENTS):
                    own = right[bank.instrument == index, 0]
                    if len(own):
                        means = np.nanmean(own, 0)
                        words_of = dict(
                            zip(("instrument", "pitch_class", "octave", "dynamics"), means.tolist(), strict=True)
                        )
                        rows.append(
                            {"case": f"held-out cells, one note, {name}", "sets": len(own)} | _rounded(words_of)
                        )
    return rows


def other_source(hear: Hearing, config: TranslatorConfig, bank: Bank, seed: int) -> Row:
    """Single notes of the source that nobody trained on."""
    chosen = np.random.default_rng(seed).permutation(len(bank.pitch))[:OTHER_COUNT]
    figures, _ = judge_mixtures(hear, config, bank, [[int(index)] for index in chosen], NORMALISED_PEAK, True)
    return {"case": "another source, one note", "sets": len(chosen)} | _rounded(figures)


def live(model: Model, bank: Bank, seed: int, lowest: int = E2) -> Row:
    """Held-out notes one after another: how many are found, and how late each leaves."""
    import soxr

    rng = np.random.default_rng(seed)
    chosen = rng.permutation(np.flatnonzero(bank.pitch >= lowest))
    slot = round((NOTE_SECONDS + GAP_SECONDS) * RATE)
    audio = np.zeros((len(chosen) + 1) * slot, np.float32)
    played = []
    for number, index in enumerate(chosen):
        note = soxr.resample(bank.note(int(index)), 32_000, RATE)[: round(NOTE_SECONDS * RATE)]
        note[-480:] *= np.linspace(1, 0, len(note[-480:]), dtype=np.float32)
        onset = number * slot + int(rng.integers(RATE // 10))
        audio[onset : onset + len(note)] += note
        played.append((onset / RATE, int(bank.pitch[index])))
    notes = _heard(model, audio)
    late, taken = [], set()
    for onset, pitch in played:
        near = [
            (abs(place - onset), place, out, number)
            for number, (place, out, heard) in enumerate(notes)
            if heard == pitch and abs(place - onset) <= PLACED and number not in taken
        ]
        if near:
            _, _, out, number = min(near)
            taken.add(number)
            late.append(1000 * (out - onset))
    found, extra = len(taken) / len(played), len(notes) - len(taken)
    return {"case": "live, held-out notes from E2 up", "notes": len(played), "found_share": round(found, 4),
            "false_per_note": round(extra / len(played), 4)} | percentiles([0.0, *late], "ms")  # fmt: skip


def nothing(model: Model) -> list[Row]:
    """Notes a minute in what is none."""
    rng = np.random.default_rng(3)
    length = round(NOTHING_SECONDS * RATE)
    sounds = {
        "talk": np.concatenate([0.3 * talk(length // 6, RATE, rng) for _ in range(6)]),
        "noise": (0.05 * rng.standard_normal(length)).astype(np.float32),
        "silence": np.zeros(length, np.float32),
    }
    return [
        {
            "case": f"nothing played: {name}, {kind}",
            "notes_per_minute": len(_heard(model, sound, kind)) / NOTHING_SECONDS * 60,
        }
        for name, sound in sounds.items()
        for kind in ("live", "commit")
    ]


def _heard(model: Model, audio: np.ndarray, kind: str = "live") -> list[tuple[float, float, int]]:
    """Place and leaving, in seconds, and pitch of every note that a stream hears."""
    stream = open_stream(model, {"direction": "listen", "stream": kind}, RATE)
    notes = []
    for start in range(0, len(audio) - BLOCK + 1, BLOCK):
        for emission in stream.process(start, audio[None, start : start + BLOCK], []).emissions:
            if isinstance(emission.event, NoteOn):
                notes.append((emission.place / RATE, (start + BLOCK) / RATE, emission.event.pitch))
    return notes


def _rounded(figures: dict[str, float]) -> Row:
    return {name: round(value, 4) for name, value in figures.items()}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the collections of single notes")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="RUN", help="a run's folder: renders and read notes"
    )
    parser.add_argument("--model", default="translator", metavar="MODEL", help="a name or a model's folder")
    parser.add_argument(
        "--count", type=int, default=200, metavar="N", help="mixtures of two and of three (default 200)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default 1)")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where rows are appended")
    given = parser.parse_args(words)
    try:
        model = find_model(given.model)
        config = TranslatorConfig.from_json(model.manifest.settings["config"])
        found = banks(given.data, given.output, config, ("test", "other"))
        hear = step_hearing(step_of(model, "listen"), config)
        rows = held_out(hear, config, found["test"], given.count, given.seed)
        rows.append(other_source(hear, config, found["other"], given.seed))
        rows.append(live(model, found["test"], given.seed))
        rows += nothing(model)
        path = write_rows(NAME, rows, given.results)
    except (BacklineError, OSError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    print_table(rows, f"{NAME} -> {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
