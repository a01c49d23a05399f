"""Events wait here until the block that holds their sample."""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from models.events import Event, time_order


@dataclass(frozen=True, slots=True)
class Emission:
    """An event with the two host samples that matter.

    due: the sample at which it leaves.
    place: the sample it speaks about: its onset or offset in the input.
    """

    due: int
    place: int
    event: Event


class Scheduler:
    """A queue in order of due samples; at one sample, note-offs before note-ons, then first come."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Emission]] = []
        self._serial = 0
        self.late = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> int | None:
        """When the next one leaves; None where nothing waits."""
        return self._heap[0][0] if self._heap else None

    def add(self, emission: Emission, now: int) -> None:
        """Queue an emission; one that was due before sample `now` leaves at once and is counted late."""
        if emission.due < now:
            self.late += 1
            emission = Emission(now, emission.place, emission.event)
        rank = time_order(emission.event)[1]
        heappush(self._heap, (emission.due, rank, self._serial, emission))
        self._serial += 1

    def take(self, end: int) -> list[Emission]:
        """Return and forget what is due before sample `end`, in order."""
        taken: list[Emission] = []
        while self._heap and self._heap[0][0] < end:
            taken.append(heappop(self._heap)[3])
        return taken

    def forget_before(self, place: int) -> None:
        """Forget what speaks about samples before `place`."""
        self._heap = [entry for entry in self._heap if entry[3].place >= place]
        heapify(self._heap)

    def clear(self) -> None:
        """Forget everything queued."""
        self._heap.clear()
