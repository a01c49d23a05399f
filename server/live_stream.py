"""The path of one stream, whole: a host block in, what is due in that block out.

    host block -> align -> rebuffer (resample) -> processor (step, decode) -> place in host samples -> schedule -> ledger

A file, an OSC client and a JACK client all run through this object and nothing else, so that they agree to the bit.
It knows no clock: the host's sample index is the only time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter_ns

from models.block import Block, Samples, silence
from models.events import Event, moved
from models.latency import Latency, declare_latency, live_delay
from models.stream import StreamProcessor
from server.audio_output import AudioOutput
from server.metrics import Metrics
from server.note_ledger import NoteLedger
from server.rebuffer import LARGEST_BLOCK, Rebuffer
from server.scheduler import Emission, Scheduler

LONGEST_GAP_SECONDS = 1.0
"""A hole up to this long is filled with silence; a longer one, or a jump back, starts the stream again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What leaves in one host block: emissions in order of due samples, and audio (channels_out, samples)."""

    emissions: list[Emission]
    audio: Samples


class LiveStream:
    """One processor at one host rate. One owner, one thread."""

    def __init__(self, processor: StreamProcessor, host_rate: int, ledger: NoteLedger | None = None) -> None:
        spec = processor.spec
        self.spec, self.host_rate = spec, host_rate
        self.latency: Latency = declare_latency(spec, host_rate)
        self.declared = self.latency.total if spec.kind == "commit" else 0
        self.live_delay = live_delay(spec, host_rate)
        self.metrics = Metrics(1e6 * spec.hop / spec.sample_rate)
        self.ledger = ledger or NoteLedger()
        self.scheduler = Scheduler()
        self._processor = processor
        self._ratio = host_rate / spec.sample_rate
        self._rebuffer = Rebuffer(host_rate, spec.sample_rate, spec.hop, max(1, spec.channels_in))
        self._output = AudioOutput(host_rate, spec.sample_rate, spec.channels_out)
        self._incoming: list[Event] = []
        self._origin: int | None = None
        self._hops = 0

    @property
    def position(self) -> int:
        """The host sample expected next; 0 before the first block."""
        return 0 if self._origin is None else self._origin + self._rebuffer.received

    @property
    def tail(self) -> int:
        """Host samples by which an event may leave after the place it speaks about."""
        return self.latency.total if self.spec.kind == "commit" else self.live_delay

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter from the next hop on. Raises KeyError where it cannot be changed now."""
        self._processor.set(name, value)

    def process(self, start: int, samples: Samples, events: Iterable[Event] = ()) -> Outgoing:
        """Take the host block that begins at sample `start`; return what is due before its end.

        samples: (channels, n) float32, channels as in the spec or 1 for all. A block heard before is dropped.
        """
        end = start + samples.shape[1]
        restarted = self._align(start)
        skip = max(0, self.position - start)
        self._incoming.extend(event for event in events if event.sample >= start + skip)
        for begin in range(skip, samples.shape[1], LARGEST_BLOCK):
            self._rebuffer.push(samples[:, begin : begin + LARGEST_BLOCK])
            self._run_hops(start)
        emissions = restarted + self._release(end)
        origin = self._origin or 0
        return Outgoing(emissions, self._output.pull(start - origin - self.latency.total, samples.shape[1]))

    def finish(self, sample: int) -> list[Emission]:
        """End the stream at `sample`: forget what is not due yet, end every sounding note there."""
        self.scheduler.clear()
        owed = [event for owed in self._processor.flush().events for event in self.ledger.admit(owed)]
        owed += self.ledger.end_all(sample)
        return [Emission(self.position, sample, event) for event in owed]

    def restart(self, start: int) -> list[Emission]:
        """Begin anew at host sample `start`, as if nothing had been heard; return the ends of sounding notes."""
        ended = [Emission(start, start, off) for off in self.ledger.end_all(start)]
        if self._origin is not None:
            self._processor.reset()
            self._rebuffer.reset()
            self._output.reset()
            self.scheduler.clear()
            self._incoming.clear()
            self.metrics.restarts += 1
        self._origin, self._hops = start, 0
        return ended

    def _align(self, start: int) -> list[Emission]:
        """Make the next expected sample reach `start`: fill a short hole, start again after a long one or a jump back."""
        gap = start - self.position
        longest = LONGEST_GAP_SECONDS * self.host_rate
        if self._origin is None or gap > longest or gap < -longest:
            return self.restart(start)
        while gap > 0:
            filled = min(gap, LARGEST_BLOCK)
            self._rebuffer.push(silence(1, filled))
            self._run_hops(start)
            self.metrics.lost_samples += filled
            gap -= filled
        return []

    def _run_hops(self, now: int) -> None:
        spec, origin = self.spec, self._origin or 0
        while True:
            began = perf_counter_ns()
            heard_at = origin + self._rebuffer.needed()
            hop = self._rebuffer.pop()
            if hop is None:
                return
            first = self._hops * spec.hop
            self._hops += 1
            result = self._processor.process(
                Block(first, hop[: spec.channels_in], self._events_before(first + spec.hop))
            )
            for event in result.events:
                self.scheduler.add(self._place(event, origin, heard_at), now)
            if spec.channels_out:
                self._output.push(result)
            self.metrics.hop((perf_counter_ns() - began) / 1000)

    def _place(self, event: Event, origin: int, heard_at: int) -> Emission:
        """Give a model event its two host samples."""
        if self.spec.kind == "live":
            held_back = round((event.sample - (self._hops * self.spec.hop - 1)) * self._ratio)
            due = heard_at + max(0, held_back)
            return Emission(due, due - self.live_delay, event)
        place = origin + round(event.sample * self._ratio)
        return Emission(place + self.latency.total, place, event)

    def _events_before(self, end: int) -> tuple[Event, ...]:
        """Take the incoming events that fall before model sample `end`, moved to the model's clock."""
        if not self._incoming:
            return ()
        origin = self._origin or 0
        placed = [moved(e, (e.sample - origin) / self._ratio) for e in self._incoming]
        keep = [i for i, e in enumerate(placed) if e.sample >= end]
        taken = tuple(sorted((e for e in placed if e.sample < end), key=lambda e: e.sample))
        self._incoming = [self._incoming[i] for i in keep]
        return taken

    def _release(self, end: int) -> list[Emission]:
        released: list[Emission] = []
        for emission in self.scheduler.take(end):
            released += [Emission(emission.due, emission.place, e) for e in self.ledger.admit(emission.event)]
        return released
