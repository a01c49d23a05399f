"""What an arranger is heard with: songs of a folder, with their beats and a human's arrangement where it holds them, or a made one.

Called by `listening_arranger`. A folder holds NAME.flac (or another audio file), in it or in audio/, and NAME.beats beside it where the
beats are known; or POP909's songs, midi_pop909/NNN, whose sound is audio/NNN.flac or else the band midi_pop909_band/NNN_0.mid with the
voice, played by a sound font.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.arranger.config import SAMPLE_RATE
from models.arranger.ear_lessons import BANDS, SONGS
from models.arranger.renders import read_band, sound
from models.arranger.songs import notes_of, read_split
from models.block import Samples
from server.audio.file import AUDIO_SUFFIXES, read_audio
from server.beats_file import Beats, read_beats
from server.errors import BacklineError

Sound = tuple[Samples, int]
"""(1, samples) and their rate."""
Notes = NDArray[np.float64]
"""(notes, 4): onset and offset in seconds, pitch, velocity."""
SEED = 909  # of a band's instruments and room, with the song's number
BPM, ROUND, ROUNDS = 104.0, ((9, 3), (5, 4), (0, 4), (7, 4)), 5
"""Of the made song: root and third of each bar, that come again."""
TUNE = ((0.0, 1.5, 4), (1.5, 0.5, 2), (2.0, 1.0, 0), (3.0, 1.0, 2))
"""Of a bar of it: beat, beats, and where among the chord's tones."""
KICK, SNARE, HAT = 36, 38, 42


@dataclass(frozen=True, slots=True)
class Song:
    """A song. human: its arrangement by a person, with the melody `out` of it and `in` it, where there is one."""

    name: str
    audio: Sound
    beats: Beats | None = None
    human: Mapping[str, Notes] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.audio[0].shape[1] / self.audio[1]

    def part(self, begin: float, end: float) -> "Song":
        """Return what lies between two times in seconds, with its beats, if there are two, and the human's notes that begin there."""
        samples, rate = self.audio
        sound = samples[:, round(begin * rate) : round(end * rate)]
        beats = None
        if self.beats is not None:
            pairs = zip(self.beats.seconds, self.beats.numbers, strict=True)
            inside = [(at - begin, number) for at, number in pairs if begin <= at < end]
            if len(inside) > 1:
                beats = Beats(tuple(at for at, _ in inside), tuple(number for _, number in inside))
        human = {name: notes[(notes[:, 0] >= begin) & (notes[:, 0] < end)] for name, notes in self.human.items()}
        moved = {name: notes - [begin, begin, 0, 0] for name, notes in human.items()}
        return Song(self.name, (sound, rate), beats, moved)


def songs_of(folder: Path, font: Path, most: int) -> Iterator[Song]:
    """Yield at most `most` songs of a folder, of POP909's those that no arranger learnt from first.

    font: what plays a band. Raises BacklineError: a file is damaged, or the folder holds no song.
    """
    numbered = folder / SONGS if (folder / SONGS).is_dir() else folder
    scores = {path.name: path for path in numbered.glob("[0-9][0-9][0-9]") if (path / f"{path.name}.mid").is_file()}
    files = {p.stem: p for p in (*folder.glob("*"), *folder.glob("audio/*")) if p.suffix.lower() in AUDIO_SUFFIXES}
    kept_aside = [name for name in read_split()["test"] if name in scores]
    found = 0
    for name in dict.fromkeys([*kept_aside, *sorted(scores), *sorted(files.keys() - scores)]):
        band = folder / BANDS / f"{name}_0.mid"
        if found == most:
            return
        if name not in scores:
            yield _recorded(files[name], folder)
        elif name in files or band.exists():
            yield _scored(scores[name], files.get(name), band, font)
        else:
            continue
        found += 1
    if not found:
        raise BacklineError(f"{folder} holds no song: neither audio nor {SONGS}/NNN with a sound of it")


def _recorded(path: Path, folder: Path) -> Song:
    beats = next((p for p in (path.with_suffix(".beats"), folder / f"{path.stem}.beats") if p.is_file()), None)
    return Song(path.stem, read_audio(path), None if beats is None else read_beats(beats))


def _scored(folder: Path, recording: Path | None, band: Path, font: Path) -> Song:
    """Return a song of POP909 by its recording, or played by its band."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(str(folder / f"{folder.name}.mid"))
    parts = {one.name: notes_of(one) for one in midi.instruments}
    voice, bridge, piano = (parts.get(name, np.zeros((0, 4))) for name in ("MELODY", "BRIDGE", "PIANO"))
    ratio, shift = 1.0, 0
    if recording is not None:
        audio = read_audio(recording)
    else:
        made = sound(read_band(band), voice, font, np.random.default_rng([SEED, int(folder.name)]))
        audio, ratio, shift = (made.audio[None], SAMPLE_RATE), made.ratio, made.shift
    human = {"out": np.concatenate([bridge, piano]), "in": np.concatenate([voice, bridge, piano])}
    moved = {
        name: notes[notes[:, 0].argsort()] * [ratio, ratio, 1, 1] + [0, 0, shift, 0] for name, notes in human.items()
    }
    return Song(folder.name, audio, _beats(folder / "beat_midi.txt", ratio), moved)


def _beats(path: Path, ratio: float) -> Beats:
    """Return the beats of POP909: a line each with its time, and whether it begins a bar in the third place."""
    rows = np.loadtxt(path, ndmin=2)
    downs = np.flatnonzero(rows[:, 2] > 0)
    first = int(downs[0]) if len(downs) else 0
    numbers = [
        beat - max((int(down) for down in downs if down <= beat), default=first - 4) for beat in range(len(rows))
    ]
    return Beats(tuple((rows[:, 0] * ratio).tolist()), tuple(number % 32 + 1 for number in numbers))


def made_song(font: Path) -> Song:
    """Return four chords that go round, by a band with a voice, for who has no songs."""
    beat, voice, bass, comp, drums = 60 / BPM, [], [], [], []
    for bar in range(ROUNDS * len(ROUND)):
        root, third = ROUND[bar % len(ROUND)]
        start = bar * 4 * beat
        tones = (60 + root % 12, 60 + root % 12 + third, 67 + root % 12)
        voice += [
            (start + at * beat, start + (at + 0.9 * beats) * beat, tones[place // 2] + 12 * (bar % 8 > 3), 96)
            for at, beats, place in TUNE
        ]
        for half in (0, 2):
            bass.append(
                (start + half * beat, start + (half + 1.8) * beat, 36 + root % 12 - 7 * (half > 0 and root > 6), 96)
            )
        for eighth in range(8):
            at = start + eighth * beat / 2
            comp += [(at, at + 0.45 * beat, tone - 12, 84 - 16 * (eighth % 2)) for tone in tones]
            drums.append((at, at + 0.1, HAT, 70))
            if eighth % 2 == 0:
                drums.append((at, at + 0.1, SNARE if eighth % 4 else KICK, 96))
    band = {"Bass": np.array(bass), "Guitar": np.array(comp), "Drum": np.array(sorted(drums))}
    made = sound(band, np.array(voice), font, np.random.default_rng(SEED))
    count = ROUNDS * len(ROUND) * 4
    beats = Beats(tuple(n * beat * made.ratio for n in range(count)), tuple(n % 4 + 1 for n in range(count)))
    return Song("Four chords", (made.audio[None], SAMPLE_RATE), beats)
