"""How good do people find drums that were made for a bass? A page that asks them, and the published evaluator that learns from it.

    backline bench drummer_ratings -- --clips DIR --output DIR --serve
    backline bench drummer_ratings -- --clips DIR --output DIR --train evaluator.json --real DIR

CLIPS holds a folder a song, with bass and drums (the song's own) and one audio file for every version that is to be rated, called
after it. The page plays the bass with each, blindly, the song's own drums among them, and asks the four questions of the paper, 1 to
10. --train reads the ratings that were saved beside the page and fits the evaluator of models/drummer/published to them; --real is a
folder of real drums, to which it compares; without it they are the songs' own.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.listening_page import Heard, Questions, Version, lay_out, write_page
from benchmarks.listening_server import RATINGS, serve
from models.block import Samples
from server.audio.file import AUDIO_SUFFIXES, read_audio
from server.errors import BacklineError

NAME = "drummer_ratings"
BASS, OWN = "bass", "drums"
OF_DRUMS = Questions(
    "Are these drums good?",
    (
        ("quality", "Quality", "Do the drums sound natural, without noise?"),
        ("contamination", "Contamination", "Are they free of other instruments?"),
        ("credibility", "Credibility", "Could a drummer have played them?"),
        ("time", "Time", "Are they on time with the bass?"),
    ),
    10,
)
"""What the paper's four listeners were asked; its 10 is free of other sources too, since it takes the mean of all four."""


def clips_of(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the files of each song by name. Raises BacklineError where a song lacks its bass or drums, or none is there."""
    songs = {}
    for place in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = {path.stem: path for path in sorted(place.iterdir()) if path.suffix.lower() in AUDIO_SUFFIXES}
        lacking = [name for name in (BASS, OWN) if name not in files]
        if lacking:
            raise BacklineError(f"{place} holds no {lacking[0]}: a song has bass, drums and the versions to be rated")
        songs[place.name] = files
    if not songs:
        raise BacklineError(f"{folder} holds no folders of songs")
    return songs


def show(arguments: argparse.Namespace) -> None:
    """Write the page over all clips."""
    songs, told, media = clips_of(arguments.clips), [], arguments.output / "media"
    media.mkdir(parents=True, exist_ok=True)
    for song, files in songs.items():
        bass = read_audio(files[BASS])
        heard: list[Heard] = []
        for name, path in files.items():
            if name != BASS:
                version = Version("The song's own", "recording") if name == OWN else Version(name, "ours")
                heard.append((version, mixed(bass, read_audio(path), arguments.alone)))
        told.append(lay_out(song, min(arguments.seconds, bass[0].shape[1] / bass[1]), heard, media))
    write_page(arguments.output, told, [], OF_DRUMS)
    print(f"-> {arguments.output / 'index.html'}", flush=True)


def mixed(bass: tuple[Samples, int], drums: tuple[Samples, int], alone: bool = False) -> tuple[Samples, int]:
    """Return the sum of both at the drums' rate, as long as the longer, or the drums `alone`."""
    import soxr

    samples, rate = drums
    if alone:
        return drums
    under = soxr.resample(bass[0][0], bass[1], rate)
    sound = np.zeros((1, max(len(under), samples.shape[1])), np.float32)
    sound[0, : len(under)] += under
    sound[:, : samples.shape[1]] += samples
    return sound, rate


def learn(arguments: argparse.Namespace) -> None:
    """Fit the evaluator to the ratings beside the page, write it, and say how often it judges as people do."""
    from models.drummer.published import evaluator
    from models.drummer.published.frechet import crop_features

    songs = clips_of(arguments.clips)
    ratings = evaluator.read_ratings(arguments.output / RATINGS)
    grades = {
        clip: grade for clip, grade in evaluator.mean_grades(ratings).items() if clip[1] in songs.get(clip[0], {})
    }
    if not grades:
        raise BacklineError(f"{arguments.output / RATINGS} rates no clip of {arguments.clips}")
    real = (
        [path for path in sorted(arguments.real.rglob("*")) if path.suffix.lower() in AUDIO_SUFFIXES]
        if arguments.real
        else []
    )
    heard = [read_audio(path) for path in real or [files[OWN] for files in songs.values()]]
    reference = evaluator.Reference.of(np.concatenate([crop_features(samples[0], rate) for samples, rate in heard]))
    told = np.array([_told(songs[song], version, reference) for song, version in grades])
    good = np.array(list(grades.values())) >= evaluator.GOOD
    found = evaluator.accuracy(told, good, [song for song, _ in grades])
    evaluator.train(told, good).save(arguments.train)
    print(
        f"{len({rating.listener for rating in ratings})} listeners, {len(grades)} clips, {good.mean():.0%} of them good"
    )
    for (first, second), value in evaluator.agreement(ratings).items():
        print(f"listeners {first} and {second} correlate by {value:.2f}")
    print(
        f"as people do on songs not learnt from: {found['accuracy']:.0%}; always the commoner: {found['always_the_commoner']:.0%}"
    )
    print(f"-> {arguments.train}", flush=True)


def _told(files: dict[str, Path], version: str, reference: object) -> np.ndarray:
    """Return the features of one clip."""
    import soxr

    from models.drummer.published.evaluator import Reference, features

    assert isinstance(reference, Reference)
    (own, rate), (made, other) = (read_audio(files[name]) for name in (OWN, version))
    return features(own[0], soxr.resample(made[0], other, rate), rate, reference)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog=f"backline bench {NAME} --")
    parser.add_argument(
        "--clips", type=Path, required=True, metavar="DIR", help="a folder a song: bass, drums, versions"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the page's folder")
    parser.add_argument(
        "--seconds", type=float, default=12.0, metavar="N", help="of a clip that are played (default 12)"
    )
    parser.add_argument("--alone", action="store_true", help="play drums without the bass")
    parser.add_argument("--serve", action="store_true", help="show it at 127.0.0.1 and write ratings beside it")
    parser.add_argument("--port", type=int, default=0, help="for --serve (default: a free one)")
    parser.add_argument("--train", type=Path, metavar="FILE", help="fit the evaluator to the ratings and write it")
    parser.add_argument("--real", type=Path, metavar="DIR", help="real drums for --train")
    parser.add_argument("--provider", help=argparse.SUPPRESS)  # every benchmark is told; nothing here asks
    arguments = parser.parse_args(words)
    try:
        if arguments.train:
            learn(arguments)
        else:
            show(arguments)
            if arguments.serve:
                serve(arguments.output, arguments.port)
    except KeyboardInterrupt:
        return 0 if arguments.serve else 130
    except (BacklineError, OSError, ImportError, ValueError) as error:
        print(f"backline bench {NAME}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
