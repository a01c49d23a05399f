"""Every data set is read as it is published: its notes, its times, its splits, and what it gets wrong."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from models.sound.datasets import DATASETS, Recording, find_dataset
from models.sound.datasets.guitarset import guitarset, read_contours
from models.sound.datasets.maestro import maestro
from models.sound.datasets.maps import maps
from models.sound.datasets.musicnet import musicnet, read_notes
from models.sound.datasets.pop909 import pop909
from models.sound.datasets.recording import keep_apart
from models.sound.datasets.slakh import read_metadata, slakh
from models.sound.performance import Performance

NOTES = ((0.5, 1.0, 60, 80), (0.75, 1.5, 64, 30), (2.0, 2.25, 67, 127))
TICK = 1e-3  # s; the MIDI files below count 960 ticks a quarter of 0.5 s


def write_midi(
    path: Path, notes: Iterable[tuple] = NOTES, pedal: tuple = (), name: str = "", drums: bool = False
) -> Path:
    """A MIDI file of one track, or, if it is there, one more track in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    midi = pretty_midi.PrettyMIDI(str(path)) if path.exists() else pretty_midi.PrettyMIDI(resolution=960)
    track = pretty_midi.Instrument(0, drums, name)
    track.notes = [pretty_midi.Note(velocity, pitch, start, end) for start, end, pitch, velocity in notes]
    track.control_changes = [
        pretty_midi.ControlChange(64, value, time) for down, up in pedal for time, value in ((down, 127), (up, 0))
    ]
    midi.instruments.append(track)
    midi.write(str(path))
    return path


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def by_split(recordings: Iterable[Recording]) -> dict[str, list[str]]:
    split: dict[str, list[str]] = {}
    for recording in recordings:
        split.setdefault(recording.split, []).append(recording.name)
    return {name: sorted(names) for name, names in split.items()}


def named(recordings: Iterable[Recording], name: str) -> Recording:
    return next(recording for recording in recordings if recording.name == name)


def assert_notes(performance: Performance, expected: Iterable[tuple]) -> None:
    rows = np.array(list(expected), float)
    assert performance.notes.shape == rows.shape
    assert performance.notes.dtype == np.float64
    assert np.abs(performance.notes[:, :2] - rows[:, :2]).max() < TICK
    assert np.array_equal(performance.notes[:, 2:], rows[:, 2:])


MAESTRO_ROWS = (
    ("Franz Liszt", "Sonata, B Minor", "train", 2004, "2004/one"),
    ("Frédéric Chopin", "Étude Op. 10 No. 1", "validation", 2008, "2008/two"),
    ("Johann Sebastian Bach", "Prelude", "test", 2018, "2018/three"),
    ("Johann  Sebastian Bach", "prelude", "train", 2018, "2018/four"),
)


@pytest.fixture
def maestro_folder(tmp_path: Path) -> Path:
    header = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"
    rows = [f'{c},"{t}",{s},{y},{f}.midi,{f}.wav,3.0\n' for c, t, s, y, f in MAESTRO_ROWS]
    write(tmp_path / "maestro-v3.0.0.csv", header + "".join(rows))
    for *_, name in MAESTRO_ROWS:
        write_midi(tmp_path / f"{name}.midi", pedal=((0.6, 1.75),))
        write(tmp_path / f"{name}.wav")
    return tmp_path


