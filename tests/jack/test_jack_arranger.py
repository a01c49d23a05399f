"""The arranger at JACK: a song that plays with JACK's transport, and a piano whose notes leave on the grid, to the frame."""

import time
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.jack
RATE, PERIOD, BEAT = 48_000, 256, 24_000
STEP = BEAT // 4


class Band:
    """A JACK client that plays a song with the transport, at 120 bpm in 4/4, and another that takes down the notes that come back.

    One that did both would be behind itself in JACK's graph, and hear everything a period late.
    """

    def __init__(self, server_name: str, sound: np.ndarray) -> None:
        import jack

        self._jack, self._sound = jack, sound
        self.client, self.listener = (
            jack.Client(name, no_start_server=True, servername=server_name) for name in ("band", "listener")
        )
        self.notes: list[tuple[int, int, int]] = []
        self.out = self.client.outports.register("song")
        self.midi = self.listener.midi_inports.register("notes")
        self.client.set_process_callback(self._play)
        self.client.set_timebase_callback(self._count)
        self.listener.set_process_callback(self._hear)
        self.client.activate()
        self.listener.activate()

    def close(self) -> None:
        for client in (self.client, self.listener):
            client.deactivate()
            client.close()

    def _play(self, frames: int) -> None:
        state, place = self.client.transport_query_struct()
        heard = self.out.get_array()
        heard[:] = 0
        if state == self._jack.ROLLING:
            piece = self._sound[place.frame % self._sound.size :][:frames]
            heard[: piece.size] = piece

    def _hear(self, _: int) -> None:
        state, place = self.listener.transport_query_struct()
        if state != self._jack.ROLLING:
            return
        for offset, message in self.midi.incoming_midi_events():
            status, note = bytes(message)[:2]
            if status & 0xF0 in (0x80, 0x90):
                self.notes.append((place.frame + offset, status, note))

    def _count(self, _: int, __: int, position: Any, ___: bool) -> None:
        beats, inside = divmod(position.frame, BEAT)
        position.valid = self._jack._lib.JackPositionBBT
        position.bar, position.beat, position.tick = beats // 4 + 1, beats % 4 + 1, inside
        position.bar_start_tick = beats // 4 * 4 * BEAT
        position.beats_per_bar, position.beat_type, position.ticks_per_beat = 4, 4, BEAT
        position.beats_per_minute = 120


def test_an_arrangement_is_on_the_grid_of_the_transport(
    start_server, arranger_models, song, jack_servers, jack_client
) -> None:
    server = jack_servers(PERIOD)
    with start_server(*arranger_models) as running:
        running.client.load("arranger")
        client = jack_client(server, running.port, model="arranger", settings={"stream": "live", "pedal": "off"})
        active = client.json()
        assert active["declared_latency"] == 0
        name = active["active"]
        band = Band(server.name, song(RATE, 16)[0])
        try:
            band.client.connect(band.out, f"{name}:audio_in")
            band.listener.connect(f"{name}:midi_out", band.midi)
            band.client.transport_start()
            deadline = time.monotonic() + 60.0
            while sum(status == 0x90 for _, status, _ in band.notes) < 24:
                assert time.monotonic() < deadline, band.notes
                time.sleep(0.05)
            band.client.transport_stop()
        finally:
            band.close()
    struck = np.array([frame for frame, status, _ in band.notes if status == 0x90])
    assert struck.min() >= 4 * BEAT - STEP / 2, "the first bar is heard before anything is played"
    apart = np.abs(struck - np.round(struck / STEP) * STEP)
    assert np.mean(apart <= 1) > 0.5
    assert apart.max() <= 8 * PERIOD, "a cycle that somebody misses moves a note by as much"
