"""Slakh, MusicNet and POP909 as they are published: stems, works and songs of several instruments."""

import numpy as np
import pytest
import soundfile

from models.sound.datasets import dataset_render, find_dataset
from models.sound.datasets.musicnet import musicnet, read_notes
from models.sound.datasets.pop909 import pop909
from models.sound.datasets.slakh import read_metadata, slakh


def test_slakh_gives_stems_that_sound_and_are_no_drums_once_a_song(slakh_folder, by_split):
    assert by_split(slakh(slakh_folder)) == {
        "test": ["Track01876_S00", "Track01876_S02"],
        "validation": ["Track01501_S00", "Track01501_S02"],
        "train": ["Track00001_S00", "Track00001_S02", "Track00262_S00", "Track00262_S02"],
    }


def test_slakh_leaves_out_stems_that_are_known_to_be_wrong(slakh_folder, by_split, write):
    text = (slakh_folder / "train/Track00262/metadata.yaml").read_text().replace("is_drum: true", "is_drum: false")
    for track in ("Track00001", "Track00262"):
        write(slakh_folder / "train" / track / "metadata.yaml", text.replace("UUID: ee", f"UUID: {track}"))
    names = by_split(slakh(slakh_folder))["train"]
    assert "Track00001_S01" in names
    assert "Track00262_S01" not in names


def test_slakhs_basses_sound_an_octave_below_their_midi(slakh_folder, named, assert_notes, notes):
    recordings = list(slakh(slakh_folder))
    piano, bass = named(recordings, "Track00001_S00"), named(recordings, "Track00001_S02")
    assert (piano.instrument, bass.instrument) == ("piano", "bass")
    assert_notes(piano.performance(), notes)
    assert_notes(bass.performance(), [(onset, end, pitch - 12, velocity) for onset, end, pitch, velocity in notes])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("UUID: aa\n", "", "it has no UUID"),
        ("    is_drum: false\n", "", "says is_drum: None of stem S00; allowed are true and false"),
        ("    is_drum: false\n", "    is_drum: no\n", "says is_drum: no of stem S00"),
        ("    inst_class: Piano\n", "", "gives stem S00 no inst_class"),
        ("    is_drum: false\n", "    - is_drum\n", "line 10, is not written as Slakh writes its stems: '- is_drum'"),
        ("stems:", "roots:", "it has no stems"),
    ],
)
def test_slakhs_metadata_is_read_strictly(slakh_folder, old, new, message, write):
    path = slakh_folder / "train" / "Track00001" / "metadata.yaml"
    write(path, path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message) as refused:
        read_metadata(path)
    assert str(path) in str(refused.value)


def test_musicnet_counts_samples_and_keeps_a_work_on_one_side(musicnet_folder, by_split, named, assert_notes):
    recordings = list(musicnet(musicnet_folder))
    assert by_split(recordings) == {"test": ["1789", "2303"], "train": ["2186"]}
    assert {r.name: r.instrument for r in recordings} == {"1789": "string quartet", "2303": "piano", "2186": "cello"}
    assert [r.piece for r in recordings] == ["mozart: k465", "bach: bwv850", "bach: cello suite no 3"]
    performance = named(recordings, "2186").performance()
    assert_notes(performance, [(9182 / 44100, 90078 / 44100, 43, 64), (1.0, 1.5, 60, 64)])
    assert performance.notes[0, 0] == 9182 / 44100


def test_musicnets_instruments_can_be_read_one_by_one(musicnet_folder):
    labels = musicnet_folder / "train_labels" / "1788.csv"
    assert read_notes(labels, 43).notes[:, 2].tolist() == [43]
    assert read_notes(labels, 41).notes.shape == (0, 4)


def test_musicnet_is_not_read_without_knowing_its_works(musicnet_folder, write):
    metadata = musicnet_folder / "musicnet_metadata.csv"
    write(metadata, metadata.read_text().replace("2303,", "2304,"))
    with pytest.raises(ValueError, match="does not list recording 2303"):
        list(musicnet(musicnet_folder))
    metadata.unlink()
    with pytest.raises(FileNotFoundError, match="it says which recordings are of the same work"):
        next(musicnet(musicnet_folder))


@pytest.mark.parametrize("above", ["", "POP909"])
def test_pop909_is_split_by_song_and_has_no_audio(pop909_folder, above, by_split):
    recordings = list(pop909(pop909_folder / above))
    assert by_split(recordings) == {"train": ["001", "850"], "validation": ["851", "869"], "test": ["870", "909"]}
    assert {recording.audio for recording in recordings} == {None}
    assert find_dataset(pop909_folder / above) == "pop909"


def test_pop909s_tracks_are_chosen(pop909_folder):
    assert next(pop909(pop909_folder)).performance().notes[:, 2].tolist() == [48, 72, 76]
    assert next(pop909(pop909_folder, ("PIANO", "BRIDGE"))).performance().notes[:, 2].tolist() == [48, 76]
    with pytest.raises(ValueError, match="POP909 has no track 'VOICE'; allowed are MELODY, BRIDGE, PIANO"):
        next(pop909(pop909_folder, ("VOICE",)))


def test_pop909_finds_the_songs_own_audio_where_there_is_some(pop909_folder, write, tmp_path):
    own = tmp_path / "mine"
    kept = [write(own / name) for name in ("001.mp3", "850 - A Title.flac", "870.wav", "909_b.OGG")]
    for name in ("870.mp3", "8690.mp3", "851.txt", "notes.mp3"):
        write(own / name)
    heard = {recording.name: recording.audio for recording in pop909(pop909_folder, audio=own)}
    assert heard == dict(zip(("001", "850", "870", "909"), kept, strict=True)) | {"851": None, "869": None}
    beside = write(pop909_folder / "audio" / "851.mp3")
    assert {r.name: r.audio for r in pop909(pop909_folder) if r.audio} == {"851": beside}
    with pytest.raises(
        ValueError, match=r"POP909 holds no song of POP909: files are called 001\.mp3, say; allowed are \.wav"
    ):
        next(pop909(pop909_folder, audio=pop909_folder / "POP909"))


def test_pop909s_audio_is_read_as_renders_are(pop909_folder, tmp_path):
    path = tmp_path / "mine" / "001.wav"
    path.parent.mkdir()
    soundfile.write(path, np.full((22050, 2), 0.25), 22050)
    with_audio = next(r for r in pop909(pop909_folder, audio=path.parent) if r.name == "001")
    render = dataset_render(with_audio, 16000)
    assert len(render.audio) == 16000
    assert render.notes[:, :3].tolist() == [[8000, 16000, pitch] for pitch in (48, 72, 76)]
    with pytest.raises(ValueError, match="recording 001 of pop909 has no audio"):
        dataset_render(next(r for r in pop909(pop909_folder) if r.name == "001"))
