"""POP909: piano arrangements of pop songs as MIDI, without audio: material to render, see `models.sound.renders`.

Layout: POP909/NNN/NNN.mid with the tracks MELODY (the voice), BRIDGE (a second voice) and PIANO, beside beat_midi.txt,
chord_midi.txt, key_audio.txt and versions/ with earlier arrangements of the song, which are not read. Wang et al.,
ISMIR 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from models.sound.datasets.recording import Recording, Split, read_midi, require_layout

TRACKS = ("MELODY", "BRIDGE", "PIANO")
LAYOUT = ("POP909/[0-9][0-9][0-9]/*.mid", "[0-9][0-9][0-9]/[0-9][0-9][0-9].mid")
# the data set has no split; the shipped transcriber was trained on songs up to 850
LAST_TRAINING_SONG, LAST_VALIDATION_SONG = 850, 869


def pop909(root: Path, tracks: tuple[str, ...] = TRACKS) -> Iterator[Recording]:
    """Yield the songs with the notes of `tracks`: 870 to 909 test, 851 to 869 validation, the others train."""
    require_layout(root, LAYOUT, "POP909")
    unknown = [track for track in tracks if track not in TRACKS]
    if unknown:
        raise ValueError(f"POP909 has no track {unknown[0]!r}; allowed are {', '.join(TRACKS)}")
    songs = root / "POP909" if (root / "POP909").is_dir() else root
    for folder in sorted(songs.glob("[0-9][0-9][0-9]"), reverse=True):
        yield Recording(
            dataset="pop909",
            name=folder.name,
            piece=folder.name,
            split=_split(int(folder.name)),
            instrument="piano",
            audio=None,
            reads=partial(read_midi, folder / f"{folder.name}.mid", tracks),
        )


def _split(song: int) -> Split:
    if song <= LAST_TRAINING_SONG:
        return "train"
    return "validation" if song <= LAST_VALIDATION_SONG else "test"
