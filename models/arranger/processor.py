"""The arranger as a stream processor: one hop of a song in, what a pianist plays of it out.

    audio -> spectrum -> ear -> hearing (frames), bar pointer (beats, where no host counts them)
    transport, or beats found -> bars -> follower (bars that were heard, a constant latency later)
                                      -> leader (the bar to come, on the grid, without latency)
    heard bars -> composer (window, draft, pianist) -> keyboard -> notes and pedal, each when it is due

What the follower plays lies at samples of the song. What the leader plays stays in song positions until it is due: a change of tempo
moves it, a stop or a locate takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.arranger.bars import NEARLY, Course, Passed
from models.arranger.composing import CHANGEABLE, Composer
from models.arranger.config import FRAME_RATE, HOP, SAMPLE_RATE
from models.arranger.finding import Finder
from models.arranger.following import Follower
from models.arranger.hearing import Hearing
from models.arranger.keyboard import Keyboard
from models.arranger.leading import Committed, Leader
from models.arranger.manifest import METRES
from models.arranger.spectrum import Spectrum
from models.block import Block, silence
from models.events import HostEvent, Transport, time_order
from models.manifest import Manifest
from models.step import Step, Tensors
from models.stream import StreamKind, StreamSpec, stream_spec

LEAD = HOP + 200  # samples: what is played live leaves before the resampler has heard its place
SLACK = SAMPLE_RATE / 20  # samples that a key may be late where the tempo has changed
SAME_PLACE = 0.05  # beats: a host's clock may wander by less; more is a locate
FOUND_PLACE = 0.3  # beats: what is found moves by small steps, or begins anew
LOUDEST = 8.0  # times full scale: nothing that is music
USUAL_BEAT = SAMPLE_RATE / 2  # samples, where nothing says how long one is
OF_THE_STREAM = ("swing", "quantise_strength", "tempo_bpm")  # told here too, and of no use to it


class ArrangerProcessor:
    """A song to a piano."""

    def __init__(self, manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]) -> None:
        kind: StreamKind = "live" if settings["stream"] == "live" else "commit"
        follows = settings["mode"] == "follow" or (settings["mode"] == "auto" and kind == "commit")
        head = manifest.head(float(settings["look_ahead_ms"]) if follows and kind == "commit" else 0.0)
        late = head.look_ahead > 0
        ahead = round(float(settings["ahead_ms"]) / 1000 * SAMPLE_RATE) if kind == "live" else 0
        spec = stream_spec(manifest, head, kind)
        self._spec = replace(spec, planned=not late, kept=late, live_delay=0, ahead=ahead)
        self._values = {name: settings[name] for name in CHANGEABLE}
        self._ear, self._spectrum, self._hearing = steps["ear"], Spectrum(), Hearing()
        self._passed, self._keyboard = Passed(), Keyboard()
        self._composer = Composer(steps, self._values)
        self._follower = Follower(self._composer, self._keyboard, self._hearing, head.look_ahead) if late else None
        self._leader = Leader(self._composer, self._keyboard, self._hearing, follows, ahead)
        self._finder = Finder(FRAME_RATE, METRES[str(settings["metre"])])
        self._lead = LEAD + ahead if kind == "live" else 0
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    @property
    def committed(self) -> Committed | None:
        """The last bar that was decided ahead of its downbeat; none of a stream that follows."""
        return self._leader.committed

    @property
    def late(self) -> int:
        """How many keys were not struck, since it was known too late that they should be."""
        return self._keyboard.late

    def reset(self) -> None:
        """Forget everything heard; parameters stay."""
        for part in (
            self._spectrum,
            self._hearing,
            self._passed,
            self._keyboard,
            self._composer,
            self._leader,
            self._finder,
        ):
            part.reset()
        if self._follower is not None:
            self._follower.reset()
        self._state: Tensors = self._ear.initial_state()
        self._course: Course | None = None
        self._host_counts = self._found = False
        self._beat = 0.0  # song position of the next beat to pass
        self._end = 0

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed, from the next bar on; see StreamProcessor.set."""
        if name in OF_THE_STREAM:
            return
        if name not in self._values:
            raise KeyError(name)
        values = {**self._values, name: value}
        self._composer.read(values)
        self._values = values

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        self._end = block.end
        out: list[HostEvent] = []
        for event in block.events:
            if isinstance(event, Transport):
                sample = max(float(block.start), event.sample)
                self._pass(sample)
                out += self._play(sample)
                out += self._take(replace(event, sample=sample))
        self._listen(block.samples[0])
        if not self._host_counts:
            out += self._find()
        self._pass(block.end)
        self._arrange()
        out += self._play(block.end + self._lead - self._spec.look_ahead)
        return Block(block.start, silence(0, HOP), tuple(sorted(out, key=time_order)))

    def flush(self) -> Block:
        """End the notes that sound."""
        return Block(self._end, silence(0, 0), tuple(self._keyboard.end(self._end)))

    def _listen(self, audio: np.ndarray) -> None:
        heard = self._spectrum.hop(np.clip(np.nan_to_num(audio, posinf=0.0, neginf=0.0), -LOUDEST, LOUDEST))
        outputs, state = self._ear({"spectrum": heard[None]}, self._state)
        self._state = {name: values.copy() for name, values in state.items()}
        self._hearing.add(outputs)
        if not self._host_counts:
            self._finder.hear(float(outputs["beat"][0, 0]), float(outputs["beat"][0, 1]))

    def _take(self, transport: Transport) -> list[HostEvent]:
        """Follow the host, where it knows a tempo; return the ends of what is broken off."""
        counts = transport.tempo_bpm > 0
        out: list[HostEvent] = []
        if counts != self._host_counts:
            out += self._stop(transport.sample)
            self._finder.reset(self._hearing.frames)
            self._leader.forget_places()
            self._host_counts, self._found = counts, False
        if not counts:
            return out
        return out + (self._go(transport, SAME_PLACE) if transport.playing else self._stop(transport.sample))

    def _find(self) -> list[HostEvent]:
        """Go on with the beat that is heard; return what is told of it."""
        if self._follower is not None:
            return [*self._finder.pass_beats(self._passed)]
        if not self._finder.locked:
            return self._stop(self._end) if self._found else []
        found = self._finder.transport(self._end)
        if found is None:
            return []
        ended = self._go(found, FOUND_PLACE)
        self._found = True
        return [*ended, found]

    def _go(self, transport: Transport, same_place: float) -> list[HostEvent]:
        """Go on as a transport says, or begin anew where it is somewhere else."""
        before, course, out = self._course, Course(transport, SAMPLE_RATE), list[HostEvent]()
        elsewhere = before is None or abs(before.position(transport.sample) - transport.position) > same_place
        if elsewhere:
            out = self._stop(transport.sample)
            self._passed.begin(transport.sample)
            self._beat = transport.position - same_place
            if self._follower is None:
                self._leader.begin(course, transport.position, self._end)
        self._course = course
        return out

    def _stop(self, sample: float) -> list[HostEvent]:
        """Nothing goes on; return the ends of what sounds."""
        course, self._course, self._found = self._course, None, False
        if course is None:
            return []
        self._passed.end(sample, course.samples_a_beat)
        if self._follower is not None:
            return []
        self._leader.hear(self._passed.take(), self._host_counts)
        self._leader.forget()
        self._composer.forget()
        return [*self._keyboard.end(sample)]

    def _pass(self, until: float) -> None:
        """Let the beats before a sample pass, where a course counts them."""
        course = self._course
        while course is not None:
            bar = course.bar(self._beat)
            for place, position in enumerate(bar.beats[:-1]):
                if position < self._beat - NEARLY:
                    continue
                self._beat = position
                if course.sample(position) >= until:
                    return
                self._passed.beat(course.sample(position), bar.metre, bar.number, place, len(bar.beats) - 1)
            self._beat = bar.beats[-1]

    def _arrange(self) -> None:
        if self._follower is not None:
            self._follower.hear(self._passed.take())
            beat = self._finder.beat if self._course is None else self._course.samples_a_beat
            self._follower.go_on(self._end, self._passed, beat or USUAL_BEAT)
            return
        self._leader.hear(self._passed.take(), self._host_counts)
        if self._course is not None:
            self._leader.go_on(self._end, self._course, self._passed)

    def _play(self, reach: float) -> list[HostEvent]:
        """Return what is due before a sample."""
        earliest = self._end - HOP - self._spec.look_ahead
        if self._follower is not None:
            return [*self._keyboard.play(self._end - self._spec.look_ahead, earliest, float)]
        course = self._course
        return [] if course is None else [*self._keyboard.play(reach, earliest, course.sample, SLACK)]