@pytest.fixture
def maps_folder(tmp_path: Path) -> Path:
    for name in (
        "ENSTDkCl/MUS/MAPS_MUS-bach_846_ENSTDkCl",
        "AkPnBcht/MUS/MAPS_MUS-bach_846_AkPnBcht",
        "AkPnBcht/MUS/MAPS_MUS-chpn_op25_e3_AkPnBcht",
        "AkPnCGdD/MUS/MAPS_MUS-bach_846-format0_AkPnCGdD",
        "MAPS_SptkBGCl_1/SptkBGCl/MUS/MAPS_MUS-scn15_5_SptkBGCl",
        "AkPnBcht/ISOL/NO/MAPS_ISOL_NO_F_S0_M60_AkPnBcht",
        "ENSTDkCl/ISOL/NO/MAPS_ISOL_NO_F_S0_M60_ENSTDkCl",
        "MAPS_SptkBGCl_1/SptkBGCl/MUS/MAPS_MUS-liz_et1_SptkBGCl",
        "MAPS_SptkBGCl_1/SptkBGCl/UCHO/I60-68/C2/MAPS_UCHO_C2_I60-68_S0_n1_SptkBGCl",
        "MAPS_SptkBGCl_1/SptkBGCl/RAND/M36-95/P2/MAPS_RAND_M36-95_P2_I60-68_S0_n1_SptkBGCl",
    ):
        write(tmp_path / f"{name}.wav")
        write_midi(tmp_path / f"{name}.mid", pedal=((0.9, 3.0),))
        write(tmp_path / f"{name}.txt", "OnsetTime\tOffsetTime\tMidiPitch\n0.5\t3.0\t60\n0.75\t3.0\t64\n2\t3.0\t67\n\n")
    return tmp_path


GUITAR_NOTES = {0: ((0.5, 0.5, 40.1),), 3: ((0.9, 0.6, 55.3), (2.0, 0.5, 57.0))}  # by string: time, duration, pitch


def jams(by_column: bool) -> str:
    """An annotation of the notes above; contours 5.8 ms apart lie 0.25 semitones above the rounded pitch."""
    annotations = []
    for string in reversed(range(6)):
        notes = GUITAR_NOTES.get(string, ())
        contour = [
            (time, 0.0, {"voiced": time > 0.51, "index": 0, "frequency": 440 * 2 ** ((round(pitch) + 0.25 - 69) / 12)})
            for start, length, pitch in notes
            for time in np.arange(start, start + length, 0.0058).tolist()
        ]
        for namespace, rows in (("note_midi", notes), ("pitch_contour", contour)):
            if by_column and namespace == "pitch_contour":
                times, durations, values = zip(*rows, strict=True) if rows else ((), (), ())
                data = {"time": times, "duration": durations, "value": values, "confidence": [None] * len(rows)}
            else:
                data = [{"time": t, "duration": d, "value": v, "confidence": None} for t, d, v in rows]
            source = {"data_source": str(string)}
            annotations.append({"namespace": namespace, "annotation_metadata": source, "data": data})
    annotations.append({"namespace": "tempo", "annotation_metadata": {"data_source": ""}, "data": []})
    return json.dumps({"annotations": annotations, "file_metadata": {"duration": 3.0}})


@pytest.fixture
def guitarset_folder(tmp_path: Path) -> Path:
    for name in ("00_BN1-129-Eb_comp", "05_Jazz2-110-Bb_solo", "03_BN3-119-G_solo", "01_Rock1-90-C#_comp"):
        write(tmp_path / "annotation" / f"{name}.jams", jams(by_column=True))
        write(tmp_path / "audio_mono-mic" / f"{name}_mic.wav")
        write(tmp_path / "audio_hex-pickup_debleeded" / f"{name}_hex_cln.wav")
    write(tmp_path / "annotation" / "04_Jazz1-200-B_comp.jams", jams(by_column=True))
    return tmp_path


def slakh_song(folder: Path, uuid: str) -> None:
    """A piano, drums, a bass and a stem that was never rendered."""
    stems = (
        ("Piano", "false", "true"),
        ("Drums", "true", "true"),
        ("Bass", "false", "true"),
        ("Organ", "false", "false"),
    )
    lines = [f"UUID: {uuid}", "audio_dir: stems", "normalized: true", "overall_gain: 0.18", "stems:"]
    for number, (kind, drums, made) in enumerate(stems):
        lines += [
            f"  S{number:02d}:", f"    audio_rendered: {made}", f"    inst_class: {kind}", "    integrated_loudness: -12.8",
            f"    is_drum: {drums}", f"    midi_program_name: Electric {kind} (finger)", f"    midi_saved: {made}",
            "    plugin_name: None", "    program_num: 1",
        ]  # fmt: skip
        write_midi(folder / "MIDI" / f"S{number:02d}.mid", drums=drums == "true")
        write(folder / "stems" / f"S{number:02d}.flac")
    write(folder / "metadata.yaml", "\n".join([*lines, "target_peak: -1.0", ""]))


