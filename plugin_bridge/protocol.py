"""The layouts of the wire's hot messages; every address of it stands in protocol_table.py.

Commands go to the control port and are parsed by python-osc. Audio and MIDI go between a client and the data port of
its model's engine; they are packed and read here by struct, since a float list would cost 100 times as much (measured:
512 floats 466 us as arguments, 6 us as a blob).
"""

import struct
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DEFAULT_PORT = 9010
LARGEST_BLOCK = 8192  # samples a datagram may carry: 64 KiB hold 16 000 floats of one channel
MOST_CHANNELS = 2
LAST_PLAIN_SAMPLE = (1 << 31) - 1  # of a stream that counts in int32: 12.4 h at 48 kHz
LAST_SAMPLE = 1 << 62  # of a stream's clock: what is added to it still fits 64 bits
FASTEST_BPM = 1000.0  # DAWs end between 960 and 999
FURTHEST_QUARTER = 1e9  # quarter notes from the host's origin: a thousand years of them
LONGEST_BAR = 256.0  # beats
MOST_FRAMES_A_SECOND = 1000  # of a spectrogram that is shown; screens draw 60
RECEIVE_BUFFER = 4 << 20  # bytes; the system's 208 KiB lost half of an unthrottled render (measured)


class ProtocolError(ValueError):
    """A datagram breaks the wire's rules; the text says how."""


class AudioMessage(NamedTuple):
    """A block of audio. samples: (channels, count) float32, read-only. plain: it came in int32, and is answered so."""

    stream: int
    start: int
    samples: NDArray[np.float32]
    plain: bool = False


class MidiMessage(NamedTuple):
    """A MIDI message. due: the sample it leaves at; place: the sample it speaks about (equal on the way in)."""

    stream: int
    due: int
    place: int
    status: int
    data1: int
    data2: int


class TransportMessage(NamedTuple):
    """What the host's transport does from `sample` on.

    A beat is a quarter note in any metre. frame: the host's own sample, negative in a pre-roll. tempo: beats a minute; 0 where
    the host knows none, and then the rest says nothing. position: beats since the host's origin. bar: from 1. beat: where in
    the bar, from 0, with its fraction. beats_a_bar: 4 in 4/4, 3 in 6/8.
    """

    stream: int
    sample: int
    playing: bool
    frame: int
    tempo: float = 0.0
    position: float = 0.0
    bar: int = 1
    beat: float = 0.0
    beats_a_bar: float = 4.0


class ProcessedMessage(NamedTuple):
    """A block is done.

    quiet_until: to a stream that gathers: whatever comes in, nothing happens before this sample. A block that ends at or before it
    may wait, and go out with the next.
    """

    stream: int
    end: int
    late: int
    quiet_until: int = 0


class MagnitudeRequest(NamedTuple):
    """Whoever sends it wants frames of a stream's spectrogram; 0 a second: none. plain: answered in int32."""

    stream: int
    frames_a_second: int
    plain: bool = False


class MagnitudeMessage(NamedTuple):
    """A frame of a spectrogram. place: the sample it speaks about. bins: (bins,) float32, linear, read-only."""

    stream: int
    place: int
    bins: NDArray[np.float32]


Message = AudioMessage | MidiMessage | TransportMessage | ProcessedMessage | MagnitudeRequest | MagnitudeMessage

_AUDIO = b"/backline/audio\0,ihib\0\0\0"
_AUDIO_SHORT = b"/backline/audio\0,iiib\0\0\0"
_AUDIO_FLOATS = b"/backline/audio\0,iif"
_TOKEN = b"/backline/token\0,s\0\0"
_MIDI_IN = b"/backline/midi\0\0,ihm\0\0\0\0"
_MIDI_OUT = b"/backline/midi\0\0,ihhm\0\0\0"
_TRANSPORT = b"/backline/transport\0,ihihddidd\0\0"
_MIDI_IN_PLAIN = b"/backline/midi\0\0,iiiii\0\0"
_MIDI_OUT_PLAIN = b"/backline/midi\0\0,iiiiii\0"
_PROCESSED_PLAIN = b"/backline/processed\0,iii\0\0\0\0"
_PROCESSED = b"/backline/processed\0,ihi\0\0\0\0"
_PROCESSED_QUIET = b"/backline/processed\0,ihih\0\0\0"
_MAGNITUDE_ASK, _MAGNITUDE_ASK_PLAIN = b"/backline/magnitude\0,ii\0", b"/backline/magnitude\0,iii\0\0\0\0"
_MAGNITUDE, _MAGNITUDE_PLAIN = b"/backline/magnitude\0,ihib\0\0\0", b"/backline/magnitude\0,iiib\0\0\0"
_MIDI_IN_PLAIN_BODY, _MIDI_OUT_PLAIN_BODY = struct.Struct(">5i"), struct.Struct(">6i")
_PROCESSED_PLAIN_BODY = struct.Struct(">3i")
_AUDIO_HEAD, _AUDIO_SHORT_HEAD = struct.Struct(">iqii"), struct.Struct(">iiii")
_MIDI_IN_BODY, _MIDI_OUT_BODY = struct.Struct(">iqxBBB"), struct.Struct(">iqqxBBB")
_TRANSPORT_BODY = struct.Struct(">iqiqddidd")
_PROCESSED_BODY = struct.Struct(">iqi")
_PROCESSED_QUIET_BODY = struct.Struct(">iqiq")

