"""`run --beats`: a file of beats stands for the host's transport, and the drums lie on them to the sample."""

import mido
import numpy as np
import pytest
import soundfile

from models.events import NoteOn
from server.beats_file import FASTEST_LEAD_BPM, read_beats
from server.errors import BacklineError
from server.midi.file import TICKS_PER_BEAT, write_midi

WAVERING = np.concatenate([[0.731], 0.731 + np.cumsum(0.5 + 0.05 * np.sin(np.arange(20)))])


@pytest.fixture
def beats_file(tmp_path):
    """A function (lines) -> the path of a file that holds them."""

    def write(lines):
        path = tmp_path / "b.beats"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def seconds_of(path):
    """Return (seconds, pitch) of a file's note-ons, by the exact time of its ticks."""
    (track,) = mido.MidiFile(path).tracks
    micro, tempo, out = 0.0, 500_000, []
    for message in track:
        micro += message.time * tempo / TICKS_PER_BEAT
        if message.type == "set_tempo":
            tempo = message.tempo
        if message.type == "note_on":
            out.append((micro / 1e6, message.note))
    return out


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_drums_of_a_file_lie_on_its_beats_and_on_the_clips_lines(backline, beats_file, tmp_path, rate):
    path = beats_file(f"{time:.6f}\t{1 + index % 4}" for index, time in enumerate(WAVERING))
    time = np.arange(12 * rate) / rate
    bass = sum(np.exp(-9 * np.maximum(0, time - at)) * (time >= at) * np.sin(900 * (time - at)) for at in WAVERING)
    soundfile.write(tmp_path / "bass.wav", 0.3 * bass, rate)
    words = ("--beats", path, "--set", "humanise=0", "--set", "intro=beat")
    said = backline("run", "drummer", tmp_path / "bass.wav", "-o", tmp_path / "d.mid", "-o", tmp_path / "d.wav", *words)
    assert said.code == 0
    notes = seconds_of(tmp_path / "d.mid")
    lines = np.interp(np.arange(0, 20.01, 0.25), np.arange(21), WAVERING)
    apart = [np.abs(lines - place).min() for place, _ in notes if place < WAVERING[-1]]
    assert len(apart) > 40
    assert max(apart) <= 1 / rate
    audio, written = soundfile.read(tmp_path / "d.wav")
    assert (written, len(audio)) == (rate, 12 * rate)
    first = np.flatnonzero(np.abs(audio) > 1e-3)[0] / rate
    assert abs(first - WAVERING[0]) < 0.002
    ticks = np.cumsum([message.time for message in mido.MidiFile(tmp_path / "d.mid").tracks[0]])
    on_lines = [
        tick for tick, m in zip(ticks, mido.MidiFile(tmp_path / "d.mid").tracks[0], strict=True) if m.type == "note_on"
    ]
    assert {tick % (TICKS_PER_BEAT // 4) for tick in on_lines} == {0}


@pytest.mark.parametrize(
    ("first", "number"), [(0.0, 1), (0.006, 1), (0.02, 2), (0.1, 1), (0.1, 3), (0.26, 4), (0.4, 1)]
)
def test_downbeats_lie_on_bar_lines_however_soon_the_first_beat_comes(beats_file, tmp_path, first, number):
    beats = read_beats(beats_file(f"{first + n / 2:.5f} {(number - 1 + n) % 4 + 1}" for n in range(16)))
    downs = [round(48_000 * at) for at, n in zip(beats.seconds, beats.numbers, strict=True) if n == 1]
    notes = [NoteOn(place, 36, 90) for place in downs]
    write_midi(tmp_path / "c.mid", notes, 48_000, "c", tempos=beats.tempo_map(TICKS_PER_BEAT))
    now, line, size, struck, tempos = 0, 0, 0, 0, []
    for message in mido.MidiFile(tmp_path / "c.mid").tracks[0]:
        now += message.time
        if message.type == "time_signature":
            assert size == 0 or (now - line) % size == 0, "a metre changes on a bar's line"
            line, size = now, message.numerator * TICKS_PER_BEAT * 4 // message.denominator
        elif message.type == "set_tempo":
            tempos.append(mido.tempo2bpm(message.tempo))
        elif message.type == "note_on":
            struck += 1
            assert (now - line) % size == 0
    assert struck == len(downs)
    assert size == 4 * TICKS_PER_BEAT
    assert max(tempos) <= FASTEST_LEAD_BPM + 1


def test_half_an_hour_of_beats_does_not_drift(beats_file, tmp_path):
    times = np.cumsum(np.random.default_rng(1).uniform(0.3, 0.7, 3600)).round(5)
    beats = read_beats(beats_file(f"{time:.5f} {1 + index % 3}" for index, time in enumerate(times)))
    places = np.round(times * 48_000).astype(int)
    write_midi(
        tmp_path / "c.mid",
        [NoteOn(int(p), 36, 90) for p in places],
        48_000,
        "c",
        tempos=beats.tempo_map(TICKS_PER_BEAT),
    )
    assert np.abs(np.array([place for place, _ in seconds_of(tmp_path / "c.mid")]) - times).max() < 1 / 48_000


def test_beats_become_what_a_host_would_tell(beats_file):
    lines = [
        "1 3",
        "1.5 4",
        "2 1",
        "2.5 2",
        "3.0 3",
        "3.75 4",
        "4.5 1",
        "5.0 2",
        "5.5 1",
        "6 2",
        "6.5 3",
        "7 4",
        "7.5 1",
    ]
    told = read_beats(beats_file(lines)).transports(1000)
    assert [t.sample for t in told] == [t.host_sample for t in told]
    assert [t.sample for t in told] == [round(1000 * float(line.split()[0])) for line in lines] + [8000]
    assert [t.tempo_bpm for t in told[:6]] == [120, 120, 120, 120, 80, 80]
    assert [t.bar for t in told[:-1]] == [1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 5]
    assert [t.beat for t in told[:4]] == [2, 3, 0, 1]
    assert {t.beats_a_bar for t in told[:-1]} == {4.0}, "a bar that is cut short is still one of four"
    assert [t.playing for t in told] == [True] * 13 + [False]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["0.5 1", "one 2"],
            "line 2 is 'one 2'; a line is a time in seconds and the beat's number in its bar, as in 12.5 1",
        ),
        (["0.5 1", "", "1.0"], "line 3 is '1.0'; a line is"),
        (["0.5 1", "nan 2"], "line 2 is 'nan 2'"),
        (["-0.5 1", "1 2"], "line 1: the time is -0.5 s; allowed: 0 and more"),
        (["0.5 1", "1 0"], "line 2: the beat's number is 0; allowed: 1 to 32"),
        (["0.5 1", "1 1.5"], "line 2: the beat's number is 1.5; allowed: 1 to 32"),
        (["0.5 1", "1.5 2", "1.2 3"], "line 3: the beat at 1.2 s follows one at 1.5 s; allowed: 0.06 to 60 s later"),
        (["0.5 1", "0.51 2"], "line 2: the beat at 0.51 s follows one at 0.5 s"),
        (["0.5 1"], "has 1 beats; allowed: two or more"),
        ([], "has 0 beats"),
    ],
)
def test_a_line_that_is_no_beat_is_named(beats_file, lines, reason):
    path = beats_file(lines)
    with pytest.raises(BacklineError) as refusal:
        read_beats(path)
    assert reason in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_file_that_is_none_is_refused_in_a_sentence(backline, inputs, tmp_path):
    for name, reason in (("nowhere.beats", "No such file"), ("good.wav", "it is no text")):
        said = backline("run", "drummer", inputs / "good.wav", "--beats", inputs / name, "-o", tmp_path / "d.mid")
        assert reason in said.sentence
