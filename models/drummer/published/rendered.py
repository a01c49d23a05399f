"""The two stages' songs from what is free: bands rendered from MIDI with a bleed, as separation leaves one, and real stems.

    python -m models.drummer.published.rendered DATA FOLDER [--task bass2drums] [--size CYC-S] [--songs 60]

DATA is the project's data folder. FOLDER gets separated/ (not for voices, of which there is no MIDI) and clean/, as `data` writes
them. Basses and two kits in three are played by FluidSynth with a sound font, the third is the drummer's own sampled kit.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from models.drummer.manifest import SAMPLE_RATE
from models.drummer.material import Song, read_songs
from models.drummer.published.config import SIZES, TASKS
from models.drummer.published.data import write_pieces
from models.drummer.sampled import SampledKit

FONTS = tuple(Path("/usr/share/sounds/sf2", name) for name in ("FluidR3_GM.sf2", "TimGM6mb.sf2"))
BASSES, KITS = range(32, 40), (0, 8, 16, 32)  # General MIDI programs: basses; standard, room, power and jazz kits
SECONDS = 40.0  # of a song
BLEED = 0.03  # of the other stem's level
PEAK = 0.7
HELD_OUT = ("7.Francium",)  # of the real songs, to validate with
ROLES = {
    "bass": ("bass", "bassguitar"), "drums": ("drums",), "vocals": ("vocals_lead", "vocals_backing"),
    "other": ("other", "clav", "horns", "leadguitar"),
}  # fmt: skip
"""Stem -> names of the files that are added up for it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A song of which both stems were played. stems: (samples,) float32 each, at SAMPLE_RATE."""

    name: str
    split: str
    stems: Mapping[str, np.ndarray]

    def audio(self, stem: str, sample_rate: int) -> np.ndarray:
        """Return (samples,) float32; silence for a stem that is not there."""
        import soxr

        if stem not in self.stems:
            return np.zeros(0, np.float32)
        return np.asarray(soxr.resample(self.stems[stem], SAMPLE_RATE, sample_rate), np.float32)


def bands(songs: Sequence[Song], fonts: Sequence[Path], seed: int) -> Iterator[Rendered]:
    """Play the beginnings of songs in which bass and drums both play."""
    for number, song in enumerate(songs):
        random = np.random.default_rng([seed, number])
        seconds = 60 / song.tempo_bpm
        first = np.floor(max(song.bass[0, 0], song.drums[0, 0]))
        bass, drums = (notes[(notes[:, 0] >= first - 0.1)].astype(float) for notes in (song.bass, song.drums))
        for notes in (bass, drums):
            notes[:, 0] = np.maximum(0, notes[:, 0] - first) * seconds
        bass, drums = bass[bass[:, 0] < SECONDS], drums[drums[:, 0] < SECONDS]
        lengths = np.clip(bass[:, 1] * seconds, 0.05, 4)
        low = play_font(np.column_stack([bass[:, 0], lengths, bass[:, 2:]]), fonts[int(random.integers(len(fonts)))],
                        int(random.choice(BASSES)), drums=False)  # fmt: skip
        if number % 3:
            hits = np.column_stack([drums[:, 0], np.full(len(drums), 0.1), drums[:, 1:]])
            beaten = play_font(hits, fonts[int(random.integers(len(fonts)))], int(random.choice(KITS)), drums=True)
        else:
            beaten = play_kit(drums)
        low, beaten = (PEAK * one / max(1e-6, float(np.abs(one).max())) for one in (low, beaten))
        yield Rendered(f"{song.source}-{song.name}", song.split,
                       {"bass": low + BLEED * beaten, "drums": beaten + BLEED * low})  # fmt: skip


def play_font(notes: np.ndarray, font: Path, program: int, drums: bool) -> np.ndarray:
    """Return (samples,) float32 of SECONDS of (notes, 4): seconds of begin and length, pitch, velocity."""
    import pretty_midi
    import soundfile

    midi = pretty_midi.PrettyMIDI(resolution=960)
    track = pretty_midi.Instrument(program, drums)
    track.notes = [pretty_midi.Note(int(np.clip(v, 1, 127)), int(p), on, on + length) for on, length, p, v in notes]
    midi.instruments.append(track)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "band.mid"), Path(folder, "band.wav")
        midi.write(str(score))
        words = ["fluidsynth", "-niq", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(SAMPLE_RATE)]
        words += ["-o", "synth.dynamic-sample-loading=1", "-F", str(sound), str(font), str(score)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        audio, _ = soundfile.read(str(sound), dtype="float32", always_2d=True)
    return _as_long(audio.mean(1), round(SECONDS * SAMPLE_RATE))


def play_kit(hits: np.ndarray, seconds: float = SECONDS) -> np.ndarray:
    """Return (samples,) float32 at SAMPLE_RATE of (hits, 3): seconds, General MIDI note, velocity; by the sampled kit."""
    kit, out, done = SampledKit(SAMPLE_RATE), [], 0
    for time, note, velocity in hits[np.argsort(hits[:, 0], kind="stable")]:
        sample = round(time * SAMPLE_RATE)
        out.append(kit.mix(done, max(0, sample - done)))
        done = max(done, sample)
        kit.strike(done, int(note), int(velocity))
    out.append(kit.mix(done, max(0, round(seconds * SAMPLE_RATE) - done)))
    return _as_long(np.concatenate(out), round(seconds * SAMPLE_RATE))


def real_songs(data: Path, task: str) -> Iterator[Rendered]:
    """Yield the real songs that have what is to be played; what is given may be silent. A mixture is the sum of all."""
    import soundfile
    import soxr

    for folder in sorted([*(data / "stems_everythingisfree").glob("*/"), data / "stems_mdn_band"]):
        stems: dict[str, np.ndarray] = {}
        for stem, names in ROLES.items():
            for path in (path for name in names for path in folder.glob(f"{name}.*")):
                audio, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
                played = soxr.resample(audio.mean(1), rate, SAMPLE_RATE)
                stems[stem] = _sum([played] if stem not in stems else [stems[stem], played])
        if task == "voice2song" and "vocals" not in stems:
            continue
        stems["mixture"] = _sum(list(stems.values()))
        wanted = {stem: stems[stem] for stem in TASKS[task] if stem in stems}
        yield Rendered(folder.name, "validation" if folder.name in HELD_OUT else "train", wanted)


def _sum(stems: Sequence[np.ndarray]) -> np.ndarray:
    samples = max(map(len, stems))
    return np.sum([_as_long(stem, samples) for stem in stems], axis=0)


def _as_long(audio: np.ndarray, samples: int) -> np.ndarray:
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.drummer.published.rendered")
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=list(TASKS), default="bass2drums")
    parser.add_argument("--size", choices=list(SIZES), default="CYC-S")
    parser.add_argument("--songs", type=int, default=60, metavar="N", help="rendered of each source (default 60)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    try:
        if arguments.task == "bass2drums":
            played = [s for source in ("multitrack", "band") for s in _some(arguments.data, source, arguments.songs)]
            fonts = [font for font in FONTS if font.exists()]
            if not fonts:
                raise FileNotFoundError(f"there is no sound font; looked for {', '.join(map(str, FONTS))}")
            songs = bands(played, fonts, arguments.seed)
            write_pieces(songs, arguments.task, arguments.folder / "separated", SIZES[arguments.size])
        real = real_songs(arguments.data, arguments.task)
        write_pieces(real, arguments.task, arguments.folder / "clean", SIZES[arguments.size])
    except (ValueError, OSError, ImportError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{parser.prog}: {error}") from error


def _some(data: Path, source: str, count: int) -> Iterator[Song]:
    return islice(read_songs(data, source), count)


if __name__ == "__main__":
    main()
