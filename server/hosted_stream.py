"""One stream in an engine, with its client: a block message in, MIDI, audio and `processed` out as datagrams.

AudioMessage -> events that fall into it -> LiveStream -> emissions -> datagrams to where the block came from
"""

import time
from collections.abc import Sequence
from math import exp

import numpy as np

from models.block import Samples
from models.events import HostEvent, Transport, moved
from plugin_bridge.protocol import (
    LARGEST_BLOCK,
    AudioMessage,
    MagnitudeRequest,
    MidiMessage,
    ProtocolError,
    TransportMessage,
    pack_audio,
    pack_midi,
    pack_processed,
    pack_processed_quiet,
)
from server.clip_ahead import MOST_CLIP_EVENTS
from server.clip_rows import read_rows
from server.errors import BacklineError
from server.hop_spread import HopSpread, Turn
from server.kept_take import KeptTake
from server.live_stream import LONGEST_GAP_SECONDS, LiveStream, Outgoing
from server.midi.message import from_bytes, to_bytes
from server.note_ledger import NoteLedger, begins
from server.scheduler import Emission
from server.shared_page import Slot
from server.viewers import Address, Transmit, Viewers

STALE_SECONDS = 0.1  # a real-time stream that is further behind than this starts at the newest block
QUIET_SECONDS = 1.0  # a real-time client that sends nothing for this long has its notes ended
MOST_EVENTS = 4096  # that wait for their block
METER_SECONDS = 0.3  # in which the meter falls to 37 %: the eye can follow, and no peak is missed between two looks
LOUDEST = 10.0  # that the meter shows, where full scale is 1


