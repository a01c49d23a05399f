"""What a musician sees while they play: the notes as they are heard, how late, and how much of the machine is used.

In a terminal it is a piano roll that moves; elsewhere it is a line a note, so that a log or a pipe can be read.
"""

import time
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from models.events import Event, NoteOff, NoteOn

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
COLUMN_SECONDS = 0.1
REFRESH_SECONDS = 0.1
FEWEST_ROWS, MOST_ROWS = 25, 49  # two and four octaves
SHADES = ("green4", "green3", "spring_green2", "yellow1")  # soft to loud


def pitch_name(pitch: int) -> str:
    """Return a pitch as C4 for 60."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


@dataclass(slots=True)
class ShownNote:
    """A note on the roll; end is None while it sounds."""

    pitch: int
    velocity: int
    start: float
    end: float | None = None


class LiveView:
    """Shows events; a context manager, since a terminal must be given back."""

    def __init__(self, title: str, rate: int, console: Console, plain: bool) -> None:
        self._title, self._rate, self._console = title, rate, console
        self._live = None if plain else Live(console=console, auto_refresh=False, transient=False)
        self._notes: deque[ShownNote] = deque(maxlen=400)
        self._waits: deque[float] = deque(maxlen=200)
        self._shown_at = 0.0
        self.heard = 0
        self.status = ""

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, event: Event, wait_ms: float) -> None:
        """Take an event at the sample it speaks about, and how long it took to arrive (negative: nobody waited)."""
        seconds = event.sample / self._rate
        if isinstance(event, NoteOn):
            self.heard += 1
            if wait_ms >= 0:
                self._waits.append(wait_ms)
            self._notes.append(ShownNote(event.pitch, event.velocity, seconds))
            if self._live is None:
                late = f"  heard {wait_ms:4.0f} ms after its place" if wait_ms >= 0 else ""
                line = f"{seconds:8.3f} s  {pitch_name(event.pitch):<4} velocity {event.velocity:3d}{late}"
                self._console.print(line, highlight=False)
        elif isinstance(event, NoteOff):
            for note in reversed(self._notes):
                if note.pitch == event.pitch and note.end is None:
                    note.end = seconds
                    break

    def tick(self, seconds: float, load: str) -> None:
        """Draw again if it is time to; `seconds` is the place in the stream."""
        now = time.monotonic()
        if self._live is None or now - self._shown_at < REFRESH_SECONDS:
            return
        self._shown_at = now
        self._live.update(self.render(seconds, load), refresh=True)

    def render(self, seconds: float, load: str) -> Panel:
        """Return the picture of one moment."""
        waits = sorted(self._waits)
        late = (
            f"heard {waits[len(waits) // 2]:.0f} ms after their place (slowest {waits[-1]:.0f})"
            if waits
            else "nothing heard yet"
        )
        foot = f"{seconds:6.1f} s   {self.heard} notes   {late}   {load}"
        return Panel(
            Group(self._roll(seconds), Text(foot, style="bold", no_wrap=True)), title=self._title, border_style="grey50"
        )

    def _roll(self, seconds: float) -> Text:
        columns = max(20, min(self._console.width - 12, 100))
        first = seconds - columns * COLUMN_SECONDS
        shown = [n for n in self._notes if n.end is None or n.end > first]
        low, high = self._range(shown)
        cells: dict[tuple[int, int], tuple[str, str]] = {}
        for note in shown:
            begin = int((note.start - first) / COLUMN_SECONDS)
            end = int(((seconds if note.end is None else note.end) - first) / COLUMN_SECONDS)
            shade = SHADES[min(3, note.velocity // 32)]
            for column in range(max(0, begin), min(columns - 1, max(end, begin)) + 1):
                cells.setdefault((note.pitch, column), ("━", shade))
            if 0 <= begin < columns:
                cells[note.pitch, begin] = ("█", shade)
        sounding = {note.pitch for note in shown if note.end is None}
        roll = Text(no_wrap=True)
        for pitch in range(high, low - 1, -1):
            black = pitch % 12 in (1, 3, 6, 8, 10)
            label = pitch_name(pitch) if pitch % 12 == 0 or pitch in sounding else ""
            roll.append(f"{label:>4} ", style="bold white" if pitch in sounding else "grey50")
            roll.append("▌" if pitch in sounding else "│", style="bold yellow1" if pitch in sounding else "grey35")
            row = [cells.get((pitch, column), (" ", "white")) for column in range(columns)]
            for shade, run in groupby(row, key=itemgetter(1)):  # a span a run: 20 times fewer than one a cell
                roll.append("".join(sign for sign, _ in run), style=f"{shade} on grey7" if black else shade)
            roll.append("\n")
        return roll

    def _range(self, shown: list[ShownNote]) -> tuple[int, int]:
        """Return the pitches to draw: what sounds, widened to two octaves, at most four around the newest note."""
        if not shown:
            return 48, 48 + FEWEST_ROWS - 1
        low, high = min(n.pitch for n in shown) - 1, max(n.pitch for n in shown) + 1
        if high - low + 1 > MOST_ROWS:
            middle = shown[-1].pitch
            low, high = middle - MOST_ROWS // 2, middle + MOST_ROWS // 2
        missing = max(0, FEWEST_ROWS - (high - low + 1))
        return max(0, low - missing // 2), min(127, high + missing - missing // 2)
