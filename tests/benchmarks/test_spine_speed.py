"""The spine under pytest-benchmark: a figure to watch while working on it, in a tight loop and without a limit.

`pytest tests/benchmarks/test_spine_speed.py --benchmark-autosave` keeps runs, `--benchmark-compare` compares. What a
stream really takes is paced: benchmarks/spine_overhead.py.
"""

from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.spine_overhead import BLOCK, RATE, SilentPlayer, noise
from server.live_stream import LiveStream


@pytest.mark.benchmark(group="spine", min_rounds=20, max_time=0.2)
@pytest.mark.parametrize(("sample_rate", "hop"), [(48_000, 128), (16_000, 256)])
def test_a_block_through_a_stream_without_a_model(benchmark: BenchmarkFixture, sample_rate: int, hop: int):
    stream, samples, blocks = LiveStream(SilentPlayer(sample_rate, hop), RATE), noise(BLOCK), count()
    benchmark(lambda: stream.process(next(blocks) * BLOCK, samples))
    assert stream.metrics.hops > 0
