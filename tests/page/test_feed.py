"""What an open page is told over its WebSocket: streams, notes, levels, figures; and what it may ask for."""

import os
import select
import signal
from contextlib import suppress

import numpy as np
import pytest

from plugin_bridge.client import BridgeError
from server.note_ledger import CHANNELS, COLUMNS
from server.page.browser import _Seen
from server.shared_page import TRAIL, SharedPage

CHORD = [60, 64, 67]
HOP = 768


@pytest.fixture
def live(connect):
    """A page's WebSocket that has been greeted."""
    socket = connect("/page/live")
    socket.hello = socket.next()["hello"]
    return socket


@pytest.fixture
def play(server):
    """A function (settings) -> a stream of `held` that holds its chord, and the sample it has reached."""
    opened = []

    def make(**settings):
        stream = server.client.open_stream("held", 48_000, {"look_ahead_ms": 48, "pace": "free", **settings})
        opened.append(stream)
        reached = 0
        for _ in range(12):
            stream.send(reached, np.full((1, HOP), 0.5, np.float32))
            reached += HOP
            list(stream.wait(reached))
        return stream, reached

    yield make
    for stream in opened:
        with suppress(BridgeError):
            stream.close()


def rows(message, kind, stream):
    """Return what a message says of one kind about a stream."""
    return [row for row in message.get(kind, []) if row["stream"] == stream.number]


def test_a_page_is_greeted_with_models_and_commands(server, live):
    assert live.hello["osc"] == ["127.0.0.1", server.port]
    assert "/backline/stream/set" in live.hello["commands"]
    models = {model["name"]: model for model in live.hello["models"]}
    assert {"probe", "transcriber", "held"} <= set(models)
    assert {"stream", "quantise"} <= {parameter["name"] for parameter in models["probe"]["parameters"]}
    assert "take" in live.hello["sources"]


def test_a_page_sees_a_stream_its_notes_and_its_end(live, play):
    stream, reached = play()
    opened = live.until(lambda message: rows(message, "opened", stream))
    (about,) = rows(opened, "opened", stream)
    assert (about["model"], about["rate"], about["kind"]) == ("held", 48_000, "commit")
    struck, message = [], opened
    while len(struck) < 3:
        for frame in rows(message, "frames", stream):
            struck += [event for event in frame.get("events", []) if event[2] == 0x90]
        message = live.next() if len(struck) < 3 else message
    assert sorted(event[3] for event in struck) == CHORD
    assert {due - place for due, place, *_ in struck} == {stream.latency}
    (frame,) = rows(
        live.until(lambda m: rows(m, "frames", stream)) if not rows(message, "frames", stream) else message,
        "frames",
        stream,
    )
    assert frame["position"] <= reached
    assert 0 < frame["level"] <= 0.5
    stream.close()
    live.until(lambda message: stream.number in message.get("closed", []))


@pytest.mark.parametrize(
    ("kind", "parts"), [("commit", ["hop", "look-ahead", "resampler", "bridge"]), ("live", ["decision", "resampler"])]
)
def test_the_latency_by_part_adds_up_to_what_the_stream_keeps(live, play, kind, parts):
    stream, _ = play(stream=kind)
    found = live.until(lambda message: any(row["hops"] == 12 for row in rows(message, "status", stream)))
    (status,) = rows(found, "status", stream)
    assert [name for name, _ in status["budget"]] == parts
    assert sum(samples for _, samples in status["budget"]) == (stream.latency or stream.live_delay)
    assert status["p50_us"] <= status["p95_us"] <= status["max_us"]


def test_a_page_that_opens_later_sees_what_was_played(live, play, connect):
    stream, _ = play()
    late = connect("/page/live")
    found = late.until(lambda message: any(frame.get("events") for frame in rows(message, "frames", stream)))
    (frame,) = rows(found, "frames", stream)
    assert frame["sounding"] == []
    assert sorted(event[3] for event in frame["events"] if event[2] == 0x90) == CHORD


