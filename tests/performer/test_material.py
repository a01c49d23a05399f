"""Excerpts are made once from each kind of recording, split as the file says, and read back as they were stored."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile

from models.performer import sources
from models.performer.material import Excerpt, load_excerpt, load_excerpts, store_excerpt
from models.performer.sources import musicnet_makers, prepare, violin_makers

SPLIT = {
    "violin": {"train": ["ann_one"], "test_piece": ["ann_two"], "test_player": ["bob_three"]},
    "phrases": {
        "pop909": {"train": [1, 1], "validation": [2, 2], "test_piece": [3, 3]},
        "bach": {"train": [], "validation": [], "test_piece": []},
    },
    "test_cells": {"cello": [[60, "piano"]]},
}
SCORE = np.array([(0.2 + 0.16 * k, 0.36 + 0.16 * k, 60 + 7 * k % 12, 40 + 5 * k) for k in range(12)], float)
ROUNDED = np.round(SCORE[:, 0] / 0.03) * 0.03


def write_midi(path: Path, notes: np.ndarray, name: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    midi = pretty_midi.PrettyMIDI(resolution=960)
    track = pretty_midi.Instrument(40, name=name)
    track.notes = [pretty_midi.Note(int(v), int(p), on, off) for on, off, p, v in notes]
    midi.instruments.append(track)
    midi.write(str(path))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, bowed: Callable[..., np.ndarray]) -> Path:
    """Three short movements, a few cello notes and three songs, in the layout of the data folders."""
    top = tmp_path_factory.mktemp("data")
    given = SCORE.copy()
    given[:, 0] = ROUNDED
    sound = bowed(SCORE, 2.5, 44_100)
    for name in ("ann_one", "ann_two", "bob_three"):
        write_midi(top / "perf_violin_bach" / f"{name}.mid", given)
        soundfile.write(top / "perf_violin_bach" / f"{name}.ogg", np.stack([sound, sound], 1), 44_100)
    notes = top / "notes_philharmonia"
    (notes / "cello").mkdir(parents=True)
    rows = [
        "instrument,file,midi,pitch_name,duration_class,dynamic,articulation,midi_measured,peak_db,seconds,pitch_ok"
    ]
    for pitch in range(48, 73, 4):
        for dynamic, level in (("piano", 0.3), ("forte", 1.0)):
            file = f"cello_{pitch}_{dynamic}.wav"
            soundfile.write(
                notes / "cello" / file, level * bowed(np.array([(0.05, 0.7, pitch, 80)]), 0.9, 44_100), 44_100
            )
            rows.append(f"cello,{file},{pitch},x,1,{dynamic},arco-normal,{pitch},-10,0.9,True")
    (notes / "index.csv").write_text("\n".join(rows))
    song = np.concatenate([SCORE + np.array([2.0 * n, 2.0 * n, 0, 0]) for n in range(4)])
    for number in ("001", "002", "003"):
        write_midi(top / "midi_pop909" / number / f"{number}.mid", song, "MELODY")
    return top


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    split = folder / "split.json"
    split.write_text(json.dumps(SPLIT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "SPLIT", split)
        patch.setattr(sources, "PHRASES", {"train": 1, "validation": 1, "test_piece": 1})
        patch.setattr(sources, "PHRASE_SECONDS", 3.0)
        assert len(prepare(data, folder, threads=2)) == 6
        lost = folder / "violin_ann_two.npz"
        kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz") if path != lost}
        lost.unlink()
        assert prepare(data, folder) == [lost]
        assert kept == {path: path.stat().st_mtime_ns for path in kept}
    return folder


def test_the_split_is_that_of_the_file(made: Path) -> None:
    found = {(e.split, e.player, e.piece) for e in load_excerpts(made, instrument="violin")}
    assert found == {("train", "ann", "one"), ("test_piece", "ann", "two"), ("test_player", "bob", "three")}
    assert {excerpt.split for excerpt in load_excerpts(made, instrument="cello")} == {
        "train",
        "validation",
        "test_piece",
    }
    assert len(load_excerpts(made)) == 6


def test_only_what_is_trained_on_has_its_onsets_moved(made: Path) -> None:
    (trained,), (tested,) = (
        load_excerpts(made, split="train", instrument="violin"),
        load_excerpts(made, split="test_piece", instrument="violin"),
    )
    assert tested.notes[:, 0] == pytest.approx(ROUNDED, abs=1e-3)
    error = np.abs(trained.notes[:, 0] - SCORE[:, 0])
    assert np.median(error) < 0.006 < np.median(np.abs(ROUNDED - SCORE[:, 0]))
    assert (trained.notes[:, 2:] == SCORE[:, 2:]).all()


def test_an_excerpt_is_mono_at_32_khz_with_pitch(made: Path) -> None:
    for excerpt in load_excerpts(made, instrument="violin"):
        assert excerpt.audio.dtype == np.int16
        assert len(excerpt.audio) == pytest.approx(2.5 * 32_000, abs=64)
        assert excerpt.f0.shape[1] == 3
        assert set(excerpt.f0[:, 0]) <= set(range(len(excerpt.notes)))
        assert np.abs(excerpt.f0[:, 2]).mean() < 0.05


def test_phrases_name_their_songs(made: Path) -> None:
    songs = {excerpt.split: excerpt.piece for excerpt in load_excerpts(made, instrument="cello")}
    assert songs == {"train": "pop909-001", "validation": "pop909-002", "test_piece": "pop909-003"}


def test_an_excerpt_is_read_back_as_it_was(tmp_path: Path) -> None:
    excerpt = Excerpt(np.arange(9, dtype=np.int16), SCORE, np.ones((2, 3)), "flute", "eve", "air", "validation")
    store_excerpt(excerpt, tmp_path / "flute_eve_air.npz")
    back = load_excerpt(tmp_path / "flute_eve_air.npz")
    assert (back.audio == excerpt.audio).all()
    assert (back.notes == SCORE).all()
    assert (back.f0 == 1).all()
    assert (back.instrument, back.player, back.piece, back.split) == ("flute", "eve", "air", "validation")
    assert [path.name for path in tmp_path.iterdir()] == ["flute_eve_air.npz"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"split": "test"}, ValueError, "no split 'test'; allowed are train, validation, test_piece, test_player"),
        ({"instrument": "viola"}, ValueError, "no instrument 'viola'; allowed are violin, cello, flute"),
        ({"instrument": "flute"}, FileNotFoundError, "no excerpts of split any, instrument flute"),
    ],
)
def test_what_is_not_there_is_named(made: Path, asked: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_excerpts(made, **asked)  # type: ignore[arg-type]


def test_a_movement_without_sound_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no recording john-garner_bwv1002_mov6"):
        violin_makers(tmp_path)["violin_john-garner_bwv1002_mov6"]()


def test_musicnet_gives_its_solo_recordings_with_measured_velocities(
    tmp_path: Path, bowed: Callable[..., np.ndarray]
) -> None:
    score = SCORE * [1, 1, 1, 0] + [0, 0, 0, 20]
    score[::2, 3] = 120  # every other note is loud
    header = "start_time,end_time,instrument,note,start_beat,end_beat,note_value\n"
    ensembles = {
        "1": ("Solo Violin", (41,)),
        "2": ("Solo Piano", (1,)),
        "3": ("Solo Cello", (43, 1)),
        "4": ("Solo Flute", (74,)),
    }
    for name, (_, programs) in ensembles.items():
        side = "test" if name == "4" else "train"
        (tmp_path / f"{side}_labels").mkdir(exist_ok=True)
        (tmp_path / f"{side}_data").mkdir(exist_ok=True)
        rows = [
            f"{round(on * 44_100)},{round(off * 44_100)},{programs[i % len(programs)]},{int(pitch)},0,0,Quarter\n"
            for i, (on, off, pitch, _) in enumerate(score)
        ]
        (tmp_path / f"{side}_labels" / f"{name}.csv").write_text(header + "".join(rows))
        soundfile.write(tmp_path / f"{side}_data" / f"{name}.wav", bowed(score, 2.5, 44_100), 44_100)
    (tmp_path / "musicnet_metadata.csv").write_text(
        "id,composer,composition,movement,ensemble,source,transcriber,catalog_name,seconds\n"
        + "".join(f"{name},Bach,Piece {name},I,{words},x,y,BWV{name},2\n" for name, (words, _) in ensembles.items())
    )
    makers = musicnet_makers(tmp_path)
    assert set(makers) == {"violin_musicnet_1", "flute_musicnet_4"}  # "3" is labelled with a piano beside its cello
    violin, flute = makers["violin_musicnet_1"](), makers["flute_musicnet_4"]()
    assert (violin.instrument, violin.split, violin.piece) == ("violin", "train", "bach: bwv1")
    assert (flute.split, flute.player) == ("test_piece", "musicnet")
    assert violin.notes[::2, 3].min() > 100
    assert violin.notes[1::2, 3].max() < 70
    assert len(violin.f0) > 100
