"""Songs of MUSDB18 and FMA are found in the sets' own layouts, and their stems are read, kept apart and refused where they are broken."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.sound.datasets import find_songs
from models.sound.datasets.fma import fma
from models.sound.datasets.musdb18 import NOT_OF_DSD100, TRACKS, musdb18
from models.sound.datasets.song import FFMPEG, MIXTURE, STEMS, Song

RATE = 44100
OF_DSD100, OF_MEDLEYDB = "ANiMAL - Rockshow", "Music Delta - Disco"
FREQUENCIES = {"vocals": 880.0, "bass": 110.0, "drums": 220.0, "other": 440.0}


def tone(frequency: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """(samples, 2): the left channel alone sounds."""
    left = 0.2 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return np.stack([left, np.zeros_like(left)], 1)


def frequency_of(samples: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


@pytest.fixture
def musdb_folder(tmp_path: Path) -> Path:
    for place in (f"train/{OF_DSD100}", f"train/{OF_MEDLEYDB}", "test/AM Contra - Heart Peripheral"):
        (tmp_path / place).mkdir(parents=True)
        sounds = {name: tone(frequency) for name, frequency in FREQUENCIES.items()}
        for name, samples in (sounds | {MIXTURE: sum(sounds.values())}).items():
            soundfile.write(tmp_path / place / f"{name}.wav", samples, RATE)
    return tmp_path


def test_every_song_has_its_stems_and_they_add_up_to_the_mixture(musdb_folder: Path):
    songs = list(find_songs(musdb_folder))
    assert [(song.name, song.split) for song in songs] == [
        ("AM Contra - Heart Peripheral", "test"), (OF_DSD100, "train"), (OF_MEDLEYDB, "train"),
    ]  # fmt: skip
    stems = {stem: songs[0].audio(stem, 22050) for stem in (*STEMS, MIXTURE)}
    assert {len(samples) for samples in stems.values()} == {11025}
    for name, frequency in FREQUENCIES.items():
        assert frequency_of(stems[name], 22050) == pytest.approx(frequency, abs=2)
        assert np.abs(stems[name]).max() == pytest.approx(0.1, abs=0.01), "the mean of the channels"
    np.testing.assert_allclose(
        stems[MIXTURE], sum(stems[name] for name in STEMS), atol=2e-4
    )  # five are rounded to 16 bit


def test_the_papers_split_is_by_source(musdb_folder: Path):
    assert len(NOT_OF_DSD100) == 50
    of = {song.name: song.split for song in musdb18(musdb_folder, "dsd100")}
    assert of == {"AM Contra - Heart Peripheral": "train", OF_DSD100: "train", OF_MEDLEYDB: "test"}
    with pytest.raises(ValueError, match="no split 'random'; allowed are own, dsd100"):
        list(musdb18(musdb_folder, "random"))


def test_a_stem_file_holds_five_tracks(tmp_path: Path, programs: Callable[[str], None]):
    programs(FFMPEG)
    (tmp_path / "train").mkdir()
    words = [FFMPEG, "-v", "error"]
    frequencies = [660.0, *(FREQUENCIES[name] for name in ("drums", "bass", "other", "vocals"))]
    for frequency in frequencies:
        words += ["-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate={RATE}:duration=1"]
    words += [word for track in range(5) for word in ("-map", f"{track}:a")]
    subprocess.run([*words, "-c:a", "aac", str(tmp_path / "train" / f"{OF_DSD100}.stem.mp4")], check=True)
    (song,) = find_songs(tmp_path)
    assert (song.name, song.split, set(song.files)) == (OF_DSD100, "train", {*STEMS, MIXTURE})
    for name, track in TRACKS.items():
        samples = song.audio(name, 22050)
        assert frequency_of(samples, 22050) == pytest.approx(frequencies[track], abs=3)
        assert len(samples) == pytest.approx(22050, abs=1100)  # frames of AAC


def test_a_broken_stem_file_is_named(tmp_path: Path, programs: Callable[[str], None]):
    programs(FFMPEG)
    (tmp_path / "a.stem.mp4").write_bytes(b"nothing")
    song = Song("musdb18", "a", "train", {"bass": (tmp_path / "a.stem.mp4", 2)})
    with pytest.raises(ValueError, match=r"a\.stem\.mp4 cannot be read as audio, track 2: ") as refused:
        song.audio("bass", 22050)
    assert "\n" not in str(refused.value)


def test_without_ffmpeg_a_stem_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.stem.mp4").write_bytes(b"nothing")
    monkeypatch.setenv("PATH", str(tmp_path))
    song = Song("musdb18", "a", "train", {"bass": (tmp_path / "a.stem.mp4", 2)})
    with pytest.raises(
        ValueError, match="is read with the program ffmpeg, which is not installed; stems as wav need none"
    ):
        song.audio("bass", 22050)


def test_a_missing_stem_is_named(musdb_folder: Path):
    song = next(musdb18(musdb_folder))
    song.files["bass"][0].unlink()
    with pytest.raises(FileNotFoundError, match=r"bass\.wav is missing from the data set"):
        song.audio("bass", 22050)
    with pytest.raises(ValueError, match="has no stem piano; there are: mixture, vocals, bass, drums, other"):
        song.audio("piano", 22050)


FMA_TRACKS = """,album,track,track,set
,title,genres,title,split
track_id,,,,
2,AWOL,"[10, 21]",Food,training
3,Live at WFMU,[10],Electric,training
5,Delivery,[14],Olives,validation
10,"Alive, or So",[66],Freeway,test
20,Niris,[103],Spiritual,training
134,Best of (LIVE),[66],Street,training
155012,Two,[66],Three,training
"""
FMA_GENRES = """genre_id,#tracks,parent,title,top_level
10,13845,0,Pop,10
14,1499,0,Soul-RnB,14
21,12201,0,Hip-Hop,21
66,13000,12,Indie-Rock,12
103,100,17,Singer,17
"""


@pytest.fixture
def fma_folder(tmp_path: Path, write: Callable[..., Path]) -> Path:
    write(tmp_path / "fma_metadata" / "tracks.csv", FMA_TRACKS)
    write(tmp_path / "fma_metadata" / "genres.csv", FMA_GENRES)
    for number in (2, 3, 5, 10, 20, 134, 155012):
        path = tmp_path / "fma_full" / f"{number:06d}"[:3] / f"{number:06d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(110.0 + number % 7), RATE)
    return tmp_path


def test_whole_pop_soul_and_indie_songs_are_taken_that_are_not_live(fma_folder: Path):
    songs = list(find_songs(fma_folder))
    assert {song.name: song.split for song in songs} == {
        "000002": "train", "000005": "validation", "000010": "test", "155012": "train",
    }  # fmt: skip
    assert all(list(song.files) == [MIXTURE] for song in songs)
    samples = songs[-1].audio(MIXTURE, 22050)
    assert frequency_of(samples, 22050) == pytest.approx(110.0 + 155012 % 7, abs=4)
    assert [song.name for song in fma(fma_folder, ("Hip-Hop",))] == ["000002"]


def test_what_is_no_fma_is_refused(fma_folder: Path, write: Callable[..., Path], tmp_path: Path):
    with pytest.raises(ValueError, match=r"genres\.csv lists no genre 'Polka'"):
        list(fma(fma_folder, ("Polka",)))
    write(fma_folder / "fma_metadata" / "tracks.csv", FMA_TRACKS.replace("[14]", "pop"))
    with pytest.raises(ValueError, match=r"tracks\.csv is no list of FMA's tracks: "):
        list(fma(fma_folder))
    write(fma_folder / "fma_metadata" / "tracks.csv", FMA_TRACKS.replace("genres", "tags"))
    with pytest.raises(ValueError, match="it has no column track genres"):
        list(fma(fma_folder))
    (fma_folder / "fma_full").rename(fma_folder / "fma_large")
    with pytest.raises(FileNotFoundError, match="fma_full is missing: the other downloads of FMA hold clips of 30 s"):
        list(fma(fma_folder))


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(
        ValueError, match=f"{tmp_path} is not the top folder of a known data set of songs; allowed are musdb18"
    ):
        find_songs(tmp_path)
    for loader, name in ((musdb18, "MUSDB18"), (fma, "FMA")):
        with pytest.raises(ValueError, match=f"{tmp_path} is not the top folder of {name}"):
            list(loader(tmp_path))


@pytest.fixture
def programs() -> Callable[[str], None]:
    """A function that skips the test where a program is not installed."""
    import shutil

    def need(name: str) -> None:
        if shutil.which(name) is None:
            pytest.skip(f"the program {name} is not installed")

    return need
