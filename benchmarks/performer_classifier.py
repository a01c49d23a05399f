"""Which instrument does a rendering sound like? A classifier of real recordings, trained by who asks it.

Heard are windows of 2 s: mean and standard deviation of 19 mel cepstra (the level's own, the first, left out), judged by a
logistic regression. Single notes are joined into windows in rooms made here; the violin's windows are cut from its
movements; all are tilted by up to 3 dB an octave, so that a recording's own tone tells less. The violin still is the only
one whose phrases somebody played and whose room is real: another violin in another room is less of one. Movements that
`models/performer/split.json` keeps aside are held out, and a quarter of the pitches of every other instrument. Needs librosa
and scikit-learn, which comes with it (extra `train`).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.performer_kept import digest
from benchmarks.render_scores import RATE, load_sound
from server.audio.file import AUDIO_SUFFIXES
from server.errors import BacklineError

FOLDERS = {
    "violin": "perf_violin_bach",
    "cello": "notes_philharmonia/cello",
    "flute": "notes_philharmonia/flute",
    "saxophone": "notes_philharmonia/saxophone",
    "horn": "notes_philharmonia/french_horn",
    "double bass": "notes_philharmonia/double_bass",
    "piano": "notes_salamander_piano",
}
WINDOW = 2 * RATE
CEPSTRA, FIRST_CEPSTRUM = 20, 1
WINDOWS = {"train": 160, "held out": 60}  # of each instrument
MOST_FILES = 160
NOTE_SECONDS = (0.12, 0.8)
TILT_DB = 3.0  # an octave, at most
HELD_OUT = 4  # one pitch in so many
SILENT_DB = 40.0  # below the loudest window: not judged
PITCH = re.compile(r"(?<![A-Za-z])([A-G])([s#]?)(\d)")
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
Samples = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Classifier:
    """A line of weights for each instrument. held_out: of each, the share of held-out windows that are called what they are."""

    instruments: tuple[str, ...]
    weights: NDArray[np.float64]  # (instruments, features + 1), the last for 1
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    held_out: NDArray[np.float64]  # (instruments,)

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take (windows, features); return (windows, instruments)."""
        level = ((features - self.mean) / self.scale) @ self.weights[:, :-1].T + self.weights[:, -1]
        share = np.exp(level - level.max(1, keepdims=True))
        return np.asarray(share / share.sum(1, keepdims=True))

    def probability(self, sound: Path, instrument: str) -> float:
        """Return the mean probability of an instrument over the windows of a file that sound. Raises BacklineError."""
        samples = load_sound(sound)
        windows = [samples[start : start + WINDOW] for start in range(0, max(1, len(samples) - WINDOW + 1), WINDOW)]
        levels = np.array([np.mean(window**2) for window in windows])
        judged = [w for w, level in zip(windows, levels, strict=True) if level > levels.max() * 10 ** (-SILENT_DB / 10)]
        if not judged:
            return 0.0
        features = np.array([features_of(window) for window in judged])
        return float(self.probabilities(features)[:, self.instruments.index(instrument)].mean())

    def key(self) -> str:
        """Return what its judgements are kept by."""
        return digest(Path(__file__), self.weights.tobytes().hex(), self.mean, self.scale)


def find_classifier(data: Path, folder: Path) -> Classifier:
    """Return the classifier of the recordings in `data`, trained now unless `folder` has it. Raises BacklineError."""
    found = {name: recordings(data / place) for name, place in FOLDERS.items()}
    lacking = [FOLDERS[name] for name, paths in found.items() if not paths]
    if lacking:
        raise BacklineError(
            f"{data} holds no recordings in {', '.join(lacking)}, as the classifier of instruments needs"
        )
    listed = [(name, path.name, path.stat().st_size) for name, paths in found.items() for path in paths]
    path = folder / f"classifier-{digest(Path(__file__), listed)}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = train(found)
        stored = {"weights": made.weights, "mean": made.mean, "scale": made.scale, "held_out": made.held_out}
        np.savez(path, instruments=np.array(made.instruments), **stored)  # type: ignore[arg-type]
    with np.load(path) as values:
        names = tuple(str(name) for name in values["instruments"])
        return Classifier(names, values["weights"], values["mean"], values["scale"], values["held_out"])


