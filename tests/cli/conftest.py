"""Files that a user might offer, and the command line in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from server.cli import main


@dataclass(frozen=True, slots=True)
class Said:
    """What a command line left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence on standard error of a refusal."""
        assert self.code == 2, self
        assert self.err.startswith("backline: "), self.err
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def backline(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """A function (words...) -> Said: the command line in this process."""

    def run(*words: object) -> Said:
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:  # argparse's way out
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def clicks() -> np.ndarray:
    """Half a second at 48 kHz with five clicks, (n,) float32."""
    audio = np.zeros(24_000, np.float32)
    audio[1000::5000] = 0.9
    return audio


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, clicks: np.ndarray) -> Path:
    """A folder of input files, good and bad."""
    folder = tmp_path_factory.mktemp("inputs")
    soundfile.write(folder / "good.wav", clicks, 48_000, subtype="PCM_16")
    whole = (folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "header.wav").write_bytes(whole[:30])
    soundfile.write(folder / "none.wav", clicks[:0], 48_000)
    soundfile.write(folder / "slow.wav", clicks, 7_000)
    soundfile.write(folder / "fast.wav", clicks, 200_000)
    soundfile.write(folder / "nan.wav", np.full(24_000, np.nan, np.float32), 48_000, subtype="FLOAT")
    soundfile.write(folder / "six.wav", np.repeat(clicks[:, None], 6, axis=1), 44_100)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("This is no audio.\n" * 100)
    (folder / "text.mid").write_text("This is no MIDI.\n" * 100)
    (folder / "empty.mid").touch()
    (folder / "good.txt").write_bytes(whole)
    (folder / "folder.wav").mkdir()
    (folder / "folder.mid").mkdir()
    file = mido.MidiFile(
        type=1,
        tracks=[
            mido.MidiTrack(
                [mido.Message("note_on", note=60, velocity=90, time=10), mido.Message("note_off", note=60, time=480)]
            )
        ],
    )
    file.save(folder / "good.mid")
    notes = (folder / "good.mid").read_bytes()
    (folder / "cut.mid").write_bytes(notes[:-9])
    (folder / "type2.mid").write_bytes(notes.replace(b"\0\0\0\6\0\1", b"\0\0\0\6\0\2"))
    (folder / "timecode.mid").write_bytes(notes[:12] + b"\xe7\x28" + notes[14:])
    (folder / "no_clock.mid").write_bytes(notes[:12] + b"\0\0" + notes[14:])
    mido.MidiFile(tracks=[mido.MidiTrack([mido.MetaMessage("track_name", name="nothing")])]).save(
        folder / "no_note.mid"
    )
    mido.MidiFile(tracks=[mido.MidiTrack([mido.Message("note_on", note=60, time=0x0FFFFFFF)])]).save(
        folder / "years.mid"
    )
    return folder
