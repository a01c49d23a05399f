"""The engine is told of JACK's transport, and of a MIDI clock where JACK's stands still."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from models.rhythm.clock import TICKS_A_BEAT
from plugin_bridge.protocol import TransportMessage

pytestmark = pytest.mark.jack
RATE, PERIOD = 48_000, 256


@contextmanager
def conductor(server_name: str) -> Iterator[Any]:
    """A JACK client of this process, which may count bars or send a clock."""
    import jack

    client = jack.Client("conductor", no_start_server=True, servername=server_name)
    try:
        yield client
    finally:
        client.deactivate()
        client.close()


def told(holding: Any, wanted: Callable[[TransportMessage], bool]) -> TransportMessage:
    """Wait for a transport message that is wanted."""
    deadline = time.monotonic() + 10.0
    while True:
        found = next((message for message in holding.transports if wanted(message)), None)
        if found is not None:
            return found
        assert time.monotonic() < deadline, holding.transports[-5:]
        time.sleep(0.02)


def test_bars_of_jack_reach_the_engine_in_quarter_notes(holding: Any, jack_servers: Any, jack_client: Any) -> None:
    import jack

    server = jack_servers(PERIOD)
    client = jack_client(server, holding.port)
    client.json()
    told(holding, lambda message: not message.playing)

    def count(_: int, __: int, position: Any, ___: bool) -> None:
        eighths = position.frame / RATE * 150 / 60
        bar, beat = int(eighths // 6), int(eighths % 6)
        position.valid = jack._lib.JackPositionBBT
        position.bar, position.beat, position.tick = bar + 1, beat + 1, int(eighths % 1 * 960)
        position.bar_start_tick = bar * 6 * 960
        position.beats_per_bar, position.beat_type, position.ticks_per_beat = 6, 8, 960
        position.beats_per_minute = 150

    with conductor(server.name) as other:
        assert other.set_timebase_callback(count)
        other.activate()
        other.transport_frame = 10 * RATE  # 25 eighths: the second one of bar 5
        other.transport_start()
        rolls = told(holding, lambda message: message.playing and message.tempo > 0)
        assert rolls.stream == 7
        assert (rolls.tempo, rolls.beats_a_bar) == (75, 3)
        assert rolls.position == pytest.approx(rolls.frame / RATE * 75 / 60, abs=0.002)
        assert (rolls.bar - 1) * 3 + rolls.beat == pytest.approx(rolls.position)
        before = len(holding.transports)
        told(holding, lambda message: message.sample >= rolls.sample + RATE)
        assert len(holding.transports) - before < 10, "the course of time is told once a second"
        other.transport_frame = 0
        told(holding, lambda message: message.sample > rolls.sample + RATE and message.frame < RATE)
        other.transport_stop()
        other.release_timebase()


def test_a_midi_clock_stands_in_for_a_transport(holding: Any, jack_servers: Any, jack_client: Any) -> None:
    server = jack_servers(PERIOD)
    client = jack_client(server, holding.port)
    active = client.json()["active"]
    jitter = np.random.default_rng(0)
    tick = RATE * 60 / 100 / TICKS_A_BEAT  # 100 BPM
    with conductor(server.name) as other:
        out = other.midi_outports.register("clock")
        due = {"tick": tick, "number": 0, "began": -1}

        def send(frames: int) -> None:
            out.clear_buffer()
            if due["began"] < 0:
                due["began"] = other.last_frame_time
            now = other.last_frame_time - due["began"]
            while due["tick"] < now + frames:
                if due["number"] in (48, 144):  # start and, four beats later, stop
                    out.write_midi_event(max(0, int(due["tick"] - now)), b"\xfa" if due["number"] == 48 else b"\xfc")
                out.write_midi_event(max(0, int(due["tick"] - now)), b"\xf8")
                due["number"] += 1
                due["tick"] = (due["number"] + 1) * tick + jitter.uniform(-0.1, 0.1) * tick  # 2.5 ms

        other.set_process_callback(send)
        other.activate()
        other.connect(out, f"{active}:clock_in")
        rolls = told(holding, lambda message: message.playing and message.tempo > 0)
        assert rolls.tempo == pytest.approx(100, rel=0.01)
        later = told(holding, lambda message: message.playing and message.sample >= rolls.sample + RATE)
        passed = (later.sample - rolls.sample) / RATE * 100 / 60
        assert later.position - rolls.position == pytest.approx(passed, abs=0.02)
        stands = told(holding, lambda message: message.sample > later.sample and not message.playing)
        assert stands.position == pytest.approx(4, abs=0.05)


def test_the_clock_port_declares_nothing(holding: Any, jack_servers: Any, jack_client: Any) -> None:
    server = jack_servers(PERIOD)
    client = jack_client(server, holding.port, connect=[("system:capture_1", "audio_in")])
    active = client.json()
    deadline = time.monotonic() + 5
    while server.latency(f"{active['active']}:midi_out", "capture") != (500 + 512 + PERIOD,) * 2:
        assert time.monotonic() < deadline
    assert f"{active['active']}:clock_in" not in active["ports"]
