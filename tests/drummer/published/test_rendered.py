"""Songs to train on: bands are played where their notes lie, and real stems are added up by what they are."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.drummer.manifest import SAMPLE_RATE
from models.drummer.material import Song
from models.drummer.published.rendered import BLEED, FONTS, HELD_OUT, SECONDS, bands, main, play_kit, real_songs

fluidsynth = [
    pytest.mark.fluidsynth,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed"),
    pytest.mark.skipif(not FONTS[1].exists(), reason="TimGM6mb is not installed"),
]


def onset(audio: np.ndarray) -> float:
    return int(np.argmax(np.abs(audio) > 0.1 * np.abs(audio).max())) / SAMPLE_RATE


def test_the_kit_sounds_where_it_is_struck():
    audio = play_kit(np.array([[1.0, 36, 100], [0.25, 38, 90]]), 2.0)
    assert len(audio) == 2 * SAMPLE_RATE
    assert onset(audio) == pytest.approx(0.25, abs=0.01)
    assert onset(audio[SAMPLE_RATE // 2 :]) < 0.51


@pytest.mark.parametrize("number", [0, 1], ids=["kit", "font"])
def test_a_band_begins_where_both_play(number, request):
    """The beat before both play is left out; a beat is half a second."""
    for mark in fluidsynth:
        request.applymarker(mark)
    bass = np.array([[4.25 + beat, 0.5, 40, 90] for beat in range(40)], np.float32)
    drums = np.array([[beat, 36, 100] for beat in range(2, 40)], np.float32)
    song = Song("one", "multitrack", "", 120.0, bass, drums, np.ones(48, np.int16), "train")
    *_, made = bands([song] * (number + 1), [FONTS[1]], 1)
    assert (made.name, made.split) == ("multitrack-one", "train")
    low, beaten = (made.audio(stem, SAMPLE_RATE) for stem in ("bass", "drums"))
    assert len(low) == len(beaten) == SECONDS * SAMPLE_RATE
    assert onset(low) == pytest.approx(0.125, abs=0.03)
    assert onset(beaten) < 0.03
    assert 0 < np.abs(low[: SAMPLE_RATE // 20]).max() <= 1.2 * BLEED, "the other bleeds into it"
    assert len(made.audio("vocals", SAMPLE_RATE)) == 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two songs of real stems as they lie in the data folder, and a band's."""
    time = np.arange(44100 * 4) / 44100
    tones = {"vocals_lead": 440, "vocals_backing": 660, "drums": 100, "bass": 50, "other": 880}
    for name, left_out in (("1.One", "bass"), (HELD_OUT[0], "")):
        folder = tmp_path / "stems_everythingisfree" / name
        folder.mkdir(parents=True)
        for stem, tone in tones.items():
            if stem != left_out:
                soundfile.write(folder / f"{stem}.ogg", 0.1 * np.sin(2 * np.pi * tone * time), 44100)
    (tmp_path / "stems_mdn_band").mkdir()
    for stem, tone in (("bassguitar", 50), ("drums", 100)):
        soundfile.write(tmp_path / "stems_mdn_band" / f"{stem}.mp3", 0.1 * np.sin(2 * np.pi * tone * time), 44100)
    return tmp_path


def test_real_stems_are_added_up_by_what_they_are(data: Path):
    songs = {song.name: song for song in real_songs(data, "voice2song")}
    assert {name: song.split for name, song in songs.items()} == {"1.One": "train", HELD_OUT[0]: "validation"}
    for stem, wanted in (("vocals", {440, 660}), ("mixture", {440, 660, 100, 880})):
        heard = np.abs(np.fft.rfft(songs["1.One"].audio(stem, 22050)[:22050] * np.hanning(22050)))
        assert set(np.flatnonzero(heard > 0.3 * heard.max()).tolist()) >= wanted
    drums = {song.name: len(song.audio("bass", 22050)) for song in real_songs(data, "bass2drums")}
    assert drums["1.One"] == 0
    assert drums["stems_mdn_band"] == pytest.approx(4 * 22050, abs=3000)


def test_the_command_writes_pictures_of_both_stages(data: Path, tmp_path: Path):
    main([str(data), str(tmp_path / "work"), "--task", "voice2song"])
    assert json.loads((tmp_path / "work" / "clean" / "pictures.json").read_text())["task"] == "voice2song"
    assert (tmp_path / "work" / "clean" / "train" / "1.One.npy").exists()
    with pytest.raises(SystemExit, match="there is no folder"):
        main([str(data), str(tmp_path / "work2")])
