"""The wire as data: every OSC address once, and the layouts of the hot messages.

Commands go to the control port and are parsed by python-osc. Audio and MIDI go between a client and the data port of
its model's engine; they are packed and read here by struct, since a float list would cost 100 times as much (measured:
512 floats 466 us as arguments, 6 us as a blob). docs/protocol.md is made from TABLE.
"""

import struct
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

DEFAULT_PORT = 9010
LARGEST_BLOCK = 8192  # samples a datagram may carry: 64 KiB hold 16 000 floats of one channel
MOST_CHANNELS = 2
LAST_SAMPLE = 1 << 62  # of a stream's clock: what is added to it still fits 64 bits
RECEIVE_BUFFER = 4 << 20  # bytes; the system's 208 KiB lost half of an unthrottled render (measured)

Direction = Literal["command", "reply", "to engine", "from engine"]


class Entry(NamedTuple):
    """One line of the wire: address, type tags, what they are, who says it, what it does."""

    address: str
    tags: str
    arguments: str
    direction: Direction
    meaning: str


TABLE: tuple[Entry, ...] = (
    Entry("/backline/status", "", "", "command", "ask how the server is; answered by /backline/status.reply"),
    Entry("/backline/status.reply", "siis", "version, streams, engines, JSON with one entry per stream", "reply",
          "state of every stream: latency, compute time percentiles, losses, restarts"),
    Entry("/backline/sync", "i", "number", "command", "answered by /backline/synced once all earlier commands are done"),
    Entry("/backline/synced", "i", "number", "reply", "see /backline/sync"),
    Entry("/backline/ping", "h", "client time t0 in ns", "command", "clock exchange, answered by /backline/pong"),
    Entry("/backline/pong", "hhh", "t0, server time received, server time sent, in ns", "reply", "see /backline/ping"),
    Entry("/backline/notify", "i", "1 to be told, 0 to stop", "command", "register this sender for /backline/event"),
    Entry("/backline/event", "ss", "kind, text", "reply", "to listeners: an engine was replaced, a stream opened or closed"),
    Entry("/backline/models", "", "", "command", "ask for the models; answered by /backline/models.reply"),
    Entry("/backline/models.reply", "s", "JSON as of `backline models --json`, sizes and heads", "reply", "see /backline/models"),
    Entry("/backline/model/load", "s", "model", "command", "start the model's engine and its spare; /backline/done when both are warm"),
    Entry("/backline/stream/open", "sis", "model, sample rate in Hz, JSON settings", "command",
          "settings are the model's parameters and `pace`: realtime (stale audio is dropped) or free (nothing is). "
          "/backline/done carries: stream, data port, latency in samples, live delay in samples"),
    Entry("/backline/stream/close", "i", "stream", "command", "end a stream and every note that sounds in it"),
    Entry("/backline/stream/reset", "i", "stream", "command", "end sounding notes and forget what was heard"),
    Entry("/backline/stream/set", "iss", "stream, parameter, value", "command", "change a parameter from the next hop on"),
    Entry("/backline/quit", "", "", "command", "end the server"),
    Entry("/backline/done", "s...", "address of the command, its results", "reply", "a command was carried out"),
    Entry("/backline/fail", "ss", "address of the command, reason", "reply", "a command was refused, and why"),
    Entry("/backline/audio", "ihib", "stream, first sample, samples per channel, little-endian float32, one channel after the other",
          "to engine", "a block of audio; the first sample may also be an int32 (iiib)"),
    Entry("/backline/midi", "ihm", "stream, sample, MIDI message", "to engine", "a MIDI message at a sample"),
    Entry("/backline/midi", "ihhm", "stream, sample it is due, sample it speaks about, MIDI message", "from engine",
          "a MIDI message; due within the block that was just sent"),
    Entry("/backline/audio", "ihib", "stream, first sample, samples per channel, little-endian float32", "from engine",
          "a player's audio for the block that was just sent"),
    Entry("/backline/processed", "ihi", "stream, sample after the block's last, events counted late so far", "from engine",
          "a block is done: its events and audio were sent before this"),
)  # fmt: skip


class ProtocolError(ValueError):
    """A datagram breaks the wire's rules; the text says how."""


class AudioMessage(NamedTuple):
    """A block of audio. samples: (channels, count) float32, read-only."""

    stream: int
    start: int
    samples: NDArray[np.float32]


