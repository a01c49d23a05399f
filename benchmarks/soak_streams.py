"""The soak's clients: eight players at once, each paced by a clock of its own, and an account of all that came back.

One thread sends and reads for all of them, as a host's audio thread would; whoever makes the chaos is another.
"""

import os
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.pacing import real_time
from benchmarks.soak_material import BEATS, NOTE_OFF, NOTE_ON, TEMPO, Material
from plugin_bridge.client import BridgeStream
from plugin_bridge.protocol import AudioMessage, MidiMessage
from server.audio.jack_cycle import BRIDGE_PERIODS

Heard = list[tuple[int, int, int, int, int]]
"""What came to a client: due, place, status, data 1, data 2."""
LONGEST_SLEEP = 0.01  # seconds; then it is seen who comes and goes
SETTLE_SECONDS = 1.0  # in which the answers to what was sent last may come


@dataclass(frozen=True, slots=True)
class Part:
    """One stream: which model hears or plays what. plays: see soak_material. told: whether the host tells its transport."""

    name: str
    model: str
    rate: int
    block: int
    settings: Mapping[str, str | float]
    plays: str
    told: bool = False


EIGHT = (
    Part("piano, exact", "transcriber", 48_000, 256, {}, "struck"),
    Part("guitar, live", "transcriber", 44_100, 441, {"stream": "live", "instrument": "general"}, "struck"),
    Part("violin by hand", "performer", 48_000, 512, {"stream": "live"}, "midi"),
    Part("flute, heard", "translator", 48_000, 512, {"direction": "listen"}, "struck"),
    Part("trumpet, played", "translator", 48_000, 256, {"direction": "play", "instrument": "trumpet", "stream": "live"}, "midi"),
    Part("drums to a bass", "drummer", 48_000, 512, {"stream": "live"}, "bass", told=True),
    Part("piano to a band", "arranger", 48_000, 1024, {"stream": "live"}, "band", told=True),
    Part("impulses", "probe", 48_000, 128, {}, "impulses"),
)  # fmt: skip
"""What plays all the time: the five players, and the probe, of which every note is known to the sample."""


@dataclass(slots=True)
class Account:
    """What came back to one client. Moments are seconds of time.monotonic."""

    blocks: int = 0  # that were sent
    late: list[tuple[float, float]] = field(default_factory=list)  # (moment, seconds since it was sent)
    lost: list[tuple[float, int]] = field(default_factory=list)  # (moment, blocks that were never answered)
    note_ons: int = 0
    note_offs: int = 0
    doubled: int = 0  # note-ons of a note that sounds
    stray: int = 0  # note-offs of one that does not
    silent: int = 0  # blocks whose audio did not come with the answer
    hanging: int = 0  # that sounded on when the stream was closed


@dataclass(slots=True)
class Recovery:
    """How a client fares after `since`: when the first block that was sent later was answered, and when the first on time."""

    name: str
    since: float
    answered: float | None = None  # seconds after `since`
    on_time: float | None = None
    missed: int = 0  # blocks sent later that were lost or late before the first on time


