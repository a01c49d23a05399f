"""Piano played into JACK comes out of JACK as its notes, at the latency that the ports declare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.events import NoteOff, NoteOn
from server.audio.file import read_audio
from server.evaluation import Notes, notes_of, score
from server.live_routes import TAKE
from server.model_store import find_model, open_stream
from server.run_file import Take, run_stream
from server.scheduler import Emission

SECONDS = 7


def heard_in_jack(take: dict[str, Any], latency: int, rate: int) -> Notes:
    """Return what the recorder heard, `latency` taken out, counted from the first sample played."""
    result = Take(rate)
    for frame, status, pitch, velocity in take["midi"]:
        place = frame - take["began_at"] - latency
        kind = NoteOn if status & 0xF0 == 0x90 and velocity else NoteOff
        result.emissions.append((Emission(place, place, kind(place, pitch, velocity)), place))
    return notes_of(result)


@pytest.mark.jack
@pytest.mark.parametrize("period", [256, 64])
def test_a_take_comes_out_as_midi_at_the_declared_latency(
    period: int,
    jack_servers: Callable[..., Any],
    backline_server: int,
    jack_client: Callable[..., Any],
    take: Callable[..., Any],
    tmp_path: Path,
) -> None:
    samples, rate = read_audio(TAKE)
    sound = np.concatenate([samples[0, : SECONDS * rate], np.zeros(rate, np.float32)])
    np.save(tmp_path / "sound.npy", sound)
    server = jack_servers(period)
    client = jack_client(server, backline_server, model="transcriber")
    active = client.json()
    running = take(server, active["active"], [], sound.size + rate // 2, audio=False, sound=tmp_path / "sound.npy")
    declared = server.latency(f"{active['active']}:midi_out", "capture")
    stream = open_stream(find_model("transcriber"), {}, rate)
    assert declared == (active["declared_latency"],) * 2
    assert active["declared_latency"] == stream.declared + active["bridge"]
    running.say("start")
    played = running.until(lambda line: "impulses_at" in line, 30.0)
    client.process.terminate()
    client.until(lambda line: "callbacks" in line)
    heard = heard_in_jack(played, declared[0], rate)
    expected = notes_of(run_stream(stream, sound[None]))
    row = score(expected, heard, 1e6)
    assert len(expected.pitches) >= 30
    assert len(heard.pitches) >= len(expected.pitches) // 2
    if not played["jumps"]:
        # Not equal: the take begins anywhere in a hop. The same notes, and where they belong (measured: .976, 0.0 ms).
        # Where the frame clock jumped, a machine that was too busy lost cycles, and frames say nothing about places.
        assert row["onset_f1"] >= 0.85
        assert abs(row["onset_error_ms"]) < 4
