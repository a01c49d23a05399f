"""Which note is what in a bar, where it lies on the keyboard, and how many there are: voices, register, density.

notes of the network -> voices -> register -> density -> notes for the hands
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np

from models.arranger.config import KEYS, LOWEST_KEY, ROOTS, SIXTEENTHS
from models.arranger.grid import Written
from models.arranger.pedal import NO_CHORD, harmony_of
from models.arranger.played import BarHeard

HIGHEST_KEY = LOWEST_KEY + KEYS - 1
MELODY, BASS, INNER, ADDED = "melody", "bass", "inner", "added"
NEAR = 1  # steps that a note of the melody may be written beside where it was heard
OCTAVE = 12
LOWEST_DOUBLED = 28  # E1: no bass is doubled below it, where octaves are a rumble


@dataclass(frozen=True, slots=True)
class Voiced:
    """A note and its part in the bar: MELODY, BASS (the lowest of a harmony), INNER, or ADDED, which the network did not write."""

    note: Written
    voice: str


def voices(notes: Iterable[Written], bar: BarHeard, melody: bool) -> list[Voiced]:
    """Return the notes of a bar, in the order of steps and pitches, each once; what does not begin in the bar is left out.

    melody: whether what was heard as melody is one; its notes are those of its pitch class at or beside its steps.
    """
    longest: dict[tuple[int, int], Written] = {}
    for note in notes:
        place = note.step, note.pitch
        if 0 <= note.step < bar.steps and (place not in longest or longest[place].length < note.length):
            longest[place] = note
    found = [Voiced(longest[place], INNER) for place in sorted(longest)]
    for number in _lowest(found, bar.chords):
        found[number] = replace(found[number], voice=BASS)
    for heard in bar.melody if melody else ():
        near = [
            (abs(one.note.step - heard.step), abs(one.note.pitch - heard.pitch), number)
            for number, one in enumerate(found)
            if abs(one.note.step - heard.step) <= NEAR and (one.note.pitch - heard.pitch) % OCTAVE == 0
        ]
        if near:
            number = min(near)[-1]
            found[number] = replace(found[number], voice=MELODY)
    return found


def in_register(notes: Sequence[Voiced], semitones: float) -> list[Voiced]:
    """Return the notes moved by the whole octaves that are nearest, those of a step in the order they had, none off the keyboard.

    A note that would leave the keyboard, or pass one that stays behind, is moved by fewer octaves.
    """
    octaves = floor(semitones / OCTAVE + 0.5)
    if not octaves:
        return list(notes)
    moved: list[Voiced] = []
    for _, together in sorted(_by_step(notes).items()):
        bound = HIGHEST_KEY + 1 if octaves > 0 else LOWEST_KEY - 1
        for one in reversed(together) if octaves > 0 else together:
            pitch = one.note.pitch + OCTAVE * octaves
            while pitch >= bound if octaves > 0 else pitch <= bound:
                pitch -= OCTAVE if octaves > 0 else -OCTAVE
            bound = pitch
            moved.append(replace(one, note=replace(one.note, pitch=pitch)))
    return sorted(moved, key=lambda one: (one.note.step, one.note.pitch))


def dense(notes: Sequence[Voiced], density: float, chords: np.ndarray) -> list[Voiced]:
    """Return as many notes as asked: the surest with bass and melody up to 1, doublings and tones of the chord besides beyond.

    density: times as many notes as there are, as near as there is something to add. chords: (beats, CHORD).
    """
    if density <= 1:
        kept = [one for one in notes if one.voice in (MELODY, BASS)]
        others = sorted((one for one in notes if one.voice not in (MELODY, BASS)), key=_surest)
        kept += others[: max(0, ceil(density * len(notes)) - len(kept))]
    else:
        kept = [*notes, *_more(notes, chords)[: round((density - 1) * len(notes))]]
    return sorted(kept, key=lambda one: (one.note.step, one.note.pitch))


def _lowest(notes: Sequence[Voiced], chords: np.ndarray) -> list[int]:
    """Return the places of the notes that are the lowest of their harmony, where it is struck first."""
    harmonies = [harmony_of(chord) for chord in chords]
    groups: dict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(notes):
        beat = min(one.note.step // SIXTEENTHS, len(harmonies) - 1)
        while beat > 0 and harmonies[beat - 1] == harmonies[beat]:
            beat -= 1
        groups[beat].append(place)
    return [min(group, key=lambda place: (notes[place].note.pitch, place)) for group in groups.values()]


def _by_step(notes: Iterable[Voiced]) -> dict[int, list[Voiced]]:
    found: dict[int, list[Voiced]] = defaultdict(list)
    for one in notes:
        found[one.note.step].append(one)
    return found


def _surest(one: Voiced) -> tuple[float, int, int, int]:
    """Sort key: the surest first; of equals those on stronger beats."""
    return -one.note.sure, _weakness(one.note.step), one.note.step, -one.note.pitch


def _weakness(step: int) -> int:
    """Return 0 for a downbeat, 1 for a beat, 2 for an eighth between, 3 for other sixteenths."""
    return 0 if step == 0 else 1 if step % SIXTEENTHS == 0 else 2 if step % 2 == 0 else 3


def _more(notes: Sequence[Voiced], chords: np.ndarray) -> list[Voiced]:
    """Return what may be added, the most wanted first: octaves below the bass, octaves below the top, tones of the chord between.

    Only on eighths, and no key that another note needs: a key cannot be struck twice within sixteenths.
    """
    offers: list[tuple[int, int, int, Written]] = []
    for step, together in _by_step(notes).items():
        if step % 2:
            continue
        bass, top = together[0], together[-1].note
        if bass.voice == BASS and bass.note.pitch - OCTAVE >= LOWEST_DOUBLED:
            offers.append((0, _weakness(step), step, replace(bass.note, pitch=bass.note.pitch - OCTAVE)))
        sounding = [one.note.pitch for one in notes if one.note.step <= step < one.note.step + one.note.length]
        lowest, highest = min(sounding), max(sounding)
        if top.pitch - OCTAVE > lowest:
            offers.append((1, _weakness(step), step, replace(top, pitch=top.pitch - OCTAVE)))
        chord = chords[min(step // SIXTEENTHS, len(chords) - 1)]
        tones = np.flatnonzero(chord[ROOTS : ROOTS + 12] > 0.5) if chord[:ROOTS].argmax() != NO_CHORD else ()
        for pitch in range(highest - 1, max(lowest, highest - OCTAVE), -1):
            if pitch % OCTAVE in tones:
                offers.append((2, _weakness(step), step, replace(top, pitch=pitch)))
    busy = {
        pitch: [one.note for one in notes if one.note.pitch == pitch] for pitch in range(LOWEST_KEY, HIGHEST_KEY + 1)
    }
    added = []
    for *_, note in sorted(offers, key=lambda offer: (*offer[:3], -offer[3].pitch)):
        end = note.step + note.length
        if all(other.step > end or other.step + other.length < note.step for other in busy[note.pitch]):
            busy[note.pitch].append(note)
            added.append(Voiced(replace(note, sure=0.0), ADDED))
    return added
