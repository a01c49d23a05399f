"""Songs on the grid of sixteenths, and human drumming with a bass line lent to it.

No set at hand has human drums and a bass. A drummer's take is given the bass of a song whose drums are like it, at the take's
tempo; what is learned from it is how people play drums under such a bass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.drummer.config import LONGEST_BAR, SIXTEENTHS
from models.drummer.hearing import bass_grid
from models.drummer.kit import CRASH, KICK, PART_OF, PARTS, SNARE, TIME
from models.drummer.material import Song

FEWEST_HITS = 3  # in a bar that is played and not a rest or an ending
FEWEST_BARS = 4
FEWEST_OF_STYLE = 6  # takes, of a style that can be asked for
PLAYED_SHARE = 0.5  # of the bars, by the bass
PLAIN_FIT, PLAIN_KICK = 4.0, 3.0
"""A song's weight grows by e for every 1 / PLAIN_FIT of its likeness to the plain beat, and for every 1 / PLAIN_KICK of its kick's. On real
songs the plain beat has .70 and its kick .63, on this material .58 and .46: so much more of what is rock and pop is what a drummer for
anybody's song needs."""
USUAL_FIT, USUAL_KICK = 0.6, 0.5
LENT = 3  # basses that a take is lent, each a passage of its own
NEAREST = 8  # songs one of which lends
TEMPO_DISLIKE = 0.25  # of likeness, for an octave of tempo


@dataclass(frozen=True, slots=True)
class Passage:
    """A song from the first to the last bar of its drums.

    bass: (beats, sixteenths, heard). velocity: (beats, sixteenths, parts) float32 0..1, 0 where nothing is struck; late: the same
    shape, in sixteenths. bar: beats of a bar; beat 0 is a downbeat.
    """

    name: str
    source: str
    style: str
    tempo_bpm: float
    bar: int
    bass: np.ndarray
    velocity: np.ndarray
    late: np.ndarray

    @property
    def grooves(self) -> np.ndarray:
        """(bars, sixteenths of a bar, 3) of 0 and 1: kick, snare, timekeeper; crashes keep time too."""
        return grooves_of(self.velocity > 0, self.bar)


def grooves_of(hits: np.ndarray, bar: int) -> np.ndarray:
    """(beats, sixteenths, parts) of bool -> (bars, sixteenths of a bar, 3) float32."""
    time = hits[..., TIME] | hits[..., CRASH]
    three = np.stack([hits[..., KICK], hits[..., SNARE], time], -1).astype(np.float32)
    bars = len(three) // bar
    return three[: bars * bar].reshape(bars, bar * SIXTEENTHS, 3)


def plain_beat(bar: int) -> np.ndarray:
    """(sixteenths of a bar, 3): eighths on the timekeeper, kick on the odd beats, snare on the even ones."""
    plain = np.zeros((bar, SIXTEENTHS, 3), np.float32)
    plain[:, ::2, 2] = 1
    plain[::2, 0, 0] = plain[1::2, 0, 1] = 1
    return plain.reshape(-1, 3)


def groove_cosine(true: np.ndarray, played: np.ndarray) -> float:
    """Return the mean over bars of the cosine between (bars, sixteenths, 3) of 0 and 1; a bar empty on both sides counts 1, on one 0."""
    a, b = true.reshape(len(true), -1), played.reshape(len(played), -1)
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean(np.where(size > 0, (a * b).sum(1) / np.maximum(size, 1e-9), ~a.any(1) & ~b.any(1))))


def f1(true: np.ndarray, played: np.ndarray) -> float:
    """Return F1 between hits of 0 and 1, on the same sixteenths."""
    return float(2 * (true * played).sum() / max(1, true.sum() + played.sum()))


def plain_fit(passage: Passage) -> float:
    """Return the mean cosine between a passage's bars and the plain beat."""
    bars = passage.grooves
    return groove_cosine(bars, np.broadcast_to(plain_beat(passage.bar), bars.shape))


def plain_kick(passage: Passage) -> float:
    """Return F1 between a passage's kicks and the plain beat's."""
    kicks = passage.grooves[..., 0]
    return f1(kicks, np.broadcast_to(plain_beat(passage.bar)[:, 0], kicks.shape))


