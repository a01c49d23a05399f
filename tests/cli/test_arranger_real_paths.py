"""`run arranger` as it ships, with what people give it: any length, rate and level, no beat, 3/4, speech, and files of beats that are none.

Each gets a piano that can be played, or a sentence; a refused one leaves no file, and an older file as it was.
"""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
import soxr

RATE, FIRST, BEAT = 44_100, 0.1, 0.5
HELD = "a chord that is held"
ROUND = ((45, 3), (41, 4), (48, 4), (43, 4))
"""Roots and thirds of bars."""


def waltz(rate: int, beats: int, metre: int = 3) -> np.ndarray:
    """Return a bass on each bar's first beat, chords on the others and a click on all, (n,) float32, 0.6 at its loudest."""
    rng, sound = np.random.default_rng(1), np.zeros(round(rate * (FIRST + BEAT * beats + 0.5)))
    for beat in range(beats):
        root, third = ROUND[beat // metre % 4]
        begin, down = round(rate * (FIRST + BEAT * beat)), beat % metre == 0
        time = np.arange(min(rate, len(sound) - begin)) / rate
        for pitch, level in [(root - 12, 0.3)] if down else [(root + 12 + tone, 0.1) for tone in (0, third, 7)]:
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            tones = sum(np.sin(2 * np.pi * hertz * n * time) / n**1.5 for n in range(1, 6) if hertz * n < rate / 2.2)
            sound[begin : begin + len(time)] += level * np.exp(-3 * time) * tones
        click = rng.standard_normal(rate // 50) * np.exp(-300 * np.arange(rate // 50) / rate)
        sound[begin : begin + len(click)] += (0.4 if down else 0.2) * click
    return (0.6 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture(scope="module")
def four() -> np.ndarray:
    """Twelve bars of 4/4 at RATE."""
    return waltz(RATE, 48, 4)


@pytest.fixture
def arrange(backline, tmp_path):
    """A function (sound, rate=RATE, *words) -> what the command said; the file is `piano.mid`."""

    def run(sound, rate=RATE, *words):
        soundfile.write(tmp_path / "song.wav", sound, rate, subtype="FLOAT")
        said = backline("run", "arranger", tmp_path / "song.wav", "-o", tmp_path / "piano.mid", "--block", 1024, *words)
        assert "Traceback" not in said.err
        assert said.code in (0, 2)
        assert not [path for path in tmp_path.iterdir() if path.name not in ("song.wav", "piano.mid", "song.beats")]
        return said

    return run


def notes_of(path: Path) -> list[tuple[int, int]]:
    """Return (tick, pitch) of a file's notes; each has an end, and no key is struck while it is down."""
    now, found, down = 0, [], set()
    for message in mido.MidiFile(path).tracks[0]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            assert message.note not in down
            assert 21 <= message.note <= 108
            down.add(message.note)
            found.append((now, message.note))
        elif message.type in ("note_on", "note_off"):
            down.discard(message.note)
    assert not down
    assert max(Counter(tick for tick, _ in found).values(), default=0) <= 10, "ten fingers"
    return found


def check_song(path: Path, beats: int, metre: int = 4) -> None:
    """A piano plays in most bars, on the sixteenths of the beat, in the song's key, and the file has the song's bars."""
    found, file = notes_of(path), mido.MidiFile(path)
    sixteenth = file.ticks_per_beat // 4
    off = np.array([min(tick % sixteenth, -tick % sixteenth) for tick, _ in found])
    assert np.mean(off <= 3) > 0.95
    seconds = np.cumsum([message.time for message in file])
    assert seconds[-1] < FIRST + BEAT * beats + 1
    signatures = [message for message in file.tracks[0] if message.type == "time_signature"]
    assert (signatures[-1].numerator, signatures[-1].denominator) == (metre, 4)
    bars = {tick // (metre * file.ticks_per_beat) for tick, _ in found}
    assert len(bars) >= 0.8 * beats / metre
    scale = {pitch % 12 for pitch in (0, 2, 4, 5, 7, 9, 11)}
    assert np.mean([pitch % 12 in scale for _, pitch in found]) > 0.8


def check_nothing(said, path: Path, reason: str) -> None:
    """No note is written, and a sentence says why."""
    assert said.code == 0
    assert reason in said.err
    assert said.out.startswith("0 notes; wrote")
    assert not notes_of(path)


@pytest.mark.parametrize("rate", [8_000, 11_025, 48_000, 96_000])
def test_a_song_of_any_rate_is_arranged(arrange, tmp_path, rate):
    said = arrange(soxr.resample(waltz(RATE, 48, 4), RATE, rate), rate)
    assert "beats a minute, 4 a bar" in said.err
    check_song(tmp_path / "piano.mid", 48)


@pytest.mark.parametrize("gain_db", [-70, -50, -30, 34])
def test_a_song_of_any_level_is_arranged(arrange, four, tmp_path, gain_db):
    said = arrange(four * np.float32(10 ** (gain_db / 20)))
    assert ("under full scale; it is heard" in said.err) == (gain_db < -40)
    check_song(tmp_path / "piano.mid", 48)


def test_both_channels_are_heard(arrange, four, tmp_path):
    arrange(np.stack([four, 0.5 * np.roll(four, 40)], 1))
    check_song(tmp_path / "piano.mid", 48)
    found = notes_of(tmp_path / "piano.mid")
    arrange(np.stack([four, np.zeros_like(four)], 1))
    other = notes_of(tmp_path / "piano.mid")
    assert len(set(found) & set(other)) > 0.5 * len(found)


def test_a_waltz_is_found_and_played_in_three(arrange, tmp_path):
    said = arrange(waltz(RATE, 48))
    assert "beats a minute, 3 a bar" in said.err
    check_song(tmp_path / "piano.mid", 48, 3)


def test_beats_of_a_file_are_kept(arrange, tmp_path):
    (tmp_path / "song.beats").write_text("".join(f"{FIRST + BEAT * n} {n % 3 + 1}\n" for n in range(48)))
    assert arrange(waltz(RATE, 48), RATE, "--beats", tmp_path / "song.beats").code == 0
    check_song(tmp_path / "piano.mid", 48, 3)


@pytest.mark.parametrize("seconds", [1 / RATE, 0.5, 1.0])
def test_what_is_too_short_for_a_beat_is_said_to_have_none(arrange, four, tmp_path, seconds):
    said = arrange(four[: max(1, round(seconds * RATE))])
    check_nothing(said, tmp_path / "piano.mid", "no beat was found in")
    assert "--beats FILE says where the beats are" in said.err


def test_seconds_of_a_song_with_beats_are_arranged(arrange, four, tmp_path):
    (tmp_path / "song.beats").write_text("".join(f"{FIRST + BEAT * n} {n % 4 + 1}\n" for n in range(48)))
    said = arrange(four[: 3 * RATE], RATE, "--beats", tmp_path / "song.beats")
    assert said.code == 0
    assert len(notes_of(tmp_path / "piano.mid")) > 5


def sounds_without_a_song() -> dict[str, np.ndarray]:
    time, rng = np.arange(12 * RATE) / RATE, np.random.default_rng(3)
    held = 0.1 * sum(np.sin(2 * np.pi * hertz * time) for hertz in (110.0, 220.0, 277.18, 329.63))
    return {
        "silence": np.zeros(12 * RATE), "noise": 0.1 * rng.standard_normal(len(time)), "hum": 0.3 * np.sin(2 * np.pi * 50 * time),
        "loud noise": np.clip(rng.standard_normal(len(time)), -1, 1), HELD: held,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "told"), [(n, t) for n in sounds_without_a_song() for t in (False, True) if not t or n != HELD]
)
def test_what_is_no_song_is_not_played_to(arrange, tmp_path, name, told):
    sound = sounds_without_a_song()[name].astype(np.float32)
    if told:
        (tmp_path / "song.beats").write_text("".join(f"{BEAT * n} {n % 4 + 1}\n" for n in range(24)))
        said = arrange(sound, RATE, "--beats", tmp_path / "song.beats")
    else:
        said = arrange(sound)
    check_nothing(said, tmp_path / "piano.mid", "found nothing to play to in" if told else "no beat was found in")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs Debian's espeak-ng")
@pytest.mark.parametrize(
    "words", ["The price of bread is what the council has decided to speak about tonight. ", "One two three four. "]
)
def test_speech_is_not_played_to(arrange, tmp_path, words):
    subprocess.run(["espeak-ng", "-w", tmp_path / "song.wav", 6 * words], check=True)
    sound, rate = soundfile.read(tmp_path / "song.wav", dtype="float32")
    check_nothing(arrange(sound, rate), tmp_path / "piano.mid", "no beat was found in")


def test_a_click_alone_is_a_beat_and_no_music(arrange, tmp_path):
    sound, rng = np.zeros(16 * RATE, np.float32), np.random.default_rng(4)
    for beat in range(32):
        sound[beat * RATE // 2 :][:800] = 0.5 * rng.standard_normal(800) * np.exp(-np.arange(800) / 100)
    check_nothing(arrange(sound), tmp_path / "piano.mid", "found nothing to play to in")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "has 0 beats; allowed: two or more"),
        (b"hello world\n", "line 1 is 'hello world'"),
        (bytes(range(256)), "it is no text"),
        (b"3 1\n2 2\n", "line 2: the beat at 2 s follows one at 3 s"),
        (b"100 1\n101 2\n", "begins at 100.0 s; allowed: before the end of"),
    ],
)
def test_beats_that_are_none_are_refused_and_an_older_file_stays(arrange, four, tmp_path, text, reason):
    (tmp_path / "song.beats").write_bytes(text)
    said = arrange(four, RATE, "--beats", tmp_path / "song.beats")
    assert reason in said.sentence
    assert not (tmp_path / "piano.mid").exists()
    (tmp_path / "piano.mid").write_bytes(b"older")
    assert reason in arrange(four, RATE, "--beats", tmp_path / "song.beats").sentence
    assert (tmp_path / "piano.mid").read_bytes() == b"older"


def test_an_empty_file_and_one_that_is_no_sound_are_refused(arrange, backline, tmp_path):
    assert "holds no audio (0 samples)" in arrange(np.zeros(0, np.float32)).sentence
    (tmp_path / "song.wav").write_bytes(b"RIFF and no more")
    said = backline("run", "arranger", tmp_path / "song.wav", "-o", tmp_path / "piano.mid")
    assert "song.wav" in said.sentence
    assert not (tmp_path / "piano.mid").exists()