def test_a_page_sets_a_parameter_and_every_page_sees_it(server, live, play, connect):
    stream, _ = play()
    other = connect("/page/live")
    live.send({"number": 7, "do": "/backline/stream/set", "with": [stream.number, "transpose", "5"]})
    assert live.until(lambda message: "answer" in message)["answer"] == {
        "number": 7,
        "results": [stream.number, "transpose", "5"],
    }
    other.until(lambda message: any(row["values"]["transpose"] == 5 for row in rows(message, "values", stream)))
    assert server.client.request(f"/backline/stream/{stream.number}/transpose", 6)[0] == 6
    live.until(lambda message: any(row["values"]["transpose"] == 6 for row in rows(message, "values", stream)))


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"number": 1, "do": "/backline/stream/close", "with": [999]}, "there is no stream 999"),
        ({"number": 1, "do": "/backline/stream/close", "with": ["x"]}, "it takes an integer"),
        ({"number": 1, "do": "/backline/nothing", "with": []}, "unknown address"),
        ({"number": 1, "do": "/backline/quit", "with": []}, "/backline/quit is not for pages"),
        ({"number": 1, "do": "start", "with": ["radio", "probe", {}]}, "source is 'radio'; allowed: take, jack"),
        (
            {"number": 1, "do": "start", "with": ["take", "../probe.onnx", {}]},
            "over the wire models go by name, never by path",
        ),
        ({"number": 1, "do": "start", "with": ["take", "nobody", {}]}, "there is no model 'nobody'"),
        ({"number": 1, "do": "start", "with": ["take", "held", {"volume": 3}]}, "no parameter 'volume'"),
        ({"number": 1, "do": "start", "with": [1]}, "start does not take"),
        ({"number": 1, "do": "stop", "with": [[]]}, "stop does not take"),
        ({"number": 1, "do": [], "with": {}}, "unknown address"),
        ({"do": "x"}, "a command is a JSON object of number, do and with"),
        ([], "a command is a JSON object"),
    ],
)
def test_what_a_page_cannot_have_is_refused_with_a_reason(live, asked, problem):
    live.send(asked)
    answer = live.until(lambda message: "answer" in message)["answer"]
    assert problem in answer["problem"]


def test_a_page_starts_and_stops_the_take(server, live):
    live.send({"number": 2, "do": "start", "with": ["take", "held", {"stream": "live"}]})
    (number,) = live.until(lambda message: "answer" in message)["answer"]["results"]
    live.until(
        lambda message: any(
            frame["stream"] == number and frame["position"] > 48_000 for frame in message.get("frames", [])
        )
    )
    live.send({"number": 3, "do": "stop", "with": [number]})
    live.until(lambda message: number in message.get("closed", []))
    with pytest.raises(BridgeError, match=f"there is no stream {number}"):
        server.client.request("/backline/stream/close", number)


def test_a_take_ends_with_its_server(start_server, held_folder, find_page, open_socket):
    with start_server("--models", str(held_folder)) as server:
        live = open_socket(f"http://{find_page(server).host}/page/live")
        live.send({"number": 2, "do": "start", "with": ["take", "held", {}]})
        live.until(lambda message: "answer" in message)
        children = [os.pidfd_open(child) for child in server.engines()]  # all children: two engines and the take
        assert len(children) == 3
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        live.close()
    for child in children:
        assert select.select([child], [], [], 5)[0], "a child outlived its server"
        os.close(child)


def test_notes_of_an_engine_that_died_are_ended_on_the_page(server, live, play):
    stream, _ = play(pace="realtime")
    live.until(lambda message: any(frame.get("events") for frame in rows(message, "frames", stream)))
    os.kill(server.row(stream.number)["process"], signal.SIGKILL)
    seen = [live.until(lambda message: any("sounding" in frame for frame in rows(message, "frames", stream)))]
    assert rows(seen[0], "frames", stream)[0]["sounding"] == []
    while not any(
        kind == "engine" and "3 notes ended" in text for message in seen for kind, text in message.get("told", [])
    ):
        seen.append(live.next())


class Seen:
    """A stream as `_Seen` asks for it, over a page of our own."""

    number, asked = 1, 0

    def __init__(self):
        self.engine = SharedPage()
        self._slot = self.engine.slot(0)
        self._slot.clear(1)

    def values(self):
        return {}

    def slot(self):
        return self._slot

    def level(self):
        return 0.25


def test_a_browser_that_missed_something_is_told_what_sounds():
    sight, seen = Seen(), _Seen()
    assert seen._frame(sight, sight.slot())["sounding"] == []
    for number in range(TRAIL + 1):
        sight.slot().show_event(number, number, 0x90, number % 100, 1)
    sight.slot().sounding[2, 61] = 99
    frame = seen._frame(sight, sight.slot())
    assert frame["sounding"] == [[2, 61, 99]]
    assert "events" not in frame
    assert seen._frame(sight, sight.slot()) is None, "nothing is said twice"
    sight.slot().show_event(5, 4, 0x80, 61, 0)
    assert seen._frame(sight, sight.slot())["events"] == [(5, 4, 0x80, 61, 0)]


@pytest.mark.parametrize("before", [0, 1, TRAIL - 1, TRAIL, 3 * TRAIL + 5])
@pytest.mark.parametrize("new", [0, 1, TRAIL, TRAIL + 1])
def test_the_trail_gives_what_is_new_or_says_that_it_cannot(before, new):
    slot = SharedPage().slot(3)
    slot.clear(9)
    events = [(n, n - 7, 0x90 | n % 16, n % 128, 127 - n % 128) for n in range(before + new)]
    for event in events:
        slot.show_event(*event)
    assert slot.events_since(before) == (before + new, events[before:] if new <= TRAIL else None)
    slot.clear(10)
    assert slot.events_since(0) == (0, [])
    assert slot.sounding.shape == (CHANNELS, COLUMNS)
