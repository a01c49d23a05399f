"""The path of one stream, whole: a host block in, what is due in that block out.

    host block -> align -> rebuffer (resample) -> processor (step, decode) -> place in host samples -> schedule -> ledger
    clip that is known ahead -> its events, early -> /

A file, an OSC client and a JACK client all run through this object and nothing else, so that they agree to the bit.
It knows no clock: the host's sample index is the only time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter_ns

import numpy as np

from models.block import Block, Samples, silence
from models.events import Event, HostEvent, Transport, moved
from models.latency import Latency, declare_latency, live_delay
from models.rhythm.transport import TransportWatch, advanced
from models.stream import StreamProcessor
from server.audio_output import AudioOutput
from server.clip_ahead import ClipAhead
from server.magnitude_output import MagnitudeOutput, SpectrumFrame
from server.metrics import Metrics
from server.midi.mpe import MpeZone, configuration
from server.midi.quantise import CHANGEABLE, Quantiser
from server.note_ledger import NoteLedger
from server.rebuffer import LARGEST_BLOCK, Rebuffer
from server.scheduler import Emission, Scheduler

LONGEST_GAP_SECONDS = 1.0
"""A hole up to this long is filled with silence; a longer one, or a jump back, starts the stream again."""

NEVER = -(1 << 62)  # before any sample of any clock


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What leaves in one host block: emissions in order of due samples, audio (channels_out, samples), and a spectrogram's frames.

    found: the beat that the player found where no transport told it, at samples of the host.
    """

    emissions: list[Emission]
    audio: Samples
    frames: list[SpectrumFrame] = field(default_factory=list)
    found: list[Transport] = field(default_factory=list)


