"""Keep what was just played: a stream's ring becomes a .mid and a .wav, written by a process of its own.

control process (the ring's descriptor) -> keep_take -> main, in the writer: read, write to temporary names, rename -> paths

The engine is not asked and not stopped, and the control process only waits.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from server.audio.file import write_audio
from server.child_process import start_python
from server.errors import BacklineError
from server.files import free_stem
from server.kept_take import KEPT_SECONDS, KeptTake
from server.limits import LONGEST_NAME
from server.midi.file import TEMPO_BPM, write_midi

WRITE_SECONDS = 60.0
_NAME = re.compile(r"[\w .-]*[\w-][\w .-]*")
SLOWEST_FILE_BPM = 4.0  # a MIDI file has 24 bits for the microseconds of a beat
NICE = 10  # whoever plays comes first


def check_seconds(seconds: int) -> int:
    """Return how much to keep. Raises BacklineError with what is allowed."""
    if not 1 <= seconds <= KEPT_SECONDS:
        raise BacklineError(f"seconds are {seconds}; allowed: 1 to {KEPT_SECONDS}")
    return seconds


def keep_folder(takes: Path | None, name: str = "") -> Path:
    """Return the folder to write to. Raises BacklineError.

    Args:
        takes: where the server keeps takes; left out, Backline in the home folder, which is made.
        name: of a folder in there, which is made; "" for none. It comes over the wire and is never a path.
    """
    if name and (name in (".", "..") or not _NAME.fullmatch(name) or len(name) > LONGEST_NAME):
        raise BacklineError(
            f"folder is {name!r:.80}; over the wire it is the name of a folder among the takes, never a path: "
            f"1 to {LONGEST_NAME} letters, digits, spaces and . _ -"
        )
    try:
        folder = Path.home() / "Backline" if takes is None else takes.absolute()
        if takes is None:
            folder.mkdir(exist_ok=True)
        if not folder.is_dir():
            raise BacklineError(f"there is no folder {folder}")
        inside = folder / name
        if name:
            inside.mkdir(exist_ok=True)
            if inside.resolve().parent != folder.resolve():
                raise BacklineError(f"cannot keep anything in {inside}: it is a link that leads elsewhere")
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home
        raise BacklineError(f"cannot keep anything in {name or takes or '~/Backline'}: {error}") from error
    return inside


async def keep_take(take: KeptTake, folder: Path, name: str, seconds: int) -> tuple[str, str]:
    """Write the take's last seconds up to now; return the paths of the .mid and the .wav. Raises BacklineError."""
    until = take.count
    if not until:
        raise BacklineError("nothing was played on this stream yet")
    order = {"take": take.descriptor, "until": until, "seconds": seconds, "folder": str(folder), "name": name}
    writer = start_python("from server.keep import main; main()", json.dumps(order), pass_fds=(take.descriptor,), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        said, _ = await asyncio.to_thread(writer.communicate, None, WRITE_SECONDS)
        answer = json.loads(said or "{}")
    except subprocess.TimeoutExpired:
        answer = {"problem": f"{folder} took nothing for {WRITE_SECONDS:g} s"}
    finally:
        if writer.poll() is None:
            writer.kill()
            writer.wait()
    if "paths" not in answer:
        raise BacklineError(answer.get("problem", f"the process that writes to {folder} died"))
    midi, audio = answer["paths"]
    return midi, audio


def write_take(take: KeptTake, folder: Path, name: str, seconds: int, until: int) -> tuple[Path, Path]:
    """Write both files, or none. Raises BacklineError."""
    kept = take.read(seconds, until)
    stem = free_stem(folder / f"{datetime.now():%Y-%m-%d-%H-%M-%S}-{name}", (".mid", ".wav"))
    midi, audio = stem.with_name(stem.name + ".mid"), stem.with_name(stem.name + ".wav")
    tempo = kept.tempo_bpm if kept.tempo_bpm >= SLOWEST_FILE_BPM else TEMPO_BPM
    write_midi(midi, kept.events, kept.rate, name, tempo)
    try:
        write_audio(audio, kept.samples, kept.rate)
    except BacklineError:
        midi.unlink(missing_ok=True)
        raise
    return midi, audio


def main() -> None:
    """Entry of the writer: one JSON argument; one JSON line with the paths or the problem."""
    os.nice(NICE)
    order = json.loads(sys.argv[1])
    try:
        paths = write_take(
            KeptTake(order["take"]), Path(order["folder"]), order["name"], order["seconds"], order["until"]
        )
        answer: dict[str, object] = {"paths": [str(path) for path in paths]}
    except BacklineError as error:
        answer = {"problem": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
