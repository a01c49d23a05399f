"""A player and a recorder at one JACK server, as a process of their own: what a test hears is what a host would.

The player's port gives impulses at known frames; the recorder's ports take MIDI and audio. They are two clients, so that
player -> backline -> recorder is a line and not a ring: JACK breaks a ring open with a period of delay. Both stamp with
the frame clock of the cycle. One JSON argument: server_name, connect (pairs; `play:out`, `record:midi`, `record:audio`,
`record:notes` stand for the own ports), frames, impulses (frames after the start), notes (the same, as MIDI out), sound (a .npy file of
float32 samples that is played from the start).

Lines on standard input: play, stop, locate N, start (the take begins), fast (it begins in freewheel mode), end. Lines
on standard output are JSON: {"ready": true}, {"midi": [frame, status, data1, data2]} as it comes, and the whole take
at the end.
"""

import json
import select
import sys
import time
from array import array

import jack
import numpy as np

MOST = 4096
LONGEST_SECONDS = 60.0


class Player:
    """Impulses and notes at frames counted from the start."""

    def __init__(self, server_name: str, impulses: list[int], notes: list[int], sound: str | None) -> None:
        self.client = jack.Client("play", no_start_server=True, servername=server_name)
        self._out = self.client.outports.register("out")
        self._notes_out = self.client.midi_outports.register("notes")
        self._impulses, self._notes = impulses, notes
        self._sound = np.load(sound) if sound else np.zeros(0, np.float32)
        self.impulses_at, self.notes_at = array("q"), array("q")
        self.began_at = -1
        self.started = self.fast = False
        self.position = 0
        self.jumps = Jumps()
        self.client.set_process_callback(self._process)

    def _process(self, frames: int) -> None:
        now = self.client.last_frame_time
        out = self._out.get_array()
        out[:] = 0.0
        self._notes_out.clear_buffer()
        self.jumps.see(now, frames)
        if not self.started:
            return
        if self.began_at < 0:
            self.began_at = now
        heard = self._sound[self.position : self.position + frames]
        out[: heard.size] = heard
        for sample in self._impulses:
            if self.position <= sample < self.position + frames:
                out[sample - self.position] = 0.8
                self.impulses_at.append(now + sample - self.position)
        for sample in self._notes:
            if self.position <= sample < self.position + frames:
                self._notes_out.write_midi_event(sample - self.position, b"\x90\x3c\x64")
                self.notes_at.append(now + sample - self.position)
        self.position += frames


class Recorder:
    """MIDI and audio with their frames."""

    def __init__(self, server_name: str) -> None:
        self.client = jack.Client("record", no_start_server=True, servername=server_name)
        self._midi_in = self.client.midi_inports.register("midi")
        self._audio_in = self.client.inports.register("audio")
        self.midi: list[tuple[int, int, int, int]] = []
        self.audio_at = array("q")
        self.xruns = 0
        self.jumps = Jumps()
        self._last_peak = -(1 << 40)
        self.client.set_process_callback(self._process)
        self.client.set_xrun_callback(self._count)

    def _count(self, _: float) -> None:
        self.xruns += 1

    def _process(self, frames: int) -> None:
        now = self.client.last_frame_time
        self.jumps.see(now, frames)
        for offset, message in self._midi_in.incoming_midi_events():
            data = bytes(message)
            self.midi.append((now + offset, data[0], data[1], data[2]))
        heard = np.abs(self._audio_in.get_array())
        peak = int(heard.argmax())
        if heard[peak] > 0.4 and now + peak - self._last_peak > 200:
            self._last_peak = now + peak
            self.audio_at.append(now + peak)


class Jumps:
    """Where the frame clock did not go on by a block: cycles were lost there, by whomever."""

    def __init__(self) -> None:
        self.at: list[tuple[int, int]] = []
        self._expected = -1

    def see(self, now: int, frames: int) -> None:
        """Look at the clock of one cycle."""
        if self._expected >= 0 and now != self._expected:
            self.at.append((self._expected, now))
        self._expected = now + frames


def main() -> None:
    """Play, record, obey, and tell."""
    arguments = json.loads(sys.argv[1])
    player = Player(arguments["server_name"], arguments["impulses"], arguments.get("notes", []), arguments.get("sound"))
    recorder = Recorder(arguments["server_name"])
    own = {"play:out": f"{player.client.name}:out", "play:notes": f"{player.client.name}:notes",
           "record:midi": f"{recorder.client.name}:midi", "record:audio": f"{recorder.client.name}:audio"}  # fmt: skip
    player.client.activate()
    recorder.client.activate()
    for source, destination in arguments["connect"]:
        player.client.connect(own.get(source, source), own.get(destination, destination))
    tell({"ready": True})
    told, deadline, ending = 0, time.monotonic() + LONGEST_SECONDS, False
    while not ending and time.monotonic() < deadline:
        if select.select([sys.stdin], [], [], 0.01)[0]:
            word, _, value = sys.stdin.readline().strip().partition(" ")
            ending = word in ("end", "")
            obey(player, word, value)
        while told < len(recorder.midi):
            tell({"midi": recorder.midi[told]})
            told += 1
        ending = ending or player.position > arguments["frames"]
    if player.fast:
        player.client.set_freewheel(False)
    jumps = player.jumps.at + recorder.jumps.at
    for client in (player.client, recorder.client):
        client.deactivate()
        client.close()
    tell({"impulses_at": list(player.impulses_at), "notes_at": list(player.notes_at), "midi": recorder.midi,
          "audio_at": list(recorder.audio_at), "began_at": player.began_at, "jumps": jumps, "xruns": recorder.xruns})  # fmt: skip


def obey(player: Player, word: str, value: str) -> None:
    """Do what a line says."""
    if word == "play":
        player.client.transport_start()
        for _ in range(200):  # a transport rolls some cycles after it was told to
            if player.client.transport_state == jack.ROLLING:
                break
            time.sleep(0.01)
        tell({"rolling": player.client.transport_state == jack.ROLLING})
    elif word == "stop":
        player.client.transport_stop()
    elif word == "locate":
        player.client.transport_locate(int(value))
    elif word == "start":
        player.started = True
    elif word == "fast":  # the whole take in freewheel mode
        player.client.set_freewheel(True)
        player.started = player.fast = True


def tell(values: dict[str, object]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
