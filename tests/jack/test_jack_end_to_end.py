"""Strikes go into JACK and come back as their notes, in the frames of one graph.

In freewheel mode every cycle waits for its answers: frames alone decide, and no clock does.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from benchmarks import end_to_end
from benchmarks.command import Options
from benchmarks.end_to_end_graph import Listening, missing_aubionotes, through_aubionotes, through_backline
from benchmarks.end_to_end_material import Material, make_material
from benchmarks.end_to_end_scores import judge_take
from benchmarks.native.jackd import jackd
from benchmarks.record import read_rows
from benchmarks.serving import Server
from server.live_stream import LiveStream
from server.model_store import find_model, open_stream

RATE = 48_000
PLACED = RATE // 50  # samples, 20 ms: by so much may the middle of all places be wrong
LOOK_AHEAD_MS = {"live": 40.0, "commit": 160.0}
LIVE_EXTRA_MS = 15.0  # beyond the look-ahead: what "in time" means of a live note (transcription_curve)

pytestmark = [pytest.mark.jack, pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")]


@pytest.fixture(scope="module")
def material() -> Material:
    """A strike of every group by a piano that is made up."""
    return make_material(5.5, None)


@pytest.fixture(scope="module")
def listen(material: Material) -> Iterator[Callable[[int, str], Listening]]:
    """A function (block, kind of stream) -> what Backline said to the material."""
    with Server(Options(1.0)) as server:

        def through(block: int, kind: str) -> Listening:
            with jackd(block, RATE) as running:
                return through_backline(running, server.port, settings(kind), material, fast=True)

        yield through


def settings(kind: str) -> dict[str, str | float]:
    return {"stream": kind, "look_ahead_ms": f"{LOOK_AHEAD_MS[kind]:g}"}


def stream_of(kind: str) -> LiveStream:
    """What a stream of that kind promises by itself, without JACK."""
    return open_stream(find_model("transcriber"), settings(kind), RATE)


def latencies(heard: Listening, material: Material) -> list[int]:
    """Return those of the notes that were answered; more than half of them must be, and none may hang."""
    outcome = judge_take(material.strikes, heard.take, heard.declared)
    found = [answer.latency for answer in outcome.answers if answer.latency is not None]
    assert len(outcome.answers) + outcome.disturbed == sum(len(strike.pitches) for strike in material.strikes)
    assert len(found) > len(outcome.answers) // 2
    assert len(outcome.wrong) < len(found)
    assert len(heard.take.sounding()) <= len(heard.take.jumps), "a cycle that the recorder lost may have held an end"
    return found


@pytest.mark.parametrize("block", [64, 256])
def test_a_commit_streams_notes_leave_where_they_lie_plus_what_the_port_declares(
    block: int, listen: Callable[[int, str], Listening], material: Material
) -> None:
    heard = listen(block, "commit")
    found = latencies(heard, material)
    assert heard.declared == stream_of("commit").declared + 2 * block
    assert min(found) >= LOOK_AHEAD_MS["commit"] * RATE / 1000
    assert abs(median(found) - heard.declared) < PLACED


@pytest.mark.parametrize("block", [64, 256])
def test_a_live_streams_notes_leave_after_their_onsets_and_within_the_look_ahead(
    block: int, listen: Callable[[int, str], Listening], material: Material
) -> None:
    heard = listen(block, "live")
    found = latencies(heard, material)
    assert heard.declared == 0
    assert min(found) > 0
    assert median(found) <= (LOOK_AHEAD_MS["live"] + LIVE_EXTRA_MS) * RATE / 1000 + block


@pytest.mark.skipif(bool(missing_aubionotes()), reason=missing_aubionotes())
def test_aubionotes_hears_the_same_graph(material: Material) -> None:
    with jackd(256, RATE) as running:
        heard = through_aubionotes(running, material)
    assert heard.declared == 0
    assert heard.take.struck
    assert all(frame > heard.take.began + material.strikes[0].frame for frame in heard.take.onsets)


def test_the_benchmark_gives_a_row_for_every_group_and_names_the_peers_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(end_to_end, "CASES", (("live", False),))
    words = ["--seconds", "5", "--blocks", "256", "--results", str(tmp_path), "--peers-python", str(tmp_path / "none")]
    assert end_to_end.main(words) == 0
    rows = {row["case"]: row for row in read_rows(tmp_path / "end_to_end.jsonl")}
    assert {"live, block 256", "live, block 256, below E2", "live, block 256, 6 notes"} <= set(rows)
    whole = rows["live, block 256"]
    assert {"notes", "found", "wrong", "declared_samples", "hanging_notes", "xruns", "lost_cycles", "sound"} <= set(
        whole
    )
    assert "cannot run" in rows["Basic Pitch"]["missing"]
    assert missing_aubionotes() == rows.get("aubionotes", {}).get("missing", "")
