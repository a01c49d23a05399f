"""`run arranger`: a song's file in, a piano's .mid out, on the beats of a file or on those that are found."""

import mido
import numpy as np
import pytest
import soundfile

RATE = 22_050


@pytest.fixture
def arrange(backline, arranger_folder, tmp_path):
    """A function (sound, *words) -> what the command said; the file is `piano.mid`."""

    def run(sound, *words):
        soundfile.write(tmp_path / "song.wav", sound.T, RATE)
        return backline(
            "run", arranger_folder / "plain_arranger", tmp_path / "song.wav", "-o", tmp_path / "piano.mid", *words
        )

    return run


@pytest.fixture
def beats(tmp_path):
    """A file of 4/4 at 120 bpm from the beginning on."""
    path = tmp_path / "song.beats"
    path.write_text("".join(f"{n / 2:.6f} {n % 4 + 1}\n" for n in range(25)))
    return path


def struck(path):
    """Return (tick, pitch) of a file's notes, and its ticks a beat."""
    file = mido.MidiFile(path)
    ticks = np.cumsum([message.time for message in file.tracks[0]])
    found = [
        (tick, m.note) for tick, m in zip(ticks, file.tracks[0], strict=True) if m.type == "note_on" and m.velocity
    ]
    return found, file.ticks_per_beat


def test_a_song_is_arranged_on_the_beats_of_a_file(arrange, beats, song, tmp_path):
    said = arrange(song(RATE, 24), "--beats", beats)
    assert said.code == 0
    notes, beat = struck(tmp_path / "piano.mid")
    assert {tick % (beat // 4) for tick, _ in notes} == {0}
    assert {tick // (4 * beat) for tick, _ in notes} == set(range(6)), "from the first bar to the last"
    assert "notes; wrote" in said.out


def test_the_beat_of_a_song_is_found_and_said(arrange, song, tmp_path):
    said = arrange(song(RATE, 48), "--set", "metre=4/4")
    assert said.code == 0
    assert "beats a minute, 4 a bar, from" in said.err
    notes, beat = struck(tmp_path / "piano.mid")
    off = np.array([tick % (beat // 4) for tick, _ in notes])
    assert np.mean(np.minimum(off, beat // 4 - off) <= 2) > 0.95


def test_what_has_no_beat_is_said_to_have_none(arrange, tmp_path):
    said = arrange(np.zeros((1, 3 * RATE), np.float32))
    assert said.code == 0
    assert "no beat was found in" in said.err
    assert "--beats FILE says where the beats are" in said.err
    assert said.out.startswith("0 notes; wrote")


def test_beats_without_music_give_an_empty_file_and_a_sentence(arrange, beats, tmp_path):
    said = arrange(np.zeros((1, 12 * RATE), np.float32), "--beats", beats)
    assert said.code == 0
    assert "found nothing to play to in" in said.err
    assert not struck(tmp_path / "piano.mid")[0]


def test_the_texture_of_a_midi_file_is_taken_over(arrange, beats, song, tmp_path):
    file, track = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
    for step in range(8):
        track.append(mido.Message("note_on", note=50 + step, velocity=80, time=240 if step else 0))
        track.append(mido.Message("note_off", note=50 + step, time=240))
    file.tracks.append(track)
    file.save(tmp_path / "texture.mid")
    said = arrange(song(RATE, 24), "--beats", beats, "--set", f"texture={tmp_path / 'texture.mid'}")
    assert said.code == 0
    notes, beat = struck(tmp_path / "piano.mid")
    assert {(tick * 4 // beat % 32, pitch) for tick, pitch in notes} == {(4 * n, 50 + n) for n in range(8)}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("texture=nowhere.mid", "nowhere.mid"),
        ("texture=good", "a .mid is read by `backline run` alone"),
        ("chords=Am Q", "chords has 'Q'; a chord is a root"),
        ("look_ahead_ms=12", "look_ahead_ms is '12'; allowed: auto, 0, 2000, 4000, 8000, 16000"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arrange, song, tmp_path, setting, reason):
    said = arrange(song(RATE, 4), "--set", setting)
    assert reason in said.sentence
    assert not (tmp_path / "piano.mid").exists()
