"""The control port over TCP: the same commands and answers, data on the same connection, and nothing that stops it."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.tcp_client import SimpleTCPClient

from plugin_bridge.client import BridgeClient, BridgeError, osc
from plugin_bridge.protocol import AudioMessage, MidiMessage, pack_audio
from plugin_bridge.slip import SlipReader, frame
from server.osc.server import MOST_SENDERS
from server.osc.tcp import MOST_UNREAD, Connection

PATIENCE = 10.0


class Peer:
    """A TCP socket at the control port, and the packets it is told."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._reader, self._packets = SlipReader(), []

    def next(self) -> OscMessage:
        """Return the next answer."""
        while not self._packets:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the server ended the connection")
            self._packets += list(self._reader.feed(data))
        return OscMessage(self._packets.pop(0))


@pytest.fixture
def peer(server) -> Iterator[Callable[[], Peer]]:
    """A function () -> Peer at the server."""
    made: list[Peer] = []

    def make() -> Peer:
        made.append(Peer(server.port))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()


@pytest.fixture
def tcp(server) -> Iterator[BridgeClient]:
    """A client over TCP."""
    client = BridgeClient(port=server.port, tcp=True)
    yield client
    client.close()


def test_commands_are_answered_as_over_udp(server, tcp):
    assert tcp.request("/backline/sync", 7) == [7]
    assert tcp.request("/backline/models") == server.client.request("/backline/models")
    assert tcp.request("/backline/ping", 5, tags="h")[0] == 5
    for client in (tcp, server.client):
        with pytest.raises(BridgeError, match=r"there is no stream 99"):
            client.request("/backline/stream/close", 99)
        with pytest.raises(BridgeError, match="unknown address /backline/strem"):
            client.request("/backline/strem")


@pytest.mark.parametrize("model", ["probe", "held"])
def test_a_stream_over_tcp_gives_what_it_gives_over_udp(server, tcp, model):
    sound = np.zeros((1, 48_000), np.float32)
    sound[0, 500:20_000:4001] = 0.9
    sound[0, 24_000:40_000] = 0.5

    def heard(client: BridgeClient) -> tuple[list[MidiMessage], list[np.ndarray]]:
        stream = client.open_stream(model, 48_000, {"pace": "free"})
        messages = []
        stream.send_transport(0, True, 0, 120.0)
        stream.send_midi(700, 0x90, 60, 100)
        for start in range(0, 48_000, 1000):
            stream.send(start, sound[:, start : start + 1000])
            messages += list(stream.wait(start + 1000))
        assert stream.refused == []
        stream.close()
        midi = [message[1:] for message in messages if isinstance(message, MidiMessage)]
        return midi, [message.samples for message in messages if isinstance(message, AudioMessage)]

    (midi, audio), (reference, played) = heard(tcp), heard(server.client)
    assert midi == reference
    assert len(midi) >= 6
    assert all(np.array_equal(a, b) for a, b in zip(audio, played, strict=True))


def test_two_streams_of_one_connection_get_each_their_own(tcp):
    one, other = (tcp.open_stream("probe", 48_000, {"pace": "free"}) for _ in range(2))
    click = np.zeros((1, 4096), np.float32)
    click[0, 1000] = 0.9
    one.send(0, click)
    other.send(0, np.zeros((1, 4096), np.float32))
    assert [m for m in other.wait(4096) if isinstance(m, MidiMessage)] == []
    assert {m.stream for m in one.wait(4096)} == {one.number}
    assert tcp.request("/backline/sync", 1) == [1]
    one.close()
    assert other.send(4096, click)
    assert [m.place for m in other.wait(8192) if isinstance(m, MidiMessage) and m.status == 0x90] == [4096 + 1000]
    other.close()


def test_data_for_no_stream_and_broken_data_are_refused_with_a_reason(peer, server):
    one = peer()
    one.socket.sendall(frame(pack_audio(99, 0, np.zeros((1, 8), np.float32))))
    assert one.next().params[:2] == ["data port", "there is no stream 99; open ones: none"]
    one.socket.sendall(frame(b"/backline/midi\0\0,ihm\0\0\0\0" + bytes(3)))
    assert one.next().params[0] == "data port"
    one.socket.sendall(frame(osc("/backline/sync", 3)))
    assert one.next().params == [3]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\xc0\xdbx\xc0", "framing is broken"),
        (frame(b"hello"), "is no OSC"),
        (frame(b"\0" * 65_504), "is no OSC"),
        (frame(b"/" * 65_508), "allowed: up to 65507"),
        (b"\xc0" + b"x" * 300_000 + b"\xc0", "longer than 65507 bytes"),
        (b"\0\0\0\x10" + osc("/backline/sync", 1) + b"\xc0", "is no OSC"),  # framed by its length, as OSC 1.0 had it
    ],
    ids=["escape", "text", "zeros", "long", "longer", "osc 1.0"],
)
def test_a_frame_that_is_no_packet_costs_only_itself(peer, sent, reason):
    one = peer()
    one.socket.sendall(sent + frame(osc("/backline/sync", 4)))
    refused = one.next()
    assert refused.address == "/backline/fail"
    assert reason in str(refused.params[1])
    assert one.next().params == [4]


