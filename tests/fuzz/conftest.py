"""How a border is fuzzed: strategies that spoil what is right, a runner with a time of its own, and what memory it took.

In the test suite every border has a fixed number of examples, the same each time, about a minute in all. FUZZ_SECONDS=600 shares so
many seconds among the borders and draws new ones (`make fuzz`).
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
AT_ONCE = 200  # examples between two looks at the clock
MOST_MEMORY = 256 << 20  # bytes that reading a small file may take beside what was there
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF]


@pytest.fixture(autouse=True)
def _smallest_floats() -> None:
    """Let there be denormal floats, which ONNX Runtime turned off for the thread that ran a model before: Hypothesis wants them."""
    torch.set_flush_denormal(False)


@st.composite
def spoiled(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of which up to six places were changed, taken out, doubled, cut off or made extreme; sometimes none."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, min(len(data), 200)) | st.integers(0, len(data)))
        kind = draw(st.sampled_from(["byte", "extreme", "word", "cut", "out", "again", "in"]))
        if kind == "byte":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "extreme":
            data[place : place + 1] = bytes([draw(st.sampled_from(EXTREMES))])
        elif kind == "word":
            word = draw(
                st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0"])
            )
            data[place : place + 4] = word
        elif kind == "cut":
            del data[place:]
        elif kind == "out":
            del data[place : place + draw(st.integers(1, 40))]
        elif kind == "again":
            data[place:place] = data[place : place + draw(st.integers(1, 40))]
        else:
            data[place:place] = draw(st.binary(max_size=20))
    return bytes(data)


@pytest.fixture(scope="session", name="spoiled")
def spoiled_fixture() -> Callable[[st.SearchStrategy[bytes]], st.SearchStrategy[bytes]]:
    """The strategy `spoiled`."""
    return spoiled


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function (check, strategy, ..., examples) that calls check with what the strategies give, again and again."""
    borders = sum("fuzz" in getattr(item, "fixturenames", ()) for item in request.session.items)
    until = time.monotonic() + SECONDS / borders

    def run(check: Callable[..., None], *strategies: st.SearchStrategy[Any], examples: int = 100) -> None:
        phases = (Phase.explicit, Phase.generate, Phase.shrink)
        for number in range(1 << 30):
            now = settings(
                max_examples=AT_ONCE if SECONDS else examples, deadline=None, database=None, derandomize=False, phases=phases,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip

            start = time.time_ns() if SECONDS else 0
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HypothesisWarning)  # of files that take long to print
                seed(start + number)(now(given(st.tuples(*strategies))(lambda drawn: check(*drawn))))()
            if time.monotonic() >= until:
                return

    return run


@pytest.fixture
def memory() -> Iterator[None]:
    """Fails a test in which this process took more memory than MOST_MEMORY at any time."""
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _bytes(status, "VmRSS")
    yield
    assert _bytes(status, "VmHWM") - before < MOST_MEMORY


def _bytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith(name + ":"))


@pytest.fixture(scope="session")
def one_sentence() -> Callable[[Exception], None]:
    """A function that fails where an error is not one sentence a person can read."""

    def check(error: Exception) -> None:
        text = str(error)
        assert text
        assert "\n" not in text, text
        assert len(text) < 2000, text

    return check
