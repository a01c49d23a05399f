"""Who plays drums as sound in `drummer_mel_table`: networks that draw them, the drummer, a plain beat, and the real ones.

Networks are trained here, each for the same minutes of a core on the same songs, and kept in a folder for the next time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.drummer_programs import AUDIO
from benchmarks.drummer_scores import TIME, Beats, Hits, folded, read_beats, read_hits, rock_beat
from models.drummer.manifest import HOP, ROOM, SAMPLE_RATE
from models.drummer.published.config import SMALL
from models.drummer.published.corrections import Corrections
from models.drummer.published.data import read_pieces
from models.drummer.published.network import load_network
from models.drummer.published.rendered import play_kit
from models.drummer.published.synthesis import render
from models.drummer.published.training import recipe, train
from models.drummer.room import Room
from models.drummer.sampled import bent
from models.events import NoteOn
from server.beats_file import read_beats as read_transport
from server.errors import BacklineError
from server.model_store import find_model, open_stream
from server.run_file import Take, run_stream

STAGES = ("separated", "clean")
NETWORKS = {
    "as published": ("cyclegan", Corrections.as_released()),
    "put right": ("cyclegan", Corrections.all()),
    "Pix2Pix": ("pix2pix", Corrections.all()),
    "live": ("live", Corrections.all()),
}
"""Name in the table -> objective and what is put right."""
HARD, SOFT = 100, 80  # velocities in our kit: of all drums but the timekeeper, and of that


@dataclass(frozen=True, slots=True)
class Song:
    """A song to judge with. beats_file: of `beats`. bass, drums: (samples,) float32 at their rates."""

    name: str
    beats: Beats
    beats_file: Path
    hits: Hits
    bass: tuple[np.ndarray, int]
    drums: tuple[np.ndarray, int]


@dataclass(frozen=True, slots=True)
class Played:
    """Drums as sound; hits: what was struck, where it is known and need not be heard."""

    audio: np.ndarray
    rate: int
    hits: Hits | None = None


@dataclass(frozen=True, slots=True)
class System:
    """One line of the table. about: what its row says beside the figures."""

    name: str
    plays: Callable[[Song], Played]
    about: dict[str, float | int]


def read_songs(folder: Path) -> list[Song]:
    """Read NAME.beats, ref/NAME.mid, and the sound of audio/NAME (the bass) and drums/NAME. Raises BacklineError."""
    songs = []
    for path in sorted(folder.glob("*.beats")):
        hits = read_hits(folder / "ref" / f"{path.stem}.mid")
        sounds = (_sound(folder / part, path.stem) for part in ("audio", "drums"))
        songs.append(Song(path.stem, read_beats(path), path, hits, *sounds))
    if not songs:
        raise BacklineError(f"{folder} holds no NAME.beats")
    return songs


def systems(work: Path, names: Sequence[str], seeds: int, minutes: float, model: str | None) -> Iterator[System]:
    """Yield the real drums, their strokes and the plain beat in our kit, the drummer where a model is named, and the networks."""
    yield System("real drums", lambda song: Played(*song.drums), {})
    yield System("their strokes in our kit", lambda song: _in_our_kit(song, song.hits), {})
    yield System("rock beat in our kit", lambda song: _in_our_kit(song, rock_beat(song.beats)), {})
    if model is not None:
        yield System("drummer", partial(_plays_drummer, model), {})
    for seed in range(1, seeds + 1):
        for name in names:
            yield network_system(work, name, seed, minutes)


def network_system(work: Path, name: str, seed: int, minutes: float) -> System:
    """Train a network unless that was done, and return who plays with it."""
    checkpoint = trained(work, name, seed, minutes)
    network, card = load_network(checkpoint)
    about = {"seed": seed, "core_minutes": round(float(card["core_seconds"]) / 60, 2), "steps": int(card["step"])}
    about["parameters"] = network.parameter_count

    def plays(song: Song) -> Played:
        return Played(render(network, *song.bass), network.config.sample_rate)

    return System(f"{name}, {minutes:g} min, seed {seed}", plays, about)


def trained(work: Path, name: str, seed: int, minutes: float, task: str = "bass2drums") -> Path:
    """Return the checkpoint of a network, trained on the pictures in the folder's stages as far as that was not done before."""
    stages = recipe(*(read_pieces(work / stage, task, SMALL) if (work / stage).exists() else [] for stage in STAGES))
    kind, corrections = NETWORKS[name]
    told = f"{name} {minutes:g} {seed}".replace(" ", "_").replace(".", "_").lower()
    return train(stages, work / told, task=task, kind=kind, minutes=minutes, seed=seed, corrections=corrections,
                 clock=time.process_time)  # fmt: skip


def _in_our_kit(song: Song, hits: Hits) -> Played:
    struck = [(place, part, SOFT if part == TIME else HARD) for place, part in zip(hits.times, hits.parts, strict=True)]
    return Played(in_room(play_kit(np.array(struck), len(song.bass[0]) / song.bass[1])), SAMPLE_RATE, hits)


def in_room(dry: np.ndarray) -> np.ndarray:
    """Return the kit's sound, (samples,), in the drummer's room as it stands by default."""
    room, hops = Room(SAMPLE_RATE, HOP), np.pad(dry, (0, -len(dry) % HOP)).astype(np.float32).reshape(-1, HOP)
    answer = np.concatenate([room.answer(hop) for hop in hops])[: len(dry)]
    return np.asarray(bent(dry.astype(np.float32) + np.float32(ROOM) * answer))


def run_drummer(model: str, song: Song, with_beats: bool = True) -> Take:
    """Play as `backline run drummer BASS --beats BEATS` does, or without `--beats`. Raises BacklineError."""
    audio, rate = song.bass
    told = read_transport(song.beats_file).transports(rate) if with_beats else ()
    return run_stream(open_stream(find_model(model), {}, rate, "cpu"), np.asarray(audio[None], np.float32), told)


def hits_of(take: Take) -> Hits:
    """Return the drums of what was played."""
    return folded((event.sample / take.rate, event.pitch) for event in take.events() if isinstance(event, NoteOn))


def _plays_drummer(model: str, song: Song) -> Played:
    take = run_drummer(model, song)
    return Played(take.audio[0], take.rate, hits_of(take))


def _sound(folder: Path, name: str) -> tuple[np.ndarray, int]:
    import soundfile

    path = next((folder / f"{name}{kind}" for kind in AUDIO if (folder / f"{name}{kind}").exists()), None)
    if path is None:
        raise BacklineError(f"{folder} holds no {name}{' or '.join(AUDIO)}")
    audio, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.mean(1)), rate
