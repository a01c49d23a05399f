"""The server dies, stands still or changes its model while the plug-in plays: audio goes on, notes end, latency is nominal again."""

import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.native.jack_probe import JackProbe
from benchmarks.native.jackd import Jackd, jackd
from benchmarks.native.jalv import Jalv
from benchmarks.native.plugin import EFFECT, LATE, LIVE, PLAYERS, effect_ports, open_jalv, reported_by, settings
from benchmarks.native.take import Take
from plugin_bridge.client import BridgeClient, BridgeError
from server.errors import BacklineError

RATE, BLOCK = 48_000, 256
CHORD = [(0, 60), (0, 64), (0, 67)]
APART = 1_201  # samples between impulses: 25 ms
LEVEL = 0.08  # of the noise: the held model plays, and the probe hears nothing but impulses
PROBE_PITCH = 60
LONGEST_SECONDS = 60
PATIENCE_SECONDS = 30.0
FROZEN_SECONDS = 2

pytestmark = [
    pytest.mark.jack,
    pytest.mark.skipif(not all(map(shutil.which, ("jackd", "jalv"))), reason="jackd or jalv is not installed"),
]


@dataclass(frozen=True, slots=True)
class Session:
    """One effect in jalv between the two ends of a probe; the take runs."""

    jackd: Jackd
    effect: Jalv
    probe: JackProbe
    reported: int

    @property
    def take(self) -> Take:
        """What was heard so far."""
        return self.probe.take

    def until(self, wanted: Callable[[], bool]) -> None:
        """Listen until something holds."""
        try:
            if not wanted():
                self.probe.until(lambda _: wanted(), PATIENCE_SECONDS)
        except BacklineError as error:
            if self.take.jumps:
                pytest.skip("JACK lost cycles, and what was sent in them")
            raise AssertionError(f"{self.take.sounding()} sounds; last heard {self.take.midi[-8:]}") from error

    def play(self, seconds: float) -> None:
        """Listen while the probe plays impulses for so long: they are the clock."""
        began = self.take.impulses[-1]
        self.until(lambda: self.take.impulses[-1] >= began + seconds * RATE)


@pytest.fixture(scope="module")
def jack_server() -> Iterator[Jackd]:
    with jackd(BLOCK, RATE) as server:
        yield server


