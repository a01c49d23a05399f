"""No note hangs: whatever ends while one sounds, its note-off comes out of the port."""

import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.jack
RATE = 48_000
LONG = 30 * RATE


@pytest.fixture
def sounding(
    holding: Any, jack_servers: Callable[..., Any], jack_client: Callable[..., Any], take: Callable[..., Any]
) -> tuple[Any, Any, Any]:
    """A JACK client with one note that sounds: (server of it, client, take)."""
    server = jack_servers(256)
    client = jack_client(server, holding.port)
    active = client.json()
    assert active["declared_latency"] == 500 + 512
    running = take(server, active["active"], [], LONG, audio=False)
    running.say("start")
    strike(holding, running)
    return server, client, running


def strike(holding: Any, running: Any) -> None:
    """Let a note begin and wait until it is heard; again where the recorder lost the cycle that held it."""
    for _ in range(3):
        holding.strike = True
        if running.waits(5.0):
            running.until(lambda line: "midi" in line and line["midi"][1] == 0x90)
            return
    pytest.fail("no note was heard")


def heard_off(running: Any) -> None:
    """Wait for the note-off."""
    assert running.until(lambda line: "midi" in line)["midi"][1:] == [0x80, 64, 0]


def test_a_silent_engine_has_its_notes_ended_and_may_come_back(holding: Any, sounding: tuple[Any, Any, Any]) -> None:
    _, client, running = sounding
    holding.silent = True
    heard_off(running)
    holding.silent = False
    strike(holding, running)
    holding.silent = True
    heard_off(running)
    client.process.terminate()
    statistics = client.until(lambda line: "callbacks" in line)
    assert statistics["lost_heartbeats"] >= 2
    assert statistics["notes_ended"] == 2


def test_a_signal_ends_the_note_before_the_client(sounding: tuple[Any, Any, Any]) -> None:
    _, client, running = sounding
    client.process.terminate()
    heard_off(running)
    assert client.until(lambda line: "callbacks" in line)["problem"] == ""
    assert client.process.wait(10) == 0


def test_the_client_ends_with_who_started_it(sounding: tuple[Any, Any, Any]) -> None:
    _, client, running = sounding
    client.process.stdin.close()
    heard_off(running)
    assert client.process.wait(10) == 0


@pytest.mark.parametrize("word", ["stop", "locate 4800000", "locate 0"])
def test_a_rolling_transport_that_breaks_off_ends_the_note(
    holding: Any, sounding: tuple[Any, Any, Any], word: str
) -> None:
    _, _, running = sounding
    running.say("play")
    running.until(lambda line: line.get("rolling"))
    # The start itself is no break: the note still sounds, and a second one would first end it.
    running.say(word)
    heard_off(running)
    running.say("stop")
    running.say("locate 0")


def test_a_transport_that_stands_ends_nothing(holding: Any, sounding: tuple[Any, Any, Any]) -> None:
    _, client, running = sounding
    running.say("locate 96000")
    blocks = holding.blocks
    wait_for(lambda: holding.blocks > blocks + 40)
    client.process.terminate()
    assert client.until(lambda line: "callbacks" in line)["notes_ended"] == 1  # the signal's own
    heard_off(running)


def test_a_server_that_is_gone_has_its_notes_ended_and_is_named(holding: Any, sounding: tuple[Any, Any, Any]) -> None:
    _, client, running = sounding
    holding.close()
    heard_off(running)
    statistics = client.until(lambda line: "callbacks" in line)
    assert "Backline server" in statistics["problem"]
    assert client.process.wait(5) == 2
    assert client.errors().splitlines() == [f"backline: {statistics['problem']}"]


def test_a_server_that_forgot_the_stream_is_named(holding: Any, sounding: tuple[Any, Any, Any]) -> None:
    _, client, running = sounding
    holding.forget = True
    heard_off(running)
    assert "does not take this stream" in client.until(lambda line: "callbacks" in line)["problem"]
    assert client.process.wait(5) == 2


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
