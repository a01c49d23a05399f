"""The last two minutes of a stream, audio in and MIDI out, so that what was just played can be kept afterwards.

A ring in anonymous memory (a memfd) that belongs to the control process and is lent to the engine, which writes; whoever keeps
reads it without asking the engine, and it outlives an engine that dies. Written with pwrite and not through a mapping: it
costs a few microseconds a block, and an engine that locks its memory does not have to hold the whole ring at once.

Places in it count the samples that were taken down, whatever the client's clock does: a hole is silence (up to
LONGEST_SILENCE_SECONDS of it), a jump is none.
"""

import os
import struct
from dataclasses import dataclass
from math import isfinite

import numpy as np

from models.block import Samples, silence
from models.events import Event
from server.errors import BacklineError
from server.midi.message import from_bytes, to_bytes
from server.note_ledger import NoteLedger
from server.scheduler import Emission

KEPT_SECONDS = 120
SLACK_SECONDS = 10  # more, so that what was asked for is still there when a reader comes to it
LONGEST_SILENCE_SECONDS = 10
MOST_EVENTS = 1 << 16  # nine a second for each of the sixty that a bent note makes, for two minutes

_HEAD = struct.Struct(
    "<qqqqd"
)  # rate; samples taken down; the client's sample after them; events taken down; tempo in BPM
_EVENT = struct.Struct("<qBBBx4x")  # place; MIDI bytes
_EVENTS_AT = 64
_LAST = 1 << 62  # a count that no stream reaches
_AUDIO_AT = _EVENTS_AT + MOST_EVENTS * _EVENT.size


@dataclass(frozen=True, slots=True)
class Kept:
    """What was read: (1, n) float32, and events at samples counted from its beginning; no note hangs.

    tempo_bpm: the host's at the end, 0 where none was told.
    """

    rate: int
    tempo_bpm: float
    samples: Samples
    events: list[Event]


class KeptTake:
    """One stream's ring. One writer at a time; any number of readers, each with a descriptor of its own."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rate, self._count, self._clock, self._events, self._tempo = self._head()
        self._size = (KEPT_SECONDS + SLACK_SECONDS) * self._rate

    @classmethod
    def make(cls, rate: int) -> "KeptTake":
        """Return an empty ring for a stream at `rate` Hz. Memory comes as it fills: 25 MB at 48 kHz."""
        descriptor = os.memfd_create("backline-take")
        os.pwrite(descriptor, _HEAD.pack(rate, 0, 0, 0, 0.0), 0)
        return cls(descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)

    @property
    def count(self) -> int:
        """Samples taken down so far, by whomever."""
        return self._head()[1]

    def resumed(self) -> "KeptTake":
        """Return this ring as another writer has left it."""
        return KeptTake(self.descriptor)

    def hear(self, start: int, samples: Samples) -> None:
        """Take down a block, (channels, n) float32, that begins at sample `start` of the client's clock."""
        mono = samples[0] if samples.shape[0] == 1 else samples.mean(axis=0, dtype=np.float32)
        if self._count:
            gap = start - self._clock
            if 0 < gap <= LONGEST_SILENCE_SECONDS * self._rate:
                self._append(silence(1, gap)[0])
            elif -self._rate <= gap < 0:  # heard before, or a part of it
                mono = mono[-gap:]
                start = self._clock
        self._append(mono)
        self._clock = start + mono.size
        self._write_head()

    def leave(self, emission: Emission) -> None:
        """Take down an event at the sample it speaks about."""
        place = self._count + emission.place - self._clock
        if not -_LAST <= place <= _LAST:  # of an engine that went mad: its clock is none
            return
        self._write_event(place, *to_bytes(emission.event))
        self._write_head()

    def set_tempo(self, tempo_bpm: float) -> None:
        """Take down the host's tempo."""
        self._tempo = tempo_bpm
        self._write_head()

    def read(self, seconds: float = KEPT_SECONDS, until: int | None = None) -> Kept:
        """Return the last `seconds` before place `until` (the newest, where it is not given), as far as they are there.

        Raises BacklineError where the ring is damaged, or went round meanwhile.
        """
        rate, count, _, events, tempo = self._sound_head()
        end = count if until is None else min(until, count)
        begin = max(0, end - round(min(seconds, KEPT_SECONDS) * rate), count - self._size)
        if begin > end:
            raise BacklineError("what was asked for has been written over meanwhile; keep it again")
        samples = self._audio(begin, end)
        lost = max(0, self._head()[1] - self._size - begin)  # the writer went on meanwhile, and round to here
        clean = np.nan_to_num(samples[None, lost:], nan=0.0, posinf=1.0, neginf=-1.0)
        return Kept(rate, tempo, clean, self._events_between(begin + lost, end, events))

    def _sound_head(self) -> tuple[int, int, int, int, float]:
        """Return the head. Raises BacklineError where what wrote it last went mad: its places are on no ring."""
        rate, count, clock, events, tempo = self._head()
        if rate != self._rate or not 0 <= count <= _LAST or not 0 <= events <= _LAST:
            raise BacklineError("what was kept of this stream is damaged: the engine that wrote it has failed")
        return rate, count, clock, events, tempo if isfinite(tempo) else 0.0

    def _head(self) -> tuple[int, int, int, int, float]:
        rate, count, clock, events, tempo = _HEAD.unpack(os.pread(self.descriptor, _HEAD.size, 0))
        return rate, count, clock, events, tempo

    def _write_head(self) -> None:
        os.pwrite(self.descriptor, _HEAD.pack(self._rate, self._count, self._clock, self._events, self._tempo), 0)

    def _write_event(self, place: int, status: int, data1: int, data2: int) -> None:
        record = _EVENT.pack(place, status, data1, data2)
        os.pwrite(self.descriptor, record, _EVENTS_AT + self._events % MOST_EVENTS * _EVENT.size)
        self._events += 1

    def _append(self, mono: np.ndarray) -> None:  # type: ignore[type-arg]  # (n,) float32
        data, place = np.ascontiguousarray(mono, "<f4").tobytes(), self._count % self._size
        first = 4 * min(mono.size, self._size - place)
        os.pwrite(self.descriptor, data[:first], _AUDIO_AT + 4 * place)
        if first < len(data):
            os.pwrite(self.descriptor, data[first:], _AUDIO_AT)
        self._count += mono.size

    def _audio(self, begin: int, end: int) -> np.ndarray:  # type: ignore[type-arg]  # (n,) float32
        place, count = begin % self._size, end - begin
        first = min(count, self._size - place)
        data = os.pread(self.descriptor, 4 * first, _AUDIO_AT + 4 * place)
        data += os.pread(self.descriptor, 4 * (count - first), _AUDIO_AT)
        return np.frombuffer(data, "<f4")

    def _events_between(self, begin: int, end: int, count: int) -> list[Event]:
        """Return what lies there, from the ring's beginning; what sounds at the end is ended."""
        ledger = NoteLedger()
        found: list[Event] = []
        data = os.pread(self.descriptor, min(count, MOST_EVENTS) * _EVENT.size, _EVENTS_AT)
        records = list(_EVENT.iter_unpack(data))
        turn = count % MOST_EVENTS if count > MOST_EVENTS else 0
        for place, *midi in records[turn:] + records[:turn]:
            event = from_bytes(place - begin, *midi) if begin <= place < end else None
            if event is not None:
                found += ledger.admit(event)
        return found + list(ledger.end_all(end - begin))
