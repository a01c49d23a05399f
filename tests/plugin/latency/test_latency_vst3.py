"""VST3 in pedalboard, which compensates for what the plug-in reports: an impulse comes out on the very sample it went in."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("pedalboard") is None, reason="pedalboard is not installed")

RATES = (44_100, 48_000, 96_000)
BLOCKS = (16, 64, 192, 256, 1000, 1024, 4096)
CASES = tuple((rate, BLOCKS) for rate in RATES)
if os.environ.get("BACKLINE_WHOLE_MATRIX") != "1":
    CASES = ((44_100, (192, 4096)), (48_000, (64,)))
HOST = Path(__file__).with_name("pedalboard_host.py")


def render(plugins: Path, port: int, kind: str, **given: Any) -> list[dict[str, Any]]:
    """Render in a process of its own; return a row per block size."""
    around = {
        "BACKLINE_PORT": str(port),
        "BACKLINE_MODEL": "through",
        "BACKLINE_SETTINGS": json.dumps({"stream": kind}),
    }
    given = {"plugin": str(plugins / "vst3" / "Backline.vst3"), "load": None, "save": None} | given
    done = subprocess.run([sys.executable, HOST, json.dumps(given)], env=os.environ | around, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("rate", "blocks"), CASES, ids=str)
@pytest.mark.parametrize("kind", ["commit", "live"])
def test_audio_comes_out_where_it_went_in(
    plugins, backline, declared, tmp_path: Path, rate: int, blocks: tuple[int, ...], kind: str
) -> None:
    apart = 2 * max(blocks) + rate // 10  # more than the delay that is not compensated for in a live stream
    given = {"rate": rate, "blocks": blocks, "impulses": [apart + (apart * 2 + 77) * turn for turn in range(5)]}
    given["frames"] = given["impulses"][-1] + 2 * apart
    state = str(tmp_path / "session")
    for row in render(plugins, backline.port, kind, **given, save=state) + render(
        plugins, backline.port, kind, **given, load=state
    ):
        latency = declared(rate) + 2 * row["block"]
        assert row["reported"] == (latency if kind == "commit" else 0)
        assert row["shift"] == [0 if kind == "commit" else latency] * 5, row
