"""What a published network gets put right, each mistake of its release a switch: the sets that every such network has.

A subclass is a frozen dataclass of booleans, all True where the mistake is corrected.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar, Self  # Any: dataclasses' own signatures


class Switches:
    """Base of a network's Corrections. CRASHES: mistakes that only end the program."""

    __slots__ = ()
    CRASHES: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def all(cls) -> Self:
        """Everything put right."""
        return cls()

    @classmethod
    def as_released(cls, *, crashes: bool = False) -> Self:
        """Every mistake; those that only end the program if asked, since nothing can be learnt from them."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: not crashes and name in cls.CRASHES for name in names})

    def to_json(self) -> dict[str, bool]:
        """Return the switches by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, bool]) -> Self:
        """Return the switches that `to_json` named."""
        return cls(**values)
