"""Sizes of the drummer's network and of what it hears."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final  # Any: JSON

SIXTEENTHS: Final = 4  # of a beat
USUAL_BPM: Final = 110.0  # tempo is told in octaves from here
LONGEST_BAR: Final = 8  # beats; a longer bar is heard as several
HEARD: Final = ("strength", "sounding", "late", "again", "leap", "height")
"""What is heard of the bass on one sixteenth; `hearing` says how."""


@dataclass(frozen=True, slots=True)
class DrummerConfig:
    """memories: what stays of a bar after the next one, for each memory of the bass by place in the bar.

    averages: the same for the mean over all beats. hidden, summary: widths; the summary of all that is known is narrow, and dropped out
    more often, since it is what learns songs by heart. parts: of the kit.
    """

    memories: tuple[float, ...] = (0.5, 0.8, 0.95)
    averages: tuple[float, ...] = (0.8, 0.95)
    hidden: int = 64
    summary: int = 16
    parts: int = 5
    dropout: float = 0.2
    summary_dropout: float = 0.4

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> DrummerConfig:
        fields: dict[str, Any] = json.loads(text)
        fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        return DrummerConfig(**fields)
