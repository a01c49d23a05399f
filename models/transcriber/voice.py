"""From what was decided to what leaves: its pitch and channel, and for a live stream the moment."""

from dataclasses import replace

from models.events import Event, NoteOff, NoteOn

SHORTEST_SECONDS = 0.01  # a live note is not ended before it has sounded so long


class Voice:
    """Transposition, MIDI channel and live timing. A note ends as what it was started as.

    hold: model samples from a live event's place to its leaving; None for a commit stream, whose events keep their places.
    """

    def __init__(self, hold: float | None, sample_rate: int) -> None:
        self._hold, self._shortest = hold, SHORTEST_SECONDS * sample_rate
        self.transpose, self.channel = 0, 0
        self._started: dict[int, tuple[int, int, float]] = {}  # pitch heard -> pitch, channel, sample it left
        self._ended: dict[int, float] = {}  # pitch heard -> sample at which its last end left

    def say(self, event: Event, end: int) -> Event | None:
        """Return the event as it leaves, decided in the hop that ends before sample `end`; None where it has no pitch."""
        if isinstance(event, NoteOff):
            if event.pitch not in self._started:
                return None
            pitch, channel, left = self._started.pop(event.pitch)
            leaves = event.sample if self._hold is None else max(end - 1.0, left + self._shortest)
            self._ended[event.pitch] = leaves
            return replace(event, sample=leaves, pitch=pitch, channel=channel)
        leaves = event.sample if self._hold is None else max(end - 1.0, event.sample + self._hold)
        if not isinstance(event, NoteOn):
            return replace(event, sample=leaves, channel=self.channel)
        pitch = event.pitch + self.transpose
        if not 0 <= pitch <= 127:
            return None
        leaves = max(leaves, self._ended.get(event.pitch, leaves))
        self._started[event.pitch] = (pitch, self.channel, leaves)
        return replace(event, sample=leaves, pitch=pitch, channel=self.channel)
