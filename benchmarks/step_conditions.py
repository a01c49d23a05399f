"""Does a step keep its time when the machine is cold, has slept, or has other work?

The engine's step at its own pace: alone, after every rest of REST_SECONDS (clocks and caches have gone down), and beside other
processes of normal priority: one a core that computes, one a core that streams through memory, one that writes to a disk and
waits for it. `against_alone` is p99 over that of the same step alone in the same run. Cold: a session that is opened anew,
and its first step; the file is in the system's cache. What `alone` is worth, `wake p99` says.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.command import Options, run
from benchmarks.device_step import open_step
from benchmarks.networks import graphs_of, load_manifest, model_files
from benchmarks.pacing import WARM_UP_CALLS, real_time
from benchmarks.record import Row, percentiles
from benchmarks.step_time import onnx_call, time_paced
from models.manifest import GraphSpec
from server.onnx_step import open_session
from server.providers import check_provider

NAME, SECONDS = "step_conditions", 2.0
REST_SECONDS = 0.5
COLD_STARTS = 5
SETTLE_SECONDS = 0.3  # for a load to be there
LOADS = {
    "processor": "x = 1\nwhile True: x = x * 3 % 1000003",
    "memory": "import numpy as np\na, b = np.ones(1 << 24), np.zeros(1 << 24)\nwhile True: np.copyto(b, a)",  # 128 MB each way
    "disk": "import os, sys\ndata = os.urandom(1 << 22)\nfile = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\n"
    "while True:\n os.pwrite(file, data, 0)\n os.fsync(file)",
}
"""What a process does until it is ended."""


def measure(options: Options) -> list[Row]:
    """Return rows per graph that runs once a hop. seconds: of paced calls a case."""
    provider = "cpu" if check_provider(options.provider) == "auto" else options.provider
    rows: list[Row] = []
    for name, path in model_files(options.models).items():
        manifest = load_manifest(path)
        period = manifest.hop / manifest.sample_rate
        for case, graph in graphs_of(name, manifest).items():
            if graph.clock != "hop":
                continue
            rows += cold_rows(case, path, graph, provider)
            call = onnx_call(open_step(open_session(path, provider, file=graph.file), graph), graph)
            # Without the hiccup meter: what wakes above the step takes some of the cache from it.
            alone = time_paced(call, options.seconds, period)
            found = {"alone": alone, "after a rest": time_rested(call, options.seconds)}
            for load in LOADS:
                with load_of(load):
                    found[f"{load} load"] = time_paced(call, options.seconds, period)
            for condition, figures in found.items():
                against = round(figures["p99_us"] / alone["p99_us"], 3)
                share = round(figures["p50_us"] / (1e6 * period), 4)
                shared = {"against_alone": against, "budget_us": round(1e6 * period, 1), "budget_share": share}
                rows.append({"case": f"{case}, {condition}", **figures, **shared, "provider": provider})
    return rows


def cold_rows(case: str, path: Path, graph: GraphSpec, provider: str) -> list[Row]:
    """Return a row of opening a session of its own, and one of the first step with it."""
    opening, first = [], []
    for _ in range(COLD_STARTS):
        began = time.perf_counter_ns()
        session = open_session.__wrapped__(path, provider, file=graph.file)
        opening.append((time.perf_counter_ns() - began) / 1000)
        call = onnx_call(open_step(session, graph), graph)
        began = time.perf_counter_ns()
        call()
        first.append((time.perf_counter_ns() - began) / 1000)
    return [
        {"case": f"{case}, opening a session", **percentiles(opening), "provider": provider},
        {"case": f"{case}, first step", **percentiles(first), "provider": provider},
    ]


def time_rested(
    call: Callable[[], object], seconds: float, rest: float = REST_SECONDS, pause: Callable[[float], object] = time.sleep
) -> Row:  # fmt: skip
    """Return the percentiles of calls that each come after a rest. pause: does what is done in one, for that many seconds."""
    times = []
    for _ in range(WARM_UP_CALLS):
        call()
    with real_time() as scheduling:
        for _ in range(max(2, round(seconds / rest))):
            pause(min(rest, seconds))
            began = time.perf_counter_ns()
            call()
            times.append((time.perf_counter_ns() - began) / 1000)
    return percentiles(times) | {"scheduling": scheduling}


@contextmanager
def load_of(kind: str) -> Iterator[None]:
    """Have one process a core do what LOADS says, or a single one with the disk; end them afterwards."""
    count = 1 if kind == "disk" else len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-c", LOADS[kind], str(Path(folder, "written"))]
        processes = [subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) for _ in range(count)]
        try:
            time.sleep(SETTLE_SECONDS)
            yield
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()


if __name__ == "__main__":
    raise SystemExit(run(NAME, measure, SECONDS))
