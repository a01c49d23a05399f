"""The ports of a real server: whatever comes in, it stays up, answers the next question, plays the next block and does not grow.

UDP: packets, bundles in bundles, time tags. TCP: the same in SLIP frames, cut anywhere. HTTP and WebSocket: the page and OSCQuery.
"""

import base64
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeClient, BridgeStream, osc
from plugin_bridge.protocol import TransportMessage, pack_audio, pack_midi_in, pack_transport
from plugin_bridge.protocol_table import TABLE
from plugin_bridge.slip import SlipError, SlipReader, frame
from server.osc.packets import PacketError, read_packet

MOST_GROWTH = 96 << 20  # bytes of the control process, whose heap has holes, and of the engine
PATIENCE = 20.0
ADDRESSES = sorted({entry.address for entry in TABLE} - {"/backline/quit"})
TIMES = st.sampled_from([0, 1, 2, 1 << 32, 1 << 63, (1 << 64) - 1]) | st.integers(0, (1 << 64) - 1)
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(width=32), st.booleans(), st.none(), st.binary(min_size=1, max_size=30),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30), st.integers(-1, 70),
    st.sampled_from(["probe", "held", "nobody", "../x", "{}", '{"pace":"free"}', "keep", "samples", "beats", "[[0,144,60,1]]", "[" * 99]),
)  # fmt: skip


class Victim:
    """A server with one stream that plays, and what it takes of memory."""

    def __init__(self, server) -> None:
        self.server = server
        self.client = BridgeClient(port=server.port)  # nobody else's: what is thrown is said from other ports
        self.stream: BridgeStream = self.client.open_stream("probe", 48_000, {"pace": "free"})
        self.row = server.row(self.stream.number)
        self.place = 0
        self.page = server.process.stdout.readline().rstrip("/\n").rpartition("//")[2]
        self.attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.attacker.setblocking(False)

    def throw(self, port: int, datagram: bytes) -> None:
        """Send it, and read what has come back."""
        with suppress(OSError):  # too long for a datagram
            self.attacker.sendto(datagram, ("127.0.0.1", port))
        with suppress(BlockingIOError):
            while self.attacker.recv(65536):
                pass

    def check(self) -> None:
        """The next question is answered, and what is not this stream's does not hold it up."""
        self.client.request("/backline/sync", 1)
        for stream in map(int, self.server.rows()):
            if stream != self.stream.number:
                self.client.request("/backline/stream/close", stream)
        self.place = (self.server.row(self.stream.number)["position"] + (1 << 20)) % (1 << 60)
        self.client.request("/backline/stream/reset", self.stream.number)
        self.stream.processed = 0
        assert self.stream.send(self.place, np.zeros((1, 256), np.float32))
        list(self.stream.wait(self.place + 256, 10))

    def memory(self) -> int:
        """Return the bytes that the server and its engine have."""
        processes = (self.server.process.pid, self.row["process"])
        return sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 for process in processes)


