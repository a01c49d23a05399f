"""The process of an audio device: PortAudio's callback copies a block to a socket and one from a socket, and nothing else.

    device -> callback -> socket -> portaudio_player;   portaudio_player -> socket -> callback -> device

The socket is the queue, in the kernel: nothing waits, locks or runs a model. The main thread sleeps until it is told to
end, whoever started the process is gone, or PortAudio says that the stream has ended by itself.
"""

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any  # Any: objects of sounddevice, which has no types

import numpy as np

from plugin_bridge.protocol import LARGEST_BLOCK
from server.audio.jack_audio import AudioOut
from server.audio.portaudio_clock import LostInput
from server.audio.portaudio_devices import Device, choose_rate, find_device, list_devices, load_portaudio
from server.errors import BacklineError
from server.quiet import quiet
from server.realtime import enter_real_time

HEAD = struct.Struct("<cxxxIqq")
"""what, samples, first sample, time of the callback in ns. Behind it float32 samples of one channel."""
HEARD, LOST, PLAY, SAID = b"H", b"L", b"P", b"J"
"""From the process: a block, a block after lost samples, a piece of JSON. To it: a block to play from its sample on."""


def main() -> None:
    """Entry of the process: one JSON argument."""
    words = json.loads(sys.argv[1])
    line = socket.socket(fileno=words["descriptor"])
    line.setblocking(False)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake)
    try:
        stream, active = open_stream(words, line, lambda: os.write(wake, b"E"))
    except BacklineError as error:
        line.send(SAID + json.dumps({"problem": str(error)}).encode())
        raise SystemExit(2) from error
    line.send(SAID + json.dumps(active).encode())
    ended = line_end(line, woken)
    if ended == b"E":
        problem = f"the audio device {active['device']} has stopped; all notes were ended"
        try:
            line.send(SAID + json.dumps({"problem": problem}).encode())
        except OSError:
            pass
        os._exit(1)  # a device that is gone may keep PortAudio waiting for ever
    with quiet():
        stream.abort()
        stream.close()


def line_end(line: socket.socket, woken: int) -> bytes:
    """Sleep until something ends the process; return the byte that woke it. The callback alone reads the line."""
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(line, select.POLLRDHUP)
    while True:
        for descriptor, what in poll.poll():
            if descriptor == woken:
                return os.read(woken, 1)
            if what & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
                return b""


def open_stream(words: dict[str, Any], line: socket.socket, on_end: Callable[[], object]) -> tuple[Any, dict[str, Any]]:
    """Open the devices and start; return PortAudio's stream and what it is like. Raises BacklineError."""
    sounddevice = load_portaudio()
    with quiet():
        devices = list_devices()
    source = find_device(words["input"], devices, "input") if words["input"] else None
    sink = find_device(words["output"], devices, "output") if words["output"] else None
    channel = int(words["channel"])
    if source is not None and channel > source.channels_in:
        raise BacklineError(f"--channel is {channel}; '{source.title}' has {source.channels_in}")
    rate = choose_rate(source, sink, words["rate"], channel)
    enter_real_time()  # before the stream: PortAudio's thread is born with it
    gc.disable()  # the callback leaves no reference cycles behind
    callback = Callback(line, rate, channel if source else 0, sink is not None)
    kind, device, channels = _shape(source, sink, channel)
    try:
        with quiet():
            stream = getattr(sounddevice, kind)(
                samplerate=rate, blocksize=int(words["block"]), device=device, channels=channels, dtype="float32", latency="low",
                callback=getattr(callback, kind.lower()), finished_callback=on_end)  # fmt: skip
            stream.start()
    except sounddevice.PortAudioError as error:
        title = " and ".join(f"'{d.title}'" for d in (source, sink) if d)
        raise BacklineError(
            f"PortAudio cannot open {title} at {rate} Hz: {error.args[0] if error.args else error}"
        ) from error
    latency = stream.latency if kind == "Stream" else (stream.latency,) * 2
    heard = max(latency[0], source.latency_in if source else 0.0)
    played = max(latency[1], sink.latency_out if sink else 0.0)
    return stream, {
        "active": True, "sample_rate": rate, "block": int(words["block"]),
        "device": " and ".join(f"'{d.title}'" for d in (source, sink) if d),
        "latency_in": round(heard * rate) if source else 0, "latency_out": round(played * rate) if sink else 0,
    }  # fmt: skip


def _shape(source: Device | None, sink: Device | None, channel: int) -> tuple[str, Any, Any]:
    """Return the kind of stream, its devices and its channels."""
    played = min(2, sink.channels_out) if sink else 0
    if source and sink:
        return "Stream", (source.number, sink.number), (channel, played)
    if source:
        return "InputStream", source.number, channel
    assert sink is not None
    return "OutputStream", sink.number, played


class Callback:
    """What PortAudio calls, in its own thread, for each block. channels_in: the last one of them is heard; 0: none is."""

    def __init__(self, line: socket.socket, rate: int, channels_in: int, plays: bool) -> None:
        self._line, self._channel = line, channels_in - 1
        self._lost_input = LostInput(rate)
        self._out = AudioOut() if plays else None
        self._silence = np.zeros(LARGEST_BLOCK, np.float32)
        self._mono = np.zeros(1 << 16, np.float32)

    def stream(self, heard: Any, play: Any, frames: int, _: Any, status: Any) -> None:
        """Both ways."""
        self._give(self._take(heard[:, self._channel], frames, status), play, frames)

    def inputstream(self, heard: Any, frames: int, _: Any, status: Any) -> None:
        """In."""
        self._take(heard[:, self._channel], frames, status)

    def outputstream(self, play: Any, frames: int, _: Any, status: Any) -> None:
        """Out; what is heard is silence."""
        self._give(self._take(self._silence[:0], frames, status), play, frames)

    def _take(self, heard: Any, frames: int, status: Any) -> int:
        now = time.monotonic_ns()
        lost = bool(status.input_overflow)
        start = self._lost_input.advance(frames, lost, now)
        try:
            self._line.send(HEAD.pack(LOST if lost else HEARD, frames, start, now) + heard.tobytes())
        except OSError:
            pass  # the player stands still or is gone; what it does not hear is a hole for it
        return start

    def _give(self, now: int, play: Any, frames: int) -> None:
        assert self._out is not None
        try:
            while True:
                packet = self._line.recv(65536)
                if not packet:
                    break
                _, _, leaves, _ = HEAD.unpack_from(packet)
                self._out.take(leaves, np.frombuffer(packet, np.float32, offset=HEAD.size)[None], now)
        except OSError:
            pass  # nothing more has come
        self._out.read(now, self._mono[:frames])
        play[:] = self._mono[:frames, None]


if __name__ == "__main__":
    main()
