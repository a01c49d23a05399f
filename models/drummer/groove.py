"""What is played on a beat: the bass as far as it is known, by song position, the plan of the network, and what stands in for it before.

    notes of the bass at their places -> remembered line -> planner -> hits, or an intro, or a rest

It knows beats and not samples but through the course it is given. The processor owns it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import floor

import numpy as np

from models.drummer.config import SIXTEENTHS
from models.drummer.course import NEARLY, Beat, Course
from models.drummer.drum_map import PIECES
from models.drummer.hearing import BassNote
from models.drummer.listener import Ended, Heard
from models.drummer.planner import TRIPLET, Hit, Planner, Settings, swung, unswung
from models.drummer.remembered import RememberedLine
from models.step import Step

WINDOW = 0.2  # beats before it begins that a beat is planned: more than a hit can be early
UNENDED_BEATS = 0.5  # an ear hears strokes and no ends: how long a note is taken to last
HELD_BEATS = 1 / SIXTEENTHS  # and one that is known to be held, until more of it was heard
LONGEST_BEATS = 4.0  # of a note, as it is heard
HEARD_AGAIN = 16.0  # beats, where another beat was found
PLAYED_OF_BAR = 0.5  # of a bar of the bass that must have been heard when the groove begins on a downbeat
PLANNED = ("style", "density", "swing", "humanise", "fills", "intensity", "kick_with_bass", "seed")
VALUES = (*PLANNED, "intro", "stop_in_silence")
QUARTERS_OF_THREE = 1.5  # in a beat of three eighths
STICK, HAT = PIECES["stick"], PIECES["hat"]


class Groove:
    """One stream's."""

    def __init__(self, step: Step, styles: Mapping[str, np.ndarray], values: Mapping[str, float | str]) -> None:
        self._planner = Planner(step, styles)
        self._ternary = False
        self.read(values)
        self.reset()

    def reset(self) -> None:
        """Know nothing again."""
        self._planner.reset()
        self.forget_places()
        self._grooving = False

    def read(self, values: Mapping[str, float | str]) -> None:
        """Take what the player asks for: VALUES."""
        planned = {name: values[name] for name in PLANNED} | {"seed": round(float(values["seed"]))}
        self._settings = Settings(**planned, ternary=self._ternary)  # type: ignore[arg-type]
        self._intro, self._rests = str(values["intro"]), values["stop_in_silence"] == "on"

    def divide(self, ternary: bool) -> None:
        """Take beats to have three parts, or four."""
        self._ternary = ternary
        self._settings = replace(self._settings, ternary=ternary)

    def forget_places(self) -> None:
        """Know no bass at any place of the song: places are another song's from now on."""
        self._line = RememberedLine()
        self._first: int | None = None  # number of the beat in which the bass began

    def hear(self, said: Heard | Ended, course: Course, held: bool) -> None:
        """Put what the bass did to its place. held: it is known when a note ends."""
        if isinstance(said, Ended):
            self.sound(*(course.count(course.position(sample)) for sample in (said.began, said.sample)))
            return
        place = self._even(course.count(course.position(said.sample)))
        if self._first is None:
            self._first = floor(place + 1 / (2 * SIXTEENTHS))
        self._line.hear(BassNote(place, HELD_BEATS if held else UNENDED_BEATS, said.pitch, said.strength))

    def sound(self, began: float, until: float) -> None:
        """Take that a note sounds from one beat to another, of a long one the end."""
        self._line.sound(max(self._even(began), until - LONGEST_BEATS), self._even(until))

    def hear_again(self, recent: Iterable[Heard], course: Course, position: float) -> None:
        """Hear what was heard of late on the beats of a course that was just found, as if it had been known."""
        self.forget_places()
        self._planner.reset()
        places = [course.position(heard.sample) for heard in recent]
        for heard in recent:
            self.hear(heard, course, False)
        if not places:
            return
        beat, tempo = course.beat(max(position - HEARD_AGAIN, places[0])), self._felt(course.transport.tempo_bpm)
        while beat.end <= position:
            self._line.enter(beat.number)
            self._planner.plan(self._line, beat.number, beat.place, beat.bar, tempo, SIXTEENTHS, self._settings)
            beat = course.beat(beat.end)
        self._line.enter(beat.number)
        self._grooving = True

    def turn(self, course: Course, position: float) -> None:
        """The song breaks off at a position; what was heard is kept for the next pass."""
        self._line.turn(course.count(position))

    def plan(self, course: Course, beat: Beat, heard: float, silent: bool, since: float) -> list[tuple[float, Hit]]:
        """Return a beat's hits at song positions, none before `since`.

        heard: song position up to which the bass was heard. silent: it has not sounded for a bar.
        """
        line, number = self._line, beat.number
        line.enter(number)
        known = int(np.clip(floor((heard - beat.start + 1) * SIXTEENTHS + 0.5), 0, SIXTEENTHS))
        known = line.complete(number - 1, known)
        later = ((place, line.earlier(number + place - beat.place)) for place in range(beat.place, beat.bar))
        coming = {place: bass for place, bass in later if bass is not None}
        tempo = self._felt(course.transport.tempo_bpm)
        hits = self._planner.plan(line, number, beat.place, beat.bar, tempo, known, self._settings, coming)
        if not self._knows_the_bass(beat, bool(coming)):
            hits = self._introduced(beat, hits)
        if silent and self._rests:
            hits = []
        placed = [(beat.start + hit.place - number, hit) for hit in hits]
        slack = (
            WINDOW * self._settings.humanise + NEARLY
        )  # a hit that is early by feel at the very start is played there
        return [row for row in placed if since - slack <= row[0] < beat.end - NEARLY]

    def _felt(self, tempo_bpm: float) -> float:
        """Return a tempo in quarter notes, which is what tells styles apart."""
        return tempo_bpm * QUARTERS_OF_THREE if self._ternary else tempo_bpm

    def _even(self, place: float) -> float:
        """Return where a place lies when beats of three parts are heard as beats of four."""
        return floor(place) + unswung(place - floor(place), TRIPLET) if self._ternary else place

    def _knows_the_bass(self, beat: Beat, coming: bool) -> bool:
        """Whether the groove has begun: with a downbeat after a bar of the bass, or where it was heard in an earlier pass."""
        heard = self._first is not None and beat.number - self._first >= PLAYED_OF_BAR * beat.bar
        self._grooving = self._grooving or (coming and self._first is not None) or (heard and beat.place == 0)
        return self._grooving

    def _introduced(self, beat: Beat, hits: list[Hit]) -> list[Hit]:
        """Return what is played before the groove begins. hits: what the groove would have been."""
        loud, start = self._settings.loudness, float(beat.number)
        if self._intro == "beat":
            return hits
        if self._intro == "count":
            return [Hit(start, STICK, min(127, round(loud * (100 if beat.place == 0 else 80))))]
        if self._intro == "hats":
            between = (0.25, 0.5) if self._ternary else (0.5,)
            others = [start + swung(place, self._settings.middle) for place in between]
            return [
                Hit(start, HAT, min(127, round(80 * loud))),
                *(Hit(o, HAT, min(127, round(60 * loud))) for o in others),
            ]
        return []