AUDIO_ROW = np.dtype(
    [("begins", f"S{len(_AUDIO)}"), ("stream", ">i4"), ("start", ">i8"), ("count", ">i4"), ("size", ">i4")]
)
"""How a datagram of audio begins, for who reads many at once; the samples come next."""

FROM_ENGINE = (_AUDIO, _MIDI_OUT, _PROCESSED, _PROCESSED_QUIET, _MAGNITUDE)
TO_ENGINE = (_AUDIO, _AUDIO_SHORT, _MIDI_IN, _TRANSPORT, _MAGNITUDE_ASK, _MAGNITUDE_ASK_PLAIN)
"""How data messages begin, by direction; the stream's number, an int32, comes next."""

DATA_REFUSED = b"/backline/fail\0\0,ss\0data port\0"
"""How the refusal of a data message begins."""

TOKEN_WANTED = "this server asks for its token: say /backline/token TOKEN first"
"""Why a sender is refused that has not said it."""


def pack_audio(stream: int, start: int, samples: NDArray[np.float32], plain: bool = False) -> bytes:
    """Return the datagram of a block, samples (channels, count) float32."""
    blob = np.ascontiguousarray(samples, "<f4").tobytes()
    if plain:
        return _AUDIO_SHORT + _AUDIO_SHORT_HEAD.pack(stream, start, samples.shape[1], len(blob)) + blob
    return _AUDIO + _AUDIO_HEAD.pack(stream, start, samples.shape[1], len(blob)) + blob


def pack_midi_in(stream: int, sample: int, status: int, data1: int, data2: int) -> bytes:
    """Return the datagram of a MIDI message on its way to an engine."""
    return _MIDI_IN + _MIDI_IN_BODY.pack(stream, sample, status, data1, data2)


def pack_transport(message: TransportMessage) -> bytes:
    """Return the datagram of the host's transport. Raises ProtocolError, as its reader would."""
    datagram = _TRANSPORT + _TRANSPORT_BODY.pack(*message)
    _parse_transport(datagram)
    return datagram


def pack_midi(message: MidiMessage, plain: bool = False) -> bytes:
    """Return the datagram of a MIDI message on its way to a client."""
    if plain:
        return _MIDI_OUT_PLAIN + _MIDI_OUT_PLAIN_BODY.pack(*message)
    return _MIDI_OUT + _MIDI_OUT_BODY.pack(*message)


def pack_token(token: str) -> bytes:
    """Return the datagram that says the token to a data port."""
    said = token.encode() + b"\0"
    return _TOKEN + said + b"\0" * (-len(said) % 4)


def said_token(datagram: bytes) -> str | None:
    """Return the token that a datagram of the data port says; None where it is another message."""
    if not datagram.startswith(_TOKEN):
        return None
    return datagram[len(_TOKEN) :].split(b"\0")[0].decode("utf-8", "replace")


def pack_processed(stream: int, end: int, late: int, plain: bool = False) -> bytes:
    """Return the datagram that says a block is done."""
    if plain:
        return _PROCESSED_PLAIN + _PROCESSED_PLAIN_BODY.pack(stream, end, late)
    return _PROCESSED + _PROCESSED_BODY.pack(stream, end, late)


def pack_processed_quiet(stream: int, end: int, late: int, quiet_until: int) -> bytes:
    """Return the datagram that says the same to a stream that gathers."""
    return _PROCESSED_QUIET + _PROCESSED_QUIET_BODY.pack(stream, end, late, quiet_until)


