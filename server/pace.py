"""How fast one peer is served: so many at once, then so many a second. Who is faster waits; nobody else does."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from server.limits import MOST_PEERS

Clock = Callable[[], float]


class Pace:
    """One peer's allowance. One owner, one thread."""

    def __init__(self, a_second: float, at_once: float, clock: Clock = time.monotonic) -> None:
        self._a_second, self._at_once, self._clock = a_second, at_once, clock
        self._left, self._then = at_once, clock()

    def take(self) -> float:
        """Take one; return the seconds to wait before it is within the pace."""
        self._fill()
        self._left -= 1.0
        return max(0.0, -self._left / self._a_second)

    def give_back(self) -> None:
        """Give one back that was not used: whoever is refused owes nothing."""
        self._left += 1.0

    def may(self) -> bool:
        """Take one if there is one left; else leave all as it is."""
        self._fill()
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._then) * self._a_second)
        self._then = now


class Paces:
    """The allowances of many peers; the one that was not asked for longest is forgotten, as if it had been quiet."""

    def __init__(self, a_second: float, at_once: float, clock: Clock = time.monotonic) -> None:
        self._a_second, self._at_once, self._clock = a_second, at_once, clock
        self._peers: OrderedDict[Hashable, Pace] = OrderedDict()

    def forget(self, peer: Hashable) -> None:
        """Forget a peer that will never be heard again."""
        self._peers.pop(peer, None)

    def of(self, peer: Hashable) -> Pace:
        """Return a peer's allowance."""
        if peer not in self._peers:
            self._peers[peer] = Pace(self._a_second, self._at_once, self._clock)
            if len(self._peers) > MOST_PEERS:
                self._peers.popitem(last=False)
        self._peers.move_to_end(peer)
        return self._peers[peer]
