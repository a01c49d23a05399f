"""What symbols are: groups of classes, one-hot each, side by side in a row. Pitch, octave and dynamics, or a user's own labels.

A categorical group says one of its classes; a binary one (Bernoulli) any number of them at once, as a polyphonic instrument's
pitches. Called by `data`, `objective`, `baseline` and `listening`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models.translator.notes import DYNAMICS, OCTAVES, PITCH_CLASSES

SILENT = "silent"
Label = str | Sequence[str] | None  # of a group: its class, its classes, or unknown


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of symbol. several: any number of classes may hold at once."""

    name: str
    classes: tuple[str, ...]
    several: bool = False

    def __post_init__(self) -> None:
        if len(set(self.classes)) < max(1, len(self.classes)):
            raise ValueError(f"the classes of {self.name} are {', '.join(self.classes) or 'none'}; give each once")

    def row(self, label: Label) -> np.ndarray:
        """Return (classes,) float32 of ones and zeros, or nan throughout where the label is None."""
        if label is None:
            return np.full(len(self.classes), np.nan, np.float32)
        names = [label] if isinstance(label, str) else list(label)
        unknown = [name for name in names if name not in self.classes]
        if unknown or (not self.several and len(names) != 1):
            wanted = "any of" if self.several else "one of"
            raise ValueError(f"{self.name} is {', '.join(names) or 'nothing'}; {wanted}: {', '.join(self.classes)}")
        return np.array([name in names for name in self.classes], np.float32)


@dataclass(frozen=True)
class Vocabulary:
    """The groups in the order of their columns."""

    groups: tuple[Group, ...]

    @cached_property
    def size(self) -> int:
        """Columns of a row."""
        return sum(len(group.classes) for group in self.groups)

    @cached_property
    def spans(self) -> tuple[slice, ...]:
        """The columns of each group."""
        ends = np.cumsum([len(group.classes) for group in self.groups]).tolist()
        return tuple(slice(end - len(group.classes), end) for end, group in zip(ends, self.groups, strict=True))

    def row(self, labels: Mapping[str, Label]) -> np.ndarray:
        """Return (size,) float32 of one example; groups that `labels` leaves out are unknown, nan."""
        strange = sorted(set(labels) - {group.name for group in self.groups})
        if strange:
            known = ", ".join(group.name for group in self.groups)
            raise ValueError(f"there is no group {', '.join(strange)}; there are: {known}")
        return np.concatenate([group.row(labels.get(group.name)) for group in self.groups])

    def labels(self, probabilities: np.ndarray) -> dict[str, str | tuple[str, ...]]:
        """Return what (size,) probabilities say: the likeliest class, or all classes above a half."""
        said: dict[str, str | tuple[str, ...]] = {}
        for group, span in zip(self.groups, self.spans, strict=True):
            part = probabilities[span]
            if group.several:
                said[group.name] = tuple(name for name, p in zip(group.classes, part, strict=True) if p > 0.5)
            else:
                said[group.name] = group.classes[int(part.argmax())]
        return said

    def to_json(self) -> list[dict[str, Any]]:  # Any: JSON values
        return [{"name": g.name, "classes": list(g.classes), "several": g.several} for g in self.groups]

    @classmethod
    def from_json(cls, groups: Sequence[Mapping[str, Any]]) -> Vocabulary:
        return cls(tuple(Group(g["name"], tuple(g["classes"]), g["several"]) for g in groups))


def notes_vocabulary(sources: int = 1) -> Vocabulary:
    """Return the paper's: octave, pitch class and dynamics of each source in turn, each with a silent class."""
    kinds = {"octave": [str(octave) for octave in OCTAVES], "pitch": PITCH_CLASSES, "dynamics": DYNAMICS}
    groups = [
        Group(f"{name} {source + 1}" if sources > 1 else name, (*classes, SILENT))
        for source in range(sources)
        for name, classes in kinds.items()
    ]
    return Vocabulary(tuple(groups))


def chord_vocabulary(lowest: int, highest: int) -> Vocabulary:
    """Return one binary group of MIDI pitches, several of which may sound at once."""
    return Vocabulary((Group("pitches", tuple(str(pitch) for pitch in range(lowest, highest + 1)), several=True),))


def vocabulary_of(rows: Sequence[Mapping[str, str]]) -> Vocabulary:
    """Return the vocabulary of a table's columns: a class for each text that stands in one. `a|b` in a cell are two at once.

    Empty cells are unknown. Raises ValueError where a column is empty throughout.
    """
    groups = []
    for name in rows[0] if rows else ():
        cells = [row[name].split("|") for row in rows if row[name]]
        groups.append(Group(name, tuple(sorted({c for cell in cells for c in cell})), any(len(c) > 1 for c in cells)))
    return Vocabulary(tuple(groups))
