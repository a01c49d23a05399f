"""A disk that is full: nothing half-written, and what was there before stays as it was."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.events import NoteOn
from server.audio.file import write_audio
from server.errors import BacklineError
from server.files import write_whole
from server.run_file import Take, write_log
from server.scheduler import Emission


@pytest.fixture(scope="session")
def long_take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of clicks at 8 kHz: 144 kB of output as a .wav, 4 kB as MIDI, 60 kB as a log."""
    audio = np.zeros(48_000, np.float32)
    audio[::110] = 0.9
    path = tmp_path_factory.mktemp("take") / "clicks.wav"
    soundfile.write(path, audio, 8_000)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 kB with 20 kB used by outputs of an earlier run."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield disk
    subprocess.run(["umount", disk], check=True)


OUTPUTS = {"audio": ["-o", "out.wav"], "log": ["-o", "small.mid", "--log", "out.jsonl"]}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_full_disk_leaves_the_earlier_file_and_nothing_else(command_line, long_take, small_disk, kind):
    earlier = b"earlier" * 3000
    target = small_disk / OUTPUTS[kind][-1]
    target.write_bytes(earlier)
    said = command_line("run", "probe", long_take, *OUTPUTS[kind], cwd=small_disk)
    assert said.returncode == 2, said
    assert said.stderr == f"backline: cannot write {target.name}: No space left on device\n"
    assert target.read_bytes() == earlier
    assert {path.name for path in small_disk.iterdir()} <= {target.name, "small.mid"}, "a .part file is left"


@pytest.mark.parametrize(
    ("limit", "outputs"),
    [
        (50_000, ["-o", "out.wav"]),
        (0, ["-o", "out.wav"]),
        (1000, ["-o", "out.mid"]),
        (20_000, ["-o", "small.mid", "--log", "out.jsonl"]),
    ],
)
def test_a_file_that_may_not_grow_is_not_written_at_all(command_line, long_take, tmp_path, limit, outputs):
    target = tmp_path / outputs[-1]
    target.write_bytes(b"earlier")
    said = command_line(
        "run",
        "probe",
        long_take,
        *outputs,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert said.returncode == 2, said
    assert said.stderr == f"backline: cannot write {target.name}: File too large\n"
    assert target.read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} <= {target.name, "small.mid"}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_every_kind_of_audio_file_notices_a_full_disk(small_disk, suffix):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 400_000)).astype(np.float32)
    with pytest.raises(BacklineError, match="No space left on device"):
        write_audio(small_disk / f"noise{suffix}", noise, 48_000)
    assert list(small_disk.iterdir()) == []


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    full, null = tmp_path / "full", tmp_path / "null"  # links, so that a failure costs no device
    full.symlink_to("/dev/full")
    null.symlink_to("/dev/null")
    with pytest.raises(BacklineError, match=r"cannot write .*full: No space left on device"):
        write_log(full, loud_take())
    write_log(null, loud_take())
    assert full.is_char_device()
    assert null.is_char_device()
    assert {path.name for path in tmp_path.iterdir()} == {"full", "null"}


def loud_take() -> Take:
    """Return a take with a note in it."""
    return Take(48_000, [(Emission(64, 0, NoteOn(0, 60, 100)), 128)])


def test_a_writer_that_breaks_leaves_nothing(tmp_path):
    def half(path: Path) -> None:
        path.write_text("half")
        raise OSError(5, "the disk is gone")

    (tmp_path / "whole.mid").write_text("earlier")
    with pytest.raises(BacklineError, match=r"cannot write .*whole.mid: the disk is gone"):
        write_whole(tmp_path / "whole.mid", half)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("whole.mid", "earlier")]
