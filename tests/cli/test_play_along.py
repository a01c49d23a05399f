"""`backline run drummer`: on a .mid's own tempo and metre, on the beat found in a bass, and sensible where it is no such bass."""

import mido
import numpy as np
import pytest
import soundfile

from server.midi.file import TICKS_PER_BEAT
from server.midi.tempo_map import read_tempo

RATE = 16_000
EXACT = ("--set", "humanise=0", "--set", "fills=0")
RIFF = (0, 1, 1.5, 2, 2.5, 3)


def pluck(pitch: float) -> np.ndarray:
    time = np.arange(round(0.25 * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * time) / k for k in range(1, 10))
    return 0.3 * np.exp(-8 * time) * np.minimum(1, time / 0.003) * tone


@pytest.fixture
def bass(tmp_path):
    """A function (tempo, places of a bar's notes, beats a bar, seconds, detuned semitones) -> the path of a .wav."""

    def write(tempo, riff=RIFF, bar=4, seconds=16.0, detuned=0.0):
        audio = np.zeros(round((seconds + 1) * RATE))
        for number in range(int(seconds * tempo / 60 / bar)):
            for place in riff:
                note = pluck((33, 36, 29, 31)[number % 4] + detuned + (7 if place else 0))
                start = round((number * bar + place) * 60 / tempo * RATE)
                audio[start : start + len(note)] += note
        soundfile.write(tmp_path / "bass.wav", np.clip(audio, -1, 1), RATE)
        return tmp_path / "bass.wav"

    return write


def hits(path):
    """Return of a .mid (tick, note) of what is struck."""
    (track,) = mido.MidiFile(path).tracks
    ticks = np.cumsum([message.time for message in track])
    return [(tick, m.note) for tick, m in zip(ticks, track, strict=True) if m.type == "note_on"]


def metres(path):
    (track,) = mido.MidiFile(path).tracks
    return [(m.numerator, m.denominator) for m in track if m.type == "time_signature"]


def write_clip(path, changes, notes, ticks=480):
    """changes: (tick, message). notes: ticks at which a bass note begins."""
    file = mido.MidiFile(type=1, ticks_per_beat=ticks)
    for rows in (changes, [row for tick in notes for row in _note(tick)]):
        track, now = mido.MidiTrack(), 0
        for tick, message in sorted(rows, key=lambda row: row[0]):
            track.append(message.copy(time=tick - now))
            now = tick
        file.tracks.append(track)
    file.save(path)


def _note(tick):
    return (tick, mido.Message("note_on", note=33, velocity=100)), (tick + 200, mido.Message("note_off", note=33))


def tempo(bpm):
    return mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))


def metre(over, under):
    return mido.MetaMessage("time_signature", numerator=over, denominator=under)


