"""Songs made for tests: chords that go round, a voice on their tones, and a piano that plays them in broken chords."""

import numpy as np

from models.arranger.config import BEATS_A_BAR
from models.arranger.material import Material, join, piece_of, simulate
from models.arranger.songs import Song, parse_chord

ROUND = ("C:maj", "A:min", "F:maj", "G:maj")


def made_song(name: str, bars: int = 8) -> Song:
    number = int(name)
    chords, voice, piano = [], [], []
    for bar in range(bars):
        row = parse_chord(ROUND[(bar + number) % len(ROUND)])
        chords += [row] * BEATS_A_BAR
        root = int(row[:12].argmax())
        for beat in range(BEATS_A_BAR):
            at = bar * BEATS_A_BAR + beat
            tones = [48 + root, 55 + root, 60 + root, 64 + root]
            piano.append((at, at + 1, tones[beat], 80))
            if beat == 0:
                piano.append((at, at + 4, 36 + root, 80))
            if (beat + number) % 2 == 0:
                voice.append((at + 0.5, at + 1, 72 + root, 90))
    bridge = [(0.0, 1.0, 84, 80), (0.0, 2.0, 84, 80)]
    return Song(
        name,
        np.arange(bars * BEATS_A_BAR) * 0.5,
        np.stack(chords),
        np.array(voice),
        np.array(bridge),
        np.array(piano, float),
    )


def made_material(names: list[str], bars: int = 8) -> Material:
    pieces = []
    for name in names:
        song = made_song(name, bars)
        heard = simulate(song, np.random.default_rng(int(name)))
        pieces.append((f"{name}_0_0", piece_of(song, heard["heard"], heard["chords"], 0)))
    return join(pieces)
