"""A server that holds a note: answers blocks as an engine does, starts a note when told, never ends it.

The bundled probe's notes last 5 ms, too short to break anything while one sounds. It speaks the real wire: commands by
OSC, blocks and MIDI as in plugin_bridge.protocol.
"""

import json
import select
import socket
import threading

from pythonosc.osc_message import OscMessage

from plugin_bridge.client import osc
from plugin_bridge.protocol import AudioMessage, MidiMessage, TransportMessage, pack_midi, pack_processed, parse

LATENCY = 500
PITCH = 64


class HoldingServer:
    """One stream, in a thread. strike: start the note in the next block. silent: answer nothing. forget: refuse blocks."""

    def __init__(self) -> None:
        self.strike = self.silent = self.forget = False
        self.blocks = 0
        self.transports: list[TransportMessage] = []
        self._control, self._data = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._ended, self._end = socket.socketpair()
        for each in (self._control, self._data):
            each.bind(("127.0.0.1", 0))
        self.port: int = self._control.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Be gone at once, without a word."""
        if not self._thread.is_alive():
            return
        self._end.send(b"x")
        self._thread.join(5)
        for each in (self._control, self._data, self._end, self._ended):
            each.close()

    def _serve(self) -> None:
        while True:
            ready = select.select([self._control, self._data, self._ended], [], [])[0]
            if self._ended in ready:
                return
            if self._control in ready:
                self._command(*self._control.recvfrom(65536))
            if self._data in ready:
                self._block(*self._data.recvfrom(65536))

    def _command(self, datagram: bytes, sender: tuple[str, int]) -> None:
        address = OscMessage(datagram).address
        if address == "/backline/models":
            reply = osc("/backline/models.reply", json.dumps({"probe": {"in": ["audio"], "out": ["notes"]}}))
        elif address == "/backline/stream/open":
            reply = osc("/backline/done", address, 7, self._data.getsockname()[1], LATENCY, 0)
        else:
            reply = osc("/backline/done", address)
        self._control.sendto(reply, sender)

    def _block(self, datagram: bytes, sender: tuple[str, int]) -> None:
        self.blocks += 1
        if self.forget:
            self._data.sendto(osc("/backline/fail", "data port", "there is no stream 7 here"), sender)
            return
        message = parse(datagram)
        if isinstance(message, TransportMessage):
            self.transports.append(message)
        if self.silent or not isinstance(message, AudioMessage):
            return
        if self.strike:
            self.strike = False
            self._data.sendto(
                pack_midi(MidiMessage(7, message.start + 3, message.start + 3 - LATENCY, 0x90, PITCH, 100)), sender
            )
        self._data.sendto(pack_processed(7, message.start + message.samples.shape[1], 0), sender)
