"""`backline run` on MIDI: audio on the clip's places, a picture, and memory that does not grow with the clip."""

import os
import struct
import subprocess
import sys
import zlib

import mido
import numpy as np
import pytest
import soundfile

from server.cli import main
from server.errors import BacklineError
from server.picture import MOST_COLUMNS, Picture

MEASURED = (
    "import resource, sys; from server.cli import main; code = main(); "
    "print('KIB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
)


def write_clip(path, seconds: float, pitches=(60,), channel: int = 0) -> None:
    """Write two notes a second, from half a second on."""
    part = mido.MidiTrack()
    for number in range(round(2 * seconds)):
        pitch = pitches[number % len(pitches)]
        part.append(mido.Message("note_on", note=pitch, velocity=90, channel=channel, time=480 if number == 0 else 240))
        part.append(mido.Message("note_off", note=pitch, channel=channel, time=240))
    mido.MidiFile(tracks=[part]).save(path)


def run(folder, *words) -> int:
    return main(["run", "chime", "--models", str(folder), *map(str, words)])


@pytest.mark.parametrize(
    ("words", "rate"), [((), 48_000), (("--rate", 44_100), 44_100), (("--rate", 32_000, "--block", 8193), 32_000)]
)
def test_audio_lies_on_the_clip_at_a_daws_rate_or_another(chime_folder, tmp_path, words, rate):
    write_clip(tmp_path / "clip.mid", 1.5)
    assert run(chime_folder, tmp_path / "clip.mid", "-o", tmp_path / "a.wav", "-o", tmp_path / "a.flac", *words) == 0
    audio, found = soundfile.read(tmp_path / "a.wav")
    assert found == rate
    assert len(audio) == round(2.75 * rate), "the last note's end and a second"
    for place in (0.5, 1.0, 1.5):
        around = np.abs(audio[round(rate * place) - 200 : round(rate * place) + 200])
        assert around.max() > 0.3
        assert np.argmax(around) == 200
    assert np.abs(soundfile.read(tmp_path / "a.flac")[0] - audio).max() <= 2**-23, "as far as 24 bits go"


def test_what_is_left_out_is_said_on_standard_error(chime_folder, tmp_path, capsys):
    write_clip(tmp_path / "drums.mid", 1, channel=9)
    write_clip(tmp_path / "clip.mid", 1)
    both = mido.MidiFile(tmp_path / "clip.mid")
    both.tracks += mido.MidiFile(tmp_path / "drums.mid").tracks
    both.save(tmp_path / "both.mid")
    assert run(chime_folder, tmp_path / "both.mid", "-o", tmp_path / "both.wav") == 0
    assert capsys.readouterr().err == "backline: both.mid: channel 10 is drums; its 2 notes are left out\n"
    for words in (("clip.mid",), ("both.mid", "--track", "1")):
        assert run(chime_folder, tmp_path / words[0], *words[1:], "-o", tmp_path / "clip.wav") == 0
        assert capsys.readouterr().err == ""
        assert (tmp_path / "clip.wav").read_bytes() == (tmp_path / "both.wav").read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["IN/clip.mid", "-o", "OUT/a.mid"], "model 'chime' gives audio and magnitude, so it cannot write OUT/a.mid"),
        (["IN/clip.mid", "-o", "OUT/a.wav", "--rate", "7"], "sample rate is 7 Hz; allowed: 8000 to 192000"),
        (["IN/clip.mid", "-o", "OUT/a.wav", "--track", "3"], "has no track '3' with notes; there are: 1"),
        (["IN/clip.wav", "-o", "OUT/a.wav"], "model 'chime' takes MIDI, and IN/clip.wav is audio"),
        (["IN/clip.wav", "-o", "OUT/a.wav", "--rate", "48000"], "--rate and --track are for MIDI files"),
        (["IN/none.mid", "-o", "OUT/a.wav"], "IN/none.mid holds no note"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_sentence(chime_folder, tmp_path, capsys, words, sentence):
    (folder := tmp_path / "in").mkdir()
    (out := tmp_path / "out").mkdir()
    write_clip(folder / "clip.mid", 1)
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(folder / "none.mid")
    soundfile.write(folder / "clip.wav", np.zeros(4800), 48_000)
    places = {"IN": str(folder), "OUT": str(out)}
    for word, place in places.items():
        words = [each.replace(word, place) for each in words]
        sentence = sentence.replace(word, place)
    assert run(chime_folder, *words) == 2
    assert sentence in capsys.readouterr().err
    assert not list(out.iterdir())


def test_memory_does_not_grow_with_the_clip(chime_folder, tmp_path):
    def peak(seconds: int) -> int:
        write_clip(tmp_path / "clip.mid", seconds)
        words = [
            "run",
            "chime",
            "--models",
            chime_folder,
            tmp_path / "clip.mid",
            "-o",
            tmp_path / "a.wav",
            "--block",
            "8192",
        ]
        said = subprocess.run([sys.executable, "-P", "-c", MEASURED, *map(str, words)], capture_output=True, text=True, check=True,
                              env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})  # fmt: skip
        assert soundfile.info(tmp_path / "a.wav").duration == pytest.approx(seconds + 1, abs=1.5)
        return int(said.stdout.rsplit("KIB", 1)[1])

    short, long = peak(10), peak(250)
    assert long - short < 12_000, "KiB for four minutes more, which are 46,000 as float32"


def read_png(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, columns) of palette entries, and the palette; every chunk's sum is checked."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + size]
        assert zlib.crc32(name + body) == struct.unpack_from(">I", data, place + 8 + size)[0]
        chunks[name], place = body, place + 12 + size
    columns, rows = struct.unpack_from(">II", chunks[b"IHDR"])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(256, 3)


def test_a_spectrogram_is_drawn_where_the_player_shows_one(chime_folder, tmp_path, capsys):
    write_clip(tmp_path / "clip.mid", 1)
    assert run(chime_folder, tmp_path / "clip.mid", "-o", tmp_path / "a.png", "-o", tmp_path / "a.wav") == 0
    picture, palette = read_png((tmp_path / "a.png").read_bytes())
    assert picture.shape == (65, 563), "bins of a hop of 128; hops in 2.25 s at 32 kHz, the last one begun"
    assert palette[0].tolist() == [0, 0, 0]
    loud = np.flatnonzero(picture.max(axis=0) > 128)
    assert loud.tolist() == [124, 249], (
        "impulses at 0.5 and 1 s, hops of 4 ms that begin 16 samples after their multiples"
    )
    assert main(["run", "probe", str(tmp_path / "clip.mid"), "-o", str(tmp_path / "b.png")]) == 2
    assert "so it cannot write" in capsys.readouterr().err


def test_low_frequencies_are_at_the_bottom_and_a_long_picture_keeps_its_loudest(tmp_path):
    picture, bins = Picture(), np.full(4, 1e-9, np.float32)
    for number in range(3 * MOST_COLUMNS):
        picture.add(np.array([1, 0, 0, 0], np.float32) if number in (0, 7777) else bins)
    picture.write(tmp_path / "long.png")
    drawn, _ = read_png((tmp_path / "long.png").read_bytes())
    assert drawn.shape == (4, 3 * MOST_COLUMNS // 4)
    assert np.flatnonzero(drawn[-1] == 255).tolist() == [0, 7777 // 4]
    assert drawn[0].max() == 0
    with pytest.raises(BacklineError, match="showed no spectrogram"):
        Picture().write(tmp_path / "none.png")