def train(found: dict[str, list[Path]]) -> Classifier:
    """Learn from recordings by instrument; the same ones give the same classifier."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    sides: dict[str, tuple[list[NDArray[np.float64]], list[int]]] = {side: ([], []) for side in WINDOWS}
    for index, (name, paths) in enumerate(found.items()):
        for side, windows in sides.items():
            for window in windows_of(name, [path for path in paths if side_of(name, path) == side], side):
                windows[0].append(features_of(window))
                windows[1].append(index)
    features, called = (np.array(part) for part in sides["train"])
    mean, scale = features.mean(0), features.std(0) + 1e-9
    model = LogisticRegression(max_iter=2000, C=0.03).fit((features - mean) / scale, called)
    weights = np.concatenate([model.coef_, model.intercept_[:, None]], axis=1)
    classifier = Classifier(tuple(found), weights, mean, scale, np.zeros(len(found)))
    judged, true = (np.array(part) for part in sides["held out"])
    right = classifier.probabilities(judged).argmax(1) == true
    return replace(classifier, held_out=np.array([right[true == index].mean() for index in range(len(found))]))


def recordings(folder: Path) -> list[Path]:
    """Return the recordings of a folder, at most so many, spread over it."""
    paths = [path for path in sorted(folder.glob("*.*")) if path.suffix.lower() in AUDIO_SUFFIXES]
    return [paths[round(place)] for place in np.linspace(0, len(paths) - 1, min(MOST_FILES, len(paths)))]


def side_of(instrument: str, path: Path) -> str:
    """Return train or held out: movements as `models/performer/split.json` has them, every fourth pitch of notes held out."""
    if instrument in _split():
        return "train" if path.stem in _split()[instrument]["train"] else "held out"
    pitch = PITCH.search(path.stem)
    if pitch is None:
        return "train"
    number = 12 * int(pitch[3]) + SEMITONES[pitch[1]] + bool(pitch[2])
    return "held out" if number % HELD_OUT == HELD_OUT // 2 else "train"


def windows_of(instrument: str, paths: list[Path], side: str) -> Iterator[Samples]:
    """Yield windows of (WINDOW,) samples. Raises BacklineError where there is nothing to cut them from."""
    rng = np.random.default_rng([len(instrument), *instrument.encode(), len(side)])
    sounds = [sound for path in paths if len(sound := load_sound(path)) >= NOTE_SECONDS[0] * RATE]
    if not sounds:
        raise BacklineError(f"no recording of the {instrument} is long enough to be {side} of the classifier")
    for _ in range(WINDOWS[side]):
        if instrument in _split():
            sound = sounds[rng.integers(len(sounds))]
            start = int(rng.integers(max(1, len(sound) - WINDOW)))
            window = sound[start : start + WINDOW]
        else:
            window = joined(sounds, rng)
        yield tilted(window, float(rng.uniform(-TILT_DB, TILT_DB)))


def joined(sounds: list[Samples], rng: np.random.Generator) -> Samples:
    """Return notes joined in a room; each begins where its sound does."""
    from models.performer.phrases import in_room

    line, place = np.zeros(2 * WINDOW, np.float32), 0
    while place < len(line):
        sound = sounds[rng.integers(len(sounds))]
        loud = np.flatnonzero(np.abs(sound) > 0.1 * np.abs(sound).max())
        note = sound[loud[0] if len(loud) else 0 :][: round(rng.uniform(*NOTE_SECONDS) * RATE)]
        note = note[: len(line) - place] / (np.sqrt(np.mean(note**2)) + 1e-9) * 10 ** (rng.uniform(-6, 6) / 20)
        fade = min(len(note), round(0.02 * RATE))
        note[len(note) - fade :] *= np.linspace(1, 0, fade)
        line[place : place + len(note)] = note
        place += max(1, len(note))
    return in_room(line, RATE, rng)[-WINDOW:]


def tilted(window: Samples, decibels: float) -> Samples:
    """Return a window brighter by so many dB an octave."""
    hertz = np.fft.rfftfreq(len(window), 1 / RATE)
    gain = 10 ** (decibels * np.log2(np.maximum(hertz, 50) / 1000) / 20)
    return np.asarray(np.fft.irfft(np.fft.rfft(window) * gain, len(window)), np.float32)


def features_of(window: Samples) -> NDArray[np.float64]:
    """Return (38,) of a window, equally loud."""
    import librosa

    loud = np.asarray(window / (np.sqrt(np.mean(window**2)) + 1e-9), np.float32)
    cepstra = librosa.feature.mfcc(y=loud, sr=RATE, n_mfcc=CEPSTRA, n_fft=2048, hop_length=512)[FIRST_CEPSTRUM:]
    return np.concatenate([cepstra.mean(1), cepstra.std(1)]).astype(np.float64)


def _split() -> dict[str, dict[str, list[str]]]:
    """Return the instruments whose whole movements are split, by what is trained on."""
    split = json.loads(files("models.performer").joinpath("split.json").read_text(encoding="utf-8"))
    return {name: parts for name, parts in split.items() if name in FOLDERS}