def test_bytes_may_come_one_by_one_and_many_packets_at_once(peer):
    one = peer()
    for byte in frame(osc("/backline/sync", 0xC0DB)):
        one.socket.sendall(bytes([byte]))
    assert one.next().params == [0xC0DB]
    one.socket.sendall(b"".join(frame(osc("/backline/sync", number)) for number in range(200)))
    assert [one.next().params[0] for _ in range(200)] == list(range(200))


def test_who_hangs_up_amid_a_packet_or_never_speaks_disturbs_nobody(peer, server):
    for _ in range(5):
        one = peer()
        one.socket.sendall(frame(osc("/backline/models"))[:-5])
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a farewell
        one.socket.close()
    peer()  # half open: nothing is ever said
    assert server.client.request("/backline/sync", 5) == [5]


def test_who_reads_nothing_is_let_go_of_and_forgotten():
    made, gone = [], []

    async def tell_and_never_be_heard() -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection("127.0.0.1", lambda *_: None, lambda _: 0, lambda one: made.append(one) is None, gone.append),
            "127.0.0.1", 0)  # fmt: skip
        with socket.create_connection(server.sockets[0].getsockname()[:2]):
            told = 0
            async with asyncio.timeout(PATIENCE):
                while not made:
                    await asyncio.sleep(0)
                ours = made[0]._transport.get_extra_info("socket")
                kept_alive = (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                assert all(ours.getsockopt(*option) for option in kept_alive), "a peer that is gone is never missed"
                while not gone:
                    for one in made:
                        one.transmit(bytes(60_000))
                        told += 60_000
                    await asyncio.sleep(0)
        server.close()
        return told

    told = asyncio.run(tell_and_never_be_heard())
    assert gone == made
    assert told > MOST_UNREAD
    made[0].transmit(b"into the void")


def test_a_listener_over_tcp_is_told_and_forgotten_when_it_is_gone(peer, server):
    one = peer()
    one.socket.sendall(frame(osc("/backline/notify", 1)))
    assert one.next().params == ["/backline/notify", 1]
    server.client.open_stream("probe", 48_000).close()
    told = [one.next(), one.next()]
    assert [message.address for message in told] == ["/backline/event"] * 2
    one.socket.close()
    server.client.open_stream("probe", 48_000).close()
    assert server.client.request("/backline/sync", 8) == [8]


def test_no_more_than_so_many_are_connected(start_server):
    with start_server() as server:
        peers = [Peer(server.port) for _ in range(MOST_SENDERS)]
        for one in peers:  # each is in before the next one knocks
            one.socket.sendall(frame(osc("/backline/sync", 1)))
            assert one.next().params == [1]
        late = Peer(server.port)
        assert "as many TCP clients are connected as there may be" in str(late.next().params[1])
        with pytest.raises(ConnectionError):
            late.next()
        peers.pop().socket.close()
        deadline = time.monotonic() + PATIENCE
        while True:
            again = Peer(server.port)
            again.socket.sendall(frame(osc("/backline/sync", 2)))
            if again.next().address == "/backline/synced":
                break
            assert time.monotonic() < deadline
        for one in (*peers, late, again):
            one.socket.close()


def test_the_client_of_python_osc_is_understood(server):
    with SimpleTCPClient("127.0.0.1", server.port, mode="1.1") as client:
        client.send_message("/backline/sync", 12)
        answer = next(client.get_messages(PATIENCE))
        assert (answer.address, answer.params) == ("/backline/synced", [12])


def test_no_server_and_a_server_that_ends_are_said(start_server):
    with start_server() as server:
        client = BridgeClient(port=server.port, tcp=True)
        stream = client.open_stream("probe", 48_000)
        client.request("/backline/quit")
        server.process.wait(20)
        with pytest.raises(BridgeError, match="server"):
            client.request("/backline/sync", 1)
        assert list(stream.receive()) == []
        assert stream.send(0, np.zeros((1, 64), np.float32)) is False
        client.close()
        with pytest.raises(BridgeError, match=f"no server answers at 127.0.0.1:{server.port} over TCP"):
            BridgeClient(port=server.port, tcp=True)
