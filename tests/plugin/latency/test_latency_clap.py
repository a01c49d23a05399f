"""CLAP: what the plug-in reports is what is measured, to the sample, in blocks of any and of changing sizes."""

import os
from pathlib import Path

import pytest

from benchmarks.native.clap_host import ClapRun, run_clap
from benchmarks.native.plugin import EFFECT, INSTRUMENT, in_clap
from server.errors import BacklineError

RATES = (44_100, 48_000, 96_000)
BLOCKS = ((16,), (64,), (192,), (256,), (1000,), (1024,), (4096,), (333, 64, 1000, 129))
FEW = (((64,), 48_000, "live"), ((333, 64, 1000, 129), 44_100, "commit"), ((1024,), 96_000, "commit"))
MANY = tuple((blocks, rate, kind) for blocks in BLOCKS for rate in RATES for kind in ("commit", "live"))
EVENTS = 8
CASES = MANY if os.environ.get("BACKLINE_WHOLE_MATRIX") == "1" else FEW


@pytest.mark.parametrize(("blocks", "rate", "kind"), CASES, ids=str)
def test_events_leave_at_the_reported_latency(
    plugins, instrument, backline, declared, exact, tmp_path: Path, blocks: tuple[int, ...], rate: int, kind: str
) -> None:
    instrument("clap_host")
    latency = declared(rate) + 2 * max(blocks)
    kept = {uri: tmp_path / f"{number}.state" for number, uri in enumerate((EFFECT, INSTRUMENT))}
    exact(lambda: in_clap(backline.port, kind, rate, blocks, EVENTS, plugins, keep=kept), kind, latency)
    exact(lambda: in_clap(backline.port, kind, rate, blocks, EVENTS, plugins, states=kept), kind, latency)


def test_what_is_no_plugin_is_named(instrument, tmp_path: Path, plugins) -> None:
    instrument("clap_host")
    (tmp_path / "nothing.clap").write_bytes(b"nothing")
    with pytest.raises(BacklineError, match=r"nothing\.clap"):
        run_clap(ClapRun(tmp_path / "nothing.clap"), 1000)
    with pytest.raises(BacklineError, match="no such parameter"):
        run_clap(ClapRun(plugins / "clap" / "Backline.clap", settings={"Speed": 1.0}), 1000)
