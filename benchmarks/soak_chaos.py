"""What happens to the soaked server, and when: a schedule from a seed, and what each kind of event does.

Time is cut into slots, one event at the beginning of each, so that what comes of it is known by when it happened:

    nothing    nothing does
    guests     clients come and go: short streams open, play and close; soak_replay asks whether they heard all
    swap       a player leaves and one of another model takes its place; the next time it comes back
    drift      the clocks of all clients run 300 ppm too fast or too slow from now on
    overload   all clients send several times faster than real time for a while
    kill       an engine that works is killed
    spare      a spare is killed
    freeze     an engine stands still for two seconds
    stall      the server and all its engines stand still for two seconds, as when a machine sleeps
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from benchmarks.soak_material import SEEDS
from benchmarks.soak_stage import Stage
from benchmarks.soak_streams import EIGHT, Client, Part, Recovery

KINDS = ("nothing", "guests", "swap", "drift", "overload", "kill", "spare", "freeze", "stall")
HARMLESS = ("nothing", "guests", "swap", "drift", "spare")
"""Kinds by which no block may be lost."""
REPLACED = ("kill", "freeze")
"""Kinds after which another engine must work."""
MOST_PPM = 300.0
STILL_SECONDS = 2.0
SPEED, HURRY_SECONDS = 6.0, 1.0
GUESTS = 3
STAY = 0.5  # of their slot


@dataclass(frozen=True, slots=True)
class Slot:
    """begin, end: seconds from the beginning. seed: of all that is left to chance in it."""

    kind: str
    begin: float
    end: float
    seed: int


@dataclass(slots=True)
class Happened:
    """What came of a slot. attached_ms: from when an engine was known to be lost to when another worked."""

    slot: Slot
    began: float  # on the monotonic clock
    ended: float = 0.0
    recoveries: list[Recovery] = field(default_factory=list)
    attached_ms: float | None = None
    lost_datagrams: int = 0  # for which a socket of this machine had no room


def schedule(seconds: float, slot_seconds: float, seed: int) -> list[Slot]:
    """Return the slots of `seconds`: every kind once in each round of all kinds, in another order each time."""
    rng, slots = np.random.default_rng(seed), list[Slot]()
    count = max(1, int(seconds / slot_seconds))
    while len(slots) < count:
        for kind in rng.permutation(KINDS):
            begin = len(slots) * slot_seconds
            slots.append(Slot(str(kind), begin, begin + slot_seconds, int(rng.integers(1 << 31))))
    return slots[:count]


class Chaos:
    """Has the events take place on a stage. Of one thread, which is not the band's."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._left: tuple[int, Part] | None = None  # whose place another has, and who it was

    def act(self, happened: Happened) -> None:
        """Have a slot's event take place. Returns when it is over; what comes of it shows until the slot ends. Raises BridgeError."""
        rng, slot = np.random.default_rng(happened.slot.seed), happened.slot
        kind, players = slot.kind, self._stage.players
        if kind == "guests":
            self._guests(rng, STAY * (slot.end - slot.begin))
        elif kind == "swap":
            self._swap(rng)
        elif kind == "drift":
            for client, sign in zip(players, rng.choice((-1.0, 1.0), len(players)), strict=True):
                client.ppm = float(sign * MOST_PPM)
        elif kind == "overload":
            self._hurry(happened)
        elif kind == "spare":
            working = set(self._stage.working().values())
            _signal(
                [int(rng.choice([pid for pid in self._stage.server.engines() if pid not in working]))], signal.SIGKILL
            )
        elif kind in REPLACED:
            model, process = self._engine(rng)
            self._stage.server.load(model)  # its spare may still be starting, after what came before
            happened.recoveries = watch(client for client in players if client.part.model == model)
            if kind == "kill":
                _signal([process], signal.SIGKILL)
            else:
                stand_still([process])
            seconds = self._stage.replaced(model, process)
            happened.attached_ms = None if seconds is None else 1000 * seconds
        elif kind == "stall":
            stand_still([*self._stage.server.engines(), self._stage.server.pid])
            happened.recoveries = watch(players)  # since the machine goes on

    def restore(self) -> None:
        """Let the player come back whose place another has. Raises BridgeError."""
        if self._left is not None:
            place, part = self._left
            self._left = None
            self._stage.replace(place, part, place)

    def _swap(self, rng: np.random.Generator) -> None:
        if self._left is not None:
            self.restore()
            return
        place = int(rng.integers(len(self._stage.players)))
        own = self._stage.players[place].part
        others = [part for part in EIGHT if part.model != own.model]
        self._left = place, own
        self._stage.replace(place, others[int(rng.integers(len(others)))], int(rng.integers(SEEDS)))

    def _guests(self, rng: np.random.Generator, stay: float) -> None:
        guests = []
        for number in rng.permutation(len(EIGHT))[:GUESTS]:
            ppm = float(rng.uniform(-MOST_PPM, MOST_PPM))
            guests.append(self._stage.enter(EIGHT[number], int(rng.integers(SEEDS)), ppm, heard=[]))
        time.sleep(stay)
        for number in rng.permutation(GUESTS):
            self._stage.leave_heard(guests[number])

    def _hurry(self, happened: Happened) -> None:
        players = self._stage.players
        for client in players:
            client.speed = SPEED
        time.sleep(HURRY_SECONDS)
        for client in players:
            client.speed = 1.0
        happened.recoveries = watch(players)

    def _engine(self, rng: np.random.Generator) -> tuple[str, int]:
        """Choose an engine that works for somebody."""
        working = sorted(self._stage.working().items())
        return working[int(rng.integers(len(working)))]


def watch(clients: Iterable[Client]) -> list[Recovery]:
    """Watch how clients fare from now on."""
    recoveries = []
    for client in clients:
        client.recovery = Recovery(client.part.name, time.monotonic())
        recoveries.append(client.recovery)
    return recoveries


def stand_still(processes: list[int]) -> None:
    """Have processes stand still for STILL_SECONDS; those that were ended meanwhile stay so."""
    _signal(processes, signal.SIGSTOP)
    try:
        time.sleep(STILL_SECONDS)
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):  # the server was quicker
            os.kill(process, number)