@pytest.fixture
def slakh_folder(tmp_path: Path) -> Path:
    for place, uuid in (
        ("train/Track00001", "aa"), ("train/Track00002", "bb"), ("train/Track00262", "ee"), ("validation/Track01501", "cc"),
        ("test/Track01876", "bb"), ("omitted/Track00003", "dd"),
    ):  # fmt: skip
        slakh_song(tmp_path / place, uuid)
    return tmp_path


@pytest.fixture
def musicnet_folder(tmp_path: Path) -> Path:
    labels = "start_time,end_time,instrument,note,start_beat,end_beat,note_value\n"
    labels += "44100,66150,1,60,0.0,1.0,Quarter\n9182,90078,43,43,4.0,1.5,Dotted Quarter\n"
    for split, name in (("train", "1788"), ("train", "1792"), ("train", "2186"), ("test", "1789"), ("test", "2303")):
        write(tmp_path / f"{split}_labels" / f"{name}.csv", labels)
        write(tmp_path / f"{split}_data" / f"{name}.wav")
    write(
        tmp_path / "musicnet_metadata.csv",
        "id,composer,composition,movement,ensemble,source,transcriber,catalog_name,seconds\n"
        "1788,Mozart,String Quartet No 19 in C major,1. Adagio - Allegro,String Quartet,a,b,K465,513\n"
        "1789,Mozart,String Quartet No 19 in C major,2. Andante cantabile,String Quartet,a,b,K465,461\n"
        "1792,Mozart,String Quartet in C,1. Adagio - Allegro,String Quartet,a,b,K465,472\n"
        "2186,Bach,Cello Suite No 3,1. Prelude,Solo Cello,a,b,,200\n"
        "2303,Bach,WTK I,Fugue,Solo Piano,a,b,BWV850,90\n",
    )
    return tmp_path


@pytest.fixture
def pop909_folder(tmp_path: Path) -> Path:
    for song in (1, 850, 851, 869, 870, 909):
        folder = tmp_path / "POP909" / f"{song:03d}"
        for track, pitch in (("MELODY", 72), ("BRIDGE", 76), ("PIANO", 48)):
            write_midi(folder / f"{song:03d}.mid", [(0.5, 1.0, pitch, 90)], name=track)
        write_midi(folder / "versions" / f"{song:03d}-v1.mid")
        write(folder / "beat_midi.txt", "0.0 1.0 1.0\n")
    return tmp_path


FOLDERS = ("maestro_folder", "maps_folder", "slakh_folder", "musicnet_folder", "pop909_folder", "guitarset_folder")


@pytest.mark.parametrize("fixture", FOLDERS)
def test_a_layout_is_recognised_read_lazily_and_keeps_each_piece_on_one_side(fixture, request, assert_playable):
    folder = request.getfixturevalue(fixture)
    name = find_dataset(folder)
    assert name == fixture.removesuffix("_folder")
    recordings = list(DATASETS[name](folder))
    assert len({recording.name for recording in recordings}) == len(recordings) > 1
    splits: dict[str, set[str]] = {}
    for recording in recordings:
        assert recording.dataset == name
        assert recording.audio is None or recording.audio.is_file()
        splits.setdefault(recording.piece, set()).add(recording.split)
        assert_playable(recording.performance())
    assert all(len(names) == 1 for names in splits.values())


