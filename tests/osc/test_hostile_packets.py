"""Whatever comes in on either port, the server answers the next question and plays the next block."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plugin_bridge.client import BridgeStream, osc
from plugin_bridge.protocol import (
    LAST_SAMPLE,
    ProtocolError,
    TransportMessage,
    pack_audio,
    pack_midi_in,
    pack_transport,
    parse,
)
from plugin_bridge.protocol_table import TABLE
from server.osc.packets import PacketError, read_packet

FUZZ = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
QUIT = b"/backline/quit"
EXTREMES = st.sampled_from(
    [0, 1, -1, 2, 63, 8191, 8192, 8193, 2**31 - 1, -(2**31), 2**62, 2**62 + 1, 2**63 - 1, -(2**63)]
)
WHOLE = EXTREMES | st.integers(-(2**63), 2**63 - 1)
SMALL = EXTREMES.filter(lambda n: -(2**31) <= n < 2**31) | st.integers(-(2**31), 2**31 - 1)


@st.composite
def commands(draw: st.DrawFn) -> bytes:
    """A message to a real address with arguments of any kind, perhaps cut off."""
    address = draw(st.sampled_from(sorted({entry.address for entry in TABLE if entry.address.encode() != QUIT})))
    values = st.one_of(
        WHOLE,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
        st.sampled_from([0.5, -1e30, float("nan"), float("inf")]),
        st.booleans(),
        st.none(),
        st.binary(min_size=1, max_size=20),
        st.sampled_from(["probe", "held", "{}", '{"pace":"free"}', "48000"]),
    )
    message = osc(address, *draw(st.lists(values, max_size=5)))
    return message[: draw(st.integers(0, len(message)))] if draw(st.booleans()) else message


@st.composite
def broken_messages(draw: st.DrawFn) -> bytes:
    """Any type tags over any bytes, at an address of ours."""
    address = draw(st.sampled_from([b"/backline/sync\0\0", b"/backline/ping\0\0", b"/backline/stream/open\0\0\0"]))
    tags = b"," + bytes(draw(st.lists(st.sampled_from(list(b"ifsbhtdmTFNIScr[]z")), max_size=30)))
    return address + tags + b"\0" * (4 - len(tags) % 4) + draw(st.binary(max_size=200))


@st.composite
def bundles(draw: st.DrawFn, depth: int = 3) -> bytes:
    """Bundles with any time tag and any sizes, some of them true."""
    tag = draw(st.sampled_from([0, 1, 2**32, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1))
    parts = draw(
        st.lists(st.one_of(commands(), st.binary(max_size=40), *([bundles(depth - 1)] if depth else [])), max_size=4)
    )
    sizes = [draw(st.sampled_from([len(part), len(part), len(part), -1, -4, 0, 3, 2**31 - 4])) for part in parts]
    return (
        b"#bundle\0"
        + struct.pack(">Q", tag)
        + b"".join(struct.pack(">i", s) + p for s, p in zip(sizes, parts, strict=True))
    )


@st.composite
def audio(draw: st.DrawFn) -> bytes:
    """An audio message whose numbers lie, or whose samples are none."""
    count = draw(st.integers(1, 600))
    sample = st.sampled_from([np.nan, np.inf, -np.inf, 1e38, -0.0, 1e-40, 0.5])
    blob = np.array(draw(st.lists(sample, min_size=count, max_size=count)), "<f4").tobytes()
    said, size = draw(st.just(count) | SMALL), draw(st.just(len(blob)) | SMALL)
    stream = draw(st.sampled_from([1, 2, 3]) | SMALL)
    if draw(st.booleans()):
        return b"/backline/audio\0,iiib\0\0\0" + struct.pack(">iiii", stream, draw(SMALL), said, size) + blob
    return b"/backline/audio\0,ihib\0\0\0" + struct.pack(">iqii", stream, draw(WHOLE), said, size) + blob


@st.composite
def midi(draw: st.DrawFn) -> bytes:
    """A MIDI message of any bytes at any sample."""
    stream, midi_bytes = draw(st.sampled_from([1, 2, 3]) | SMALL), draw(st.binary(min_size=4, max_size=4))
    body = struct.pack(">iq", stream, draw(WHOLE)) + midi_bytes
    return b"/backline/midi\0\0,ihm\0\0\0\0" + body[: draw(st.integers(0, len(body)))]


@st.composite
def transport(draw: st.DrawFn) -> bytes:
    """A transport message of any numbers, most of them impossible."""
    any_float = st.binary(min_size=8, max_size=8).map(lambda b: struct.unpack(">d", b)[0])
    any_float |= st.sampled_from([0.0, 1.0, 120.0, 4.0, 1e9, -1e300])
    body = struct.pack(
        ">iqiqddidd", draw(st.sampled_from([1, 2, 3]) | SMALL), draw(WHOLE), draw(st.sampled_from([0, 1]) | SMALL), draw(WHOLE),
        draw(any_float), draw(any_float), draw(SMALL), draw(any_float), draw(any_float))  # fmt: skip
    return b"/backline/transport\0,ihihddidd\0\0" + body


def cut(messages: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Those messages, or beginnings of them."""
    return st.builds(
        lambda message, part: message[: len(message) * part // 100], messages, st.just(100) | st.integers(0, 100)
    )


HUGE = [
    b"",
    b"\0" * 65_507,
    b"/" * 65_504,
    b"#bundle\0" * 8188,
    b"#bundle\0" + b"\0" * 65_496,
    b"\xff" * 65_507,
    b"/backline/audio\0,ihib\0\0\0" + b"\xff" * 65_000,
    b"/backline/audio\0,ihib\0\0\0" + struct.pack(">iqii", 1, 0, 1, 65_000) + b"\0" * 65_000,
    b"/backline/sync\0\0," + b"[" * 60_003,
    b"/backline/sync\0\0," + b"i" * 16_003 + b"\0\0\0\1" * 12_000,
]


class Victim:
    """A server with a working stream, and a socket to throw things from."""

    def __init__(self, server) -> None:
        self.server = server
        self.stream: BridgeStream = server.client.open_stream("probe", 48_000, {"pace": "free"})
        self.row = server.row(self.stream.number)
        self.place = 0
        self.attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.attacker.setblocking(False)

    def throw(self, port: int, datagrams: list[bytes]) -> None:
        """Send all, and read what has come back."""
        for datagram in datagrams:
            self.attacker.sendto(datagram, ("127.0.0.1", port))
        try:
            while self.attacker.recv(65536):
                pass
        except BlockingIOError:
            pass

    def check(self) -> None:
        """The next question is answered, and the next block is played by the same engine."""
        assert self.server.client.request("/backline/sync", self.place) == [self.place]
        assert self.stream.send(self.place, np.zeros((1, 256), np.float32))
        self.place += 256
        list(self.stream.wait(self.place, 10))

    def restart(self) -> None:
        """Go on where the attacker, who may speak for any stream, has left the clock."""
        self.server.client.request("/backline/stream/reset", self.stream.number)
        self.stream.processed = 0


@pytest.fixture(scope="module")
def victim(server) -> Iterator[Victim]:
    """The victim; at the end its engine is still the first one."""
    target = Victim(server)
    yield target
    assert server.row(target.stream.number)["process"] == target.row["process"], "an engine died of a packet"
    assert server.row(target.stream.number)["swaps"] == []
    target.attacker.close()
    target.stream.close()


@FUZZ
@example(HUGE)
@given(
    st.lists(
        st.one_of(st.binary(max_size=300), commands(), broken_messages(), bundles(), audio(), midi()),
        min_size=1,
        max_size=12,
    )
)
def test_nothing_that_reaches_the_control_port_stops_it(victim, datagrams):
    if any(QUIT in datagram for datagram in datagrams):
        return
    victim.throw(victim.server.port, datagrams)
    victim.check()


@FUZZ
@example(HUGE)
@example([pack_audio(1, LAST_SAMPLE, np.ones((1, 64), np.float32)), pack_audio(1, 0, np.ones((1, 64), np.float32))])
@given(
    st.lists(
        st.one_of(st.binary(max_size=300), cut(audio()), cut(midi()), cut(transport()), commands(), bundles()),
        min_size=1,
        max_size=12,
    )
)
def test_nothing_that_reaches_a_data_port_stops_its_engine(victim, datagrams):
    victim.throw(victim.row["port"], datagrams)
    # Streams are not protected from who speaks in their name: the clock is where the attacker put it.
    victim.place = (victim.server.row(victim.stream.number)["position"] + (1 << 20)) % (1 << 60)
    victim.restart()
    victim.check()


@given(st.one_of(st.binary(max_size=300), commands(), broken_messages(), bundles(), audio(), midi()))
def test_reading_a_packet_gives_commands_or_a_reason(datagram):
    with suppress(PacketError):
        for command in read_packet(datagram, now=0.0):
            assert command.address.startswith("/")
            assert 0.0 <= command.due <= 60.0


@given(st.one_of(st.binary(max_size=300), cut(audio()), cut(midi()), cut(transport()), commands()))
def test_parsing_data_gives_a_message_or_a_reason(datagram):
    with suppress(ProtocolError):
        assert -(2**31) <= parse(datagram).stream < 2**31


@given(
    st.integers(1, 8192),
    st.integers(0, LAST_SAMPLE),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_what_is_packed_is_parsed_again(count, start, stream, status, data):
    samples = np.linspace(-1, 1, count, dtype=np.float32)[None]
    block = parse(pack_audio(stream, start, samples))
    assert (block.stream, block.start) == (stream, start)
    assert np.array_equal(block.samples, samples)
    assert parse(pack_midi_in(stream, start, status, data, data)) == (stream, start, start, status, data, data)


GOOD = TransportMessage(1, 480, True, -96_000, 97.5, -3.25, 0, 0.75, 4.0)


def test_a_transport_is_packed_and_parsed_again_and_without_tempo_keeps_only_its_clock():
    assert parse(pack_transport(GOOD)) == GOOD
    plain = GOOD._replace(tempo=0.0, position=float("nan"), beat=-1.0, beats_a_bar=0.0)
    assert parse(pack_transport(plain)) == TransportMessage(1, 480, True, -96_000)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("sample", -1, "sample -1 is on no stream's clock"),
        ("playing", 2, "playing is 2; allowed: 0, 1"),
        ("frame", 2**63 - 1, "is on no clock"),
        ("tempo", float("nan"), "tempo is nan; allowed: 1 to 1000 BPM, 0 for none"),
        ("tempo", -120.0, "tempo is -120; allowed"),
        ("tempo", 1e6, "tempo is 1e"),
        ("position", float("inf"), "position is inf; allowed: -1e"),
        ("beat", 4.5, "beat is 4.5; allowed: 0 to the bar's 4 beats"),
        ("beat", float("nan"), "beat is nan; allowed"),
        ("beats_a_bar", 0.0, "beats a bar are 0; allowed: more than 0, up to 256"),
        ("beats_a_bar", float("nan"), "beats a bar are nan"),
    ],
)
def test_a_transport_that_cannot_be_is_refused_with_one_sentence(field, value, reason):
    with pytest.raises(ProtocolError) as refused:
        pack_transport(GOOD._replace(**{field: value}))
    assert reason in str(refused.value)


def test_stereo_of_the_largest_block_fits_no_datagram_and_goes_out_in_two(server):
    stream = server.client.open_stream("probe", 48_000, {"pace": "free"})
    clicks = np.zeros((2, 8193), np.float32)
    clicks[:, 5000] = 0.9
    assert stream.send(0, clicks)
    assert stream.send(8193, np.zeros((2, 2048), np.float32))
    heard = list(stream.wait(8193 + 2048))
    assert stream.refused == []
    places = [message.place for message in heard if hasattr(message, "status") and message.status == 0x90]
    assert places == [5000]
    stream.close()
