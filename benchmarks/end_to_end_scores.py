"""Which notes were answered, how many samples later, and what was said that nobody played.

Frames are of one clock, JACK's or the recording's. A note is right if its pitch was struck and it is placed between EARLY before
that strike and EARLY before the next; where a listener does not say where a note began, it is placed where it left,
less what is declared. Nothing else is asked, so that listeners of all kinds are held against the same strikes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.end_to_end_material import APART, GROUPS, RATE, Strike
from benchmarks.native.take import Take
from benchmarks.record import Row

EARLY = RATE // 20  # samples, 50 ms: so far before its onset a note may be placed, as is usual for scores of onsets
PERCENTILES = {"p50": 50, "p95": 95, "max": 100}


@dataclass(frozen=True, slots=True, order=True)
class Heard:
    """A note that was heard. placed: the frame at which it is said to have begun; left: the one at which it was said."""

    placed: int
    pitch: int
    left: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A note that was played. latency: samples from its onset, at `frame`, until the note that answers it left; None: none did."""

    frame: int
    group: str
    latency: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a take. wrong: the group in whose turn each note was heard that answers nothing. disturbed: notes left out."""

    answers: tuple[Answer, ...]
    wrong: tuple[str, ...]
    disturbed: int = 0


def judge(strikes: Sequence[Strike], heard: Iterable[Heard]) -> Outcome:
    """Hold what was heard against the strikes; the first note that fits a key answers it, each answers one."""
    left, answers = sorted(heard), []
    for strike in strikes:
        for pitch in strike.pitches:
            fits = [n for n in left if n.pitch == pitch and -EARLY <= n.placed - strike.frame < APART - EARLY]
            if fits:
                left.remove(fits[0])
            answers.append(Answer(strike.frame, strike.group, fits[0].left - strike.frame if fits else None))
    return Outcome(tuple(answers), tuple(_turn(strikes, note.placed) for note in left))


def judge_take(strikes: Sequence[Strike], take: Take, declared: int) -> Outcome:
    """Hold what a take heard against the strikes that it played; notes beside cycles that JACK lost are left out.

    declared: samples, by the MIDI port.
    """
    placed = [replace(strike, frame=take.frame_of(strike.frame)) for strike in strikes]
    outcome = judge(placed, [Heard(frame - declared, pitch, frame) for frame, _, pitch, _ in take.struck])
    whole = [a for a in outcome.answers if not take.disturbed(a.frame, a.frame + (a.latency or declared + EARLY))]
    return Outcome(tuple(whole), outcome.wrong, len(outcome.answers) - len(whole))


def rows_of(case: str, outcome: Outcome) -> list[Row]:
    """Return a row of all notes, and one of each group."""
    rows = [{"case": case} | _figures(outcome.answers, len(outcome.wrong))]
    for group in GROUPS:
        answers = [answer for answer in outcome.answers if answer.group == group]
        rows.append({"case": f"{case}, {group}"} | _figures(answers, outcome.wrong.count(group)))
    return rows


def ms(samples: float) -> float:
    """Return samples at RATE as milliseconds."""
    return round(1000 * float(samples) / RATE, 2)


def _figures(answers: Sequence[Answer], wrong: int) -> Row:
    found = [answer.latency for answer in answers if answer.latency is not None]
    row: Row = {"notes": len(answers), "found": len(found), "wrong": wrong}
    if not found:
        return row
    values = np.percentile(found, list(PERCENTILES.values()), method="higher")
    row |= {f"latency_{name}_ms": ms(value) for name, value in zip(PERCENTILES, values, strict=True)}
    return row | {f"latency_{name}_samples": int(value) for name, value in zip(PERCENTILES, values, strict=True)}


def _turn(strikes: Sequence[Strike], placed: int) -> str:
    """Return the group whose turn it was."""
    turns = (strike.group for strike in reversed(strikes) if strike.frame - EARLY <= placed)
    return next(turns, strikes[0].group)
