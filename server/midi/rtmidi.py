"""A MIDI port in a process of its own, where there is no JACK client of ours. This is its door.

    MidiOutput.send(time, message) -> socket -> rtmidi_port.main: due_queue.DueQueue -> python-rtmidi
    python-rtmidi -> rtmidi_port.main -> socket -> MidiInput.receive: (time, message)

python-rtmidi cannot send later, and its callback runs Python: so each port has a process that does nothing but wait for the
next event. Times are nanoseconds of the monotonic clock, which all processes share. The process that owns an output ends
its notes when it is told, when its sender is gone, and when it has heard nothing for the heartbeat's time. Its ledger lies in
memory that this side has too: where the process dies, another one opens the port and ends what sounds.
"""

import json
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any  # Any: JSON

from server.child_process import end_process, start_python
from server.errors import BacklineError
from server.midi.ports import PortChoice
from server.note_ledger import TABLE_BYTES, table_in

HEARTBEAT_SECONDS = 0.2
START_SECONDS = 10.0
END_SECONDS = 3.0
MESSAGE = struct.Struct("<cqBBB")  # what, time in ns, status, data 1, data 2
SEND, BEAT, END_NOTES, HEARD, SAID = b"M", b"B", b"E", b"H", b"J"
"""To the process: a message, that the sender is there, end all notes. From it: a message that came in, a piece of JSON."""


class _Port:
    """One port's process, and what it says. One owner, one thread."""

    def __init__(self, choice: PortChoice, direction: str, heartbeat_seconds: float, table: int | None = None) -> None:
        """Args: table: a file descriptor of a note ledger's memory, lent to the process."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = {"name": choice.name, "virtual": choice.virtual, "direction": direction, "descriptor": theirs.fileno(),
                 "heartbeat_ns": round(1e9 * heartbeat_seconds), "table": table}  # fmt: skip
        lent = (theirs.fileno(),) if table is None else (theirs.fileno(), table)
        self._process: subprocess.Popen[bytes] = start_python(
            "from server.midi.rtmidi_port import main; main()", json.dumps(words), pass_fds=lent,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip  # libjack and ALSA talk there; ours comes by the socket
        theirs.close()
        self.problem = ""
        self.name, self.system, self._counts = choice.name, "", {}  # type: str, str, dict[str, Any]
        self._await_start()

    def fileno(self) -> int:
        """What to wait on for what it says."""
        return self._socket.fileno()

    def listen(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the messages that came in, (time in ns, status, data 1, data 2), without waiting; take what else it says.

        Data that a message does not have are 0.
        """
        self._socket.setblocking(False)
        try:
            while packet := self._socket.recv(65536):
                if packet.startswith(HEARD):
                    yield MESSAGE.unpack(packet)[1:]
                else:
                    self._hear(json.loads(packet[1:]))
        except BlockingIOError:
            return
        except OSError:
            pass
        self.problem = self.problem or f"the process of the MIDI port '{self.name}' ended"

    def close(self) -> Mapping[str, Any]:
        """End the port's notes, then its process; return what it counted."""
        if self._socket.fileno() < 0:
            return self._counts
        self._socket.setblocking(True)
        self._socket.settimeout(END_SECONDS)
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while packet := self._socket.recv(65536):
                if packet.startswith(SAID):
                    self._hear(json.loads(packet[1:]))
        except OSError:
            pass
        self._socket.close()
        end_process(self._process, END_SECONDS)
        return self._counts

    def _await_start(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.system and not self.problem:
            if not select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.problem = f"the MIDI port '{self.name}' did not open within {START_SECONDS:g} s"
                break
            for _ in self.listen():
                pass
        if self.problem:
            self.close()
            raise BacklineError(self.problem)

    def _hear(self, said: Mapping[str, Any]) -> None:
        if "active" in said:
            self.name, self.system = said["active"], said["system"]
        elif "problem" in said:
            self.problem = self.problem or said["problem"]
        else:
            self._counts = dict(said)


class MidiOutput(_Port):
    """An output. Raises BacklineError where it cannot be opened; afterwards `problem` says what went wrong, if anything did."""

    def __init__(self, choice: PortChoice, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        """Args: heartbeat_seconds: all notes end where neither `send` nor `beat` was called for so long."""
        self._virtual = choice.virtual
        self._memory = os.memfd_create("backline-sounding")
        os.ftruncate(self._memory, TABLE_BYTES)
        self._table = table_in(self._memory)
        super().__init__(choice, "output", heartbeat_seconds, self._memory)

    def listen(self) -> Iterator[tuple[int, int, int, int]]:
        """As of any port; and where the process has died, what it left sounding is ended."""
        yield from super().listen()
        if self.problem:
            self._end_what_sounds()

    def close(self) -> Mapping[str, Any]:
        """As of any port; and where the process could not, what it left sounding is ended."""
        counts = super().close()
        self._end_what_sounds()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1
        return counts

    def send(self, leaves_ns: int, status: int, data1: int, data2: int) -> None:
        """Have a message sent at `leaves_ns`; at once where that has passed."""
        self._say(SEND, leaves_ns, status, data1, data2)

    def beat(self) -> None:
        """Say that whoever makes the notes is alive."""
        self._say(BEAT)

    def end_notes(self) -> None:
        """End every note now and forget what waits."""
        self._say(END_NOTES)

    def _say(self, what: bytes, leaves_ns: int = 0, *message: int) -> None:
        try:
            self._socket.send(MESSAGE.pack(what, leaves_ns, *(message or (0, 0, 0))), socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass  # it stands still, and ends the notes for want of a heartbeat once it goes on
        except OSError:
            for _ in self.listen():  # it has ended, and may have said why
                pass

    def _end_what_sounds(self) -> None:
        """Once the process has ended: have another one end at the port what the ledger says. Who was connected to a virtual
        port is not any more, and cannot be told."""
        if self._memory < 0 or not self._table.any():
            return
        end_process(self._process, END_SECONDS)
        if self._virtual or not self._table.any():
            return
        try:
            _Port(PortChoice(self.name), "ending", HEARTBEAT_SECONDS, self._memory).close()
        except BacklineError:
            self._table[:] = 0  # nobody is there to be told


class MidiInput(_Port):
    """An input. `listen` gives what came in."""

    def __init__(self, choice: PortChoice) -> None:
        super().__init__(choice, "input", HEARTBEAT_SECONDS)
