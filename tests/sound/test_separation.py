"""Stems come from Demucs where it is installed; where it or its weights are missing, one sentence says so."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from models.sound.datasets.song import MIXTURE, STEMS, Song
from models.sound.separation import Separator

UNTRAINED = "demucs_unittest"  # a small model of Demucs's own that needs no weights
needs_demucs = pytest.mark.skipif(importlib.util.find_spec("demucs") is None, reason="Demucs is not installed")


def test_without_demucs_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    with pytest.raises(
        ImportError, match=r"stems are separated by Demucs, which is not installed \(extra `separate`\)"
    ):
        Separator(tmp_path)


def test_without_a_folder_of_weights_or_a_model_in_it_a_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Wherever this runs: a module in Demucs's place that finds no model, as Demucs says it."""

    def get_model(name: str, repo: Path) -> None:
        raise RuntimeError(f"Could not find pre-trained model with signature {name} in {repo}.")

    pretrained = ModuleType("demucs.pretrained")
    pretrained.get_model = get_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "demucs", ModuleType("demucs"))
    monkeypatch.setitem(sys.modules, "demucs.pretrained", pretrained)
    with pytest.raises(FileNotFoundError, match="none is no folder: Demucs's weights are looked for there and never"):
        Separator(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no weights of the Demucs model 'htdemucs': Could not find"):
        Separator(tmp_path)


@needs_demucs
def test_without_weights_a_sentence_says_so(tmp_path: Path):
    with pytest.raises(
        FileNotFoundError, match="is no folder: Demucs's weights are looked for there and never downloaded"
    ):
        Separator(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no weights of the Demucs model 'htdemucs'"):
        Separator(tmp_path)


@needs_demucs
def test_a_song_gets_stems_as_long_as_its_mixture_once(tmp_path: Path):
    noise = np.random.default_rng(0).normal(0, 0.1, (48_000, 2))
    soundfile.write(tmp_path / "mixture.flac", noise, 48_000)
    song = Song("fma", "a song", "train", {MIXTURE: (tmp_path / "mixture.flac", None)})
    separator = Separator(tmp_path, UNTRAINED)
    separated = separator.separated(song, tmp_path / "stems")
    assert set(separated.files) == {MIXTURE, *STEMS}
    assert len(separated.audio("drums", 22050)) == len(song.audio(MIXTURE, 22050)) == 22050
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "stems" / "a-song").iterdir()}
    assert {path.name for path in written} == {f"{stem}.flac" for stem in STEMS}
    assert separator.separated(song, tmp_path / "stems") == separated
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert separator.separated(separated, tmp_path / "elsewhere") is separated
    with pytest.raises(ValueError, match="song a of fma has no mixture to be separated"):
        separator.separated(Song("fma", "a", "train", {}), tmp_path)
