"""Songs are read from MIDI in the sources' layouts, kept and read again; drums without a bass are lent or made one."""

import numpy as np
import pretty_midi
import pytest

from models.drummer.bassists import HABITS_OF, is_swung, with_bassist
from models.drummer.kit import KICK, TIME
from models.drummer.material import Song, load_songs, read_songs, store_songs
from models.drummer.passages import lend_bass, passages_of, plain_beat, plain_fit, style_patterns

TEMPO = 100.0
BEAT = 60 / TEMPO


def write_midi(path, beats=48, bass=True, late=0.0):
    """A plain beat, with a bass on its kicks."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=TEMPO)
    drums, line = pretty_midi.Instrument(0, True), pretty_midi.Instrument(34)
    for beat in range(beats):
        for place, note in ((0, 42), (0.5, 42), (0, 36 if beat % 2 == 0 else 38)):
            at = (beat + place + late) * BEAT
            drums.notes.append(pretty_midi.Note(90, note, at, at + 0.05))
        line.notes.append(pretty_midi.Note(80, 28 + beat % 4, beat * BEAT, beat * BEAT + 0.3))
    midi.instruments += [drums, line] if bass else [drums]
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))


@pytest.fixture
def data(tmp_path):
    """A data folder with a song of each kind."""
    write_midi(tmp_path / "midi_multitrack/game/one.mid")
    write_midi(tmp_path / "midi_groove/drummer1/1_rock.mid", bass=False, late=0.02)
    info = "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split\n"
    info += f"drummer1,s,1,rock/groove,{TEMPO:g},beat,4-4,drummer1/1_rock.mid,x.wav,30,test\n"
    (tmp_path / "midi_groove/info.csv").write_text(info)
    write_midi(tmp_path / "midi_pop909_band/001_1.mid")
    (tmp_path / "midi_pop909_band/index.tsv").write_text("song\tversion\tgroove\tinfo\tdur\n001\t1\tBasicRock\t\t1\n")
    beats = "\n".join(f"{i * BEAT} 1.0 {float(i % 4 == 0)}" for i in range(52))
    (tmp_path / "midi_pop909/001").mkdir(parents=True)
    (tmp_path / "midi_pop909/001/beat_midi.txt").write_text(beats)
    return tmp_path


@pytest.mark.parametrize("source", ["multitrack", "groove", "band"])
def test_a_song_lies_on_its_beats(data, source):
    (song,) = read_songs(data, source)
    assert song.source == source
    assert song.tempo_bpm == pytest.approx(TEMPO, abs=0.1)
    assert song.numbers[:5].tolist() == [1, 2, 3, 4, 1]
    kicks = song.drums[song.drums[:, 1] == 36, 0]
    np.testing.assert_allclose(kicks, np.arange(0, 48, 2) + (0.02 if source == "groove" else 0), atol=0.01)
    assert len(song.bass) == (0 if source == "groove" else 48)
    assert song.split == ("test" if source == "groove" else "train")


def test_songs_are_kept_and_read_again(data, tmp_path):
    songs = [song for source in ("groove", "multitrack") for song in read_songs(data, source)]
    store_songs(songs, tmp_path / "songs.npz")
    again = load_songs(tmp_path / "songs.npz")
    assert [song.name for song in again] == [song.name for song in songs]
    for one, other in zip(songs, again, strict=True):
        np.testing.assert_array_equal(one.drums, other.drums)
    assert [song.split for song in load_songs(tmp_path / "songs.npz", "test")] == ["test"]


def test_an_unknown_source_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(ValueError, match="source is 'tape'; allowed: groove, multitrack, band"):
        next(read_songs(tmp_path, "tape"))
    with pytest.raises(FileNotFoundError, match="midi_groove"):
        next(read_songs(tmp_path, "groove"))


def test_a_passage_is_the_plain_beat_where_it_is_played(data):
    (passage,) = passages_of(read_songs(data, "multitrack"))
    np.testing.assert_array_equal(passage.grooves[3], plain_beat(4))
    assert plain_fit(passage) == pytest.approx(1)
    assert passage.bass[:, 0, 0].all()


def test_a_take_is_lent_the_bass_of_a_song_in_its_metre(data):
    takes, songs = passages_of(read_songs(data, "groove")), passages_of(read_songs(data, "band"))
    (lent,) = lend_bass(takes, songs, np.random.default_rng(1))
    np.testing.assert_array_equal(lent.velocity, takes[0].velocity)
    assert lent.bass[:, 0, 0].all()
    assert not lend_bass(takes, [], np.random.default_rng(1))


@pytest.mark.parametrize("style", [*HABITS_OF, "klezmer"])
def test_a_bassist_plays_in_every_style(data, style):
    (take,) = passages_of(read_songs(data, "groove"))
    named = type(take)(take.name, take.source, style, take.tempo_bpm, take.bar, take.bass, take.velocity, take.late)
    lines = [with_bassist(named, np.random.default_rng(seed)).bass for seed in range(6)]
    assert all((line[..., 0] > 0).any() and np.isfinite(line).all() for line in lines)


def test_a_swung_ride_has_a_bass_on_its_triplets(data):
    hits = [[beat + place, note, 80] for beat in range(32) for place, note in ((0, 51), (2 / 3, 51), (0, 36))]
    nothing = np.zeros((0, 4), np.float32)
    numbers = (np.arange(32) % 4 + 1).astype(np.int16)
    song = Song("swing", "groove", "country/beat", 140.0, nothing, np.array(hits, np.float32), numbers, "train")
    (take,) = passages_of([song])
    assert is_swung(take)
    assert take.velocity[:, 0, KICK].all()
    assert take.velocity[:, 3, TIME].all()
    late = np.concatenate([line[:, 3, 2][line[:, 3, 0] > 0] for line in _lines(take)])
    assert len(late)
    assert -0.6 < late.mean() < -0.15


def _lines(take):
    return [with_bassist(take, np.random.default_rng(seed)).bass for seed in range(20)]


def test_a_style_is_how_often_its_takes_play_each_hit(data):
    takes = passages_of(read_songs(data, "groove")) * 6
    patterns = style_patterns(takes)
    assert list(patterns) == ["rock"]
    np.testing.assert_array_equal(patterns["rock"][..., [0, 1, 2]].reshape(16, 3), plain_beat(4))
    assert style_patterns(takes[:2]) == {}
