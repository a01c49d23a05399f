"""Where `backline live` hears and where its notes go: the words of --input and --output, read once.

    take | FILE | jack | DEVICE | midi, midi:NAME, virtual:NAME        (in)
    FILE.mid | FILE.wav | jack | DEVICE | midi, midi:NAME, virtual:NAME           (out)

A device is `default`, a number or a name of `backline doctor`. Audio and MIDI stand beside each other: --input twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.audio.file import AUDIO_SUFFIXES, WRITABLE_SUFFIXES
from server.errors import BacklineError
from server.midi.file import MIDI_SUFFIXES
from server.midi.ports import parse_port

TAKE = Path(__file__).parent / "takes" / "take.ogg"


@dataclass(frozen=True, slots=True)
class Routes:
    """What was asked for, each at most once. file: audio or MIDI to be played. clip, sound: a .mid and audio to be written. The rest
    are words.
    """

    file: Path | None = None
    clip: Path | None = None
    sound: Path | None = None
    jack: bool = False
    audio_in: str = ""
    audio_out: str = ""
    midi_in: str = ""
    midi_out: str = ""

    @property
    def heard(self) -> list[str]:
        """What is heard, audio or notes; a MIDI port beside an audio device may be there for its clock alone."""
        if self.file is not None:
            return ["notes" if is_clip(self.file) else "audio"]
        return ["audio"] if self.audio_in else ["notes"] if self.midi_in else []

    @property
    def given(self) -> list[str]:
        """What is asked for."""
        return ["notes"] * bool(self.clip or self.midi_out) + ["audio"] * bool(self.sound or self.audio_out)


def read_routes(inputs: Sequence[str], outputs: Sequence[str]) -> Routes:
    """Return the routes that the words mean. Raises BacklineError where they do not go together."""
    heard = _sorted(inputs or ["take"], "--input", _input_kind)
    played = _sorted(outputs, "--output", _output_kind)
    if "jack" in heard or "jack" in played:
        if set(heard) != {"jack"} or not set(played) <= {"jack"}:
            raise BacklineError(
                "with --input jack, notes go to the JACK port midi_out; leave other inputs and --output out"
            )
        return Routes(jack=True)
    if "file" in heard:
        if "audio" in played and not is_clip(Path(heard["file"])):
            raise BacklineError(
                f"--output is '{played['audio']}'; a file's notes go to a .mid file, or to a MIDI port: midi:NAME"
            )
        if len(heard) > 1:
            raise BacklineError(
                f"--input is '{heard['file']}' and '{heard.get('midi', '')}'; MIDI comes in beside a device only"
            )
        if "audio" in played and set(played) != {"audio"}:
            raise BacklineError(
                f"--output is '{played['audio']}'; a MIDI file that is played to a device goes to nothing else"
            )
    elif "sound" in played:
        raise BacklineError(f"--output is '{played['sound']}'; what is played on a device is not written to a file")
    elif "audio" not in heard and "audio" not in played:
        raise BacklineError(
            f"--input is '{heard.get('midi', '')}'; MIDI alone keeps no time: name an audio device to hear or to play to"
        )
    return Routes(
        file=_path(heard.get("file", "")), clip=_path(played.get("clip", "")), sound=_path(played.get("sound", "")),
        audio_in=heard.get("audio", ""), audio_out=played.get("audio", ""), midi_in=heard.get("midi", ""), midi_out=played.get("midi", ""),
    )  # fmt: skip


def is_clip(path: Path) -> bool:
    """Whether a file is MIDI, by its name."""
    return path.suffix.lower() in MIDI_SUFFIXES


def _path(word: str) -> Path | None:
    return TAKE if word == "take" else Path(word) if word else None


def _sorted(words: Sequence[str], option: str, kind_of: Callable[[str], str]) -> dict[str, str]:
    """Return the words by their kind: file, clip, jack, audio (a device) or midi."""
    found: dict[str, str] = {}
    for word in words:
        kind = kind_of(word)
        if kind in found:
            raise BacklineError(f"{option} is '{found[kind]}' and '{word}'; one of a kind is heard or played to")
        found[kind] = word
    return found


def _input_kind(word: str) -> str:
    if word == "jack":
        return "jack"
    if parse_port(word) is not None:
        return "midi"
    path = Path(word)
    looks_like_a_file = path.suffix.lower() in (*AUDIO_SUFFIXES, *MIDI_SUFFIXES) or (
        len(path.parts) > 1 and not path.name.isdecimal()
    )
    return "file" if word == "take" or path.is_file() or looks_like_a_file else "audio"


def _output_kind(word: str) -> str:
    if word == "jack":
        return "jack"
    if parse_port(word) is not None:
        return "midi"
    if Path(word).suffix.lower() in WRITABLE_SUFFIXES:
        return "sound"
    return "clip" if is_clip(Path(word)) else "audio"
