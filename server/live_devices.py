"""What the command line makes of playing through devices: the notes as they are heard, and a take of them at the end."""

import time
from dataclasses import dataclass, field
from typing import Any  # Any: JSON

from rich.console import Console

from server.audio.portaudio import DeviceSettings, play_devices
from server.live_view import LiveView
from server.midi.message import from_bytes
from server.run_file import Take
from server.scheduler import Emission

ENDLESS = 1 << 62  # samples: a device has no end


@dataclass(slots=True)
class Playing:
    """What was heard. report: what the devices are like and what was counted; problem: what ended it, if it was not the player."""

    take: Take = field(default_factory=lambda: Take(0))
    report: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


class DevicePlayer:
    """One stream through devices, shown while it plays. `play` it once."""

    def __init__(self, settings: DeviceSettings, console: Console, plain: bool) -> None:
        self._settings, self._console, self._plain = settings, console, plain
        self._view: LiveView | None = None
        self._began = 0.0
        self._playing = Playing()

    def play(self) -> Playing:
        """Play until Ctrl-C, or until something ends it: what was heard is kept either way. Raises BacklineError: it cannot begin."""
        playing = self._playing
        try:
            found = play_devices(self._settings, self._hear, self._tick)
        finally:
            if self._view is not None:
                self._view.__exit__()
        playing.problem = found["problem"]
        playing.report |= found
        last = max((emission.due for emission, _ in playing.take.emissions), default=0)
        playing.take.end(last, last)
        return playing

    def _hear(self, said: dict[str, Any]) -> None:
        playing = self._playing
        if "active" in said:
            playing.report, playing.take.rate = dict(said), said["sample_rate"]
            title = self._title(said)
            if self._plain:
                self._console.print(title, highlight=False, soft_wrap=True)
            self._view = LiveView(title, playing.take.rate, self._console, self._plain)
            self._view.__enter__()
            self._began = time.monotonic()
            return
        event = from_bytes(said["place"], *said["midi"])
        if event is not None and self._view is not None:
            playing.take.keep([Emission(said["due"], said["place"], event)], said["due"], ENDLESS)
            self._view.event(event, said["waited_ms"])

    def _tick(self) -> None:
        if self._view is not None:
            self._view.tick(time.monotonic() - self._began, "Ctrl-C ends")

    def _title(self, active: dict[str, Any]) -> str:
        """Return what plays and what it declares, in one line."""
        ms = 1000 / active["sample_rate"]
        ways = [active["device"], *filter(None, (active["midi_in"], active["midi_out"]))]
        late = f"notes leave {ms * active['declared_latency']:.1f} ms after they sound"
        if active["live"]:
            late = (
                f"live: notes leave as soon as they are known, and the device adds {ms * active['latency_in']:.1f} ms"
            )
        if not self._settings.audio_in and not active["live"]:
            late = (
                f"a note sounds {ms * active['declared_latency']:.1f} ms after it is played, and what the device adds"
            )
        return f"backline: {self._settings.model} at {active['sample_rate']} Hz through {', '.join(ways)}; {late}; Ctrl-C ends"
