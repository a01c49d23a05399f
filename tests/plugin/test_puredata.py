"""Pure Data, headless, with the patch that is shipped: it opens a stream, sends audio and plays the notes.

Pd's logical time is exact, so what is looked at is where in it a note leaves: as far from the note before as it was played.
"""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pythonosc.osc_message import OscMessage

from models.events import NoteOn
from server.audio.file import read_audio
from server.model_store import find_model, open_stream
from server.run_file import run_stream

ROOT = Path(__file__).parents[2]
PATCHES = ROOT / "plugin_bridge" / "puredata"
RATE = 48_000
LAG_MS = 300  # so that a busy machine does not push a note past its place
PATIENCE = 30.0

pytestmark = pytest.mark.skipif(shutil.which("pd") is None, reason="Pure Data (package puredata-core) is not installed")

# The patch under test in the middle; a file is played into it once the stream is open, and what it says goes out as OSC with
# the logical time since the stream was opened.
PLAYER = """#N canvas 0 0 700 500 12;
#X obj 20 200 backline~ {model} {port};
#X obj 20 100 tabplay~ file;
#X obj 150 20 table file;
#X obj 300 20 loadbang;
#X obj 300 45 t b b b b;
#X msg 500 80 read -resize {sound} file;
#X obj 500 105 soundfiler;
#X msg 420 80 \\; pd dsp 1;
#X msg 340 130 lag {lag};
#X msg 260 160 open {settings};
#X obj 20 240 t l b;
#X obj 100 270 timer;
#X obj 20 300 list append 0;
#X obj 20 330 oscformat note;
#X obj 20 400 netsend -u -b;
#X msg 120 370 connect localhost {listen};
#X obj 200 240 t a a;
#X obj 260 270 list prepend;
#X obj 260 285 list;
#X obj 260 330 oscformat said;
#X obj 200 60 route opened;
#X obj 200 85 t b b;
#X obj 400 240 oscformat other;
#X obj 320 60 t b b;
#X connect 0 0 10 0;
#X connect 0 1 22 0;
#X connect 0 2 16 0;
#X connect 1 0 0 0;
#X connect 3 0 4 0;
#X connect 4 3 5 0;
#X connect 5 0 6 0;
#X connect 4 2 15 0;
#X connect 4 1 8 0;
#X connect 4 0 23 0;
#X connect 23 1 7 0;
#X connect 23 0 9 0;
#X connect 8 0 0 1;
#X connect 9 0 0 1;
#X connect 10 1 11 1;
#X connect 11 0 12 1;
#X connect 10 0 12 0;
#X connect 12 0 13 0;
#X connect 13 0 14 0;
#X connect 15 0 14 0;
#X connect 16 1 17 0;
#X connect 17 0 18 0;
#X connect 16 0 20 0;
#X connect 18 0 19 0;
#X connect 19 0 14 0;
#X connect 20 0 21 0;
#X connect 21 0 1 0;
#X connect 21 1 11 0;
#X connect 22 0 14 0;
"""


