"""Crops are cut as the paper cuts them; a run goes through its stages, and goes on where it stopped.

The clock is made, every look at it is a second later.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.drummer.published.config import PUBLISHED, TASKS
from models.drummer.published.corrections import Corrections
from models.drummer.published.data import crops_of, main, piece_of, read_pieces, write_pieces
from models.drummer.published.network import load_network
from models.drummer.published.training import CHECKPOINT, CURVE, RESUME, Stage, recipe, train
from models.sound.datasets.song import Song

ALL, NONE = Corrections.all(), Corrections.as_released()


def test_crops_overlap_by_50_frames():
    grey = np.full((2, 256, 1000), 200, np.uint8)
    grey[:, :, ::7] = 20
    piece = replace(piece_of("a", "train", np.zeros(9, np.float32), np.zeros(9, np.float32), PUBLISHED), grey=grey)
    crops = crops_of([piece], "train", PUBLISHED, ALL)
    assert crops.places == ((0, 0), (0, 206), (0, 412), (0, 618))
    source, target = next(iter(crops.epoch(4, True, [1])))
    assert source.shape == target.shape == (4, 1, 256, 256)
    assert source.max() == pytest.approx(200 / 127.5 - 1)


def test_pairs_belong_together_and_unpaired_crops_do_not(song, tiny):
    crops = crops_of([song(20.0)], "train", tiny, ALL)
    first = crops.pieces[0]
    places = {start: first.grey[:, :, start : start + 32] for _, start in crops.places}

    def place_of(one: torch.Tensor, side: int) -> int:
        return min(places, key=lambda start: np.abs(places[start][side] / 127.5 - 1 - one[0].numpy()).sum())

    pairs = [
        (place_of(s, 0), place_of(t, 1)) for batch in crops.epoch(8, True, [1]) for s, t in zip(*batch, strict=True)
    ]
    assert all(source == target for source, target in pairs)
    assert sorted(source for source, _ in pairs) == sorted(places)
    loose = [
        (place_of(s, 0), place_of(t, 1)) for batch in crops.epoch(8, False, [1]) for s, t in zip(*batch, strict=True)
    ]
    assert sum(source == target for source, target in loose) < 0.3 * len(loose)
    assert [s.tolist() for s, _ in crops.epoch(8, False, [1])] == [s.tolist() for s, _ in crops.epoch(8, False, [1])]


def test_silent_crops_are_left_out_unless_as_published(tiny, bass, drums):
    rate = tiny.sample_rate
    played, rested = bass(4.0, rate), np.zeros(4 * rate, np.float32)
    piece = piece_of("a", "train", np.concatenate([played, rested]), np.concatenate([drums(4.0, rate)] * 2), tiny)
    crops = crops_of([piece], "train", tiny, ALL)
    assert max(start for _, start in crops.places) < 4.1 * tiny.frame_rate
    assert len(crops.alone[1]) > 1.7 * len(crops.alone[0])
    everything = crops_of([piece], "train", tiny, replace(ALL, sounding=False))
    assert len(everything.places) == len(everything.alone[0]) == len(everything.alone[1]) > len(crops.places)
    with pytest.raises(ValueError, match=r"of 1 songs to train, none has 0\.5 s in which both instruments are heard"):
        crops_of([piece_of("b", "train", rested, rested, tiny)], "train", tiny, ALL)


def test_only_as_published_are_crops_enlarged_and_mirrored(song, tiny):
    piece = song(6.0)
    ramp = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8), (2, 32, 32))
    piece = replace(piece, grey=np.tile(ramp, (1, 1, 20)))
    config = replace(tiny, overlap=0)
    plain = torch.cat([s for s, _ in crops_of([piece], "train", config, ALL).epoch(1, True, [1])])
    assert torch.equal(plain, plain[:1].expand_as(plain))
    changed = torch.cat(
        [s for s, _ in crops_of([piece], "train", config, replace(ALL, as_it_is=False)).epoch(1, True, [1])]
    )
    slopes = (changed[:, 0, 5, 25] - changed[:, 0, 5, 5]).numpy()
    assert {float(np.sign(slope)) for slope in slopes} == {1.0, -1.0}, "some run backwards"
    assert np.abs(slopes).mean() == pytest.approx(2 * 20 / 31 / (286 / 256), rel=0.03)


@pytest.fixture
def run(song, tiny, tmp_path: Path) -> Callable[..., list[dict[str, float]]]:
    """A function that trains into a folder for so many looks at the clock and returns the curve."""

    def start(folder: str, seconds: float | None, **options: object) -> list[dict[str, float]]:
        stages = recipe([song(1.6, seed=1)], [song(1.6, seed=2)])
        minutes = None if seconds is None else seconds / 60
        train(
            stages,
            tmp_path / folder,
            task="bass2drums",
            minutes=minutes,
            size=tiny,
            clock=count().__next__,
            batch=4,
            **options,
        )
        return [json.loads(line) for line in (tmp_path / folder / CURVE).read_text().splitlines()]

    return start


def test_the_recipe_is_12_epochs_of_separated_songs_and_20_of_clean_stems(run):
    curve = run("run", None)
    assert [row["stage"] for row in curve] == ["pre-training"] * 12 + ["fine-tuning"] * 20
    assert [row["epoch"] for row in curve] == [*range(1, 13), *range(1, 21)]
    assert curve[11]["cycle"] < curve[0]["cycle"]
    assert recipe([], []) == []


@pytest.mark.parametrize("kind", ["cyclegan", "pix2pix"])
def test_minutes_are_shared_between_the_stages(run, kind):
    curve = run("run", 10.0, kind=kind)
    ends = {row["stage"]: row["minutes"] * 60 for row in curve}
    assert ends["pre-training"] == pytest.approx(6, abs=2)
    assert ends["fine-tuning"] == pytest.approx(10, abs=2)
    assert all(np.isfinite([value for value in row.values() if not isinstance(value, str)]).all() for row in curve)


def test_a_second_start_hears_what_an_unbroken_run_would_have(song, tiny, tmp_path: Path):
    def start(folder: str, epochs: int, kind: str) -> torch.Tensor:
        stages = [Stage("one", [song(4.0)], min(epochs, 2)), Stage("two", [song(4.0, seed=1)], epochs - 2)][
            : 1 + (epochs > 2)
        ]
        path = train(stages, tmp_path / folder, task="bass2drums", kind=kind, size=tiny, batch=4)
        return torch.cat([value.flatten() for value in load_network(path)[0].state_dict().values()])

    for kind in ("cyclegan", "pix2pix"):
        once = start(f"{kind} once", 4, kind)
        for epochs in (1, 3):
            start(f"{kind} again", epochs, kind)
        assert torch.equal(start(f"{kind} again", 4, kind), once)


def test_another_networks_folder_and_nothing_to_hear_are_refused(run, song, tiny, tmp_path):
    run("run", 3.0)
    card = load_network(tmp_path / "run" / CHECKPOINT)[1]
    assert (card["task"], card["kind"]) == ("bass2drums", "cyclegan")
    assert (tmp_path / "run" / RESUME).exists()
    with pytest.raises(ValueError, match="was trained as cyclegan with"):
        run("run", 3.0, corrections=NONE)
    with pytest.raises(ValueError, match="there is nothing to train on"):
        train([], tmp_path / "other", task="bass2drums")
    with pytest.raises(ValueError, match="the kind is diffusion; allowed: cyclegan, pix2pix"):
        run("other", 3.0, kind="diffusion")


@pytest.fixture
def songs(tmp_path: Path, bass, drums) -> list[Song]:
    found = []
    for number, split in ((1, "train"), (2, "test")):
        stems = {"bass": bass(3.0, 44100, number), "drums": drums(3.0, 44100, number), "vocals": bass(2.0, 44100)}
        stems["mixture"] = stems["bass"] + stems["drums"]
        files = {}
        for name, samples in stems.items():
            path = tmp_path / "data" / split / f"song {number}" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, samples, 44100)
            files[name] = (path, None)
        found.append(Song("made", f"song {number}", split, files))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("eight_bit", [True, False])
def test_pictures_are_written_once_and_mapped(songs, tiny, tmp_path: Path, eight_bit):
    config = replace(tiny, eight_bit=eight_bit)
    for task in TASKS:
        folder = tmp_path / task
        assert write_pieces(songs, task, folder, config) == 2
        pieces = read_pieces(folder, task, config)
        assert [(piece.name, piece.split) for piece in pieces] == [("song-2", "test"), ("song-1", "train")]
        assert all(piece.grey.shape == (2, 32, 1 + 24000 // 128) for piece in pieces)
        assert all(isinstance(piece.grey, np.memmap) for piece in pieces)
        assert pieces[0].grey.dtype == (np.uint8 if eight_bit else np.float16)
        written = [path.stat().st_mtime_ns for path in sorted(folder.glob("*/*.npy"))]
        write_pieces(songs, task, folder, config)
        assert [path.stat().st_mtime_ns for path in sorted(folder.glob("*/*.npy"))] == written
        assert len(crops_of(pieces, "train", config, ALL)) > 0
    with pytest.raises(ValueError, match="holds no pictures of voice2song in this size"):
        read_pieces(tmp_path / "bass2drums", "voice2song", config)
    with pytest.raises(ValueError, match="holds pictures of another task or size"):
        write_pieces(songs, "bass2drums", tmp_path / "voice2song", config)
    with pytest.raises(ValueError, match="the task is drums2bass; allowed: bass2drums, voice2song"):
        write_pieces(songs, "drums2bass", tmp_path / "third", config)


def test_the_command_says_what_it_cannot_read(tmp_path: Path):
    with pytest.raises(SystemExit, match="is not the top folder of a known data set of songs"):
        main([str(tmp_path), str(tmp_path / "out")])


def test_songs_that_come_mixed_need_demucs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    soundfile.write(tmp_path / "noise.wav", np.zeros(10), 8000)
    song = Song("fma", "a", "train", {"mixture": (tmp_path / "noise.wav", None)})
    monkeypatch.setattr("models.sound.datasets.registry.find_songs", lambda folder: [song])
    monkeypatch.setitem(sys.modules, "demucs", None)
    with pytest.raises(SystemExit, match=r"by Demucs, which is not installed \(extra `separate`\)"):
        main([str(tmp_path), str(tmp_path / "out"), "--separate", str(tmp_path)])
    with pytest.raises(SystemExit, match="song a of fma has no stem bass; there are: mixture"):
        main([str(tmp_path), str(tmp_path / "out")])
