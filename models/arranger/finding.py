"""The beat that the ear hears, on the stream's clock: what is decided of it for good, and what is said of now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from models.arranger.bars import Passed
from models.arranger.config import BEATS_A_BAR, HOP, SAMPLE_RATE
from models.arranger.hearing import HEARD_AFTER, moment
from models.events import Transport
from models.rhythm.bar_pointer import BarPointer

EVERY_FRAMES = 5  # a transport that is found is told so often
NEAR_BEGINNING = (
    SAMPLE_RATE / 20
)  # samples before the first one: a beat found there is that one, and earlier there is none
GAP = 2.5  # beats without one after which music begins anew


class Finder:
    """One stream's."""

    def __init__(self, frame_rate: float, bars: tuple[int, ...]) -> None:
        """Args: bars: beats that a bar may have, the likeliest first."""
        self._pointer = BarPointer(frame_rate, bars)
        self.reset()

    def reset(self, frame: int = 0) -> None:
        """Know no beat; what it hears next is this frame of the ear."""
        self._pointer.reset()
        self._first, self._heard = frame, 0
        self._last: tuple[float, int, int] | None = (
            None  # sample, place and beats of the bar of the last beat that was decided
        )
        self._position = count()
        self._bar = -1
        self.beat = 0.0  # samples between the last two; 0 before

    @property
    def locked(self) -> bool:
        """Whether it knows a beat."""
        return self._pointer.locked

    def hear(self, beat: float, downbeat: float) -> None:
        """Take a frame's activations."""
        self._pointer.hear(beat, downbeat)
        self._heard += 1

    def pass_beats(self, passed: Passed) -> Iterator[Transport]:
        """Let the beats that are decided pass; yield each as a transport, once the next one is there."""
        for beat in self._pointer.decided():
            sample = moment(self._first + beat.frame)
            if sample < -NEAR_BEGINNING:
                continue
            sample = max(0.0, sample)
            if self._last is not None:
                length = sample - self._last[0]
                if self.beat and length > GAP * self.beat:
                    passed.end(self._last[0] + self.beat, self.beat)
                    passed.begin(sample)
                else:
                    self.beat = length
                yield self._told(*self._last)
            else:
                passed.begin(sample)
            self._last = sample, beat.place, beat.beats_a_bar
            if beat.place == 0 or self._bar < 0:
                self._bar += 1
            together = max(1, BEATS_A_BAR // beat.beats_a_bar)
            number, part = divmod(self._bar, together)
            size = together * beat.beats_a_bar
            passed.beat(sample, beat.beats_a_bar, number, part * beat.beats_a_bar + beat.place, size)

    def transport(self, sample: int) -> Transport | None:
        """Return what is said of a sample, now and then. Ask only where it is locked."""
        if self._heard % EVERY_FRAMES:
            return None
        moved = (HEARD_AFTER - self._first) * HOP  # the pointer's clock begins with its first frame
        said = self._pointer.transport(sample + moved, SAMPLE_RATE)
        return replace(said, sample=sample, host_sample=sample)

    def _told(self, sample: float, place: int, beats_a_bar: int) -> Transport:
        position = float(next(self._position))
        return Transport(
            sample,
            True,
            round(sample),
            60 * SAMPLE_RATE / self.beat,
            position,
            self._bar + 1,
            float(place),
            float(beats_a_bar),
        )
