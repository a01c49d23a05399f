"""Stems of songs that have none, by Demucs (Défossez et al. 2019), which is no dependency of the project.

The paper of the drummer took the first Demucs; any model of the installed one will do. Weights are never downloaded: they lie in a
folder that is given, as Demucs lays them out (SIGNATURE-CHECKSUM.th, and NAME.yaml for a bag of them).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any  # Demucs has no types

import numpy as np

from models.sound.datasets.recording import required
from models.sound.datasets.song import MIXTURE, STEMS, Song

MODEL = "htdemucs"


class Separator:
    """One model, loaded. `separated` gives a song its stems.

    Raises:
        ImportError: Demucs is not installed.
        FileNotFoundError: the folder is missing, or holds no such model.
    """

    def __init__(self, weights: Path, model: str = MODEL) -> None:
        try:
            from demucs.pretrained import get_model  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError as error:
            raise ImportError(
                f"stems are separated by Demucs, which is not installed (extra `separate`): {error}"
            ) from error
        if not weights.is_dir():
            raise FileNotFoundError(
                f"{weights} is no folder: Demucs's weights are looked for there and never downloaded"
            )
        try:
            self._model: Any = get_model(model, repo=weights).eval()
        except (RuntimeError, OSError) as error:
            raise FileNotFoundError(f"{weights} holds no weights of the Demucs model '{model}': {error}") from error

    def separated(self, song: Song, folder: Path) -> Song:
        """Return the song with all stems, written into FOLDER/NAME as flac files unless they are there already.

        Raises:
            ValueError, FileNotFoundError: the mixture cannot be read.
        """
        import soundfile

        if all(stem in song.files for stem in STEMS):
            return song
        place = folder / re.sub(r"[^\w.#-]", "-", song.name)
        paths = {stem: place / f"{stem}.flac" for stem in STEMS}
        if not all(path.exists() for path in paths.values()):
            place.mkdir(parents=True, exist_ok=True)
            for stem, samples in self.stems(self._mixture(song)).items():
                partial = place / f".{stem}.flac"
                soundfile.write(partial, np.clip(samples, -1, 1), self._model.samplerate)
                partial.rename(paths[stem])
        return Song(
            song.dataset, song.name, song.split, dict(song.files) | {stem: (path, None) for stem, path in paths.items()}
        )

    def stems(self, mixture: np.ndarray) -> dict[str, np.ndarray]:
        """Return (samples,) float32 of each stem, of a mixture (channels, samples) at the model's rate."""
        import torch
        from demucs.apply import apply_model  # type: ignore[import-not-found, import-untyped, unused-ignore]

        heard = torch.from_numpy(np.asarray(mixture, np.float32))
        level, spread = heard.mean(), heard.mean(0).std() + 1e-8  # as Demucs was trained
        with torch.no_grad():
            played = apply_model(self._model, ((heard - level) / spread)[None], shifts=1, split=True)[0]
        mono = (played * spread + level).mean(1).numpy()
        return {name: mono[place] for place, name in enumerate(self._model.sources) if name in STEMS}

    def _mixture(self, song: Song) -> np.ndarray:
        """(channels, samples) at the model's rate."""
        import soundfile
        import soxr

        channels, rate = self._model.audio_channels, self._model.samplerate
        if MIXTURE not in song.files:
            raise ValueError(f"song {song.name} of {song.dataset} has no mixture to be separated")
        path, track = song.files[MIXTURE]
        if track is not None:
            return np.tile(song.audio(MIXTURE, rate), (channels, 1))
        try:
            samples, given = soundfile.read(required(path), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} cannot be read as audio: {error.error_string}") from error
        wide = samples[:, :channels] if samples.shape[1] >= channels else np.repeat(samples[:, :1], channels, 1)
        return np.ascontiguousarray(np.asarray(soxr.resample(wide, given, rate)).T)