@pytest.mark.parametrize("name", DATASETS)
def test_a_loader_refuses_a_folder_of_something_else(name, tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is not the top folder of"):
        list(DATASETS[name](tmp_path))


def test_an_unknown_folder_is_refused_with_what_is_allowed(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is not the top folder of a known data set; allowed are maestro"):
        find_dataset(tmp_path)
    with pytest.raises(ValueError, match="nowhere is no folder"):
        find_dataset(tmp_path / "nowhere")


def test_recordings_of_a_piece_that_is_held_out_are_left_out():
    def recording(name: str, piece: str, split: str) -> Recording:
        return Recording("set", name, piece, split, "piano", None, lambda: pytest.fail("read before it is needed"))

    given = [
        recording(*row)
        for row in (("a", "x", "test"), ("b", "x", "validation"), ("c", "y", "train"), ("d", "x", "test"))
    ]
    assert [kept.name for kept in keep_apart(given)] == ["a", "c", "d"]


def test_maestro_has_velocities_key_releases_and_pedal(maestro_folder):
    recordings = list(maestro(maestro_folder))
    one = named(recordings, "one")
    assert (one.piece, one.instrument) == ("franz liszt: sonata, b minor", "piano")
    assert one.audio == maestro_folder / "2004" / "one.wav"
    assert_notes(one.performance(), NOTES)
    assert one.performance().pedal.ravel().tolist() == pytest.approx([0.6, 1.75], abs=TICK)


def test_maestro_is_split_by_its_table_and_a_piece_under_test_is_not_trained_on(maestro_folder):
    assert by_split(maestro(maestro_folder)) == {"train": ["one"], "validation": ["two"], "test": ["three"]}


@pytest.mark.parametrize("columns", [True, False], ids=["version 3", "version 2"])
def test_maestros_json_tells_the_same_as_its_table(maestro_folder, columns):
    expected = list(maestro(maestro_folder))
    (maestro_folder / "maestro-v3.0.0.csv").unlink()
    names = ("canonical_composer", "canonical_title", "split", "year")
    rows = [
        dict(zip(names, row[:4], strict=True)) | {"midi_filename": f"{row[4]}.midi", "audio_filename": f"{row[4]}.wav"}
        for row in MAESTRO_ROWS
    ]
    table = {name: {str(number): row[name] for number, row in enumerate(rows)} for name in rows[0]} if columns else rows
    write(maestro_folder / "maestro-v3.0.0.json", json.dumps(table))
    found = list(maestro(maestro_folder))
    assert [(r.name, r.piece, r.split, r.audio) for r in found] == [
        (r.name, r.piece, r.split, r.audio) for r in expected
    ]


def test_maestro_without_any_audio_is_midi_alone(maestro_folder):
    for path in maestro_folder.glob("*/*.wav"):
        path.unlink()
    assert {recording.audio for recording in maestro(maestro_folder)} == {None}


def test_maps_trains_on_software_and_tests_on_the_disklavier(maps_folder):
    assert by_split(maps(maps_folder)) == {
        "test": ["MAPS_MUS-bach_846_ENSTDkCl"],
        "train": ["MAPS_MUS-chpn_op25_e3_AkPnBcht", "MAPS_MUS-liz_et1_SptkBGCl"],
    }


def test_maps_keeps_single_notes_and_chords_of_all_pianos(maps_folder):
    found = by_split(maps(maps_folder, ("ISOL", "RAND", "UCHO")))
    assert found["test"] == ["MAPS_ISOL_NO_F_S0_M60_ENSTDkCl"]
    assert len(found["train"]) == 3
    with pytest.raises(ValueError, match="MAPS has no recordings 'SOLO'; allowed are MUS, ISOL, RAND, UCHO"):
        next(maps(maps_folder, ("SOLO",)))


def test_maps_ends_notes_at_the_key_and_not_where_the_pedal_lets_them_ring(maps_folder):
    recording = next(maps(maps_folder))
    assert recording.piece == "bach_846"
    assert_notes(recording.performance(), NOTES)
    assert recording.performance().pedal.shape == (1, 2)
    recording.audio.with_suffix(".mid").unlink()
    ringing = [(onset, 3.0, pitch, 64) for onset, _, pitch, _ in NOTES]
    assert_notes(recording.performance(), ringing)
    assert recording.performance().pedal.shape == (0, 2)


def test_guitarset_holds_a_progression_out_and_leaves_mistimed_annotations(guitarset_folder):
    assert by_split(guitarset(guitarset_folder)) == {
        "test": ["03_BN3-119-G_solo_mic"],
        "validation": ["05_Jazz2-110-Bb_solo_mic"],
        "train": ["00_BN1-129-Eb_comp_mic", "01_Rock1-90-C#_comp_mic"],
    }


def test_guitarset_gives_the_notes_of_all_strings_rounded_to_semitones(guitarset_folder):
    recording = named(guitarset(guitarset_folder), "00_BN1-129-Eb_comp_mic")
    assert (recording.piece, recording.instrument) == ("BN1", "guitar")
    assert_notes(recording.performance(), [(0.5, 1.0, 40, 64), (0.9, 1.5, 55, 64), (2.0, 2.5, 57, 64)])
    assert recording.performance().pedal.shape == (0, 2)


def test_annotations_may_be_stored_by_row_or_by_column(guitarset_folder):
    recording = next(guitarset(guitarset_folder))
    columns = recording.performance()
    write(guitarset_folder / "annotation" / "03_BN3-119-G_solo.jams", jams(by_column=False))
    rows = recording.performance()
    assert np.array_equal(columns.notes, rows.notes)
    assert np.array_equal(columns.bend, rows.bend)


def test_guitarset_tells_the_contour_of_each_string_where_it_is_voiced(guitarset_folder):
    time, string, pitch = read_contours(guitarset_folder / "annotation" / "00_BN1-129-Eb_comp.jams").T
    assert set(string) == {0, 3}
    assert time.min() > 0.51
    assert np.allclose(pitch[string == 0], 40.25)
    assert np.allclose(pitch[(string == 3) & (time < 1.9)], 55.25)


def test_a_guitar_bends_where_one_string_sounds_and_nowhere_else(guitarset_folder):
    bend = named(guitarset(guitarset_folder), "00_BN1-129-Eb_comp_mic").performance().bend
    assert (np.diff(bend[:, 0]) >= 0).all()
    assert bend[[0, -1], 1].tolist() == [0, 0]

    def semitones(seconds: float) -> float:
        return float(np.interp(seconds, *bend.T))

    for alone in (0.6, 0.85, 1.05, 1.4, 2.2):
        assert semitones(alone) == pytest.approx(0.25, abs=1e-6)
    for none_or_two in (0.2, 0.95, 1.7, 2.9):
        assert semitones(none_or_two) == pytest.approx(0, abs=1e-6)


def test_guitarset_is_heard_by_microphone_or_pickup(guitarset_folder):
    assert next(guitarset(guitarset_folder, "hex_cln")).audio.name == "03_BN3-119-G_solo_hex_cln.wav"
    assert next(guitarset(guitarset_folder, "mix")).audio is None, "its folder is not there"
    with pytest.raises(ValueError, match="GuitarSet has no audio 'amp'; allowed are mic, mix, hex_cln"):
        next(guitarset(guitarset_folder, "amp"))


def test_slakh_gives_stems_that_sound_and_are_no_drums_once_a_song(slakh_folder):
    assert by_split(slakh(slakh_folder)) == {
        "test": ["Track01876_S00", "Track01876_S02"],
        "validation": ["Track01501_S00", "Track01501_S02"],
        "train": ["Track00001_S00", "Track00001_S02", "Track00262_S00", "Track00262_S02"],
    }


def test_slakh_leaves_out_stems_that_are_known_to_be_wrong(slakh_folder):
    text = (slakh_folder / "train/Track00262/metadata.yaml").read_text().replace("is_drum: true", "is_drum: false")
    for track in ("Track00001", "Track00262"):
        write(slakh_folder / "train" / track / "metadata.yaml", text.replace("UUID: ee", f"UUID: {track}"))
    names = by_split(slakh(slakh_folder))["train"]
    assert "Track00001_S01" in names
    assert "Track00262_S01" not in names


def test_slakhs_basses_sound_an_octave_below_their_midi(slakh_folder):
    recordings = list(slakh(slakh_folder))
    piano, bass = named(recordings, "Track00001_S00"), named(recordings, "Track00001_S02")
    assert (piano.instrument, bass.instrument) == ("piano", "bass")
    assert_notes(piano.performance(), NOTES)
    assert_notes(bass.performance(), [(onset, end, pitch - 12, velocity) for onset, end, pitch, velocity in NOTES])


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
def test_slakhs_metadata_is_read_strictly(slakh_folder, old, new, message):
    path = slakh_folder / "train" / "Track00001" / "metadata.yaml"
    write(path, path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message) as refused:
        read_metadata(path)
    assert str(path) in str(refused.value)


def test_musicnet_counts_samples_and_keeps_a_work_on_one_side(musicnet_folder):
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


def test_musicnet_is_not_read_without_knowing_its_works(musicnet_folder):
    metadata = musicnet_folder / "musicnet_metadata.csv"
    write(metadata, metadata.read_text().replace("2303,", "2304,"))
    with pytest.raises(ValueError, match="does not list recording 2303"):
        list(musicnet(musicnet_folder))
    metadata.unlink()
    with pytest.raises(FileNotFoundError, match="it says which recordings are of the same work"):
        next(musicnet(musicnet_folder))


@pytest.mark.parametrize("above", ["", "POP909"])
def test_pop909_is_split_by_song_and_has_no_audio(pop909_folder, above):
    recordings = list(pop909(pop909_folder / above))
    assert by_split(recordings) == {"train": ["001", "850"], "validation": ["851", "869"], "test": ["870", "909"]}
    assert {recording.audio for recording in recordings} == {None}
    assert find_dataset(pop909_folder / above) == "pop909"


def test_pop909s_tracks_are_chosen(pop909_folder):
    assert next(pop909(pop909_folder)).performance().notes[:, 2].tolist() == [48, 72, 76]
    assert next(pop909(pop909_folder, ("PIANO", "BRIDGE"))).performance().notes[:, 2].tolist() == [48, 76]
    with pytest.raises(ValueError, match="POP909 has no track 'VOICE'; allowed are MELODY, BRIDGE, PIANO"):
        next(pop909(pop909_folder, ("VOICE",)))


@pytest.mark.parametrize("fixture", FOLDERS)
@pytest.mark.parametrize("content", [None, b"", b"\xff{broken"], ids=["missing", "empty", "broken"])
def test_a_file_of_notes_that_cannot_be_read_is_named(fixture, content, request):
    folder = request.getfixturevalue(fixture)
    recording = next(DATASETS[find_dataset(folder)](folder))
    files = [path for path in folder.rglob("*") if path.suffix in (".mid", ".midi", ".jams", ".csv", ".txt")]
    for path in files:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    if fixture == "musicnet_folder" and content == b"":
        assert recording.performance().notes.shape == (0, 4), "a table without rows is one without notes"
        return
    with pytest.raises(FileNotFoundError if content is None else ValueError) as refused:
        recording.performance()
    assert any(str(path) in str(refused.value) for path in files)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",train,", ",training,", "names a split 'training'; allowed are train, validation, test"),
        ("Franz Liszt", "", "line 2, has no canonical_composer; needed are the columns canonical_composer, "),
        ("midi_filename", "midi", "has no midi_filename"),
    ],
)
def test_a_table_that_lacks_something_is_refused_with_the_line(maestro_folder, old, new, message):
    table = maestro_folder / "maestro-v3.0.0.csv"
    write(table, table.read_text(encoding="utf-8").replace(old, new))
    with pytest.raises(ValueError, match=message):
        list(maestro(maestro_folder))


def broken_jams(change: Callable[[dict], None]) -> str:
    stored = json.loads(jams(by_column=False))
    change(stored)
    return json.dumps(stored)


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.pop("annotations"),
        lambda stored: stored["annotations"].pop(0),
        lambda stored: stored["annotations"][4]["data"][0].pop("duration"),
        lambda stored: stored["annotations"][5]["data"][0]["value"].pop("frequency"),
        lambda stored: stored["annotations"][5]["data"][0].update(value=None),
    ],
)
def test_an_annotation_that_is_not_guitarsets_is_named(tmp_path, change):
    path = write(tmp_path / "annotation" / "00_BN1-129-Eb_comp.jams", broken_jams(change))
    with pytest.raises(ValueError, match=f"{path} is no annotation of GuitarSet"):
        next(guitarset(tmp_path)).performance()


def test_an_annotation_with_another_name_is_refused(tmp_path):
    write(tmp_path / "annotation" / "song.jams", jams(by_column=False))
    with pytest.raises(ValueError, match="is not named as GuitarSet names its annotations"):
        next(guitarset(tmp_path))
