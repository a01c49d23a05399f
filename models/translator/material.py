"""What the translator hears while it learns: notes of the training side, mixed as signals, in rooms, beside noise and talk.

A `Bank` holds the notes of one side, read once. An `Excerpt` is about a second with none to three voices, each playing notes of one
instrument one after another, at the level they were recorded with or at any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sound.augmentation import equalisation, nothing_played, room
from models.translator.analysis import analyse, steady_frames
from models.translator.config import LOWEST_PITCH, PITCHES, TranslatorConfig
from models.translator.notes import INSTRUMENTS, Note, read_audio

LONGEST_SECONDS = 2.4  # of a note
SILENT = 1e-4  # a peak below which there is no note
SOUNDING_DB, STEADY_DB = 35.0, 10.0  # below its loudest: where a note is over, and where its player has let go
ANALYSED = 160  # frames
RENDERS_SHARE = 0.25  # of the notes of an instrument of which there are real ones
RELEASE_SECONDS = (0.02, 0.09)
FARTHEST_STEPS = 3  # semitones a recording is moved by: else a pitch would tell which of its dynamics was ever heard
UNSURE_DB = 0.7  # standard deviation of the level of notes that are played as recorded
MADE_AT = 48000  # Hz: the codecs of `augmentation` want one of their rates
LEVELLED_SHARE = 0.25  # of excerpts
VOICES_SHARE = (0.34, 0.32, 0.19, 0.15)  # excerpts of none, one, two and three voices


@dataclass(frozen=True, slots=True)
class Bank:
    """Notes ready to be played: `audio` int16 of all one after another, note i from `starts[i]` to `starts[i + 1]`.

    instrument, pitch, dynamics (-1 unknown): (notes,) symbols. real: whether recorded. sounding, steady: (notes,) frames.
    partials, noise: (notes, ANALYSED, …) dB, see `analysis`; empty where they were not asked for.
    """

    audio: np.ndarray
    starts: np.ndarray
    instrument: np.ndarray
    pitch: np.ndarray
    dynamics: np.ndarray
    real: np.ndarray
    sounding: np.ndarray
    steady: np.ndarray
    partials: np.ndarray
    noise: np.ndarray

    def note(self, index: int) -> np.ndarray:
        """(samples,) float32."""
        return self.audio[self.starts[index] : self.starts[index + 1]].astype(np.float32) / 32767


def make_bank(notes: Sequence[Note], config: TranslatorConfig, tuned: bool, analysed: bool) -> Bank:
    """Read notes, brought to their labels if asked; those that are silent are left out."""
    parts, rows, levels = [], [], []
    for note in notes:
        audio = read_audio(note, config.sample_rate, tuned)[: round(LONGEST_SECONDS * config.sample_rate)]
        if np.abs(audio).max(initial=0) < SILENT:  # a font has no sample there
            continue
        parts.append(np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16))
        real = note.articulation != "render"
        sounding = steady_frames(audio, config, SOUNDING_DB)
        steady = sounding if note.instrument == "piano" else steady_frames(audio, config, STEADY_DB)
        rows.append((INSTRUMENTS.index(note.instrument), note.pitch, note.symbols[2], real, sounding, steady))
        if analysed:
            pitch = note.pitch if tuned else note.pitch + note.tuning
            levels.append([part.astype(np.float16) for part in analyse(audio, pitch, ANALYSED, config)])
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    sizes = (config.partials, config.noise_points)
    said = [np.stack(part) for part in zip(*levels, strict=True)] or [
        np.zeros((0, ANALYSED, n), np.float16) for n in sizes
    ]
    return Bank(np.concatenate(parts), np.cumsum([0, *map(len, parts)]), *columns, *said)


def stored_bank(path: Path, notes: Sequence[Note], config: TranslatorConfig, tuned: bool, analysed: bool) -> Bank:
    """The bank in `path`, made where it is not there."""
    if not path.exists():
        made = make_bank(notes, config, tuned, analysed)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        with partial.open("wb") as file:
            np.savez(file, **{name: getattr(made, name) for name in Bank.__slots__})
        partial.rename(path)
    with np.load(path) as stored:
        return Bank(**{name: stored[name] for name in Bank.__slots__})


@dataclass(frozen=True, slots=True)
class Excerpt:
    """audio: (samples,) float32. levelled: 1 where the level says nothing. onsets: (frames, PITCHES). playing: (frames, PITCHES), the
    note of the bank that sounds there, -1 for none. begins: of every note played, (notes, 3): frame of its onset, bank index, pitch.
    """

    audio: np.ndarray
    levelled: float
    onsets: np.ndarray
    playing: np.ndarray
    begins: np.ndarray


class Excerpts:
    """Draws excerpts from a bank; `others` are stretches of what is no music (n, samples)."""

    def __init__(
        self, bank: Bank, others: np.ndarray, frames: int, config: TranslatorConfig,
        voices: Sequence[float] = VOICES_SHARE, levelled: float = LEVELLED_SHARE,
    ) -> None:  # fmt: skip
        self.bank, self.others, self.frames, self.config = bank, others, frames, config
        self.voices, self.levelled = voices, levelled
        self._of: dict[tuple[int, bool], dict[int, np.ndarray]] = {}
        for instrument in range(len(INSTRUMENTS)):
            for real in (False, True):
                own = np.flatnonzero((bank.instrument == instrument) & (bank.real == real))
                if len(own):
                    self._of[instrument, real] = {int(p): own[bank.pitch[own] == p] for p in np.unique(bank.pitch[own])}

    def draw(self, rng: np.random.Generator) -> Excerpt:
        """One excerpt."""
        rate, length = self.config.sample_rate, self.frames * self.config.hop
        mixed = np.zeros(length, np.float32)
        onsets = np.zeros((self.frames, PITCHES), np.float32)
        playing, begins = np.full((self.frames, PITCHES), -1, np.int32), []
        levelled = rng.random() < self.levelled
        voices = int(rng.choice(len(self.voices), p=self.voices))
        for _ in range(voices):
            gain = 10 ** ((rng.uniform(-8, 8) if levelled else rng.normal(0, UNSURE_DB)) / 20)
            source, place = self._source(rng), rng.exponential(0.12) * rate
            together = rng.random() < 0.5  # one long note, rather than a line
            release = rng.uniform(*RELEASE_SECONDS) * rate
            while place < length - 2000:
                index = self._choose(source, rng)
                seconds = rng.uniform(0.5, 2.0) if together else float(np.exp(rng.uniform(np.log(0.09), np.log(0.7))))
                end = place + seconds * rate
                pitch = self._play(mixed, index, int(place), int(end), gain, release, rng, (onsets, playing))
                if pitch is not None:
                    begins.append((int(place) // self.config.hop, index, pitch))
                place = end + (rng.exponential(0.08) * rate if rng.random() < 0.5 else 0.0)
        audio = self._recorded(mixed, bool(voices), bool(levelled), rng)
        return Excerpt(audio, float(levelled), onsets, playing, np.array(begins, np.int64).reshape(-1, 3))

    def _source(self, rng: np.random.Generator) -> dict[int, np.ndarray]:
        instrument = int(rng.choice(sorted({instrument for instrument, _ in self._of})))
        kinds = [real for real in (False, True) if (instrument, real) in self._of]
        real = kinds[0] if len(kinds) == 1 else rng.random() >= RENDERS_SHARE
        return self._of[instrument, real]

    def _choose(self, source: dict[int, np.ndarray], rng: np.random.Generator) -> int:
        """Any pitch as often as any other, and at it any dynamic."""
        own = source[int(rng.choice(list(source)))]
        dynamics = self.bank.dynamics[own]
        return int(rng.choice(own[dynamics == rng.choice(np.unique(dynamics))]))

    def _play(
        self, mixed: np.ndarray, index: int, start: int, end: int, gain: float, release: float, rng: np.random.Generator,
        labels: tuple[np.ndarray, np.ndarray],
    ) -> int | None:  # fmt: skip
        """Add a note to the mixture and to its labels; return the pitch it is heard as, None where that sounds already."""
        import soxr

        hop, bank = self.config.hop, self.bank
        steps = int(rng.integers(-FARTHEST_STEPS, FARTHEST_STEPS + 1))
        pitch = int(bank.pitch[index]) + steps
        row = pitch - LOWEST_PITCH
        ratio = 2 ** ((steps + float(np.clip(rng.normal(0, 0.12), -0.4, 0.4))) / 12)
        last = min(end, start + int(bank.sounding[index] * hop / ratio))
        first, until = start // hop, min(self.frames, max(last // hop, start // hop + 1))
        onsets, playing = labels
        if not 0 <= row < PITCHES or first >= self.frames or (playing[first : until + 3, row] >= 0).any():
            return None
        wanted = end - start + int(6 * release)
        audio = bank.note(index)[: int(wanted * ratio) + 64]
        audio = soxr.resample(audio, self.config.sample_rate * ratio, self.config.sample_rate, quality="LQ")[:wanted]
        held = end - start
        audio[held:] *= np.exp(-np.arange(max(0, len(audio) - held)) / release).astype(np.float32)
        audio = audio[: len(mixed) - start]
        mixed[start : start + len(audio)] += np.float32(gain) * audio
        heard = (start + hop // 2) // hop  # the first hop that has heard half a hop of it
        playing[heard:until, row] = index
        onsets[heard : heard + 2, row] = 1
        return pitch

    def _recorded(self, mixed: np.ndarray, played: bool, levelled: bool, rng: np.random.Generator) -> np.ndarray:
        """The mixture in a room, equalised, beside noise or talk, at a level of its own if it is `levelled`; most of what is as
        recorded stays as it is."""
        rate = self.config.sample_rate
        if played and rng.random() < (0.8 if levelled else 0.1):
            size = 1 << (len(mixed) + rate // 2).bit_length()
            spectrum = np.fft.rfft(mixed, size)
            if rng.random() < 0.7:
                bent = 20 * np.log10(equalisation(size, rate, rng))
                bent -= np.average(bent, weights=np.abs(spectrum) ** 2 + 1e-12)  # it keeps the level
                spectrum *= 10 ** (bent / 20 * (1.0 if levelled else 0.5))
            if rng.random() < 0.6:
                spectrum *= np.fft.rfft(room(rate, rng)[: rate // 2], size)
            mixed = np.fft.irfft(spectrum, size)[: len(mixed)].astype(np.float32)
        gain = 10 ** (rng.uniform(-24, 8) / 20) if levelled else 10 ** (rng.normal(0, 0.5) / 20)
        mixed = mixed * np.float32(gain)
        if not played or rng.random() < (0.4 if levelled else 0.2):
            other = self.others[int(rng.integers(len(self.others)))]
            first = int(rng.integers(0, len(other) - len(mixed) + 1))
            loud = np.abs(mixed).max() if played else 1.0
            other = other[first : first + len(mixed)] / (np.abs(other).max() + 1e-6)
            mixed = mixed + np.float32(loud * 10 ** (rng.uniform(*((-45, -14) if played else (-45, -3))) / 20)) * other
        mixed = mixed + np.float32(10 ** (rng.uniform(-100, -66) / 20)) * rng.standard_normal(len(mixed), np.float32)
        return np.clip(mixed, -1, 1)


def no_music(count: int, seconds: float, config: TranslatorConfig, seed: int) -> np.ndarray:
    """(count, samples) float16 of noise, hum, clicks and talk."""
    import soxr

    rng = np.random.default_rng([seed, 77])
    made = (nothing_played(round(seconds * MADE_AT), MADE_AT, rng) for _ in range(count))
    return np.stack([soxr.resample(one, MADE_AT, config.sample_rate).astype(np.float16) for one in made])
