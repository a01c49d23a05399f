"""`backline bench [NAME]`: run the benchmarks, each in a process of its own.

They are no part of the wheel, so they run from a checkout: the one whose folder one stands in, or the one that this
package was installed from in place.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from server.errors import BacklineError

ORDER = (
    "step_time",
    "spine_overhead",
    "osc_round_trip",
    "host_to_event",
    "streams",
    "memory",
    "startup",
    "hiccup",
    "jack_latency",
)
"""What runs without a NAME, in this order, as far as it is there."""
ON_REQUEST = (
    "arranger_bars",
    "arranger_foresight",
    "arranger_front_end",
    "arranger_full_size",
    "arranger_table",
    "batches",
    "drummer_full_size",
    "drummer_mel_table",
    "drummer_ratings",
    "drummer_table",
    "drummer_timing",
    "drummer_voice2song",
    "end_to_end",
    "instrument_groups",
    "listening",
    "listening_arranger",
    "listening_drums",
    "performer_effects",
    "performer_full_size",
    "performer_response",
    "performer_table",
    "phase_convergence",
    "plugin_latency",
    "plugin_load",
    "real_violin",
    "resampler_delay",
    "soak",
    "step_compiled",
    "step_conditions",
    "step_time_gpu",
    "streams_long",
    "streams_search",
    "transcription_curve",
    "transcription_trials",
    "translator_figures",
    "translator_round_trip",
    "translator_table",
)
MOST_SECONDS = 3600
MARK = Path("benchmarks", "record.py")


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help=f"{', '.join((*ORDER, *ON_REQUEST))} (default: {', '.join(ORDER)})"
    )
    parser.add_argument("words", nargs="*", metavar="-- OPTIONS", help="what that benchmark alone takes")
    parser.add_argument("--provider", help="auto, cpu or cuda (default auto), where a benchmark takes one")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="of paced calls per case (default: all take 4 minutes)"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with more models")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="results of an earlier run, or a folder of them, to compare with"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    checkout = find_checkout()
    names = [name for name in (*ORDER, *ON_REQUEST) if (checkout / "benchmarks" / f"{name}.py").is_file()]
    if arguments.name is None:
        chosen = [name for name in names if name in ORDER]
    elif arguments.name in names:
        chosen = [arguments.name]
    else:
        raise BacklineError(f"there is no benchmark '{arguments.name}'; there are: {', '.join(names)}")
    if arguments.seconds is not None and not 0 < arguments.seconds <= MOST_SECONDS:
        raise BacklineError(f"--seconds is {arguments.seconds:g}; allowed: more than 0, up to {MOST_SECONDS}")
    if arguments.against is not None and not arguments.against.exists():
        raise BacklineError(f"there is no {arguments.against} to compare with")
    return max(_run(checkout, name, _words(arguments)) for name in chosen)


def find_checkout() -> Path:
    """Return the folder that holds benchmarks/. Raises BacklineError."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / MARK).is_file():
            return folder
    raise BacklineError("benchmarks run from a checkout of Backline's source: change into its folder and try again")


def _words(arguments: argparse.Namespace) -> list[str]:
    words: list[str] = []
    for option in ("provider", "seconds", "models", "against"):
        value = getattr(arguments, option)
        if value is not None:
            words += [f"--{option}", str(value.resolve() if isinstance(value, Path) else value)]
    return words + arguments.words


def _run(checkout: Path, name: str, words: list[str]) -> int:
    """Run one benchmark and return its exit code."""
    command = [sys.executable, "-P", str(checkout / "benchmarks" / f"{name}.py"), *words]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(checkout)}, check=False).returncode
