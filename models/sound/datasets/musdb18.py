"""MUSDB18: 150 songs with their vocals, bass, drums and the rest apart, mixed to the song.

Layout: train and test, each with a folder a song that holds mixture.wav, vocals.wav, bass.wav, drums.wav and other.wav (the
uncompressed version, and the other one unpacked), or with NAME.stem.mp4, whose five audio tracks ffmpeg reads. Rafii et al., 2017.

The paper of the drummer trains on the 100 songs that come from DSD100 and tests on the other 50. That is not the set's own split:
its test half is all DSD100's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.sound.datasets.recording import Split, require_layout
from models.sound.datasets.song import MIXTURE, STEMS, Song

LAYOUT = ("train/*/mixture.wav", "test/*/mixture.wav", "train/*.stem.mp4", "test/*.stem.mp4")
SUFFIX = ".stem.mp4"
TRACKS = {MIXTURE: 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4}
HALVES: tuple[Split, ...] = ("test", "train")
SPLITS = ("own", "dsd100")
# the set's own list of sources (sigsep.github.io, tracklist.csv): MedleyDB, Native Instruments and The Easton Ellises
NOT_OF_DSD100 = frozenset((
    "A Classic Education - NightOwl", "Aimee Norwich - Child", "Alexander Ross - Goodbye Bolero", "Alexander Ross - Velvet Curtain",
    "Auctioneer - Our Future Faces", "AvaLuna - Waterduct", "BigTroubles - Phantom", "Celestial Shore - Die For Us",
    "Clara Berry And Wooldog - Air Traffic", "Clara Berry And Wooldog - Stella", "Clara Berry And Wooldog - Waltz For My Victims",
    "Creepoid - OldTree", "Dreamers Of The Ghetto - Heavy Love", "Faces On Film - Waiting For Ga", "Grants - PunchDrunk",
    "Helado Negro - Mitad Del Mundo", "Hezekiah Jones - Borrowed Heart", "Hop Along - Sister Cities",
    "Invisible Familiars - Disturbing Wildlife", "Lushlife - Toynbee Suite", "Matthew Entwistle - Dont You Ever",
    "Meaxic - Take A Step", "Meaxic - You Listen", "Music Delta - 80s Rock", "Music Delta - Beatles", "Music Delta - Britpop",
    "Music Delta - Country1", "Music Delta - Country2", "Music Delta - Disco", "Music Delta - Gospel", "Music Delta - Grunge",
    "Music Delta - Hendrix", "Music Delta - Punk", "Music Delta - Reggae", "Music Delta - Rock", "Music Delta - Rockabilly",
    "Night Panther - Fire", "Port St Willow - Stay Even", "PR - Happy Daze", "PR - Oh No", "Secret Mountains - High Horse",
    "Snowmine - Curfews", "Steven Clark - Bounty", "Strand Of Oaks - Spacestation", "Sweet Lights - You Let Me Down",
    "The Districts - Vermont", "The Easton Ellises - Falcon 69", "The Easton Ellises (Baumi) - SDRNR",
    "The Scarlet Brand - Les Fleurs Du Mal", "The So So Glos - Emergency",
))  # fmt: skip


def musdb18(root: Path, split: str = "own") -> Iterator[Song]:
    """Yield the songs in the set's own split ("own"), or in the paper's ("dsd100")."""
    require_layout(root, LAYOUT, "MUSDB18")
    if split not in SPLITS:
        raise ValueError(f"MUSDB18 has no split {split!r}; allowed are {', '.join(SPLITS)}")
    for half in HALVES:
        for path in sorted((root / half).glob("*")):
            name = path.name.removesuffix(SUFFIX)
            if path.is_dir():
                files = {stem: (path / f"{stem}.wav", None) for stem in (MIXTURE, *STEMS)}
                yield Song("musdb18", name, _split(name, half, split), files)
            elif path.name.endswith(SUFFIX) and not (root / half / name).is_dir():
                tracks = {stem: (path, track) for stem, track in TRACKS.items()}
                yield Song("musdb18", name, _split(name, half, split), tracks)


def _split(name: str, half: Split, split: str) -> Split:
    if split == "own":
        return half
    return "test" if name in NOT_OF_DSD100 else "train"