def test_a_clip_is_played_to_in_its_own_tempo_and_metre(backline, tmp_path):
    change = 8 * 3 * 480  # eight bars of three
    notes = [*range(0, change, 480), *range(change, change + 16 * 480, 480)]
    write_clip(
        tmp_path / "b.mid", [(0, tempo(150)), (0, metre(3, 4)), (change, tempo(97.3)), (change, metre(4, 4))], notes
    )
    said = backline("run", "drummer", tmp_path / "b.mid", "-o", tmp_path / "d.mid", *EXACT, "--set", "intro=beat")
    assert said.code == 0, said.err
    assert metres(tmp_path / "d.mid") == [(3, 4), (4, 4)]
    found = hits(tmp_path / "d.mid")
    inside = [tick for tick, _ in found if tick < (24 + 16) * TICKS_PER_BEAT]
    assert len(inside) > 80
    assert {tick % (TICKS_PER_BEAT // 4) for tick in inside} == {0}
    assert {36, 38, 42} <= {note for _, note in found}
    assert np.isclose(mido.MidiFile(tmp_path / "d.mid").length, 24 * 60 / 150 + 16 * 60 / 97.3, atol=1.0)


def test_the_tempo_of_a_clip_is_told_as_a_host_tells_it(tmp_path):
    changes = [(0, metre(6, 8)), (480, tempo(90)), (3 * 480, metre(4, 4)), (5 * 480, tempo(60)), (5 * 480, metre(4, 4))]
    write_clip(tmp_path / "b.mid", changes, [0])
    told, tempos = read_tempo(tmp_path / "b.mid", 48_000)
    assert [(t.sample, round(t.tempo_bpm, 3), t.position, t.bar, t.beat, t.beats_a_bar) for t in told] == [
        (0, 120, 0, 1, 0, 3), (24_000, 90, 1, 1, 1, 3), (88_000, 90, 3, 2, 0, 4), (152_000, 60, 5, 2, 2, 4),
    ]  # fmt: skip
    assert tempos.metres == ((0, 6, 8), (3 * TICKS_PER_BEAT, 4, 4))
    assert tempos.tick(4.0) == pytest.approx(5.8333 * TICKS_PER_BEAT, abs=1)


def test_a_tempo_that_is_none_is_refused(backline, tmp_path):
    write_clip(tmp_path / "b.mid", [(0, mido.MetaMessage("set_tempo", tempo=50_000))], [0, 2400])
    said = backline("run", "drummer", tmp_path / "b.mid", "-o", tmp_path / "d.mid")
    assert "a tempo is 50000 us a beat; allowed: 1 to 1000 beats a minute" in said.sentence


def test_a_clip_that_was_played_to_no_click_can_be_listened_to_instead(backline, tmp_path):
    places = [round((bar * 4 + beat) * 60 / 97 * 2 * 480) for bar in range(8) for beat in RIFF]  # at 120 bpm on paper
    write_clip(tmp_path / "b.mid", [(0, tempo(120))], places)
    said = backline("run", "drummer", tmp_path / "b.mid", "-o", tmp_path / "d.mid", "--beats", "none", *EXACT)
    assert said.code == 0
    assert "found 97.0 beats a minute, 4 a bar" in said.err


def test_the_beat_that_was_found_is_written_into_the_clip(backline, bass, tmp_path):
    said = backline("run", "drummer", bass(104), "-o", tmp_path / "d.mid", *EXACT)
    assert said.code == 0
    assert "found 104." in said.err or "found 103.9" in said.err
    (track,) = mido.MidiFile(tmp_path / "d.mid").tracks
    tempos = [mido.tempo2bpm(m.tempo) for m in track if m.type == "set_tempo"]
    assert np.median(tempos) == pytest.approx(104, rel=0.01)
    assert metres(tmp_path / "d.mid") == [(4, 4)]
    ticks = np.array([tick for tick, _ in hits(tmp_path / "d.mid")])
    assert len(ticks) > 40
    sixteenth = TICKS_PER_BEAT / 4
    assert np.mean(np.abs(ticks / sixteenth - np.round(ticks / sixteenth)) < 0.1) > 0.95
    assert mido.MidiFile(tmp_path / "d.mid").length < 18


@pytest.mark.parametrize(
    ("what", "words", "tempi"),
    [
        ({"tempo": 110, "detuned": 0.45}, (), (110,)),
        ({"tempo": 50, "seconds": 24.0}, (), (50, 100)),
        ({"tempo": 220, "riff": (0, 1, 2, 3)}, (), (110, 220)),
        ({"tempo": 120, "riff": (0, 1, 2), "bar": 3}, ("metre=3/4",), (120,)),
        ({"tempo": 70, "riff": (0, 1 / 3, 2 / 3, 1, 5 / 3), "bar": 2, "seconds": 20.0}, ("metre=6/8",), (70,)),
    ],
    ids=["out of tune", "50 bpm", "220 bpm", "3/4", "6/8"],
)
def test_any_bass_is_played_to(backline, bass, tmp_path, what, words, tempi):
    sets = [word for each in words for word in ("--set", each)]
    said = backline("run", "drummer", bass(**what), "-o", tmp_path / "d.mid", "-o", tmp_path / "d.wav", *EXACT, *sets)
    assert said.code == 0
    found = float(said.err.split("found ")[1].split()[0])
    assert min(abs(found / one - 1) for one in tempi) < 0.02, said.err
    assert len(hits(tmp_path / "d.mid")) > 20
    audio, _ = soundfile.read(tmp_path / "d.wav")
    assert 0.05 < np.abs(audio).max() < 1
    if words:
        assert metres(tmp_path / "d.mid") == [(3 if "3/4" in words[0] else 2, 4)]


def test_a_rare_metre_is_played_plainly(backline, bass, tmp_path):
    beats = tmp_path / "b.beats"
    beats.write_text("".join(f"{index * 60 / 110:.5f} {index % 5 + 1}\n" for index in range(29)))
    words = ("-o", tmp_path / "d.mid", "--beats", beats, *EXACT)
    assert backline("run", "drummer", bass(110, riff=(0, 1.5, 3, 4), bar=5), *words).code == 0
    found = hits(tmp_path / "d.mid")
    snares = [tick / TICKS_PER_BEAT % 5 for tick, note in found if note == 38]
    assert {1, 3} <= set(snares)
    assert len(found) < 5 * 29


def test_six_eighths_have_the_snare_on_the_fourth(backline, bass, tmp_path):
    beats = tmp_path / "b.beats"
    beats.write_text("".join(f"{index * 60 / 210:.5f} {index % 6 + 1}\n" for index in range(60)))
    path = bass(70, riff=(0, 1 / 3, 2 / 3, 1, 5 / 3), bar=2)
    said = backline("run", "drummer", path, "-o", tmp_path / "d.mid", "--beats", beats, *EXACT, "--set", "metre=6/8")
    assert said.code == 0
    found = hits(tmp_path / "d.mid")
    eighths = {note: {tick / TICKS_PER_BEAT % 6 for tick, n in found if n == note} for _, note in found}
    assert all(place == int(place) for places in eighths.values() for place in places)
    assert eighths[42] == set(range(6))
    assert 3 in eighths[38]
    assert 0 not in eighths[38]
    assert 0 in eighths[36]


NO_BASS = {
    "silence": lambda rng: np.zeros(10 * RATE),
    "noise": lambda rng: 0.1 * rng.standard_normal(10 * RATE),
    "a drone": lambda rng: 0.3 * np.sin(2 * np.pi * 55 * np.arange(10 * RATE) / RATE),
    "a constant": lambda rng: np.full(10 * RATE, 0.5),
    "one note": lambda rng: np.concatenate([pluck(33), np.zeros(5 * RATE)]),
}


@pytest.mark.parametrize("what", NO_BASS)
def test_what_has_no_beat_is_answered_in_a_sentence(backline, tmp_path, what):
    soundfile.write(tmp_path / "b.wav", NO_BASS[what](np.random.default_rng(1)), RATE)
    said = backline("run", "drummer", tmp_path / "b.wav", "-o", tmp_path / "d.mid")
    assert said.code == 0
    assert "no beat was found in" in said.err
    assert "--beats FILE says where the beats are" in said.err
    assert not hits(tmp_path / "d.mid")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("drum_map=ezx", "drum_map is 'ezx'; allowed: general_midi, roland, hydrogen"),
        ("drum_notes=kick", "drum_notes has 'kick'; allowed: DRUM=NOTE, with one of kick, stick, snare, hat"),
        ("drum_notes=kick=36,cowbell=56", "drum_notes has 'cowbell=56'; allowed: DRUM=NOTE"),
        ("drum_notes=kick=128", "drum_notes has kick at '128'; allowed: a MIDI note from 0 to 127"),
        ("metre=9/8", "metre is '9/8'; allowed: auto, 2/4, 3/4, 4/4, 5/4, 6/8, 12/8"),
    ],
)
def test_a_map_or_metre_that_is_none_is_refused(backline, bass, tmp_path, word, reason):
    said = backline("run", "drummer", bass(120, seconds=1.0), "-o", tmp_path / "d.mid", "--set", word)
    assert reason in said.sentence
    assert not (tmp_path / "d.mid").exists()