class HostedStream:
    """A stream, its place in the shared page, and its client, which may change while it runs."""

    def __init__(
        self, number: int, stream: LiveStream, slot: Slot, realtime: bool, transmit: Transmit, take: KeptTake,
        gathers: bool = False, spread: HopSpread | None = None,
    ) -> None:  # fmt: skip
        """Args: gathers: its client holds back blocks in which nothing happens, and is told how long. spread: of the engine's hops; left
        out, the stream begins with its first block.
        """
        self.number, self.stream, self.slot, self.realtime = number, stream, slot, realtime
        self.take = take
        self._gathers = gathers
        only_listens = stream.spec.channels_in > 0 and stream.spec.channels_out == 0
        self._turn: Turn | None = None
        if spread is not None and gathers and realtime and only_listens:
            self._turn = Turn(spread, number, stream.host_rate)
        self._transmit = transmit
        self._client: Address | None = None
        self._plain = False  # whether it reads int32 only
        self.block_ns = 0  # how long the last block plays; a stream that runs ahead of time has no next one to expect
        self._events: list[HostEvent] = []
        self._viewers = Viewers(number, stream.host_rate, transmit)
        self._peak = 0.0
        # What the client has heard, apart from the stream's own ledger, which is ahead of it while a block is computed: an engine
        # that dies in between must leave the truth in the page.
        self._told = NoteLedger(slot.sounding)

    def take_midi(self, message: MidiMessage) -> None:
        """Keep a MIDI message until the block that holds its sample. Raises ProtocolError where too many wait."""
        event = from_bytes(message.due, message.status, message.data1, message.data2)
        if event is not None:
            self._keep(event)

    def take_transport(self, message: TransportMessage) -> None:
        """Keep what the host's transport does until the block that holds its sample. Raises ProtocolError as take_midi."""
        self._keep(Transport(*message[1:]))
        self.take.set_tempo(message.tempo)

    def take_clip(self, unit: str, ahead: int, rows: str) -> int:
        """Take more of the clip that the stream plays on time, or forget it where there are no rows; return its events.

        Raises BacklineError where the rows are wrong or too many.
        """
        clip, events, kind = self.stream.clip, *read_rows(unit, ahead, rows)
        if not events:
            clip.clear()
        elif len(clip) + len(events) > MOST_CLIP_EVENTS:
            raise BacklineError(f"a clip has {len(clip) + len(events)} events; allowed: {MOST_CLIP_EVENTS}")
        else:
            clip.add(events, kind, ahead, self.stream.position)
        return len(clip)

    def take_request(self, message: MagnitudeRequest, sender: Address) -> None:
        """Show the spectrogram to `sender` for a while, or no longer. Raises ProtocolError where too many look on."""
        self._viewers.take(message, sender, self.stream.position)

    def is_stale(self, start: int, newest: int) -> bool:
        """Whether a block is so far behind the newest one that a real-time stream goes on without it."""
        return self.realtime and start < self.fresh_from(newest)

    def fresh_from(self, newest: int) -> int:
        """Return from which sample on blocks are near enough to the newest one to be worked on."""
        return newest - int(STALE_SECONDS * self.stream.host_rate)

    def begins_again(self, start: int) -> bool:
        """Whether the stream leaves out so much before a block at `start` that it begins there as if nothing had been heard."""
        return self.stream.metrics.hops > 0 and self.is_stale(self.stream.position, start)

    def leave_out(self, messages: Sequence[AudioMessage]) -> None:
        """Count blocks that came too late to be worked on, in order, and keep them for the take; what follows on is written at once."""
        runs: list[list[AudioMessage]] = []
        for message in messages:
            last = runs[-1][-1] if runs else None
            if last is not None and _follows(last, message):
                runs[-1].append(message)
            else:
                runs.append([message])
        for run in runs:
            samples = np.concatenate([message.samples for message in run], axis=1)
            self.stream.metrics.stale_samples += samples.shape[1]
            self.take.hear(run[0].start, samples)

    def take_audio(self, message: AudioMessage, sender: Address, came_ns: int | None = None) -> None:
        """Run a block and send what is due in it to `sender`.

        Args: came_ns: when it came at the latest, on the monotonic clock; left out, now.
        """
        stream, start, samples = self.stream, message.start, message.samples
        self._meet(sender, message.plain)
        end, count = start + samples.shape[1], samples.shape[1]
        now_ns = time.monotonic_ns() if came_ns is None else came_ns
        if samples.shape[0] > max(1, stream.spec.channels_in):
            samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
        again = self.begins_again(start)
        begins = start if self._turn is None else self._turn.begin(start, count, now_ns, again)
        if again:
            self.send(stream.restart(begins))
        self._show_level(samples)
        self.take.hear(start, samples)
        if begins < end:
            hops = stream.metrics.hops
            events = self._events_of(begins, end) if self._events else []
            self._give(stream.process(begins, samples[:, begins - start :], events), begins, end, sender)
            if self._turn is not None and stream.metrics.hops > hops:
                self._turn.note(now_ns)
        self.slot.heard(end, time.monotonic_ns(), stream.scheduler.late)
        self.block_ns = 1_000_000_000 * count // stream.host_rate if self.realtime else 0
        if self._gathers and not self._plain:
            quiet = end if self._events or self._viewers else max(begins, stream.quiet_until)
            self._transmit(pack_processed_quiet(self.number, end, stream.scheduler.late, quiet), sender)
        else:
            self._transmit(pack_processed(self.number, end, stream.scheduler.late, self._plain), sender)

    def _give(self, outgoing: Outgoing, start: int, end: int, sender: Address) -> None:
        """Send what is due in a block from `start` to `end`."""
        self.send(outgoing.emissions)
        if self.stream.spec.channels_out:
            most = LARGEST_BLOCK // self.stream.spec.channels_out
            for first in range(0, outgoing.audio.shape[1], most):
                piece = outgoing.audio[:, first : first + most]
                self._transmit(pack_audio(self.number, start + first, piece, self._plain), sender)
        if self._viewers:
            self._viewers.show(outgoing.frames, end)

    def send(self, emissions: list[Emission]) -> None:
        """Send MIDI to the client, if one has been heard from."""
        for emission in emissions:
            if self._client is not None:
                message = MidiMessage(self.number, emission.due, emission.place, *to_bytes(emission.event))
                # In the page a note begins before its start leaves and ends after its end has: one end too many harms nobody.
                if begins(emission.event):
                    self._told.admit(emission.event)
                self._transmit(pack_midi(message, self._plain), self._client)
                if not begins(emission.event):
                    self._told.admit(emission.event)
                self.slot.show_event(*message[1:])
                self.take.leave(emission)

    def reset(self) -> None:
        """End sounding notes and forget what was heard and what waits."""
        self._events.clear()
        self.send(self.stream.restart(self.stream.position))

    def end_if_quiet(self, now_ns: int) -> None:
        """End the notes of a real-time client that has stopped sending."""
        quiet = self.slot.heard_ns and now_ns - self.slot.heard_ns > QUIET_SECONDS * 1e9
        if self.realtime and quiet and self.stream.ledger.sounding:
            self.send(self.stream.restart(self.stream.position))

    def _show_level(self, samples: Samples) -> None:
        """Let the meter rise with the block's peak at once and fall slowly."""
        fallen = self._peak * exp(-samples.shape[1] / (METER_SECONDS * self.stream.host_rate))
        high, low = np.maximum.reduce(samples, axis=None), np.minimum.reduce(samples, axis=None)
        self._peak = min(
            max(fallen, float(high), -float(low)), LOUDEST
        )  # `fallen` first: what is no number leaves it be
        self.slot.show_level(self._peak)

    def _keep(self, event: HostEvent) -> None:
        if len(self._events) >= MOST_EVENTS:
            raise ProtocolError(
                f"{MOST_EVENTS} MIDI messages wait for their block, transport among them, which is the most"
            )
        self._events.append(event)

    def _meet(self, sender: Address, plain: bool) -> None:
        """Answer `sender` from now on; where another client goes on with the stream, the one before has its notes ended."""
        if (sender, plain) == (self._client, self._plain):
            return
        here = self.stream.position
        self.send([Emission(here, here, off) for off in self.stream.ledger.end_all(here)])
        changed, self._client, self._plain = self._client is not None, sender, plain
        self.slot.set_client(sender, plain)
        if changed:
            self.stream.forget_notes()
            self.send(self.stream.introduction(here))

    def _events_of(self, start: int, end: int) -> list[HostEvent]:
        """Take the events that fall before the end of a block; what was due earlier is played with the next sample heard.

        A transport keeps its sample: what it has become by then is the stream's to say.
        """
        heard = self.stream.position
        again = 0 <= heard - start <= LONGEST_GAP_SECONDS * self.stream.host_rate
        first = heard if again else start
        taken = [
            e if isinstance(e, Transport) else moved(e, max(e.sample, first)) for e in self._events if e.sample < end
        ]
        self._events = [e for e in self._events if e.sample >= end]
        return taken


def _follows(last: AudioMessage, message: AudioMessage) -> bool:
    """Whether a block goes on where the one before ended, in as many channels."""
    return message.start == last.start + last.samples.shape[1] and message.samples.shape[0] == last.samples.shape[0]
