"""Who may speak to a server that asks for a token: a sender says it once. Without a token everybody may.

The control port has a gate, and every engine's data port has one of its own.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable

from plugin_bridge.protocol import TOKEN_WANTED
from server.limits import MOST_PEERS, STRANGERS_A_SECOND
from server.pace import Clock, Pace
from server.token import is_token

__all__ = ["TOKEN_WANTED", "Gate"]


class Gate:
    """One port's. One owner, one thread."""

    def __init__(self, token: str = "", clock: Clock = time.monotonic) -> None:
        self.token = token
        self._known: OrderedDict[Hashable, None] = OrderedDict()
        self._refusals = Pace(STRANGERS_A_SECOND, STRANGERS_A_SECOND, clock)

    def passes(self, sender: Hashable) -> bool:
        """Whether a sender may speak."""
        if not self.token:
            return True
        if sender not in self._known:
            return False
        self._known.move_to_end(sender)
        return True

    def hear(self, sender: Hashable, said: str) -> bool:
        """Let a sender pass from now on if what it says is the token."""
        if self.token and not is_token(said, self.token):
            return False
        self.admit([sender])
        return True

    def admit(self, senders: Iterable[Hashable]) -> None:
        """Let senders pass who have said it to an engine before this one."""
        if not self.token:
            return
        for sender in senders:
            self._known[sender] = None
            self._known.move_to_end(sender)
            if len(self._known) > MOST_PEERS:
                self._known.popitem(last=False)

    def forget(self, sender: Hashable) -> None:
        """Forget a sender that will never be heard again."""
        self._known.pop(sender, None)

    def may_refuse(self) -> bool:
        """Whether one more stranger is told why it is not heard."""
        return self._refusals.may()
