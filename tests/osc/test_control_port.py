"""The control port as any OSC program sees it: order, bundles, clocks, listeners, refusals."""

import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient

from plugin_bridge.client import BridgeError, osc

PATIENCE = 10.0


class Sender:
    """A socket that speaks OSC to the control port."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(PATIENCE)

    def send(self, datagram: bytes) -> None:
        """Send a datagram as it is."""
        self._socket.send(datagram)

    def next(self) -> OscMessage:
        """Return the next answer."""
        return OscMessage(self._socket.recv(65536))

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


@pytest.fixture
def sender(server) -> Iterator[Callable[[], Sender]]:
    """A function () -> Sender at the server."""
    made: list[Sender] = []

    def make() -> Sender:
        made.append(Sender(server.port))
        return made[-1]

    yield make
    for one in made:
        one.close()


def bundle(*contents: bytes, at: float | None = None) -> bytes:
    """Return an OSC bundle; `at` is seconds since 1970, None for immediately."""
    tag = 1 if at is None else int((at + 2_208_988_800) * 2**32)
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(c)) + c for c in contents)


def test_an_unknown_address_is_answered_with_what_is_wrong(sender):
    one = sender()
    one.send(osc("/backline/strem/open", "probe"))
    answer = one.next()
    assert answer.address == "/backline/fail"
    assert answer.params[0] == "/backline/strem/open"
    assert "unknown address /backline/strem/open" in answer.params[1]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (osc("/backline/sync"), "takes 1 arguments (i), got 0"),
        (osc("/backline/sync", "seven"), "argument 1 of /backline/sync is 'seven'; it takes an integer"),
        (osc("/backline/sync", True), "it takes an integer"),
        (osc("/backline/status", 1), "takes 0 arguments"),
        (osc("/backline/model/load", "nobody"), "there is no model 'nobody'; there are: "),
        (osc("/backline/model/load", "../../etc/passwd"), "by name, never by path"),
        (osc("/backline/stream/open", "probe", 7000, "{}"), "sample rate is 7000 Hz; allowed: 8000 to 192000"),
        (osc("/backline/stream/open", "probe", 2**40, "{}"), "allowed: 8000 to 192000"),
        (osc("/backline/stream/open", "probe", 48000, "{"), "settings are not JSON"),
        (osc("/backline/stream/open", "probe", 48000, "[" * 50_000), "settings are not JSON"),
        (osc("/backline/stream/open", "probe", 48000, '{"a":' + "9" * 5000 + "}"), "settings are not JSON"),
        (osc("/backline/stream/open", "probe", 48000, "[1]"), "settings are a JSON object"),
        (osc("/backline/stream/open", "probe", 48000, '{"volume": 3}'), "no parameter 'volume'; it has: stream"),
        (osc("/backline/stream/open", "probe", 48000, '{"pace": "late"}'), "pace is 'late'; allowed: realtime, free"),
        (osc("/backline/stream/open", "held", 48000, '{"sensitivity": NaN}'), "sensitivity is 'nan'; allowed: 0 to 1"),
        (
            osc("/backline/stream/open", "held", 48000, '{"look_ahead_ms": 20}'),
            "look_ahead_ms is '20'; allowed: auto, 0, 48",
        ),
        (osc("/backline/stream/close", 99), "there is no stream 99"),
        (osc("/backline/stream/close", -(2**63)), "there is no stream -9223372036854775808"),
        (osc("/backline/stream/set", 99, "a", "b"), "there is no stream 99"),
        (osc("/" + "x" * 60_000), "unknown address"),
        (osc("/backline/model/load", "x" * 65_000), "there is no model"),
        (b"hello", "is no OSC"),
        (b"#bundle\0", "is no OSC"),
        (bundle(b"\0\0\0\0"), "does not begin with /"),
    ],
    ids=lambda value: value if isinstance(value, str) else "packet",
)
def test_what_cannot_be_done_is_refused_with_a_reason(sender, message, reason):
    one = sender()
    one.send(message)
    answer = one.next()
    assert answer.address == "/backline/fail"
    assert reason in answer.params[1]
    one.send(osc("/backline/sync", 1))
    assert one.next().params == [1], "the sender is served on"


def test_parameters_that_cannot_change_or_do_not_exist_are_refused_while_running(server):
    stream = server.client.open_stream("held", 48_000)
    for name, value, reason in (
        ("stream", "live", "chosen when the stream opens"),
        ("lowest", "-3", "allowed: 0 to 127 pitch"),
        ("lowest", "nan", "allowed: 0 to 127"),
        ("volume", "1", "no parameter 'volume'"),
    ):
        with pytest.raises(BridgeError, match=reason):
            server.client.request("/backline/stream/set", stream.number, name, value)
    assert server.client.request("/backline/stream/set", stream.number, "lowest", "62") == [
        stream.number,
        "lowest",
        "62",
    ]
    stream.close()


def test_answers_are_not_answered(sender):
    one = sender()
    for address in ("/backline/fail", "/backline/done"):
        one.send(osc(address, "/backline/sync", "because"))
    one.send(osc("/backline/sync", 2))
    assert one.next().address == "/backline/synced", "two servers would talk for ever"


def test_sync_is_answered_after_the_commands_before_it(sender):
    one = sender()
    one.send(osc("/backline/model/load", "probe"))
    one.send(osc("/backline/stream/open", "probe", 44_100, "{}"))
    one.send(osc("/backline/sync", 77))
    assert one.next().params == ["/backline/model/load", "probe"]
    opened = one.next()
    assert opened.params[0] == "/backline/stream/open"
    assert one.next().params == [77]
    one.send(osc("/backline/stream/close", opened.params[1]))
    assert one.next().address == "/backline/done"


def test_a_slow_command_of_one_client_does_not_hold_up_another(sender, held_folder, start_server):
    with start_server("--models", str(held_folder)) as fresh:
        slow = Sender(fresh.port)
        slow.send(osc("/backline/model/load", "held"))  # two engines must start
        assert fresh.client.request("/backline/sync", 3) == [3]
        slow._socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            slow.next()
        slow._socket.settimeout(30)
        assert slow.next().params == ["/backline/model/load", "held"]
        slow.close()


def test_ping_carries_the_servers_clock(sender):
    one, t0 = sender(), 2**62 + 1
    before = time.monotonic_ns()
    one.send(osc("/backline/ping", t0, tags="h"))
    answer = one.next()
    after = time.monotonic_ns()
    assert answer.address == "/backline/pong"
    assert answer.params[0] == t0
    assert before <= answer.params[1] <= answer.params[2] <= after


def test_a_bundle_for_now_is_carried_out_in_order(sender):
    one = sender()
    one.send(bundle(*(osc("/backline/sync", n) for n in range(20))))
    assert [one.next().params[0] for _ in range(20)] == list(range(20))


def test_bundles_in_bundles_are_carried_out_down_to_a_limit(sender):
    one, nested = sender(), osc("/backline/sync", 8)
    for _ in range(8):
        nested = bundle(nested)
    one.send(nested)
    assert one.next().params == [8]
    one.send(bundle(nested))
    assert "deeper than 8" in one.next().params[1]


def test_a_late_bundle_is_carried_out_at_once(sender):
    one = sender()
    one.send(bundle(osc("/backline/sync", 5), at=time.time() - 100))
    assert one.next().params == [5]


def test_a_bundle_for_later_waits_and_holds_nothing_up(sender):
    one, other, due = sender(), sender(), time.time() + 0.25
    one.send(bundle(osc("/backline/sync", 1), at=due))
    one.send(osc("/backline/sync", 2))
    other.send(osc("/backline/sync", 3))
    assert other.next().params == [3]
    assert one.next().params == [2], "what is sent after it is not behind it"
    assert time.time() < due
    assert one.next().params == [1]
    assert time.time() >= due - 0.002


def test_bundles_far_ahead_or_too_many_are_refused(sender):
    one = sender()
    one.send(bundle(osc("/backline/sync", 1), at=time.time() + 3600))
    assert "allowed: up to 60" in one.next().params[1]
    one.send(b"#bundle\0" + b"\xff" * 8 + struct.pack(">i", 20) + osc("/backline/status"))
    assert one.next().address == "/backline/fail"
    one.send(bundle(*(osc("/backline/sync", n) for n in range(300)), at=time.time() + 0.5))
    refused = [one.next() for _ in range(44)]
    assert all("256 bundles wait already" in message.params[1] for message in refused)
    assert {one.next().address for _ in range(256)} == {"/backline/synced"}


def test_a_listener_is_told_until_it_asks_no_more(server, sender):
    one = sender()
    one.send(osc("/backline/notify", 1))
    assert one.next().params == ["/backline/notify", 1]
    stream = server.client.open_stream("held", 48_000)
    event = one.next()
    assert event.address == "/backline/event"
    assert event.params == ["stream", f"stream {stream.number} of 'held' opened at 48000 Hz"]
    one.send(osc("/backline/notify", 0))
    assert one.next().params == ["/backline/notify", 0]
    stream.close()
    one.send(osc("/backline/sync", 1))
    assert one.next().address == "/backline/synced"


def test_listeners_are_limited(sender):
    many = [sender() for _ in range(65)]
    answers = []
    for one in many:
        one.send(osc("/backline/notify", 1))
        answers.append(one.next())
    assert answers[63].address == "/backline/done"
    assert "64 listeners" in answers[64].params[1]
    for one in many:
        one.send(osc("/backline/notify", 0))
        assert one.next().address == "/backline/done"


def test_status_and_models_say_what_there_is(server):
    stream = server.client.open_stream("held", 44_100, {"stream": "live"})
    row = server.row(stream.number)
    assert (row["model"], row["rate"], row["latency"], row["sounding"]) == ("held", 44_100, 0, 0)
    (models,) = server.client.request("/backline/models")
    assert '"held"' in str(models)
    assert '"probe"' in str(models)
    stream.close()


def test_python_osc_own_client_is_understood(server):
    with SimpleUDPClient("127.0.0.1", server.port) as client:
        client.send_message("/backline/sync", 41)
        message = next(client.get_messages(timeout=PATIENCE))
    assert (message.address, message.params) == ("/backline/synced", [41])


@pytest.mark.skipif(shutil.which("oscsend") is None, reason="needs oscsend of liblo-tools")
def test_liblo_is_understood(server, sender):
    one = sender()
    one.send(osc("/backline/notify", 1))
    assert one.next().address == "/backline/done"
    subprocess.run(
        ["oscsend", "127.0.0.1", str(server.port), "/backline/stream/open", "sis", "held", "48000", "{}"],
        check=True,
        timeout=10,
    )
    event = one.next()
    assert "of 'held' opened at 48000 Hz" in event.params[1]
    number = event.params[1].split()[1]
    subprocess.run(
        ["oscsend", "127.0.0.1", str(server.port), "/backline/stream/close", "i", number], check=True, timeout=10
    )
    assert one.next().params == ["stream", f"stream {number} closed"]


def test_quit_is_answered_and_ends_the_server(start_server):
    with start_server() as server:
        assert server.client.request("/backline/quit") == []
        assert server.process.wait(10) == 0