def pack_magnitude_request(stream: int, frames_a_second: int) -> bytes:
    """Return the datagram that asks for frames of a spectrogram."""
    return _MAGNITUDE_ASK + struct.pack(">ii", stream, frames_a_second)


def pack_magnitude(stream: int, place: int, bins: NDArray[np.float32], plain: bool = False) -> bytes:
    """Return the datagram of a frame of a spectrogram, bins (bins,) float32."""
    blob = np.ascontiguousarray(bins, "<f4").tobytes()
    head, layout = (_MAGNITUDE_PLAIN, _AUDIO_SHORT_HEAD) if plain else (_MAGNITUDE, _AUDIO_HEAD)
    return head + layout.pack(stream, place, bins.size, len(blob)) + blob


def parse(datagram: bytes) -> Message:
    """Return what a datagram of the data port says. Raises ProtocolError."""
    try:
        if datagram.startswith(_AUDIO):
            return _parse_audio(datagram, len(_AUDIO), _AUDIO_HEAD)
        if datagram.startswith(_AUDIO_SHORT):
            return _answered_in_int32(_parse_audio(datagram, len(_AUDIO_SHORT), _AUDIO_SHORT_HEAD))
        if datagram.startswith(_AUDIO_FLOATS):
            return _answered_in_int32(_parse_floats(datagram))
        if datagram.startswith(_MIDI_IN_PLAIN):
            stream, sample, *midi = _MIDI_IN_PLAIN_BODY.unpack(datagram[len(_MIDI_IN_PLAIN) :])
            return MidiMessage(stream, _on_clock(sample), sample, *map(_byte, midi))
        if datagram.startswith(_MIDI_OUT_PLAIN):
            return MidiMessage(*_MIDI_OUT_PLAIN_BODY.unpack(datagram[len(_MIDI_OUT_PLAIN) :]))
        if datagram.startswith(_PROCESSED_PLAIN):
            return ProcessedMessage(*_PROCESSED_PLAIN_BODY.unpack(datagram[len(_PROCESSED_PLAIN) :]))
        if datagram.startswith(_MIDI_IN):
            stream, sample, *midi = _MIDI_IN_BODY.unpack(datagram[len(_MIDI_IN) :])
            return MidiMessage(stream, _on_clock(sample), sample, *midi)
        if datagram.startswith(_MIDI_OUT):
            return MidiMessage(*_MIDI_OUT_BODY.unpack(datagram[len(_MIDI_OUT) :]))
        if datagram.startswith(_TRANSPORT):
            return _parse_transport(datagram)
        if datagram.startswith(_PROCESSED_QUIET):
            return ProcessedMessage(*_PROCESSED_QUIET_BODY.unpack(datagram[len(_PROCESSED_QUIET) :]))
        if datagram.startswith(_PROCESSED):
            return ProcessedMessage(*_PROCESSED_BODY.unpack(datagram[len(_PROCESSED) :]))
        if datagram.startswith((_MAGNITUDE_ASK, _MAGNITUDE_ASK_PLAIN)):
            return _parse_request(datagram)
        for begins, layout in ((_MAGNITUDE, _AUDIO_HEAD), (_MAGNITUDE_PLAIN, _AUDIO_SHORT_HEAD)):
            if datagram.startswith(begins):
                return _parse_magnitude(datagram, len(begins), layout)
    except struct.error as error:
        raise ProtocolError(f"a message of {len(datagram)} bytes does not match its type tags") from error
    head = datagram[:40].split(b"\0")[0].decode("ascii", "replace")
    raise ProtocolError(f"the data port takes /backline/audio ,ihib and /backline/midi ,ihm; got {head!r}")


