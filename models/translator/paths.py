"""A path through the space, written as text: what the sound is to have become, and when.

    flute pp 0, cello ff 1.5, -0.5 0.8 3, piano 4, loop 6

Commas divide points. A point is an instrument, a dynamic or both, or x and y on the map, and then its time in seconds from the path's
beginning, each later than the one before. Between two labels the sound goes a straight line through the space. What a point leaves
unsaid is as at the point before, at first as the parameters and the notes say, which is also where it comes from when the first
point is later than 0. Last may stand `loop` and the time at which it is at the first point again, to go round.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from models.manifest import ManifestError
from models.translator.notes import DYNAMICS, INSTRUMENTS

EDGE = 1.5  # of the map, either way
LONGEST_SECONDS = 3600.0
LOOP = "loop"
A_POINT = (
    f"an instrument, a dynamic or both, or x and y on the map ({-EDGE:g} to {EDGE:g}), and then its time in seconds"
)


class Label(NamedTuple):
    """An instrument and a dynamic by their places in INSTRUMENTS and DYNAMICS; None: what the parameters or the notes say."""

    instrument: int | None = None
    dynamics: int | None = None


class Spot(NamedTuple):
    """Where the sound is: `morph` of the way from one label to another, and then drawn so far (`pull`, 0 to 1) to x and y on the map."""

    here: Label
    there: Label
    morph: float
    x: float = 0.0
    y: float = 0.0
    pull: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """Where a path is at a time. on_map: x and y, or None where only the label counts."""

    seconds: float
    label: Label
    on_map: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """At least two points in time order. first: of a loop, the place of the point that the last one returns to."""

    points: tuple[Point, ...]
    first: int | None = None

    def at(self, seconds: float) -> Spot:
        """Where the sound is so long after the path's beginning.

        From one leg to the next the label that counts stays where it is, `here` or `there`: only the one that counts nothing changes, so
        that whoever smooths the three numbers by themselves sees no jump.
        """
        points, rounds = self.points, 0
        if self.first is not None:
            begin, end = points[self.first].seconds, points[-1].seconds
            rounds = max(0, int((seconds - begin) // (end - begin)))
            seconds -= rounds * (end - begin)
        leg = min(max(bisect_right(points, seconds, key=lambda point: point.seconds) - 1, 0), len(points) - 2)
        one, other = points[leg : leg + 2]
        share = min(max((seconds - one.seconds) / (other.seconds - one.seconds), 0.0), 1.0)
        pulls = [float(point.on_map is not None) for point in (one, other)]
        (x, y), (to_x, to_y) = one.on_map or other.on_map or (0.0, 0.0), other.on_map or one.on_map or (0.0, 0.0)
        on_map = (x + share * (to_x - x), y + share * (to_y - y), pulls[0] + share * (pulls[1] - pulls[0]))
        legs_before = leg + (0 if self.first is None else rounds * (len(points) - 1 - self.first))
        if legs_before % 2:
            return Spot(other.label, one.label, 1 - share, *on_map)
        return Spot(one.label, other.label, share, *on_map)


def read_path(text: str) -> Path | None:
    """The path that a text says; none where it says nothing. Raises ManifestError with the first thing that is wrong."""
    if not text.strip():
        return None
    *parts, last = (part.split() for part in text.split(","))
    looped = last[:1] == [LOOP]
    points: list[Point] = []
    for words in parts if looped else [*parts, last]:
        point = _point(words, points[-1].label if points else Label())
        _check_later(point.seconds, points, words)
        points.append(point)
    if looped:
        if len(last) != 2 or not points:
            raise ManifestError(
                f"path has '{' '.join(last)}'; allowed: points, and last '{LOOP}' and the time in seconds of the first one's return"
            )
        again = _number(last[1], last, 0.0, LONGEST_SECONDS, "its time")
        _check_later(again, points, last)
        points.append(Point(again, points[0].label, points[0].on_map))
    begun = points[0].seconds > 0
    if begun:
        points.insert(0, Point(0.0, Label()))
    if len(points) == 1:  # it is there from the beginning
        points.append(Point(points[0].seconds + 1, points[0].label, points[0].on_map))
    return Path(tuple(points), int(begun) if looped else None)


def _point(words: list[str], before: Label) -> Point:
    if len(words) < 2:
        raise ManifestError(f"path has '{' '.join(words)}'; a point is {A_POINT}, for instance: flute pp 0")
    *what, when = words
    seconds = _number(when, words, 0.0, LONGEST_SECONDS, "its time")
    if len(what) == 2 and all(_is_number(word) for word in what):
        x, y = (_number(word, words, -EDGE, EDGE, name) for name, word in zip("xy", what, strict=True))
        return Point(seconds, before, (x, y))
    instrument, dynamics = before
    for word in what:
        if word in INSTRUMENTS:
            instrument = INSTRUMENTS.index(word)
        elif word in DYNAMICS:
            dynamics = DYNAMICS.index(word)
        else:
            raise ManifestError(
                f"path has '{word:.40}' in '{' '.join(words)}'; allowed: {', '.join((*INSTRUMENTS, *DYNAMICS))}, or x and y"
            )
    if len({word in INSTRUMENTS for word in what}) < len(what):
        raise ManifestError(f"path has '{' '.join(words)}'; a point is {A_POINT}")
    return Point(seconds, Label(instrument, dynamics))


def _check_later(seconds: float, points: list[Point], words: list[str]) -> None:
    if points and seconds <= points[-1].seconds:
        raise ManifestError(
            f"path has '{' '.join(words)}' after {points[-1].seconds:g} s; each time is later than the one before"
        )


def _number(word: str, words: list[str], low: float, high: float, name: str) -> float:
    value = float(word) if _is_number(word) else float("nan")
    if not low <= value <= high:
        raise ManifestError(
            f"path has '{' '.join(words)}', in which {name} is '{word:.40}'; allowed: {low:g} to {high:g}"
        )
    return value


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