class MidiMessage(NamedTuple):
    """A MIDI message. due: the sample it leaves at; place: the sample it speaks about (equal on the way in)."""

    stream: int
    due: int
    place: int
    status: int
    data1: int
    data2: int


class ProcessedMessage(NamedTuple):
    """A block is done."""

    stream: int
    end: int
    late: int


Message = AudioMessage | MidiMessage | ProcessedMessage

_AUDIO = b"/backline/audio\0,ihib\0\0\0"
_AUDIO_SHORT = b"/backline/audio\0,iiib\0\0\0"
_MIDI_IN = b"/backline/midi\0\0,ihm\0\0\0\0"
_MIDI_OUT = b"/backline/midi\0\0,ihhm\0\0\0"
_PROCESSED = b"/backline/processed\0,ihi\0\0\0\0"
_AUDIO_HEAD, _AUDIO_SHORT_HEAD = struct.Struct(">iqii"), struct.Struct(">iiii")
_MIDI_IN_BODY, _MIDI_OUT_BODY = struct.Struct(">iqxBBB"), struct.Struct(">iqqxBBB")
_PROCESSED_BODY = struct.Struct(">iqi")


def pack_audio(stream: int, start: int, samples: NDArray[np.float32]) -> bytes:
    """Return the datagram of a block, samples (channels, count) float32."""
    blob = np.ascontiguousarray(samples, "<f4").tobytes()
    return _AUDIO + _AUDIO_HEAD.pack(stream, start, samples.shape[1], len(blob)) + blob


def pack_midi_in(stream: int, sample: int, status: int, data1: int, data2: int) -> bytes:
    """Return the datagram of a MIDI message on its way to an engine."""
    return _MIDI_IN + _MIDI_IN_BODY.pack(stream, sample, status, data1, data2)


def pack_midi(message: MidiMessage) -> bytes:
    """Return the datagram of a MIDI message on its way to a client."""
    return _MIDI_OUT + _MIDI_OUT_BODY.pack(*message)


def pack_processed(stream: int, end: int, late: int) -> bytes:
    """Return the datagram that says a block is done."""
    return _PROCESSED + _PROCESSED_BODY.pack(stream, end, late)


def parse(datagram: bytes) -> Message:
    """Return what a datagram of the data port says. Raises ProtocolError."""
    try:
        if datagram.startswith(_AUDIO):
            return _parse_audio(datagram, len(_AUDIO), _AUDIO_HEAD)
        if datagram.startswith(_AUDIO_SHORT):
            return _parse_audio(datagram, len(_AUDIO_SHORT), _AUDIO_SHORT_HEAD)
        if datagram.startswith(_MIDI_IN):
            stream, sample, *midi = _MIDI_IN_BODY.unpack(datagram[len(_MIDI_IN) :])
            return MidiMessage(stream, _on_clock(sample), sample, *midi)
        if datagram.startswith(_MIDI_OUT):
            return MidiMessage(*_MIDI_OUT_BODY.unpack(datagram[len(_MIDI_OUT) :]))
        if datagram.startswith(_PROCESSED):
            return ProcessedMessage(*_PROCESSED_BODY.unpack(datagram[len(_PROCESSED) :]))
    except struct.error as error:
        raise ProtocolError(f"a message of {len(datagram)} bytes does not match its type tags") from error
    head = datagram[:40].split(b"\0")[0].decode("ascii", "replace")
    raise ProtocolError(f"the data port takes /backline/audio ,ihib and /backline/midi ,ihm; got '{head}'")


def _parse_audio(datagram: bytes, place: int, layout: struct.Struct) -> AudioMessage:
    stream, start, count, size = layout.unpack_from(datagram, place)
    blob = place + layout.size
    if not 1 <= count <= LARGEST_BLOCK:
        raise ProtocolError(f"a block has {count} samples; allowed: 1 to {LARGEST_BLOCK}")
    if size != len(datagram) - blob or size % (4 * count) or not 1 <= size // (4 * count) <= MOST_CHANNELS:
        raise ProtocolError(
            f"a block of {count} samples came with {size} bytes; expected 4 per sample for 1 or {MOST_CHANNELS} channels"
        )
    samples = np.frombuffer(datagram, "<f4", offset=blob).reshape(-1, count)
    return AudioMessage(stream, _on_clock(start), samples)


def _on_clock(sample: int) -> int:
    if not 0 <= sample <= LAST_SAMPLE:
        raise ProtocolError(f"sample {sample} is on no stream's clock; allowed: 0 to {LAST_SAMPLE}")
    return sample
