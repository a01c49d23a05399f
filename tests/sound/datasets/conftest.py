"""Data sets in small, laid out as they are published, and what a test says of what is read from them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from models.sound.datasets import Recording
from models.sound.performance import Performance

NOTES = ((0.5, 1.0, 60, 80), (0.75, 1.5, 64, 30), (2.0, 2.25, 67, 127))  # onset, offset, pitch, velocity
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


@pytest.fixture(name="write", scope="session")
def write_fixture() -> Callable[..., Path]:
    """The function `write`: a path and a text."""
    return write


@pytest.fixture(name="jams", scope="session")
def jams_fixture() -> Callable[..., str]:
    """The function `jams`."""
    return jams


@pytest.fixture(scope="session")
def notes() -> tuple[tuple[float, float, int, int], ...]:
    """The notes of the MIDI files: onset and offset in seconds, pitch, velocity."""
    return NOTES


@pytest.fixture(scope="session")
def maestro_rows() -> tuple[tuple[object, ...], ...]:
    """The rows of MAESTRO's table: composer, title, split, year, name."""
    return MAESTRO_ROWS


@pytest.fixture(scope="session")
def by_split() -> Callable[[Iterable[Recording]], dict[str, list[str]]]:
    """A function recordings -> the names in each split, sorted."""

    def sort(recordings: Iterable[Recording]) -> dict[str, list[str]]:
        split: dict[str, list[str]] = {}
        for recording in recordings:
            split.setdefault(recording.split, []).append(recording.name)
        return {name: sorted(names) for name, names in split.items()}

    return sort


@pytest.fixture(scope="session")
def named() -> Callable[[Iterable[Recording], str], Recording]:
    """A function (recordings, name) -> the recording of that name."""
    return lambda recordings, name: next(recording for recording in recordings if recording.name == name)


@pytest.fixture(scope="session")
def assert_notes() -> Callable[[Performance, Iterable[tuple]], None]:
    """A function that asserts what notes a performance has, their times to a tick of the file."""

    def check(performance: Performance, expected: Iterable[tuple]) -> None:
        rows = np.array(list(expected), float)
        assert performance.notes.shape == rows.shape
        assert performance.notes.dtype == np.float64
        assert np.abs(performance.notes[:, :2] - rows[:, :2]).max() < TICK
        assert np.array_equal(performance.notes[:, 2:], rows[:, 2:])

    return check
