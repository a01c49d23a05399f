"""The drummer as a stream processor: one hop of bass in, the drums that fall into it out, as notes and as the sound of a kit.

    audio, MIDI -> listener -> groove (line of the bass, planner: a step a beat) -> planned hits -> notes, sampled kit in a room
    transport, or else beats found in the bass -> course -> which beat is due, and at which sample a planned hit lies

A beat is planned shortly before it begins, from what was heard by then, and stays in song positions until its hits are due: a
change of tempo moves them, a stop or a locate takes them back. In a live stream hits leave early and lie at their places.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.block import Block
from models.drummer.course import Course
from models.drummer.drum_map import drum_map
from models.drummer.groove import VALUES, WINDOW, Groove
from models.drummer.listener import BassListener, Ended, Heard
from models.drummer.manifest import read_styles
from models.drummer.metre import METRES
from models.drummer.planner import Hit
from models.drummer.room import Room
from models.drummer.sampled import SampledKit, bent
from models.events import DRUM_CHANNEL, Event, HostEvent, NoteOff, NoteOn, Transport, time_order
from models.manifest import Manifest
from models.rhythm.beat_finder import BeatFinder
from models.step import Step, only_step
from models.stream import StreamKind, StreamSpec, stream_spec

LEAD = 200  # samples beside a hop: a live hit leaves before the resampler has heard its place
SAME_PLACE = 0.05  # beats: a host's clock may wander by less; more is a locate
FOUND_PLACE = 0.3  # beats: what is found in the bass moves by small steps, or begins anew
EARLY_STROKE = 0.125  # beats before a start or a locate that a stroke belongs to it
NOTE_SECONDS = 0.05
MOST_RECENT = 128  # notes of the bass
COURSES = 8  # kept, so that a stroke that is told late finds the one it was played in
CHANGEABLE = (*(name for name in VALUES if name != "swing"), "gain_db", "room", "drum_map", "drum_notes")
OF_THE_STREAM = ("swing", "quantise_strength", "tempo_bpm")  # told here too; of them the drummer plays by the swing


class DrummerProcessor:
    """Bass to drums."""

    def __init__(self, manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]) -> None:
        kind: StreamKind = "live" if settings["stream"] == "live" else "commit"
        self._rate, hop = manifest.sample_rate, manifest.hop
        ahead = round(float(settings["ahead_ms"]) / 1000 * self._rate) if kind == "live" else 0
        spec = stream_spec(manifest, manifest.heads[0], kind)
        self._spec = replace(spec, planned=True, live_delay=0, ahead=ahead)
        self._lead, self._sound_early = (hop + LEAD + ahead, hop - 1 + ahead) if kind == "live" else (0, 0)
        self._values = {name: settings[name] for name in (*CHANGEABLE, *OF_THE_STREAM)}
        self._sent = drum_map(str(settings["drum_map"]), str(settings["drum_notes"]))
        self._metre = METRES[str(settings["metre"])]
        self._groove = Groove(only_step(steps), read_styles(manifest), self._values)
        self._kit, self._room = SampledKit(self._rate), Room(self._rate, hop)
        self._listener = BassListener(self._rate)
        self._finder = BeatFinder(self._rate, self._metre.bars, self._metre.ternary)
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything heard; parameters stay."""
        for part in (self._groove, self._kit, self._room, self._listener, self._finder):
            part.reset()
        self._groove.divide(self._metre.ternary)
        self._courses: deque[tuple[float, Course | None]] = deque([(-np.inf, None)], maxlen=COURSES)
        self._recent: deque[Heard] = deque(maxlen=MOST_RECENT)
        self._host_counts = False  # whether the host knows a tempo
        self._found = False  # whether the course was found in the bass
        self._hits: list[tuple[float, Hit]] = []  # song position, hit; not played yet
        self._ends: dict[int, float] = {}  # note that was sent and sounds -> the sample at which it ends
        self._begun = self._next = (
            0.0  # song positions: of the last start or locate, and of the first beat that is not planned
        )
        self._last_bass = 0.0
        self._end = 0

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed; see StreamProcessor.set. What has been planned stays."""
        if name not in self._values:
            raise KeyError(name)
        values = {**self._values, name: value}
        self._sent = drum_map(str(values["drum_map"]), str(values["drum_notes"]))
        self._values = values
        self._groove.read(self._values)

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        self._end = block.end
        out: list[HostEvent] = []
        for event in block.events:
            if isinstance(event, Transport):
                out += self._play(max(block.start, event.sample), 0)
                out += self._take(event)
            elif isinstance(event, NoteOn | NoteOff):
                said = self._listener.take(event)
                if said is not None:
                    self._hear(said)
        for heard in self._listener.hop(block.samples):
            self._hear(heard)
        if self._listener.sounding:
            self._last_bass = block.end
        if not self._host_counts and self._finder.think(block.end) and self._finder.locked:
            found = self._finder.transport(block.end)
            out += [*self._follow_found(found), found]
        out += self._play(block.end, self._lead)
        return Block(block.start, self._sound(block.start), tuple(sorted(out, key=time_order)))

    def flush(self) -> Block:
        """End the notes that sound, and let the kit ring out."""
        ends = tuple(self._end_all(self._end))
        start, ringing = self._end, [np.zeros((1, 0), np.float32)]
        while not (self._kit.idle and self._room.idle):
            ringing.append(self._sound(self._end))
            self._end += self._spec.hop
        return Block(start, np.concatenate(ringing, axis=1), ends)

    @property
    def _course(self) -> Course | None:
        return self._courses[-1][1]

    def _sound(self, start: int) -> np.ndarray:
        gain = np.float32(10 ** (float(self._values["gain_db"]) / 20))
        sound = self._kit.mix(start, self._spec.hop)
        answer = self._room.answer(sound)
        return gain * bent(sound + np.float32(self._values["room"]) * answer)[None]

    def _take(self, transport: Transport) -> list[Event]:
        """Follow the host, where it knows a tempo; return the ends of what is broken off."""
        self._host_counts = transport.tempo_bpm > 0
        if not self._host_counts:
            self._groove.divide(self._metre.ternary)
            return []
        if self._found:  # the host's song has places of its own
            self._found = False
            self._groove.forget_places()
        transport = self._metre.counted(transport)
        self._groove.divide(self._metre.divides(transport))
        return self._follow(transport) if transport.playing else self._stop(transport.sample)

    def _follow_found(self, transport: Transport) -> list[Event]:
        """Go on with the beat found in the bass; where it is another one, what was heard of late is heard again on its beats."""
        before, ended = self._course, list[Event]()
        elsewhere = before is None or not self._found or _apart(before, transport) > FOUND_PLACE
        if elsewhere:
            ended = self._break_off(transport.sample)
        if before is None or elsewhere or _begins_bars(before.transport) != _begins_bars(transport):
            self._groove.hear_again(self._recent, Course(transport, self._rate), transport.position)
        self._found = True
        return [*ended, *self._follow(transport, FOUND_PLACE)]

    def _follow(self, transport: Transport, same_place: float = SAME_PLACE) -> list[Event]:
        """Go on as a transport says, or begin anew where it is somewhere else."""
        before, course, ended = self._course, Course(transport, self._rate), list[Event]()
        if before is None or _apart(before, transport) > same_place:
            ended = self._break_off(transport.sample)
            self._begun = transport.position
            self._next = course.beat(transport.position).start
        self._courses.append((transport.sample, course))
        return ended

    def _stop(self, sample: float) -> list[Event]:
        if self._course is None:
            return []
        ended = self._break_off(sample)
        self._courses.append((sample, None))
        self._kit.stop(round(sample) - self._sound_early)
        return ended

    def _break_off(self, sample: float) -> list[Event]:
        """What was planned is not played, what was heard is remembered; return the ends of what sounds."""
        self._hits.clear()
        self._kit.take_back(round(sample) - self._sound_early)
        if self._course is not None and not self._found:
            self._groove.turn(self._course, self._course.position(sample))
        return self._end_all(sample)

    def _end_all(self, sample: float) -> list[Event]:
        ended: list[Event] = [NoteOff(sample, note, 0, DRUM_CHANNEL) for note in sorted(self._ends)]
        self._ends.clear()
        return ended

    def _hear(self, said: Heard | Ended) -> None:
        """Take what the bass did."""
        course = self._course_at(said.began if isinstance(said, Ended) else said.sample)
        if isinstance(said, Heard):
            self._last_bass = max(self._last_bass, said.sample)
            self._recent.append(said)
            if said.again:
                self._finder.name(said.sample, said.pitch)
            else:
                self._finder.hear(said.sample, said.strength, said.pitch)
        if course is not None:
            self._groove.hear(said, course, bool(self._listener.held))

    def _course_at(self, sample: float) -> Course | None:
        """Return the course that a sample lay in; just before a start it is the one that started."""
        course = next((c for since, c in reversed(self._courses) if since <= sample), self._courses[0][1])
        if course is not None or self._course is None:
            return course
        return self._course if self._begun - self._course.position(sample) <= EARLY_STROKE else None

    def _play(self, until: float, lead: int) -> list[Event]:
        """Plan the beats that are due and return the hits less than `lead` after a sample, with the ends of notes before it."""
        course = self._course
        out: list[Event] = []
        if course is not None:
            reach = until + lead
            while course.position(reach) + WINDOW > self._next:
                self._plan(course, until)
            due = [(course.sample(place), hit) for place, hit in self._hits]
            self._hits = [waiting for waiting, (sample, _) in zip(self._hits, due, strict=True) if sample >= reach]
            for sample, hit in sorted((row for row in due if row[0] < reach), key=lambda row: row[0]):
                out += self._strike(max(sample, course.sample(self._begun), self._end - self._spec.hop), hit)
        for note in [note for note, end in self._ends.items() if end < until]:
            out.append(NoteOff(max(self._ends.pop(note), self._end - self._spec.hop), note, 0, DRUM_CHANNEL))
        return out

    def _plan(self, course: Course, now: float) -> None:
        """Plan the next beat."""
        beat = course.beat(self._next)
        for began in self._listener.held:
            held_in = self._course_at(began)
            if held_in is not None:
                self._groove.sound(held_in.count(held_in.position(began)), course.count(course.position(now)))
        silent = now - self._last_bass > beat.bar * course.samples_a_beat
        heard = course.position(now - self._listener.delay)
        self._hits += self._groove.plan(course, beat, heard, silent, max(self._begun, self._next))
        self._next = beat.end

    def _strike(self, sample: float, hit: Hit) -> list[Event]:
        struck: list[Event] = []
        note = self._sent.get(hit.note, hit.note)
        if note in self._ends:
            struck.append(NoteOff(min(self._ends[note], sample), note, 0, DRUM_CHANNEL))
        self._ends[note] = sample + NOTE_SECONDS * self._rate
        self._kit.strike(max(round(sample) - self._sound_early, self._end - self._spec.hop), hit.note, hit.velocity)
        return [*struck, NoteOn(sample, note, hit.velocity, DRUM_CHANNEL)]


def _apart(course: Course, transport: Transport) -> float:
    """Return by how many beats a transport is not where a course goes on to."""
    return abs(transport.position - course.position(transport.sample))


def _begins_bars(transport: Transport) -> tuple[float, int]:
    """Return how long a found transport's bars are, and the whole position that begins one, within them."""
    return transport.beats_a_bar, round(transport.position - transport.beat) % round(transport.beats_a_bar)
