"""Streams of one tick that meet at the steps they share: each runs until its step, and the last to come has them called.

A stream's work is written as if it were alone, and waits in the middle of a hop. greenlet switches between such works within
one thread in a third of a microsecond, where threads would need ten and a lock; without `--batch` it is not even imported.
"""

from collections.abc import Callable, Sequence
from typing import Any  # Any: greenlet's own values

from server.batched_step import StepGroup
from server.errors import BacklineError

Work = Callable[[], None]


class Together:
    """See the module's docstring. One thread."""

    def __init__(self) -> None:
        """Raise BacklineError where greenlet is missing."""
        try:
            import greenlet  # type: ignore[import-untyped]
        except ImportError as error:
            raise BacklineError("streams that share a call need the Python package greenlet; install it") from error
        self._greenlet = greenlet
        self._hub: Any = None

    def run(self, works: Sequence[Work]) -> None:
        """Run all works to their end, the steps that they come to at once in one call. What a work raises ends it all."""
        self._hub = self._greenlet.getcurrent()
        try:
            ready: list[tuple[Any, Exception | None]] = [(self._greenlet.greenlet(work), None) for work in works]
            while ready:
                waiting: dict[StepGroup, list[tuple[Any, int]]] = {}
                for one, error in ready:
                    asked = one.switch() if error is None else one.throw(error)
                    if not one.dead:
                        group, row = asked
                        waiting.setdefault(group, []).append((one, row))
                ready = [each for group, there in waiting.items() for each in _called(group, there)]
        finally:
            self._hub = None

    def wait(self, group: StepGroup, row: int) -> None:
        """Have a row run: with those of other works where it is one of several, else at once."""
        if self._hub is None or self._greenlet.getcurrent() is self._hub:
            group.run([row])
        else:
            self._hub.switch((group, row))


def _called(group: StepGroup, waiting: list[tuple[Any, int]]) -> list[tuple[Any, Exception | None]]:
    """Run a group's rows; what that raises, everybody who waited for it raises."""
    problem: Exception | None = None
    try:
        group.run([row for _, row in waiting])
    except Exception as error:  # handed on, whatever it is: a stream may know another way
        problem = error
    return [(one, problem) for one, _ in waiting]
