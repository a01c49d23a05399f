"""LV2 in jalv on a dummy JACK server: what the plug-in reports is what is measured, to the sample; reloaded the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.native.jackd import jackd
from benchmarks.native.plugin import BUNDLES, EFFECT, INSTRUMENT, in_jalv, settings

RATES = (44_100, 48_000, 96_000)
BLOCKS = (16, 64, 192, 256, 1000, 1024, 4096)
FEW = ((64, 48_000, "commit"), (1000, 44_100, "live"), (4096, 96_000, "commit"))
MANY = tuple((block, rate, kind) for block in BLOCKS for rate in RATES for kind in ("commit", "live"))
CASES = MANY if os.environ.get("BACKLINE_WHOLE_MATRIX") == "1" else FEW
EVENTS = 8
STATE = Path(__file__).with_name("lv2_state.py")


@pytest.fixture(autouse=True)
def _what_it_needs(instrument) -> None:
    for program in ("jackd", "jalv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    instrument("jack_probe")


def save(plugins: Path, folder: Path, rate: int, block: int, kind: str, port: int) -> dict[str, Path]:
    """Have lilv write the state of both plug-ins, set up and activated, as a session keeps it; return it by URI."""
    states = {uri: folder / BUNDLES[uri] for uri in (EFFECT, INSTRUMENT)}
    for uri, state in states.items():
        words = [f"{symbol}={value}" for symbol, value in settings(kind).items()]
        bundle = plugins / "lv2" / f"{BUNDLES[uri]}.lv2"
        subprocess.run([sys.executable, STATE, bundle, uri, str(rate), str(block), state, *words],
                       env=os.environ | {"BACKLINE_PORT": str(port)}, check=True, timeout=60)  # fmt: skip
    return states


@pytest.mark.jack
@pytest.mark.parametrize(("block", "rate", "kind"), CASES, ids=str)
def test_events_leave_at_the_reported_latency(
    plugins, backline, declared, exact, tmp_path: Path, block: int, rate: int, kind: str
) -> None:
    latency = declared(rate) + 2 * block
    states = save(plugins, tmp_path, rate, block, kind, backline.port)
    with jackd(block, rate) as server:
        exact(lambda: in_jalv(server, backline.port, kind, EVENTS, plugins), kind, latency)
        exact(lambda: in_jalv(server, backline.port, kind, EVENTS, plugins, states=states), kind, latency)