@pytest.fixture(scope="module")
def victim(start_server, held_folder, tmp_path_factory) -> Iterator[Victim]:
    """The victim; at the end its engine is still the first one, and its folder of takes holds whole takes alone."""
    takes = tmp_path_factory.mktemp("takes")
    with start_server("--models", str(held_folder), "--takes", str(takes)) as server:
        target = Victim(server)
        yield target
        row = server.row(target.stream.number)
        assert (row["process"], row["swaps"]) == (target.row["process"], []), "an engine died of a packet"
        assert all(path.suffix in (".mid", ".wav") for path in takes.rglob("*") if path.is_file())
        target.attacker.close()
        target.stream.close()
        target.client.close()


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message to an address of ours, or to one like it."""
    address = draw(
        st.sampled_from([*ADDRESSES, "/backline/stream/1/live", "/backline/stream/1/keep", "/", "//", "/backline/*"])
    )
    return osc(address, *draw(st.lists(VALUES, max_size=5)))


@st.composite
def bundles(draw: st.DrawFn, depth: int = 4) -> bytes:
    """Bundles in bundles with any time tag."""
    inner = st.one_of(messages(), *([bundles(depth - 1)] if depth else []))
    parts = draw(st.lists(inner, max_size=3))
    return (
        b"#bundle\0" + struct.pack(">Q", draw(TIMES)) + b"".join(struct.pack(">i", len(part)) + part for part in parts)
    )


@st.composite
def data(draw: st.DrawFn) -> bytes:
    """A message of the data port that is right, or nearly."""
    stream, sample = (
        draw(st.sampled_from([1, 2, 99])),
        draw(st.sampled_from([0, 1, 1 << 31, 1 << 62]) | st.integers(0, 1 << 40)),
    )
    kind = draw(st.sampled_from(["audio", "midi", "transport"]))
    if kind == "audio":
        value = draw(st.sampled_from([0.0, 0.9, np.nan, np.inf, 1e38, 1e-40]))
        return pack_audio(
            stream, sample, np.full((draw(st.integers(1, 2)), draw(st.integers(1, 2000))), value, np.float32)
        )
    if kind == "midi":
        return pack_midi_in(stream, sample, *draw(st.tuples(*[st.integers(0, 255)] * 3)))
    tempo, beat = draw(st.sampled_from([0.0, 1.0, 120.0, 1000.0])), draw(st.floats(0, 4))
    return pack_transport(
        TransportMessage(stream, sample, draw(st.booleans()), -5, tempo, draw(st.floats(-1e9, 1e9)), 1, beat, 4.0)
    )


def test_reading_any_packet_gives_commands_or_one_sentence(fuzz, spoiled, one_sentence):
    def check(datagram: bytes) -> None:
        try:
            commands = read_packet(datagram, now=0.0)
        except PacketError as error:
            one_sentence(error)
        else:
            assert all(command.address.startswith("/") and 0.0 <= command.due <= 60.0 for command in commands)

    fuzz(check, spoiled(messages() | bundles()), examples=80)


def test_the_control_port_stays_up(fuzz, spoiled, victim):
    def check(datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            if b"/quit" not in datagram:
                victim.throw(victim.server.port, datagram)
        victim.check()

    before = victim.memory()
    fuzz(check, st.lists(spoiled(messages() | bundles() | data()), min_size=1, max_size=20), examples=8)
    assert victim.memory() - before < MOST_GROWTH


def test_a_data_port_stays_up(fuzz, spoiled, victim):
    def check(datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            victim.throw(victim.row["port"], datagram)
        victim.check()

    before = victim.memory()
    fuzz(check, st.lists(spoiled(data()), min_size=1, max_size=20), examples=12)
    assert victim.memory() - before < MOST_GROWTH


def test_any_bytes_in_any_pieces_are_packets_or_one_sentence_each(fuzz, spoiled, one_sentence):
    def check(stream: bytes, sizes: list[int]) -> None:
        whole, pieces, place = SlipReader(), SlipReader(), 0
        expected = [str(packet) for packet in whole.feed(stream)]
        found: list[str] = []
        for size in [*sizes, len(stream)]:
            for packet in pieces.feed(stream[place : place + size]):
                found.append(str(packet))
                if isinstance(packet, SlipError):
                    one_sentence(packet)
            place += size
        assert found == expected
        assert list(pieces.feed(frame(b"next")))[-1] == b"next", "the next frame begins anew"

    framed = st.lists(st.binary(max_size=40), max_size=5).map(lambda packets: b"".join(map(frame, packets)))
    fuzz(
        check, spoiled(framed) | spoiled(st.just(b"\xdb" * 40)), st.lists(st.integers(0, 50), max_size=8), examples=150
    )


def test_tcp_stays_up(fuzz, spoiled, victim):
    def check(packets: list[bytes], cut: int) -> None:
        stream = b"".join(frame(packet) for packet in packets if b"/quit" not in packet)
        with socket.create_connection(("127.0.0.1", victim.server.port), PATIENCE) as one:
            one.sendall(stream[:cut])
            one.sendall(stream[cut:])
            one.sendall(frame(osc("/backline/sync", 77)))
            reader, found = SlipReader(), False
            while not found:
                got = one.recv(65536)
                assert got, "the connection was ended"
                found = any(
                    isinstance(p, bytes) and OscMessage(p).address == "/backline/synced" for p in reader.feed(got)
                )
        victim.check()

    before = victim.memory()
    fuzz(check, st.lists(spoiled(messages() | bundles() | data()), max_size=10), st.integers(0, 3000), examples=6)
    assert victim.memory() - before < MOST_GROWTH


def test_tcp_of_any_bytes_stays_up(fuzz, spoiled, victim):
    def check(stream: bytes) -> None:
        if b"/quit" not in stream:
            with socket.create_connection(("127.0.0.1", victim.server.port), PATIENCE) as one:
                one.sendall(stream)
        victim.check()

    fuzz(check, spoiled(st.lists(messages(), max_size=5).map(lambda all_of: b"".join(map(frame, all_of)))), examples=10)


def _request(path: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Connection: close", *lines, b"", b""])


def test_http_stays_up(fuzz, spoiled, victim):
    host = b"Host: " + victim.page.encode()
    paths = st.sampled_from(
        [b"/", b"/?HOST_INFO", b"/page/page.js", b"/backline/stream/1", b"/?VALUE", b"/page/..%2f", b"/?token=%ff"]
    )

    def check(request: bytes) -> None:
        address, _, port = victim.page.partition(":")
        with socket.create_connection((address, int(port)), PATIENCE) as one:
            one.sendall(request)
            one.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                said = one.recv(65536)
                assert not said or said.startswith(b"HTTP/1.")
                assert b" 500 " not in said[:20], said
        victim.client.request("/backline/sync", 1)

    fuzz(check, spoiled(st.builds(lambda path: _request(path, host, b"Accept: */*"), paths)), examples=60)


def _ws_frame(kind: int, payload: bytes) -> bytes:
    """Return a WebSocket frame of a client (RFC 6455, masked by zeros)."""
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([0x80 | kind]) + head + bytes(4) + payload


def test_web_sockets_stay_up(fuzz, spoiled, victim):
    host = b"Host: " + victim.page.encode()
    upgrade = (
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + base64.b64encode(bytes(16)),
    )
    plain = VALUES.filter(lambda value: not isinstance(value, bytes))
    words = st.sampled_from([*ADDRESSES, "stop", "x"])
    said = st.fixed_dictionaries({"number": plain, "do": words, "with": st.lists(plain, max_size=4)})
    listened = st.fixed_dictionaries({"COMMAND": st.sampled_from(["LISTEN", "IGNORE", "x"]), "DATA": plain})
    texts = (said | listened).map(json.dumps)

    def check(path: bytes, frames: list[tuple[int, bytes]]) -> None:
        address, _, port = victim.page.partition(":")
        with socket.create_connection((address, int(port)), PATIENCE) as one:
            request = _request(path, host, *upgrade).replace(b"Connection: close", b"Connection: Upgrade")
            one.sendall(request)
            assert b" 101 " in one.recv(65536)[:20]
            with suppress(ConnectionError):
                for kind, payload in frames:
                    if b"/quit" not in payload:
                        one.sendall(_ws_frame(kind, payload))
                one.sendall(_ws_frame(8, b""))
                while one.recv(65536):
                    pass
        victim.check()

    frames = st.tuples(st.just(1), spoiled(texts.map(str.encode))) | st.tuples(
        st.sampled_from([2, 2, 0, 9, 15]), spoiled(messages())
    )
    fuzz(check, st.sampled_from([b"/", b"/page/live"]), st.lists(frames, max_size=6), examples=8)
