"""SuperCollider, headless, with the script that is shipped: sclang opens a stream, sends audio and gets the notes.

Arrays first, where every sample is known; then a bus of scsynth under JACK's dummy driver, and the notes as synths.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from benchmarks.native.jackd import jackd
from models.events import NoteOn
from server.audio.file import read_audio
from server.model_store import find_model, open_stream
from server.run_file import run_stream

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "plugin_bridge" / "supercollider" / "backline.scd"
RATE = 48_000
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(
    shutil.which("sclang") is None, reason="sclang (package supercollider-language) is not installed"
)

# What the script's user writes: a file through a stream as fast as it is answered, every event on standard output.
FROM_A_FILE = """
(
"{script}".load;
~backline.control = NetAddr("127.0.0.1", {port});
~backline.onMidi = {{ |self, status, data1, data2, due, place|
    "EVENT [%, %, %, %, %]".format(status, data1, data2, due, place).postln
}};
~backline.onFail = {{ |self, command, reason| "FAILED %: %".format(command, reason).postln; 0.exit }};
~backline.onOpen = {{ |self|
    "OPEN [%, %]".format(self.stream, self.latency).postln;
    fork {{
        var file = SoundFile.openRead("{sound}"), sound = Signal.newClear(file.numFrames);
        file.readData(sound);
        while {{ self.nextSample < sound.size }} {{
            self.sendBlock(sound[self.nextSample .. (self.nextSample + self.blockSize).min(sound.size) - 1]);
            while {{ self.nextSample - self.processed > 16384 }} {{ 0.002.wait }};
        }};
        while {{ self.processed < sound.size }} {{ 0.005.wait }};
        "CLOSED".postln;
        self.closeStream;
        0.exit;
    }};
}};
~backline.openStream("{model}", ({settings}));
)
"""

FROM_A_BUS = """
(
"{script}".load;
~backline.control = NetAddr("127.0.0.1", {port});
~backline.onMidi = {{ |self, status, data1, data2, due, place|
    "EVENT [%, %, %, %, %]".format(status, data1, data2, due, place).postln
}};
~backline.onFail = {{ |self, command, reason| "FAILED %: %".format(command, reason).postln; 0.exit }};
s.options.numOutputBusChannels = 2;
s.options.numInputBusChannels = 0;
s.waitForBoot {{
    var bus = Bus.audio(s, 1), played = 0;
    s.sync;
    ~backline.onOpen = {{ |self|
        fork {{
            self.tapBus(bus);
            s.sync;
            {{ Out.ar(bus, Impulse.ar(8)) }}.play(s);
            while {{ self.nextSample < (2.5 * s.sampleRate) }} {{ played = max(played, s.numSynths); 0.02.wait }};
            "SYNTHS [%]".format(played).postln;
            self.closeStream;
            0.2.wait;
            s.quit;
            0.5.wait;
            0.exit;
        }};
    }};
    ~backline.openStream("probe", (stream: "commit"));
}};
)
"""


class Said:
    """What a sclang printed."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def of(self, word: str) -> list[list[int]]:
        """Return the numbers of the lines that begin with `word`."""
        return [json.loads(line.removeprefix(word)) for line in self.lines if line.startswith(word + " [")]

    def onsets(self) -> list[tuple[int, int, int]]:
        """Return the notes that begin: pitch, due, place."""
        return [(pitch, due, place) for status, pitch, velocity, due, place in self.of("EVENT")
                if status & 0xF0 == 0x90 and velocity]  # fmt: skip


@pytest.fixture
def sclang(tmp_path: Path) -> Callable[..., Said]:
    """A function (program, **environment) -> Said: a language of its own that runs it to its end."""
    runtime, home = tmp_path / "runtime", tmp_path / "home"
    runtime.mkdir(mode=0o700)
    home.mkdir()
    # It has an editor inside, which wants no display, no sandbox and no window.
    quiet = {
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "HOME": str(home),
    }

    def run(program: str, **environment: str) -> Said:
        path = tmp_path / "program.scd"
        path.write_text(program)
        words = ["sclang", "-u", "0", str(path)]
        done = subprocess.run(
            words, env=os.environ | quiet | environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert "ERROR" not in done.stdout, done.stdout[-3000:]
        return Said(done.stdout.splitlines())

    return run


@pytest.fixture
def jack_environment() -> Iterator[dict[str, str]]:
    """What a client of a JACK server with the dummy driver, at 48 kHz and 256 frames, is started with."""
    with jackd(256, RATE) as server:
        yield server.environment


def from_a_file(folder: Path, port: int, model: str, sound: NDArray[np.float32], settings: str) -> str:
    """Return the program that sends `sound`."""
    path = folder / "sound.wav"
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return FROM_A_FILE.format(script=SCRIPT, port=port, sound=path, model=model, settings=settings)


def test_impulses_give_notes_at_their_samples(sclang, port, tmp_path):
    places = [1_000, 5_003, 20_001, 47_000]
    sound = np.zeros(RATE + 4096, np.float32)
    sound[places] = 0.9
    said = sclang(from_a_file(tmp_path, port, "probe", sound, 'pace: "free"'))
    [[_, latency]] = said.of("OPEN")
    assert latency > 0
    assert [(60, place + latency, place) for place in places] == said.onsets()


def test_the_take_gives_the_notes_of_the_file(sclang, port, tmp_path):
    take, _ = read_audio(ROOT / "server" / "takes" / "take.ogg")
    sound = take[:, : 5 * RATE]
    said = sclang(from_a_file(tmp_path, port, "transcriber", sound[0], 'pace: "free", look_ahead_ms: 40'))
    stream = open_stream(find_model("transcriber"), {"look_ahead_ms": "40"}, RATE)
    wanted = [(e.pitch, e.sample) for e in run_stream(stream, sound).events() if isinstance(e, NoteOn)]
    [[_, latency]] = said.of("OPEN")
    heard = [(pitch, place) for pitch, _, place in said.onsets()]
    assert len(heard) > 15
    assert heard == wanted[: len(heard)]
    # What had not left at the file's end, a latency later, is all that may be missing.
    assert all(place + latency >= sound.shape[1] for _, place in wanted[len(heard) :])


def test_a_refusal_reaches_the_script(sclang, port, tmp_path):
    said = sclang(from_a_file(tmp_path, port, "probe", np.zeros(64, np.float32), 'colour: "red"'))
    [line] = [line for line in said.lines if line.startswith("FAILED")]
    assert line.startswith("FAILED /backline/stream/open:")
    assert "colour" in line


@pytest.mark.skipif(shutil.which("scsynth") is None, reason="scsynth (package supercollider-server) is not installed")
@pytest.mark.skipif(shutil.which("jackd") is None, reason="jackd is not installed")
def test_a_bus_gives_notes_that_are_played(sclang, port, jack_environment):
    said = sclang(FROM_A_BUS.format(script=SCRIPT, port=port), **jack_environment)
    places = np.array([place for _, _, place in said.onsets()])
    assert len(places) > 10
    # Sample for sample, over all blocks. (After its first impulse, at phase 0, scsynth's second is a sample late.)
    np.testing.assert_array_equal(np.diff(places[1:]), np.full(len(places) - 2, 6000))
    [[synths]] = said.of("SYNTHS")
    assert synths > 2  # the tap, the impulses, and a note