class LiveStream:
    """One processor at one host rate. One owner, one thread."""

    def __init__(
        self, processor: StreamProcessor, host_rate: int, settings: Mapping[str, float | str] | None = None
    ) -> None:
        """Args: settings: what the manifest resolved, as far as it is not the processor's; without any, nothing is done to notes."""
        spec = processor.spec
        self.spec, self.host_rate = spec, host_rate
        self._ahead = round(spec.ahead * host_rate / spec.sample_rate)
        self._quantiser = Quantiser(host_rate, spec.kind, settings or {})
        self._zone = MpeZone() if (settings or {}).get("mpe") == "on" else None
        self.latency: Latency = replace(declare_latency(spec, host_rate), quantise=self._quantiser.reserve)
        self.declared = self.latency.total if spec.kind == "commit" else 0
        self.live_delay = live_delay(spec, host_rate)
        self.metrics = Metrics(1e6 * spec.hop / spec.sample_rate)
        self.ledger = NoteLedger()
        self.scheduler = Scheduler()
        self._processor = processor
        self._ratio = host_rate / spec.sample_rate
        self.clip = ClipAhead(host_rate, self.latency.total)
        self._rebuffer = Rebuffer(host_rate, spec.sample_rate, spec.hop, spec.channels_in)
        self._output = AudioOutput(host_rate, spec.sample_rate, spec.channels_out)
        self._magnitude = MagnitudeOutput(self._ratio, self.latency.total)
        self._incoming: list[HostEvent] = []
        self._found: list[Transport] = []
        self._transport: Transport | None = None
        self._watch = TransportWatch(host_rate)
        self._deaf_before = NEVER
        self._origin: int | None = None
        self._hops = 0

    @property
    def position(self) -> int:
        """The host sample expected next; 0 before the first block."""
        return 0 if self._origin is None else self._origin + self._rebuffer.received

    @property
    def quiet_until(self) -> int:
        """The sample before which nothing happens, whatever comes in: no hop is complete, nothing is due.

        A stream that gives audio, or holds back what it knows otherwise, is at its position: something may happen at once.
        """
        if self.spec.channels_out or len(self.clip) or len(self._magnitude) or self._quantiser.waits:
            return self.position
        complete, due = (self._origin or 0) + self._rebuffer.needed, self.scheduler.next_due
        return complete if due is None else min(complete, due - self._ahead)

    @property
    def tail(self) -> int:
        """Host samples by which an event may leave after the place it speaks about."""
        return self.latency.total if self.spec.kind == "commit" else self.live_delay + self._quantiser.furthest

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter from the next hop on. Raises KeyError where it cannot be changed now."""
        if name in CHANGEABLE:
            self._quantiser.set(name, float(value))
        if name not in CHANGEABLE or self.spec.planned:  # who plans in time has a rhythm of its own
            self._processor.set(name, value)

    def process(self, start: int, samples: Samples, events: Sequence[HostEvent] = ()) -> Outgoing:
        """Take the host block that begins at sample `start`; return what is due before its end.

        samples: (channels, n) float32, channels as in the spec or 1 for all. A block heard before is dropped. events: before
        the block's end. A transport divides the block: what it breaks off ends at its sample.
        """
        emissions, end = self._align(start), start + samples.shape[1]
        transports = [event for event in events if isinstance(event, Transport)] if events else []
        if not transports:
            outgoing = self._part(start, samples, events)
            if not emissions:
                return outgoing
            return Outgoing(emissions + outgoing.emissions, outgoing.audio, outgoing.frames, outgoing.found)
        audio, frames, found, first = [], [], [], start
        for transport in (*sorted(transports, key=lambda each: each.sample), None):
            place = end if transport is None else min(end, max(round(transport.sample), self.position))
            if place > first:
                inside = [e for e in events if first <= e.sample < place and not isinstance(e, Transport)]
                outgoing = self._part(first, samples[:, first - start : place - start], inside)
                emissions += outgoing.emissions
                audio.append(outgoing.audio)
                frames += outgoing.frames
                found += outgoing.found
                first = place
            if transport is not None:
                emissions += self._follow(advanced(transport, place, self.host_rate))
        return Outgoing(emissions, np.concatenate(audio, axis=1), frames, found)

    def finish(self, sample: int) -> list[Emission]:
        """End the stream at `sample`: forget what is not due yet, end every sounding note there."""
        self.scheduler.clear()
        # Who makes sound would let it ring out first, for nobody: half a second of computing (measured with the performer), in
        # which the other streams of an engine wait. The ledger knows all that it owes.
        rings = self.spec.channels_out > 0
        owed = [] if rings else [event for said in _said(self._processor.flush()) for event in self._admit(said)]
        owed += self.ledger.end_all(sample)
        return [Emission(self.position, sample, event) for event in owed]

    def restart(self, start: int) -> list[Emission]:
        """Begin anew at host sample `start`, as if nothing had been heard; return the ends of sounding notes."""
        ended = [Emission(start, start, off) for off in self.ledger.end_all(start)]
        goes_on = start >= self.position  # the client's clock; a transport on one that went back is another one
        if self._origin is not None:
            self._processor.reset()
            self._rebuffer.reset()
            self._output.reset()
            self._magnitude.reset()
            self.scheduler.clear()
            self._incoming.clear()
            self.metrics.restarts += 1
        self._origin, self._hops, self._deaf_before = start, 0, NEVER
        if self._transport is not None and goes_on:
            self._incoming.append(advanced(self._transport, start, self.host_rate))
        else:
            self._transport = None
            self._watch.forget()
        self.clip.restart(start, self._transport)
        self._quantiser.begin(start, self._transport)
        if self._zone is not None:
            self._zone.reset()
        return ended + self.introduction(start)

    def forget_notes(self) -> None:
        """Take note of it: what sounded was ended by the ledger's account."""
        if self._zone is not None:
            self._zone.forget_notes()

    def introduction(self, sample: int) -> list[Emission]:
        """Return what a client must hear before all else, at `sample`: how its synth shall take the channels."""
        return [] if self._zone is None else [Emission(sample, sample, event) for event in configuration(sample)]

    def _follow(self, transport: Transport) -> list[Emission]:
        """Let the player know of the transport from here on; where it broke off, return the ends of sounding notes.

        What the player has heard is kept, but of what lies before the break no note starts any more, unless the stream keeps it.
        """
        here = round(transport.sample)
        self._transport = transport
        self._quantiser.follow(transport)
        self._incoming.append(transport)
        broke_off = self._watch.broke_off(transport.playing, transport.host_sample, here)
        self.clip.follow(transport, broke_off)
        if not broke_off or self.spec.kept:
            return []
        self._deaf_before = here
        if self.spec.planned:
            self.scheduler.clear()
        self.scheduler.forget_before(here + self._quantiser.furthest)
        self.forget_notes()
        ends = here + self._ahead  # no later than the last start that was handed on
        return [Emission(ends, here, off) for off in self.ledger.end_all(here)]

    def _part(self, start: int, samples: Samples, events: Sequence[HostEvent]) -> Outgoing:
        """Run a block, or a part of one, through which the transport goes on as it was."""
        end = start + samples.shape[1]
        skip = max(0, self.position - start)
        if events:
            self._incoming += [event for event in events if event.sample >= start + skip]
        self._incoming += self.clip.due(start + skip, end)
        for begin in range(skip, samples.shape[1], LARGEST_BLOCK):
            self._rebuffer.push(samples[:, begin : begin + LARGEST_BLOCK])
            self._run_hops(start)
        origin = self._origin or 0
        audio = self._output.pull(start - origin - self.latency.total, samples.shape[1])
        found, self._found = self._found, []
        return Outgoing(self._release(end), audio, self._magnitude.take(end), found)

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
        while self._rebuffer.is_ready():
            began = perf_counter_ns()
            heard_at = origin + self._rebuffer.needed
            hop = self._rebuffer.pop()
            first = self._hops * spec.hop
            self._hops += 1
            result = self._processor.process(
                Block(first, hop[: spec.channels_in], self._events_before(first + spec.hop))
            )
            self._found += [
                moved(event, origin + round(event.sample * self._ratio))
                for event in result.events
                if isinstance(event, Transport)
            ]
            for event in _said(result):
                emission = self._place(event, origin, heard_at)
                if emission.place >= self._deaf_before:
                    for placed in self._quantiser.take(emission):
                        self.scheduler.add(placed, now)
            if spec.channels_out:
                self._output.push(result)
            self._magnitude.push(result, origin)
            self.metrics.hop((perf_counter_ns() - began) / 1000)

    def _place(self, event: Event, origin: int, heard_at: int) -> Emission:
        """Give a model event its two host samples."""
        if self.spec.kind == "live" and self.spec.planned:
            due = max(heard_at, origin + round(event.sample * self._ratio))
            return Emission(due, due, event)
        if self.spec.kind == "live":
            held_back = round((event.sample - (self._hops * self.spec.hop - 1)) * self._ratio)
            due = heard_at + max(0, held_back)
            return Emission(due, due - self.live_delay, event)
        place = origin + round(event.sample * self._ratio)
        return Emission(place + self.latency.total, place, event)

    def _events_before(self, end: int) -> tuple[HostEvent, ...]:
        """Take the incoming events that fall before model sample `end`, moved to the model's clock."""
        if not self._incoming:
            return ()
        origin, rate = self._origin or 0, self.spec.sample_rate
        # One division of whole numbers: a place on a hop's edge is exactly there, and in the same hop whatever the block.
        placed = [moved(e, (e.sample - origin) * rate / self.host_rate) for e in self._incoming]
        keep = [i for i, e in enumerate(placed) if e.sample >= end]
        taken = tuple(
            sorted((e for e in placed if e.sample < end), key=lambda e: (e.sample, not isinstance(e, Transport)))
        )
        self._incoming = [self._incoming[i] for i in keep]
        return taken

    def _release(self, end: int) -> list[Emission]:
        released: list[Emission] = []
        for ending in self._quantiser.due(end):
            self.scheduler.add(ending, ending.due)
        for emission in self.scheduler.take(end + self._ahead):
            released += [Emission(emission.due, emission.place, e) for e in self._admit(emission.event)]
        return released

    def _admit(self, event: Event) -> list[Event]:
        """Return what leaves for an event, on the channels on which it sounds."""
        said = (event,) if self._zone is None else self._zone.say(event)
        return [admitted for each in said for admitted in self.ledger.admit(each)]


def _said(block: Block) -> Iterator[Event]:
    """Yield what a player gave to be sent: of a beat that it found, who runs the stream is told."""
    return (event for event in block.events if not isinstance(event, Transport))
