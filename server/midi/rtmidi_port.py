"""The process of one MIDI port: it waits for the next event, and for nothing else.

An output's messages come with their time; the loop sleeps in select until the first is due. An input's messages are
stamped in the library's own thread, which is the only one that works here. Both look once a second whether the
port they are connected to is still there.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any  # Any: JSON, and objects of python-rtmidi, which has no types

from server.errors import BacklineError
from server.midi.due_queue import NEVER, DueQueue
from server.midi.ports import PortChoice, open_input, open_output, system_of
from server.midi.rtmidi import BEAT, END_NOTES, HEARD, MESSAGE, SAID, SEND
from server.note_ledger import NoteLedger, table_in
from server.realtime import enter_real_time

LOOK_NS = 1_000_000_000
QUIET_NS = 20_000_000  # it takes time to look: not while an event is due within this
SLACK_NS = 20_000  # what the way back from select takes at best; an event may leave so much before its time


class PortProcess:
    """What an output and an input share: the line to whoever started them, the signal to end, the look at the port."""

    def __init__(self, line: socket.socket, port: Any, name: str, virtual: bool) -> None:
        self._line, self._port, self._name, self._virtual = line, port, name, virtual
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wake)
        self._next_look = time.monotonic_ns() + LOOK_NS

    def sleep(self, until: int) -> bytes | None:
        """Sleep until time `until` or a look is due; return a packet, empty to end, None where there is none."""
        until = min(until, self._next_look)
        seconds = max(0, until - SLACK_NS - time.monotonic_ns()) / 1e9
        ready = select.select([self._line.fileno(), self._woken], [], [], seconds)[0]
        if self._woken in ready:
            return b""
        if self._line.fileno() in ready:
            try:
                return self._line.recv(64)
            except OSError:
                return b""
        return None

    def look(self, now: int, busy_from: int) -> None:
        """See from time to time whether the port is there. Raises BacklineError where it is not."""
        if now < self._next_look or busy_from < now + QUIET_NS:
            return
        self._next_look = now + LOOK_NS
        if not self._virtual and self._name not in self._port.get_ports():
            raise BacklineError(f"the MIDI port '{self._name}' is gone; all notes were ended as far as it allowed")

    def say(self, values: dict[str, Any]) -> None:
        """Tell whoever started the process."""
        try:
            self._line.send(SAID + json.dumps(values).encode())
        except OSError:
            pass  # gone, which `sleep` finds


def serve_output(process: PortProcess, port: Any, heartbeat_ns: int, ledger: NoteLedger) -> dict[str, Any]:
    """Send what is due until told to end; all notes are ended then. Return what was counted."""
    queue = DueQueue(port.send_message, heartbeat_ns, time.monotonic_ns(), ledger)
    try:
        while (packet := process.sleep(queue.next())) != b"":
            now = time.monotonic_ns()
            if packet is not None:
                what, leaves, status, data1, data2 = MESSAGE.unpack(packet)
                if what == SEND:
                    queue.take(leaves, status, data1, data2, now)
                elif what == BEAT:
                    queue.beat(now)
                elif what == END_NOTES:
                    queue.end_all()
            queue.run(now + SLACK_NS)
            process.look(now, queue.next())
    except BacklineError as error:
        process.say({"problem": str(error)})
    queue.end_all()
    return queue.counts()


def serve_input(process: PortProcess, port: Any, line: socket.socket) -> dict[str, Any]:
    """Pass on what comes in until told to end."""
    port.set_callback(_stamp(line))
    try:
        while process.sleep(NEVER) != b"":
            process.look(time.monotonic_ns(), NEVER)
    except BacklineError as error:
        process.say({"problem": str(error)})
    port.cancel_callback()
    return {}


def _stamp(line: socket.socket) -> Callable[[tuple[list[int], float], object], None]:
    def heard(message: tuple[list[int], float], _: object) -> None:
        data = message[0]
        if len(data) <= 3:
            try:
                line.send(MESSAGE.pack(HEARD, time.monotonic_ns(), *data, *(0,) * (3 - len(data))), socket.MSG_DONTWAIT)
            except OSError:
                pass  # who listens is gone or stands still

    return heard


def main() -> None:
    """Entry of the process: one JSON argument."""
    words = json.loads(sys.argv[1])
    line = socket.socket(fileno=words["descriptor"])
    is_output = words["direction"] != "input"
    choice = PortChoice(words["name"], words["virtual"])
    try:
        port, name = (open_output if is_output else open_input)(choice)
    except BacklineError as error:
        line.send(SAID + json.dumps({"problem": str(error)}).encode())
        raise SystemExit(2) from error
    process = PortProcess(line, port, name, choice.virtual)
    enter_real_time()
    process.say({"active": name, "system": system_of(port)})
    if is_output:
        # One that is there for `ending` alone finds what sounds in the ledger, and is told nothing but to end.
        counts = serve_output(process, port, words["heartbeat_ns"], NoteLedger(table_in(words["table"])))
    else:
        counts = serve_input(process, port, line)
    port.close_port()  # waits until what was written is out
    process.say(counts)


if __name__ == "__main__":
    main()