@pytest.fixture
def begin(plugins, instrument, jack_server: Jackd, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """A function (port, given, environment) -> a Session: impulses over noise into the effect, what comes out is kept."""
    instrument("jack_probe")
    noise = LEVEL * np.random.default_rng(1).choice((-1.0, 1.0), 7_919).astype(np.float32)
    with ExitStack() as ends:

        def start(port: int, given: dict[str, float], **environment: str) -> Session:
            effect = ends.enter_context(
                open_jalv(jack_server, port, EFFECT, "effect", given, plugins, environment=environment)
            )
            impulses = range(APART, LONGEST_SECONDS * RATE, APART)
            probe = ends.enter_context(
                JackProbe(
                    jack_server,
                    effect_ports(),
                    impulses,
                    sound=noise,
                    capture=tmp_path / "heard",
                    threshold=0.6,
                )
            )
            effect.wait_for("status", LIVE, LATE)
            reported = reported_by(probe, "effect:lv2_audio_in_1")
            probe.say("start")
            probe.until(lambda line: "impulse" in line)
            return Session(jack_server, effect, probe, reported)

        yield start


def heard(session: Session, path: Path, start: int = 0, end: int | None = None) -> np.ndarray:
    """Return what came out between two frames; from the first impulse on, to the last, where none are given."""
    captured, first = np.fromfile(path, np.float32), session.take.captured
    start = start or session.take.impulses[0] + session.reported + BLOCK
    return captured[start - first : (session.take.impulses[-1] if end is None else end) - first]


def longest_silence(audio: np.ndarray) -> int:
    """Return the length of the longest run of zeros."""
    loud = np.flatnonzero(audio)
    return int(np.diff(loud, prepend=-1, append=audio.size).max()) - 1


def frame_at(take: Take, moment: float) -> int:
    """Return the frame that JACK was at, at a moment of time.monotonic, by the cycle of the last impulse before it."""
    last = max(frame for frame in take.impulses if take.at[frame] <= moment)
    return last - last % BLOCK + round((moment - take.at[last]) * RATE)


def whole(take: Take) -> None:
    """Assert that no note began twice and none ended that did not sound."""
    sounding: set[tuple[int, int]] = set()
    for frame, status, pitch, velocity in (message for message in take.midi if message[1] & 0xE0 == 0x80):
        note, starts = (status & 15, pitch), status & 0xF0 == 0x90 and velocity > 0
        # What was to be heard in cycles that JACK lost is missing from then on.
        assert starts != (note in sounding) or any(lost <= frame for lost, _ in take.jumps), take.midi
        sounding ^= {note}


def streams(client: BridgeClient) -> dict[str, Any]:
    """Return the server's streams."""
    return json.loads(str(client.request("/backline/status")[3]))


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_a_server_that_is_killed_leaves_no_note_and_is_started_again(
    begin, start_server, held_folder: Path, tmp_path: Path, kind: str
) -> None:
    command = tmp_path / "backline"
    words = [sys.executable, "-P", "-m", "server.cli"]
    command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@" --models {shlex.quote(str(held_folder))}\n')
    command.chmod(0o700)
    paths = os.pathsep.join(filter(None, sys.path))
    with start_server("--models", str(held_folder)) as server:
        chosen = {"BACKLINE_MODEL": "held", "BACKLINE_SETTINGS": json.dumps({"stream": kind})}
        session = begin(server.port, {}, **chosen, BACKLINE_COMMAND=str(command), PYTHONPATH=paths)
        session.until(lambda: session.take.sounding() == CHORD)
        os.kill(server.process.pid, signal.SIGKILL)
        session.until(lambda: not session.take.sounding())
        try:
            session.until(lambda: session.take.sounding() == CHORD)
            session.play(0.5)
            assert reported_by(session.probe, "effect:lv2_audio_in_1") == session.reported
        finally:
            client = BridgeClient(port=server.port)
            with suppress(BridgeError):
                client.request("/backline/quit")
            client.close()
    session.until(lambda: not session.take.sounding())
    session.probe.end()
    whole(session.take)
    assert session.take.jumps or longest_silence(heard(session, tmp_path / "heard")) < BLOCK


@pytest.mark.parametrize("what", ["engine", "server"])
def test_after_two_seconds_of_standing_still_every_note_is_on_its_sample_again(begin, start_server, what: str) -> None:
    with start_server() as server:
        session = begin(server.port, settings("commit"))
        session.until(lambda: len(session.take.onsets) >= 10)
        (row,) = streams(server.client).values()
        frozen = [row["process"]] if what == "engine" else [*server.engines(), server.process.pid]
        for process in frozen:
            os.kill(process, signal.SIGSTOP)
        stopped = session.take.impulses[-1]
        session.play(FROZEN_SECONDS)
        for process in reversed(frozen):
            with suppress(ProcessLookupError):  # a frozen engine was replaced
                os.kill(process, signal.SIGCONT)
        going = time.monotonic()
        answered = len(session.take.onsets)
        session.until(lambda: len(session.take.onsets) >= answered + 40)
        take = session.probe.end()
    whole(take)
    assert not take.sounding(before=take.impulses[-1] - APART)
    before = take.delays([f for f in take.impulses if f < stopped - session.reported - BLOCK], take.onsets)
    assert before.count(session.reported) >= len(before) - take.incidents
    heard_at = set(take.onsets)
    first = next(
        f for f in take.impulses if f > stopped + FROZEN_SECONDS * RATE // 2 and f + session.reported in heard_at
    )
    due = [f for f in take.impulses if first <= f < take.impulses[-1] - session.reported - 2 * BLOCK]
    missing = [f for f in due if f + session.reported not in heard_at]
    assert len(due) >= 20
    assert len(missing) <= 2 * take.incidents, missing
    resumed = frame_at(take, going)
    after_a_block = (f for f in take.impulses if f >= resumed + BLOCK and not take.disturbed(f, f + session.reported))
    assert first <= next(after_a_block), f"the first note on its sample was played {first - resumed} samples later"
    expected = {f + session.reported for f in take.impulses}
    late = [frame for frame in take.onsets if frame > first + session.reported and frame not in expected]
    assert len(late) <= 2 * take.incidents, "once a note was on its sample again, none was late"


def test_another_model_while_it_plays_ends_the_notes_and_keeps_the_time(
    begin, start_server, held_folder: Path, tmp_path: Path
) -> None:
    with start_server("--models", str(held_folder)) as server:
        session = begin(server.port, {}, BACKLINE_MODEL="held")
        session.until(lambda: session.take.sounding() == CHORD)
        session.effect.set("player", PLAYERS["probe"])
        session.until(lambda: not session.take.sounding())
        session.effect.set("player", 0)
        session.until(lambda: session.take.sounding() == CHORD)
        back = session.take.midi[-1][0]
        assert reported_by(session.probe, "effect:lv2_audio_in_1") == session.reported
        session.play(0.5)
        gone = session.take.impulses[-1]
        session.effect.set("player", PLAYERS["probe"])
        session.until(lambda: not session.take.sounding() and session.take.midi[-1][2] == PROBE_PITCH)
        session.effect.wait_for("status", LIVE)
        reported, swapped = reported_by(session.probe, "effect:lv2_audio_in_1"), session.take.impulses[-1]
        session.play(1.0)
        take = session.probe.end()
    whole(take)
    assert not take.sounding(before=take.impulses[-1] - APART)
    heard_at = set(take.onsets)
    missing = [f for f in take.impulses if swapped < f < swapped + RATE // 2 and f + reported not in heard_at]
    assert len(missing) <= 2 * take.incidents, take.delays(missing, take.onsets)
    assert take.jumps or longest_silence(heard(session, tmp_path / "heard", back, gone)) < BLOCK
