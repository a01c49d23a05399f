"""Audio devices through PortAudio, and MIDI ports beside them, where there is no JACK. This is the door.

    play_devices -> spawn -> main -> portaudio_player.Player
                                       |- portaudio_device: PortAudio's callback, in a process of its own
                                       |- rtmidi_port: a MIDI output, in a process of its own (server.midi.rtmidi)

`spawn` starts the player's process. It prints a JSON line once it plays, one for each event, and one at its end.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any  # Any: JSON

from plugin_bridge.client import BridgeError
from plugin_bridge.protocol import DEFAULT_PORT
from server.child_process import start_python
from server.errors import BacklineError

Said = Callable[[dict[str, Any]], None]
TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What a player is started with.

    settings: as for a stream of the bridge. audio_in, audio_out: devices as they were asked for; empty for none, at least
    one is given. midi_in, midi_out: as server.midi.ports reads them; empty for none. channel: the one that is heard, from
    1. rate: None takes the devices' own. clip: a MIDI file that is played, by `tracks` as server.midi.clip reads them, and
    then it ends; empty for none. held: end when standard input ends.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    settings: Mapping[str, str | float] = field(default_factory=dict)
    audio_in: str = ""
    audio_out: str = ""
    midi_in: str = ""
    midi_out: str = ""
    channel: int = 1
    rate: int | None = None
    block: int = 256
    clip: str = ""
    tracks: Sequence[str] = ()
    held: bool = True


def spawn(settings: DeviceSettings) -> "subprocess.Popen[str]":
    """Start a player's process; problems are on standard error."""
    return start_python(
        "from server.audio.portaudio import main; main()", json.dumps(asdict(settings)), text=True,
        stdin=subprocess.PIPE if settings.held else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def play_devices(settings: DeviceSettings, on_said: Said, on_tick: Callable[[], None]) -> dict[str, Any]:
    """Play until Ctrl-C or a problem ends it; return the statistics, with `problem`. Raises BacklineError: it cannot begin.

    on_said: hears what the devices are like, then every event, as portaudio_player says it. on_tick: called now and then.
    """
    player = spawn(settings)
    found: dict[str, Any] = {}
    began = False

    def hear(said: dict[str, Any]) -> None:
        nonlocal began
        if "midi" in said or "active" in said:
            began = True
            on_said(said)
        else:
            found.update(said)

    try:
        try:
            _listen(player, hear, on_tick)
        except KeyboardInterrupt:
            if not began:
                raise
        player.terminate()
        _listen(player, hear, lambda: None)
    finally:
        player.terminate()
        errors = player.communicate()[1]
    if not found:
        raise BacklineError(
            errors.strip().removeprefix("backline: ") or f"the player ended with code {player.returncode}"
        )
    return found


def _listen(player: "subprocess.Popen[str]", hear: Said, on_tick: Callable[[], None]) -> None:
    """Hear the player until it ends."""
    assert player.stdout is not None
    descriptor, rest = player.stdout.fileno(), b""
    while True:
        if select.select([descriptor], [], [], TICK_SECONDS)[0]:
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                hear(json.loads(line))
        on_tick()


def main() -> None:
    """Entry of the player's process: one JSON argument, the DeviceSettings."""
    from server.audio.portaudio_player import Player

    settings = DeviceSettings(**json.loads(sys.argv[1]))
    try:
        with Player(settings) as player:
            statistics = player.run(_tell)
        _tell(statistics)
        if statistics["problem"]:
            raise BacklineError(statistics["problem"])
    except (BacklineError, BridgeError) as error:
        sys.stderr.write(f"backline: {error}\n")
        raise SystemExit(2) from error


def _tell(values: dict[str, Any]) -> None:
    """Write a line. An event that nobody reads in time is not told: to be heard is all that it needs."""
    descriptor = sys.stdout.fileno()
    os.set_blocking(descriptor, "midi" not in values)
    try:
        os.write(
            descriptor, json.dumps(values).encode() + b"\n"
        )  # short enough for a pipe to take it whole or not at all
    except (BlockingIOError, BrokenPipeError):
        pass  # or who started it is gone; the notes are ended all the same


if __name__ == "__main__":
    main()
