"""The drummer at JACK: with JACK's transport its hits and their sound leave on the beat, to the frame, and nothing declares a latency."""

import time
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.jack
RATE, PERIOD, BEAT = 48_000, 256, 24_000
SETTINGS = {"stream": "live", "humanise": 0, "fills": 0, "intro": "hats", "room": 0}


class Conductor:
    """A JACK client that counts 4/4 at 120 bpm, and hears the drummer's ports: notes and sound at frames of the song."""

    def __init__(self, server_name: str) -> None:
        import jack

        self._jack = jack
        self.client = jack.Client("conductor", no_start_server=True, servername=server_name)
        self.notes: list[tuple[int, int]] = []
        self.sound: dict[int, np.ndarray] = {}
        self.midi = self.client.midi_inports.register("notes")
        self.audio = self.client.inports.register("sound")
        self.client.set_process_callback(self._process)
        self.client.set_timebase_callback(self._count)
        self.client.activate()

    def _process(self, frames: int) -> None:
        state, place = self.client.transport_query_struct()
        if state != self._jack.ROLLING:
            return
        for offset, message in self.midi.incoming_midi_events():
            status, note, velocity = (bytes(part)[0] for part in (message[0], message[1], message[2]))
            if status == 0x99 and velocity:
                self.notes.append((place.frame + offset, note))
        self.sound[place.frame] = np.array(self.audio.get_array())

    def _count(self, _: int, __: int, position: Any, ___: bool) -> None:
        beats, inside = divmod(position.frame, BEAT)
        position.valid = self._jack._lib.JackPositionBBT
        position.bar, position.beat, position.tick = beats // 4 + 1, beats % 4 + 1, inside
        position.bar_start_tick = beats // 4 * 4 * BEAT
        position.beats_per_bar, position.beat_type, position.ticks_per_beat = (
            4,
            4,
            BEAT,
        )  # a tick a frame: JACK's are whole
        position.beats_per_minute = 120


def test_hits_and_their_sound_are_on_the_beat_of_the_transport(start_server, jack_servers, jack_client) -> None:
    server = jack_servers(PERIOD)
    with start_server() as running:
        running.client.load("drummer")
        client = jack_client(server, running.port, model="drummer", settings=SETTINGS)
        active = client.json()
        assert active["declared_latency"] == 0
        name = active["active"]
        conductor = Conductor(server.name)
        try:
            conductor.client.connect(f"{name}:midi_out", conductor.midi)
            conductor.client.connect(f"{name}:audio_out", conductor.audio)
            conductor.client.transport_start()
            deadline = time.monotonic() + 30.0
            while len(conductor.notes) < 12:
                assert time.monotonic() < deadline, conductor.notes
                time.sleep(0.05)
            conductor.client.transport_stop()
        finally:
            conductor.client.deactivate()
            conductor.client.close()
    heard = [frame for frame, note in conductor.notes if note == 42 and frame > BEAT // 4]
    apart = np.array([frame - round(frame / (BEAT / 2)) * BEAT // 2 for frame in heard])
    assert np.mean(np.abs(apart) <= 1) > 0.5
    assert np.abs(apart).max() <= 8 * PERIOD, "a cycle that somebody misses moves a hit by as much"
    starts = sorted(conductor.sound)
    late = []
    for frame in heard:
        first = max(start for start in starts if start <= frame)
        if first + PERIOD in conductor.sound:
            piece = np.concatenate([conductor.sound[first], conductor.sound[first + PERIOD]])
            struck = np.flatnonzero(np.abs(piece) > 1e-4)
            late.append(first + int(struck[0]) - frame if len(struck) else PERIOD)
    assert np.median(np.abs(late)) <= 48, "the sound begins with the note, of a hat within a millisecond"