class Player:
    """A Pd that plays a file through the patch; what it says is read from a socket."""

    def __init__(self, folder: Path, port: int, model: str, sound: NDArray[np.float32], settings: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        soundfile.write(folder / "sound.wav", sound, RATE, subtype="FLOAT")
        escaped = settings.replace(",", "\\,")
        patch = PLAYER.format(model=model, port=port, sound="sound.wav", lag=LAG_MS, settings=escaped,
                              listen=self._socket.getsockname()[1])  # fmt: skip
        (folder / "player.pd").write_text(patch)
        words = ["pd", "-nogui", "-noaudio", "-stderr", "-r", str(RATE), "-path", str(PATCHES), "player.pd"]
        self._process = subprocess.Popen(
            words, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def said(self, address: str) -> list[object]:
        """Return the arguments of the next message of that address; what comes before is passed over."""
        while True:
            message = OscMessage(self._socket.recv(65536))
            if message.address == address:
                return list(message.params)

    def notes(self, count: int) -> list[tuple[int, float]]:
        """Return the next `count` notes that begin: pitch, logical time in samples."""
        found: list[tuple[int, float]] = []
        while len(found) < count:
            pitch, velocity, milliseconds = (float(str(value)) for value in self.said("/note"))
            if velocity:
                found.append((int(pitch), milliseconds * RATE / 1000))
        return found

    def close(self) -> str:
        """End it; return what it complained of."""
        self._process.terminate()
        _, errors = self._process.communicate(timeout=10)
        self._socket.close()
        return errors


@pytest.fixture
def play(port: int, tmp_path: Path) -> Iterator[Callable[..., Player]]:
    """A function (model, sound, settings="") -> Player; none may have complained."""
    players: list[Player] = []

    def start(model: str, sound: NDArray[np.float32], settings: str = "") -> Player:
        players.append(Player(tmp_path, port, model, sound, settings))
        return players[-1]

    yield start
    for player in players:
        assert "error" not in player.close()


def test_impulses_come_back_as_notes_as_far_apart_as_they_were(play):
    places = np.array([4_800, 12_001, 24_337, 48_064, 72_191])
    sound = np.zeros(2 * RATE, np.float32)
    sound[places] = 0.9
    player = play("probe", sound)
    opened = player.said("/said")
    assert opened[0] == "opened"
    assert opened[2] > 0  # a commit stream declares a latency
    notes = player.notes(len(places))
    assert [pitch for pitch, _ in notes] == [60] * len(places)
    heard = np.array([place for _, place in notes])
    # A float32 of seconds in milliseconds is good for a hundredth of a sample.
    assert np.abs(np.diff(heard) - np.diff(places)).max() < 0.1


def test_a_refusal_reaches_the_patch(play):
    player = play("nobody", np.zeros(64, np.float32))
    said = player.said("/said")
    assert said[:2] == ["fail", "/backline/stream/open"]
    assert "there is no model 'nobody'" in str(said[2])


def test_the_take_gives_the_notes_of_the_file(play):
    take, rate = read_audio(ROOT / "server" / "takes" / "take.ogg")
    assert rate == RATE
    sound = take[:, : 4 * RATE]
    player = play("transcriber", sound[0], '{"stream":"commit","look_ahead_ms":40}')
    player.said("/said")
    heard = player.notes(15)
    # Pd hands blocks of 256 on by blocks of 64: the first begins one to four of these before the file does.
    assert any(same(heard, onsets(sound, shift)) for shift in range(64, 320, 64)), heard


def onsets(sound: NDArray[np.float32], shift: int) -> list[tuple[int, float]]:
    """Return the notes that `backline run` hears where the sound begins after `shift` samples: pitch, host sample."""
    stream = open_stream(find_model("transcriber"), {"stream": "commit", "look_ahead_ms": "40"}, RATE)
    events = run_stream(stream, np.pad(sound, ((0, 0), (shift, 0)))).events()
    return [(event.pitch, float(event.sample)) for event in events if isinstance(event, NoteOn)]


def same(heard: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> bool:
    """Whether what was heard is the beginning of what was wanted: the same pitches, as far apart."""
    wanted = wanted[: len(heard)]
    if [pitch for pitch, _ in heard] != [pitch for pitch, _ in wanted]:
        return False
    distances = np.diff([place for _, place in heard]) - np.diff([place for _, place in wanted])
    return bool(np.abs(distances).max() < 0.1)


def test_notes_end_where_the_server_dies(start_server, held_folder, tmp_path):
    with start_server("--models", str(held_folder)) as server:
        server.client.load("held")
        player = Player(tmp_path, server.port, "held", np.full(20 * RATE, 0.5, np.float32), '{"stream":"live"}')
        player.said("/said")
        sounding = {pitch for pitch, _ in player.notes(3)}
        assert len(sounding) == 3
        server.process.kill()
        while sounding:
            pitch, velocity, _ = player.said("/note")
            assert velocity == 0
            sounding.remove(int(float(str(pitch))))
        assert player.said("/said") == ["lost"]
        player.close()
