"""From notes to what is said of each voice in every hop: the same for training, files and playing by hand.

A voice is a slot that one note holds from its start until it has rung on for RING_SECONDS. What a player knows of the
future (when a held note ends, what comes next) is said only within the look-ahead; by hand there is none.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass

import numpy as np

from models.performer.config import FEATURES, PerformerConfig

RING_SECONDS = 0.6
FAST, SLOW = 0.04, 0.3  # s, of the two clocks of a note's age
_COLUMN = {name: index for index, name in enumerate(FEATURES)}


@dataclass(slots=True)
class Voice:
    """One note: onset and offset in samples (offset None while its end is not known); number: how many started before."""

    number: int
    pitch: int
    velocity: float
    onset: float
    offset: float | None = None
    interval: float = 0.0
    velocity_step: float = 0.0
    slur: float = 0.0
    channel: int = 0


class Voices:
    """The notes that sound, one slot each. One owner.

    Notes arrive by `start` and `stop` with their samples, in time order, as far as `look_ahead` hops beyond the hop that `hop`
    is asked for.
    """

    def __init__(self, config: PerformerConfig, look_ahead: int) -> None:
        self.config, self.look_ahead = config, look_ahead * config.hop
        self._farthest = max(config.look_ahead) * config.hop
        self.slots: list[Voice | None] = [None] * config.voices
        self._coming: list[tuple[float, int, Voice]] = []
        self._held: dict[int, Voice] = {}
        self._last: Voice | None = None
        self._count = 0

    def start(self, sample: float, pitch: int, velocity: float, channel: int = 0) -> None:
        """A note starts; one of its pitch that is still held ends there."""
        self.stop(sample, pitch)
        voice = Voice(self._count, pitch, velocity, sample, channel=channel)
        self._count += 1
        self._held[pitch] = voice
        insort(self._coming, (sample, voice.number, voice))

    def stop(self, sample: float, pitch: int) -> None:
        """The held note of that pitch ends; nothing happens if there is none."""
        voice = self._held.pop(pitch, None)
        if voice is not None:
            voice.offset = max(sample, voice.onset + 1)

    def hop(self, start: float) -> tuple[np.ndarray, np.ndarray]:
        """Features (voices, FEATURES) float32 and pitches (voices,) float32 of the hop from sample `start` on; 0 where free."""
        config = self.config
        end = start + config.hop
        while self._coming and self._coming[0][0] < end:
            self._begin(self._coming.pop(0)[2], start)
        features = np.zeros((config.voices, len(FEATURES)), np.float32)
        pitches = np.zeros(config.voices, np.float32)
        upcoming = self._coming[0][2] if self._coming and self.look_ahead else None
        for index, voice in enumerate(self.slots):
            if voice is None:
                continue
            if voice.offset is not None and start - voice.offset > RING_SECONDS * config.sample_rate:
                self.slots[index] = None
                continue
            self._describe(features[index], voice, start, end, upcoming)
            pitches[index] = voice.pitch
        return features, pitches

    def _begin(self, voice: Voice, start: float) -> None:
        last = self._last
        if last is not None:
            seconds = (
                voice.onset - (last.offset if last.offset is not None else voice.onset)
            ) / self.config.sample_rate
            voice.slur = float(np.exp(-max(0.0, seconds) / 0.05))
            voice.interval = float(np.clip((voice.pitch - last.pitch) / 12, -2, 2))
            voice.velocity_step = (voice.velocity - last.velocity) / 127
        self._last = voice
        self.slots[self._free(start)] = voice

    def _free(self, start: float) -> int:
        """A free slot, else that of the note that ended first, else that of the oldest."""

        def rank(index: int) -> tuple[int, float]:
            voice = self.slots[index]
            if voice is None:
                return 0, index
            ended = voice.offset is not None and voice.offset <= start
            return (1, voice.offset or 0.0) if ended else (2, voice.onset)

        return min(range(len(self.slots)), key=rank)

    def _describe(self, row: np.ndarray, voice: Voice, start: float, end: float, upcoming: Voice | None) -> None:
        rate, hop = self.config.sample_rate, self.config.hop
        age = (end - voice.onset) / rate
        ended = voice.offset is not None and voice.offset < end
        say = {
            "held": 0.0 if ended else 1.0,
            "age": np.log1p(age / 0.02) / 5,
            "age_fast": np.exp(-age / FAST),
            "age_slow": np.exp(-age / SLOW),
            "velocity": voice.velocity / 127,
            "pitch": (voice.pitch - 69) / 24,
            "interval": voice.interval,
            "velocity_step": voice.velocity_step,
            "slur": voice.slur,
        }
        if voice.onset >= start:
            say |= {"new": 1.0, "new_place": (end - voice.onset) / hop}
        if ended and voice.offset is not None:
            say["released"] = 0.1 + np.log1p((end - voice.offset) / rate / 0.02) / 5
            if voice.offset >= start:
                say["ended"] = (end - voice.offset) / hop
        horizon = end + self.look_ahead
        remaining = self.look_ahead if voice.offset is None else min(voice.offset, horizon) - end
        say |= {"known": self.look_ahead / self._farthest, "until_next": self.look_ahead / self._farthest}
        say["remaining"] = max(0.0, remaining) / self._farthest
        if upcoming is not None and upcoming.onset < horizon:
            say["until_next"] = max(0.0, upcoming.onset - end) / self._farthest
            say["next_interval"] = float(np.clip((upcoming.pitch - voice.pitch) / 12, -2, 2))
            say["next_velocity"] = (upcoming.velocity - voice.velocity) / 127
        for name, value in say.items():
            row[_COLUMN[name]] = value


def describe(
    notes: np.ndarray, frames: int, config: PerformerConfig, look_ahead: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Notes (n, 4) onset, offset (samples), pitch, velocity -> features (frames, voices, FEATURES), pitches (frames, voices)
    and which note each voice plays (frames, voices), -1 where none. For training."""
    voices = Voices(config, look_ahead)
    ahead = (look_ahead + 1) * config.hop
    # at one sample a note ends before the next one starts, but never before it has started itself
    ends = np.maximum(notes[:, 1], notes[:, 0] + 1)
    events = sorted([(ends[i], 0, i) for i in range(len(notes))] + [(notes[i, 0], 1, i) for i in range(len(notes))])
    samples = [event[0] for event in events]
    features = np.zeros((frames, config.voices, len(FEATURES)), np.float32)
    pitches = np.zeros((frames, config.voices), np.float32)
    playing = np.full((frames, config.voices), -1, np.int32)
    order: list[int] = []  # of the notes as they started
    held: dict[int, int] = {}  # pitch -> note
    given = 0
    for frame in range(frames):
        start = frame * config.hop
        until = bisect_right(samples, start + ahead - 1e-9)
        for sample, begins, index in events[given:until]:
            pitch = int(notes[index, 2])
            if begins:
                voices.start(sample, pitch, float(notes[index, 3]))
                order.append(index)
                held[pitch] = index
            elif held.get(pitch) == index:
                voices.stop(sample, pitch)
        given = until
        features[frame], pitches[frame] = voices.hop(start)
        for slot, voice in enumerate(voices.slots):
            if voice is not None:
                playing[frame, slot] = order[voice.number]
    return features, pitches, playing
