"""Single notes of General MIDI sound fonts, one file each, made once: instruments that no collection has, and other sources.

Violin and trumpet of FluidR3 and MuseScore General are what training hears of those two; the other instruments' renders stand beside
real notes, so that an instrument is more than one player. TimGM6mb is never trained on: it is the source that nobody has heard.
A dynamic is a velocity here, which is what the font's makers take it for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.sound.performance import Performance
from models.sound.soundfont import RENDER_RATE, play_soundfont
from models.translator.notes import Note
from models.translator.symbols import VELOCITIES

FONTS = {
    "fluidr3": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore": Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"),
    "timgm6mb": Path("/usr/share/sounds/sf2/TimGM6mb.sf2"),
}
PROGRAMS = {
    "violin": (40, 55, 100), "cello": (42, 36, 79), "double_bass": (43, 28, 67), "flute": (73, 60, 96), "saxophone": (65, 49, 87),
    "trumpet": (56, 52, 86), "french_horn": (60, 36, 77), "piano": (0, 21, 108),
}  # fmt: skip
"""Instrument -> General MIDI program from 0, lowest and highest pitch."""
NOTE_SECONDS, SLOT_SECONDS = 1.2, 2.0


def rendered_notes(folder: Path, fonts: Sequence[str] = tuple(FONTS)) -> list[Note]:
    """Return the notes of those fonts that are installed, rendered into `folder` where they are not there yet."""
    notes = []
    for font in fonts:
        if not FONTS[font].is_file():
            continue
        for instrument, (program, lowest, highest) in PROGRAMS.items():
            own = folder / font / instrument
            for dynamic, velocity in VELOCITIES.items():
                pitches = range(lowest, highest + 1)
                paths = [own / f"{pitch:03d}_{dynamic}.flac" for pitch in pitches]
                if not all(path.is_file() for path in paths):
                    _render(FONTS[font], program, velocity, pitches, paths)
                for pitch, path in zip(pitches, paths, strict=True):
                    notes.append(Note(font, instrument, pitch, dynamic, path, "render"))
    return notes


def _render(font: Path, program: int, velocity: int, pitches: Sequence[int], paths: Sequence[Path]) -> None:
    import soundfile

    onsets = 0.1 + SLOT_SECONDS * np.arange(len(pitches))
    played = np.stack([onsets, onsets + NOTE_SECONDS, np.array(pitches), np.full(len(pitches), velocity)], 1).astype(
        float
    )
    audio = play_soundfont(Performance(played, np.zeros((0, 2))), font, program, float(onsets[-1] + SLOT_SECONDS))
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for onset, path in zip(onsets, paths, strict=True):
        first = round((onset - 0.05) * RENDER_RATE)
        partial = path.with_name(f".{path.name}")
        soundfile.write(
            partial, audio[first : first + round((SLOT_SECONDS - 0.05) * RENDER_RATE)], RENDER_RATE, format="FLAC"
        )
        partial.rename(path)