class Client:
    """One stream in real time. It belongs to the band's thread from `add` to `remove`."""

    def __init__(
        self, part: Part, stream: BridgeStream, material: Material, ppm: float = 0.0, heard: Heard | None = None
    ) -> None:
        """Args: ppm: how much faster than it says its clock runs, in millionths. heard: where all that comes is kept."""
        self.part, self.stream, self.material, self.ppm = part, stream, material, ppm
        self.account, self.place, self.speed = Account(), 0, 1.0
        self.allowed = BRIDGE_PERIODS * part.block / part.rate  # seconds; later is late for who plays it
        self.heard = heard
        self.recovery: Recovery | None = None
        self.due = time.monotonic()
        self._sounds = part.plays == "midi"
        self._pending: deque[tuple[int, float]] = deque()  # (sample after the block, when it was sent)
        self._answered = self._audio = 0
        self._sounding: Counter[tuple[int, int]] = Counter()

    def send(self, now: float) -> None:
        """Send the next block, and before it what happens in it."""
        place, count = self.place, self.part.block
        told = transport_at(self.part, place)
        if told is not None:
            self.stream.send_transport(*told)
        for row in self.material.midi_in(place, count):
            self.stream.send_midi(*row)
        self.stream.send(place, self.material.block(place, count))
        self.place += count
        self.account.blocks += 1
        self._pending.append((self.place, now))
        self.due += count / self.part.rate / (self.speed * (1 + self.ppm / 1e6))

    def read(self, now: float) -> None:
        """Take note of all that came in."""
        account = self.account
        self._hear(self.stream.receive())
        answered, self._answered = self.stream.answered - self._answered, self.stream.answered
        through: list[float] = []
        while self._pending and self._pending[0][0] <= self.stream.processed:
            through.append(self._pending.popleft()[1])
        if len(through) > answered:
            account.lost.append((now, len(through) - answered))
        if self._sounds and self._audio < self._answered:  # a block's audio comes before its answer
            account.silent += self._answered - self._audio
            self._audio = self._answered
        for place, sent in enumerate(through):
            late = now - sent > self.allowed
            missed = place < len(through) - answered
            if late and not missed:
                account.late.append((now, now - sent))
            if self.recovery is not None and sent >= self.recovery.since:
                _recover(self.recovery, now, late, missed)

    def end(self) -> None:
        """Close the stream and count what sounds on. For who has taken it out of the band. Raises BridgeError."""
        self.settle()
        if self._pending:
            self.account.lost.append((time.monotonic(), len(self._pending)))
        self._hear(self.stream.finish())
        self.account.hanging += sum(self._sounding.values())

    def settle(self) -> None:
        """Wait a little for what was not answered yet."""
        until = time.monotonic() + SETTLE_SECONDS
        while self._pending and (left := until - time.monotonic()) > 0 and self.stream.ready(left):
            self.read(time.monotonic())

    def _hear(self, messages: Iterable[MidiMessage | AudioMessage]) -> None:
        for message in messages:
            if isinstance(message, MidiMessage):
                self._note(message)
            else:
                self._audio += 1

    def _note(self, message: MidiMessage) -> None:
        kind, key = message.status & 0xF0, (message.status & 0x0F, message.data1)
        if self.heard is not None:
            self.heard.append((message.due, message.place, message.status, message.data1, message.data2))
        if kind == NOTE_ON and message.data2:
            self.account.note_ons += 1
            self.account.doubled += self._sounding[key]
            self._sounding[key] = 1
        elif kind in (NOTE_ON, NOTE_OFF):
            self.account.note_offs += 1
            self.account.stray += 1 - self._sounding[key]
            self._sounding[key] = 0


def transport_at(part: Part, place: int) -> tuple[int, bool, int, float, float, int, float] | None:
    """Return what a part's host says of its transport before the block at `place`, once a second; None where it says nothing.

    Sample, playing, host's sample, tempo in BPM, quarters from the origin, bar from 1, beat in it from 0.
    """
    if not part.told or place % part.rate >= part.block:
        return None
    bar, beat = divmod(place / part.rate * TEMPO / 60, BEATS)
    return place, True, place, TEMPO, bar * BEATS + beat, int(bar) + 1, beat


def _recover(recovery: Recovery, now: float, late: bool, missed: bool) -> None:
    if not missed and recovery.answered is None:
        recovery.answered = now - recovery.since
    if recovery.on_time is None:
        recovery.missed += missed or late
        if not (missed or late):
            recovery.on_time = now - recovery.since


class Band(threading.Thread):
    """Plays all clients at their paces until it is ended."""

    def __init__(self, cores: Collection[int] = ()) -> None:
        """Args: cores: those it keeps to; without any, it runs on all."""
        super().__init__(name="band", daemon=True)
        self._cores = cores
        self.clients: tuple[Client, ...] = ()
        self.scheduling = ""
        self.furthest_behind = 0.0  # seconds by which a block was sent too late: our own fault
        self.problem: BaseException | None = None
        self._turn, self._turns = threading.Lock(), 0
        self._ended = False

    def add(self, *clients: Client, apart: float = 0.0) -> None:
        """Let clients play from now on, each `apart` seconds after the one before."""
        with self._turn:
            for number, client in enumerate(clients):
                client.due = time.monotonic() + number * apart
            self.clients += clients

    def remove(self, *clients: Client) -> None:
        """Let clients play no more; they are the caller's afterwards."""
        with self._turn:
            self.clients = tuple(other for other in self.clients if other not in clients)
            turns = self._turns
        while self._turns < turns + 2 and self.is_alive():  # the one under way may wait for its socket
            time.sleep(0.001)

    def end(self) -> None:
        """Have the thread end. Raises what ended it before."""
        self._ended = True
        self.join()
        if self.problem is not None:
            raise self.problem

    def run(self) -> None:
        """See threading.Thread."""
        try:
            if self._cores:
                os.sched_setaffinity(0, self._cores)  # of this thread
            with real_time() as self.scheduling:
                while not self._ended:
                    self._play()
        except BaseException as error:
            self.problem = error

    def _play(self) -> None:
        clients = self.clients
        first = min((client.due for client in clients), default=time.monotonic() + LONGEST_SLEEP)
        wait = min(LONGEST_SLEEP, max(0.0, first - time.monotonic()))
        ready = select.select([client.stream for client in clients], [], [], wait)[0]
        with self._turn:
            for client in self.clients:
                if client.stream in ready:
                    client.read(time.monotonic())
            for client in self.clients:
                now = time.monotonic()
                if client.due <= now:
                    self.furthest_behind = max(self.furthest_behind, now - client.due)
                    client.send(now)
            self._turns += 1
