"""What an instrument heard: everything jack_probe and clap_host print, and the latency that follows from it.

All frames are absolute frames of the host's clock, all moments seconds of time.monotonic.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # Any: lines are JSON

NOTE_OFF, NOTE_ON = 0x80, 0x90
Message = tuple[int, ...]
"""A MIDI message: its frame, then its bytes."""


@dataclass(slots=True)
class Take:
    """What was played and what was heard. audio: frame and level of each impulse heard."""

    rate: int
    block: int
    began: int = -1
    captured: int = -1  # the frame of the first captured sample
    impulses: list[int] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    midi: list[Message] = field(default_factory=list)
    audio: list[tuple[int, float]] = field(default_factory=list)
    jumps: list[tuple[int, int]] = field(default_factory=list)  # frames: where the clock was due, and where it was
    skips: list[tuple[int, int]] = field(default_factory=list)  # those of them that the player saw
    xruns: list[float] = field(default_factory=list)
    gaps: list[tuple[float, str]] = field(default_factory=list)  # when a callback came a period late, and at which end
    late: list[float] = field(default_factory=list)  # when a cycle took longer than its period between the two ends
    reported: list[tuple[int, int]] = field(
        default_factory=list
    )  # clap_host: at which frame it was activated, and its latency
    overruns: list[float] = field(default_factory=list)  # clap_host: when a block took longer than it lasts
    at: dict[int, float] = field(
        default_factory=dict
    )  # jack_probe: when the cycle ran that played or heard a frame's event
    totals: dict[str, Any] = field(default_factory=dict)

    @property
    def struck(self) -> list[Message]:
        """The note-ons that were heard: frame, status, pitch, velocity."""
        return [message for message in self.midi if message[1] & 0xF0 == NOTE_ON and message[3]]

    @property
    def onsets(self) -> list[int]:
        """Their frames."""
        return [message[0] for message in self.struck]

    @property
    def incidents(self) -> int:
        """How often JACK itself lost cycles or was late."""
        return len(self.jumps) + len(self.xruns)

    def delays(self, played: Iterable[int], heard: Iterable[int]) -> list[int]:
        """Return for each frame of `played` how many frames later something was first heard; -1: never.

        What is played must lie further apart than any delay. Where JACK lost cycles before the answer, or within two
        blocks after it, there is none in the list: it may be lost, or its place unsure.
        """
        found, frames = [], sorted(heard)
        for frame in played:
            place = bisect_left(frames, frame)
            answer = frames[place] if place < len(frames) else -1
            if not self.disturbed(frame, max(answer, frame)):
                found.append(answer - frame if answer >= 0 else -1)
        return found

    def frame_of(self, place: int) -> int:
        """Return the frame at which a place of the sound was played: what the player missed comes later."""
        frame = self.began + place
        for expected, found in self.skips:
            if self.began <= expected <= frame:
                frame += found - expected
        return frame

    def disturbed(self, frame: int, until: int) -> bool:
        """Return whether JACK lost cycles between two frames, or within two blocks of them."""
        reach = 2 * self.block
        return any(frame - reach <= broken <= until + reach for broken, _ in self.jumps)

    def sounding(self, before: float = math.inf) -> list[tuple[int, int]]:
        """Return (channel, pitch) of each note that was begun, before a frame, and never ended."""
        notes: dict[tuple[int, int], int] = {}
        for frame, status, *data in self.midi:
            key = (status & 0x0F, data[0] if data else 0)
            if status & 0xF0 == NOTE_ON and data[1]:
                notes[key] = frame
            elif status & 0xF0 in (NOTE_OFF, NOTE_ON):
                notes.pop(key, None)
        return sorted(key for key, frame in notes.items() if frame < before)

    def take(self, line: dict[str, Any]) -> None:
        """Keep what one line says."""
        match next(iter(line)):
            case "began" | "captured" as name:
                setattr(self, name, line[name])
            case "impulse":
                self.impulses.append(line["impulse"])
                self.at[line["impulse"]] = line.get("at", 0.0)
            case "note" | "midi" as name:
                (self.notes if name == "note" else self.midi).append(tuple(line[name]))
                self.at[line[name][0]] = line.get("at", 0.0)
            case "audio":
                self.audio.append((line["audio"][0], line["audio"][1]))
            case "jump":
                self.jumps.append((line["jump"][0], line["jump"][1]))
                if line.get("who") == "play":
                    self.skips.append(self.jumps[-1])
            case "xrun":
                self.xruns.append(line["at"])
            case "gap":
                self.gaps.append((line["at"], line["who"]))
            case "late":
                self.late.append(line["at"])
            case "activated":
                self.reported.append((line["activated"], line["latency"]))
            case "overrun":
                self.overruns.append(line["at"])
            case "end":
                self.totals = line


def write_plan(path: Path, impulses: Sequence[int], notes: Sequence[Message]) -> None:
    """Write what is to be played, frames counted from the start, as jack_probe and clap_host read it."""
    acts = [(frame, f"impulse {frame}") for frame in impulses]
    acts += [(frame, f"midi {frame} " + " ".join(f"{byte:02x}" for byte in data)) for frame, *data in notes]
    path.write_text("".join(f"{line}\n" for _, line in sorted(acts)), encoding="ascii")
