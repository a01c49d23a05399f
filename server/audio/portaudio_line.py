"""The player's hold on the process of the audio devices: started, waited for, heard, ended. See portaudio_device."""

import json
import select
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: JSON

import numpy as np
from numpy.typing import NDArray

from models.block import Samples
from server.audio.portaudio_device import HEAD, LOST, PLAY, SAID
from server.child_process import end_process, start_python
from server.errors import BacklineError

START_SECONDS = 30.0  # PortAudio tries every device there is
END_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DeviceBlock:
    """A block that a device handed over at `at`, in ns. samples: (1, n), none where nothing is heard; lost: input was, before."""

    start: int
    frames: int
    at: int
    lost: bool
    samples: Samples


class DeviceLine:
    """One process of audio devices. One owner, one thread. `problem` says what went wrong, once something has."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        """Args: asked: input, output, channel, rate and block, as portaudio_device reads them."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] = start_python(
            "from server.audio.portaudio_device import main; main()", json.dumps({**asked, "descriptor": theirs.fileno()}),
            pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip  # ALSA and libjack talk there
        theirs.close()
        self.problem, self.title = "", "'" + (asked["input"] or asked["output"]) + "'"

    def fileno(self) -> int:
        """What to wait on for the next block."""
        return self._socket.fileno()

    def await_start(self) -> dict[str, Any]:
        """Return what the devices are like once they play. Raises BacklineError."""
        deadline = time.monotonic() + START_SECONDS
        while select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            packet = self._packet()
            if self.problem:
                raise BacklineError(self.problem)
            if packet.startswith(SAID):
                said: dict[str, Any] = json.loads(packet[1:])
                self.title = said["device"]
                return said
        raise BacklineError(f"the audio device {self.title} gave no sign within {START_SECONDS:g} s")

    def catch_up(self) -> None:
        """Throw away what was heard while everything else was opened: it belongs to no stream."""
        while not self.problem and select.select([self._socket], [], [], 0)[0]:
            self._packet()

    def hear(self) -> DeviceBlock | None:
        """Return the next block, which is there or comes; None where there is a problem instead."""
        packet = self._packet()
        if self.problem:
            return None
        what, frames, start, at = HEAD.unpack_from(packet)
        return DeviceBlock(start, frames, at, what == LOST, np.frombuffer(packet, np.float32, offset=HEAD.size)[None])

    def play(self, start: int, mono: NDArray[np.float32]) -> None:
        """Have samples, (n,), leave from the device's sample `start` on."""
        try:
            self._socket.send(HEAD.pack(PLAY, mono.size, start, 0) + mono.tobytes(), socket.MSG_DONTWAIT)
        except OSError:
            pass  # a device that stands still needs nothing

    def close(self) -> None:
        """End the process; a second time there is nothing to end."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            end_process(self._process, END_SECONDS)

    def _packet(self) -> bytes:
        try:
            packet = self._socket.recv(65536)
        except ConnectionResetError:  # it was killed, with something unread
            packet = b""
        if not packet:
            self.problem = self.problem or f"the process of the audio device {self.title} ended; all notes were ended"
        elif packet.startswith(SAID):
            self.problem = json.loads(packet[1:]).get("problem", "")
        return packet