def is_audio_row(heads: NDArray[np.void], sizes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return which of many datagrams, AUDIO_ROW and their bytes in all, are audio that `parse` would take."""
    count, size = heads["count"], heads["size"]
    whole = (size == sizes.astype(np.int64) - AUDIO_ROW.itemsize) & (
        (size == 4 * count) | (size == 4 * MOST_CHANNELS * count)
    )
    on_clock = (heads["start"] >= 0) & (heads["start"] <= LAST_SAMPLE)
    return (heads["begins"] == _AUDIO.rstrip(b"\0")) & (count >= 1) & (count <= LARGEST_BLOCK) & whole & on_clock


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


def _parse_request(datagram: bytes) -> MagnitudeRequest:
    plain = datagram.startswith(_MAGNITUDE_ASK_PLAIN)
    body = datagram[len(_MAGNITUDE_ASK_PLAIN if plain else _MAGNITUDE_ASK) :]
    stream, frames, *rest = struct.unpack(">iii" if plain else ">ii", body)
    if not 0 <= frames <= MOST_FRAMES_A_SECOND:
        raise ProtocolError(f"frames a second are {frames}; allowed: 0 to {MOST_FRAMES_A_SECOND}")
    return MagnitudeRequest(stream, frames, rest == [1])


def _parse_magnitude(datagram: bytes, place: int, layout: struct.Struct) -> MagnitudeMessage:
    stream, sample, bins, size = layout.unpack_from(datagram, place)
    blob = place + layout.size
    if bins < 1 or not size == 4 * bins == len(datagram) - blob:
        raise ProtocolError(f"a frame of {bins} bins came with {size} bytes; expected 4 a bin")
    return MagnitudeMessage(stream, sample, np.frombuffer(datagram, "<f4", bins, blob))


def _parse_transport(datagram: bytes) -> TransportMessage:
    stream, sample, playing, frame, *musical = _TRANSPORT_BODY.unpack(datagram[len(_TRANSPORT) :])
    if playing not in (0, 1):
        raise ProtocolError(f"playing is {playing}; allowed: 0, 1")
    if abs(frame) > LAST_SAMPLE:
        raise ProtocolError(f"host frame {frame} is on no clock; allowed: {-LAST_SAMPLE} to {LAST_SAMPLE}")
    return TransportMessage(stream, _on_clock(sample), bool(playing), frame, *_musical_time(*musical))


def _musical_time(
    tempo: float, position: float, bar: int, beat: float, beats_a_bar: float
) -> tuple[float, float, int, float, float]:
    """Return a transport's musical time as it may be used; what a host without a tempo says beside it is not heard."""
    if tempo == 0:
        return 0.0, 0.0, 1, 0.0, 4.0
    if not 1 <= tempo <= FASTEST_BPM:
        raise ProtocolError(f"tempo is {tempo:g}; allowed: 1 to {FASTEST_BPM:g} BPM, 0 for none")
    if not isfinite(position) or abs(position) > FURTHEST_QUARTER:
        raise ProtocolError(
            f"position is {position:g}; allowed: {-FURTHEST_QUARTER:g} to {FURTHEST_QUARTER:g} quarter notes"
        )
    if not 0 < beats_a_bar <= LONGEST_BAR:
        raise ProtocolError(f"beats a bar are {beats_a_bar:g}; allowed: more than 0, up to {LONGEST_BAR:g}")
    if not 0 <= beat <= beats_a_bar:  # equal: a host that rounds at the bar line
        raise ProtocolError(f"beat is {beat:g}; allowed: 0 to the bar's {beats_a_bar:g} beats")
    return tempo, position, bar, beat, beats_a_bar


def _parse_floats(datagram: bytes) -> AudioMessage:
    """Read a block whose samples are arguments of their own, as programs without blobs send it."""
    tags, _, _ = datagram[16:].partition(b"\0")
    count, body = len(tags) - 3, 16 + 4 * (len(tags) // 4 + 1)
    if tags != b",ii" + b"f" * count or len(datagram) != body + 8 + 4 * count:
        raise ProtocolError(
            f"a block as arguments is two integers and floats; got {len(datagram)} bytes of {tags[:40]!r}"
        )
    if count > LARGEST_BLOCK:
        raise ProtocolError(f"a block has {count} samples; allowed: 1 to {LARGEST_BLOCK}")
    stream, start = struct.unpack_from(">ii", datagram, body)
    samples = np.frombuffer(datagram, ">f4", offset=body + 8).astype(np.float32).reshape(1, count)
    return AudioMessage(stream, _on_clock(start), samples)


def _answered_in_int32(message: AudioMessage) -> AudioMessage:
    if message.start + message.samples.shape[1] > LAST_PLAIN_SAMPLE:
        raise ProtocolError(
            f"sample {message.start} is past what int32 counts; open the stream again, or count in int64"
        )
    return message._replace(plain=True)


def _byte(value: int) -> int:
    if not 0 <= value <= 255:
        raise ProtocolError(f"{value} is no byte of a MIDI message; allowed: 0 to 255")
    return value


def _on_clock(sample: int) -> int:
    if not 0 <= sample <= LAST_SAMPLE:
        raise ProtocolError(f"sample {sample} is on no stream's clock; allowed: 0 to {LAST_SAMPLE}")
    return sample
