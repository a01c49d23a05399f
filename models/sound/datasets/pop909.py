"""POP909: piano arrangements of pop songs as MIDI: material to render, see `models.sound.renders`, or with the songs' own audio.

Layout: POP909/NNN/NNN.mid with the tracks MELODY (the voice), BRIDGE (a second voice) and PIANO, beside beat_midi.txt,
chord_midi.txt, key_audio.txt and versions/ with earlier arrangements of the song, which are not read. The songs themselves are not
published; who has them gives a folder with a file a song, its name NNN or beginning with NNN and a sign that is no digit or
letter, such as 001.mp3 or "001 - Title.flac", or audio/ beside POP909/. Wang et al., ISMIR 2020.
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
AUDIO = "audio"
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")  # the first that is there


def pop909(root: Path, tracks: tuple[str, ...] = TRACKS, audio: Path | None = None) -> Iterator[Recording]:
    """Yield the songs with the notes of `tracks`: 870 to 909 test, 851 to 869 validation, the others train.

    audio: the folder of the songs' own audio, which is the MIDI's in time; audio/ beside them if left out, or none. A song that has no
    file in it has no audio.

    Raises:
        ValueError: the folder is no data set, a track is unknown, or `audio` was given and holds no song.
    """
    require_layout(root, LAYOUT, "POP909")
    unknown = [track for track in tracks if track not in TRACKS]
    if unknown:
        raise ValueError(f"POP909 has no track {unknown[0]!r}; allowed are {', '.join(TRACKS)}")
    songs = root / "POP909" if (root / "POP909").is_dir() else root
    sounds = _sounds(audio or root / AUDIO)
    if audio is not None and not sounds:
        raise ValueError(
            f"{audio} holds no song of POP909: files are called 001.mp3, say; allowed are {', '.join(SUFFIXES)}"
        )
    for folder in sorted(songs.glob("[0-9][0-9][0-9]"), reverse=True):
        yield Recording(
            dataset="pop909",
            name=folder.name,
            piece=folder.name,
            split=_split(int(folder.name)),
            instrument="piano",
            audio=sounds.get(folder.name),
            reads=partial(read_midi, folder / f"{folder.name}.mid", tracks),
        )


def _sounds(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the number of their song."""
    found: dict[str, Path] = {}
    for suffix in SUFFIXES:
        for path in sorted(folder.glob("[0-9][0-9][0-9]*")):
            if path.suffix.lower() == suffix and path.is_file() and not path.stem[3:4].isalnum():
                found.setdefault(path.name[:3], path)
    return found


def _split(song: int) -> Split:
    if song <= LAST_TRAINING_SONG:
        return "train"
    return "validation" if song <= LAST_VALIDATION_SONG else "test"
