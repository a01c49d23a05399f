"""FMA: the Free Music Archive's songs, whole, with who made them and what they are tagged as; no stems.

Layout: fma_metadata with tracks.csv and genres.csv beside fma_full with NNN/NNNNNN.mp3 (the other downloads hold clips of 30 s).
tracks.csv has two rows of headings, group and name, and a third that names the first column. Defferrard et al., ISMIR 2017.

The filters are the paper's of the drummer: untrimmed songs tagged as pop, soul-RnB or indie-rock, without albums whose title has the
word "live". It counts about 10,000; a song is tagged with what stands in `genres`, not with the parents of that.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from models.sound.datasets.recording import Split, read_rows, require_layout, required
from models.sound.datasets.song import MIXTURE, Song

LAYOUT = ("fma_metadata/tracks.csv",)
GENRES = ("Pop", "Soul-RnB", "Indie-Rock")
AUDIO = "fma_full"
LIVE = re.compile(r"\blive\b", re.IGNORECASE)
COLUMNS = {"album": ("album", "title"), "genres": ("track", "genres"), "split": ("set", "split")}
SPLITS: dict[str, Split] = {"training": "train", "validation": "validation", "test": "test"}


def fma(root: Path, genres: tuple[str, ...] = GENRES) -> Iterator[Song]:
    """Yield the songs of these genres that are not live, in the set's own splits, in which no artist is on two sides."""
    require_layout(root, LAYOUT, "FMA")
    if not (root / AUDIO).is_dir():
        raise FileNotFoundError(
            f"{root / AUDIO} is missing: the other downloads of FMA hold clips of 30 s, and whole songs are wanted"
        )
    wanted = _numbers(root / "fma_metadata" / "genres.csv", genres)
    for track, row in _tracks(root / "fma_metadata" / "tracks.csv"):
        if wanted & row[1] and not LIVE.search(row[0]):
            name = f"{track:06d}"
            yield Song("fma", name, row[2], {MIXTURE: (root / AUDIO / name[:3] / f"{name}.mp3", None)})


def _numbers(path: Path, genres: tuple[str, ...]) -> set[int]:
    """Return the numbers of genres by their titles."""
    rows = {row["title"]: row["genre_id"] for row in read_rows(path, ("genre_id", "title"))}
    unknown = [genre for genre in genres if genre not in rows]
    if unknown:
        raise ValueError(f"{path} lists no genre {unknown[0]!r}")
    return {int(rows[genre]) for genre in genres}


def _tracks(path: Path) -> Iterator[tuple[int, tuple[str, set[int], Split]]]:
    """Yield number, title of the album, numbers of the genres and split of every track."""
    try:
        with required(path).open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            headings = list(zip(next(rows, []), next(rows, []), strict=False))
            next(rows, None)
            lacking = [heading for heading in COLUMNS.values() if heading not in headings]
            if lacking:
                raise ValueError(f"it has no column {' '.join(lacking[0])}")
            places = [headings.index(heading) for heading in COLUMNS.values()]
            for row in rows:
                album, genres, split = (row[place] for place in places)
                yield int(row[0]), (album, set(ast.literal_eval(genres)), SPLITS[split])
    except (UnicodeDecodeError, csv.Error, ValueError, SyntaxError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is no list of FMA's tracks: {error}") from error