def weight_of(passage: Passage) -> float:
    """Return how often a passage is taken beside others."""
    likeness = PLAIN_FIT * (plain_fit(passage) - USUAL_FIT) + PLAIN_KICK * (plain_kick(passage) - USUAL_KICK)
    return float(np.exp(likeness) * np.sqrt(min(len(passage.bass), 256)))


def passages_of(songs: Iterable[Song]) -> list[Passage]:
    """Return the passages of songs; those of takes without a bass hold silence. Songs in odd bars or too short are left out."""
    passages = []
    for song in songs:
        bar, beats = int(song.numbers.max(initial=1)), len(song.numbers)
        if not 2 <= bar <= LONGEST_BAR or "fill" in song.style:
            continue
        velocity, late = drum_grid(song.drums, beats)
        busy = (velocity.reshape(beats // bar, -1) > 0).sum(1) >= FEWEST_HITS
        first, last = (int(busy.argmax()), len(busy) - int(busy[::-1].argmax())) if busy.any() else (0, 0)
        if last - first < FEWEST_BARS:
            continue
        inside = slice(first * bar, last * bar)
        bass = bass_grid(song.bass, beats)[inside]
        played = (bass[..., 0].reshape(last - first, -1) > 0).any(1).mean()
        if len(song.bass) and played < PLAYED_SHARE:
            continue
        passages.append(
            Passage(
                song.name,
                song.source,
                song.style.split("/")[0],
                song.tempo_bpm,
                bar,
                bass,
                velocity[inside],
                late[inside],
            )
        )
    return passages


def lend_bass(takes: Sequence[Passage], songs: Sequence[Passage], rng: np.random.Generator) -> list[Passage]:
    """Return `takes` with the basses of `songs` whose drums are like theirs."""
    out = []
    for take in takes:
        of_metre = [song for song in songs if song.bar == take.bar]
        if not of_metre:
            continue
        likeness = np.array([_likeness(take, song) for song in of_metre])
        nearest = np.argsort(-likeness)[:NEAREST]
        for index in rng.choice(nearest, min(LENT, len(nearest)), replace=False):
            lent = of_metre[index].bass
            spare = (len(lent) - len(take.bass)) // take.bar
            start = take.bar * int(rng.integers(0, spare + 1)) if spare > 0 else 0
            again = -(-len(take.bass) // len(lent))
            bass = np.tile(lent, (again, 1, 1))[start : start + len(take.bass)]
            out.append(replace(take, bass=bass))
    return out


def style_patterns(takes: Iterable[Passage], bar: int = 4) -> dict[str, np.ndarray]:
    """Return of every style that some takes are in how often each hit is played: (bar, sixteenths, parts) float32."""
    played: dict[str, list[np.ndarray]] = {}
    for take in takes:
        if take.bar == bar:
            bars = (take.velocity > 0).reshape(-1, bar, SIXTEENTHS, len(PARTS))
            played.setdefault(take.style, []).append(bars.mean(0))
    return {
        style: np.mean(some, 0).astype(np.float32) for style, some in played.items() if len(some) >= FEWEST_OF_STYLE
    }


def drum_grid(drums: np.ndarray, beats: int) -> tuple[np.ndarray, np.ndarray]:
    """(hits, 3) place, note, velocity -> velocity 0..1 and lateness in sixteenths, (beats, sixteenths, parts) each."""
    velocity = np.zeros((beats * SIXTEENTHS, len(PARTS)), np.float32)
    late = np.zeros_like(velocity)
    for place, note, strength in drums:
        step, part = int(np.floor(place * SIXTEENTHS + 0.5)), PART_OF[int(note)]
        if 0 <= step < len(velocity) and strength / 127 > velocity[step, part]:
            velocity[step, part], late[step, part] = strength / 127, place * SIXTEENTHS - step
    shape = beats, SIXTEENTHS, len(PARTS)
    return velocity.reshape(shape), late.reshape(shape)


def _likeness(take: Passage, song: Passage) -> float:
    a, b = (passage.grooves.mean(0).ravel() for passage in (take, song))
    alike = a @ b / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b)))
    return float(alike - TEMPO_DISLIKE * abs(np.log2(take.tempo_bpm / song.tempo_bpm)))
