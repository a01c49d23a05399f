"""The declared latency is the measured one, to the sample, both ways, whatever the host's rate and block size.

The probe answers an impulse with a note and a note with an impulse, so that only the path remains to be measured.
"""

import numpy as np
import pytest

from models.events import NoteOn
from models.model_file import read_manifest
from models.probe.processor import REFRACTORY, ProbeProcessor
from models.registry import bundled_files, open_processor
from server.live_stream import LiveStream
from server.onnx_step import OnnxStep, open_session

RATES = (8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
BLOCKS = (16, 64, 192, 256, 1000, 1024, 4096, (333, 1, 2048, 64, 129))


def probe(kind: str = "commit") -> ProbeProcessor:
    path = bundled_files()["probe"]
    manifest = read_manifest(path)
    step = OnnxStep(open_session(path), manifest.graphs[0])
    return open_processor(manifest, {"step": step}, manifest.resolve({"stream": kind}))


def places_at(rate: int) -> list[int]:
    """Three ugly host samples, further apart than the probe's rest."""
    return [round(rate * seconds) + odd for seconds, odd in ((0.02, 1), (0.0617, 0), (0.1103, 3))]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
@pytest.mark.parametrize("rate", RATES)
def test_an_impulse_becomes_a_note_after_exactly_the_declared_latency(feed, rate, block):
    stream = LiveStream(probe(), rate)
    places = places_at(rate)
    audio = np.zeros((1, places[-1] + stream.declared + rate // 50), np.float32)
    audio[0, places] = 0.9
    heard = feed(stream, audio, block, finish=False)
    notes = [e for e in heard.emissions if isinstance(e.event, NoteOn)]
    assert [e.place for e in notes] == places
    assert [e.due - stream.declared for e in notes] == places
    assert stream.scheduler.late == 0


@pytest.mark.parametrize("block", BLOCKS, ids=str)
@pytest.mark.parametrize("rate", RATES)
def test_a_note_becomes_an_impulse_after_exactly_the_declared_latency(feed, rate, block):
    stream = LiveStream(probe(), rate)
    places = places_at(rate)
    silence = np.zeros((1, places[-1] + stream.declared + rate // 50), np.float32)
    heard = feed(stream, silence, block, [NoteOn(place, 60, 100) for place in places], finish=False)
    rest = REFRACTORY * rate // stream.spec.sample_rate
    for place in places:
        around = np.abs(heard.audio[0, place + stream.declared - rest // 2 : place + stream.declared + rest // 2])
        assert np.argmax(around) == rest // 2
    assert heard.audio.shape == silence.shape


@pytest.mark.parametrize("block", [16, 1000, (333, 1, 2048)], ids=str)
def test_audio_and_notes_pass_together_and_stay_aligned(feed, block):
    stream = LiveStream(probe(), 44_100)
    audio = np.zeros((1, 20_000), np.float32)
    audio[0, 5_001] = 0.9
    heard = feed(stream, audio, block, [NoteOn(5_001, 60, 100)], finish=False)
    [note] = [e for e in heard.emissions if isinstance(e.event, NoteOn)]
    assert note.due == int(np.argmax(np.abs(heard.audio[0]))) == 5_001 + stream.declared


def known_at(stream: LiveStream, place: int) -> int:
    """Return the host sample with which the stream knows about an impulse at `place`, fed a sample at a time from there."""
    sample = np.zeros((1, 1), np.float32)
    stream.process(0, np.zeros((1, place), np.float32))
    for now in range(place, place + stream.declared + 1):
        sample[0, 0] = 0.9 if now == place else 0.0
        stream.process(now, sample)
        if len(stream.scheduler) or stream.ledger.sounding:
            return now
    raise AssertionError("the impulse was never heard")


def test_the_declared_latency_has_no_sample_to_spare_where_host_and_model_share_a_rate():
    hop = probe().spec.hop
    spare = [place + LiveStream(probe(), 48_000).declared - known_at(LiveStream(probe(), 48_000), place) for place in
             range(3 * hop, 4 * hop)]  # fmt: skip
    assert min(spare) == 0
    assert max(spare) == hop - 1


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_the_declared_latency_is_never_short_and_never_long_at_other_rates(rate):
    spare = []
    for place in range(1_000, 1_000 + 2 * 128, 5):
        stream = LiveStream(probe(), rate)
        spare.append(place + stream.declared - known_at(stream, place))
    hop = 128 * rate / 48_000
    # Audio out passes a second filter, which a note does not wait for.
    assert 0 <= min(spare) <= stream.latency.resampler // 2 + 8
    assert max(spare) - min(spare) <= hop + 2


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("block", [64, 1000])
def test_a_stream_that_begins_late_counts_from_its_own_first_sample(rate, block):
    stream, origin = LiveStream(probe(), rate), 987_654_321
    notes = []
    for start in range(0, 20_000, block):
        audio = np.zeros((1, block), np.float32)
        if start <= 7_003 < start + block:
            audio[0, 7_003 - start] = 0.9
        notes += [e for e in stream.process(origin + start, audio).emissions if isinstance(e.event, NoteOn)]
    assert [(e.place, e.due) for e in notes] == [(origin + 7_003, origin + 7_003 + stream.declared)]
