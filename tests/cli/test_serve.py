"""`backline serve` from the outside: how it begins, what it refuses, how it ends."""

import os
import select
import signal
import socket

import pytest

from plugin_bridge.client import BridgeClient, BridgeError


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--host", "nonsense"], "host is 'nonsense'; it takes an IPv4 address"),
        (["--host", "256.1.1.1"], "host is '256.1.1.1'"),
        (["--host", "::1"], "cannot listen on ::1"),
        (["--host", "192.0.2.1"], "host is 192.0.2.1, which other machines may reach; allowed: 127.0.0.1, or any with"),
        (["--host", "0.0.0.0"], "host is 0.0.0.0, which other machines may reach"),
        (
            ["--host", "192.0.2.1", "--allow-remote"],
            "cannot listen on 192.0.2.1 port 0: Cannot assign requested address",
        ),
        (["--token-file", "/proc/version"], "token file /proc/version can be read by others; chmod 600"),
        (["--token-file", "/nowhere/token"], "cannot read token file /nowhere/token: No such file or directory"),
        (["--host", ""], "host is ''"),
        (["--port", "65536"], "port is 65536; allowed: 0 to 65535"),
        (["--port", "-1"], "port is -1; allowed: 0 to 65535"),
        (["--port", "osc"], "invalid int value: 'osc'"),
        (["--models", "/nowhere"], "there is no folder /nowhere"),
        (["--provider", "abacus"], "provider is 'abacus'; allowed: auto, cpu, cuda"),
        (["--verbose", "loudly"], "unrecognized arguments: loudly"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_server_that_cannot_be_is_refused(backline, monkeypatch, words, reason):
    monkeypatch.setenv("BACKLINE_TOKEN", "a-token-of-16-signs")  # none is made, which would be printed
    words = words if "--port" in words else [*words, "--port", "0"]
    said = backline("serve", *words)
    assert reason in said.err
    assert said.code == 2
    assert said.err.startswith("backline: ")
    assert said.err.count("\n") == 1


def test_a_port_in_use_is_named(command_line):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = command_line("serve", "--port", port)
    assert said.returncode == 2
    assert (
        said.stderr
        == f"backline: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port (0: any)\n"
    )
    assert said.stdout == ""


def test_two_servers_stand_side_by_side(start_server):
    with start_server() as one, start_server() as other:
        assert one.port != other.port
        assert one.client.request("/backline/sync", 1) == other.client.request("/backline/sync", 1) == [1]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_when_nothing_was_asked_of_it(start_server, how):
    with start_server() as server:
        server.process.send_signal(how)
        assert server.process.wait(10) == 0


def test_it_ends_while_its_engines_start(start_server):
    with start_server() as server:
        client = BridgeClient(port=server.port)
        client._socket.send(b"/backline/model/load\0\0\0\0,s\0\0probe\0\0\0")
        assert server.client.request("/backline/sync", 1) == [1]
        engines = server.engines()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        for engine in engines:
            try:
                descriptor = os.pidfd_open(engine)
            except ProcessLookupError:
                continue
            assert select.select([descriptor], [], [], 5)[0], "an engine outlived its server"
            os.close(descriptor)
        client.close()


def test_a_client_without_a_server_is_told(start_server):
    with start_server() as server:
        port = server.port
    client = BridgeClient(port=port)
    with pytest.raises(BridgeError, match=f"no server answers at 127.0.0.1:{port}"):
        client.request("/backline/sync", 1)
    client.close()
