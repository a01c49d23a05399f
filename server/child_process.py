"""How Backline starts a Python process of its own: engines, a server, a JACK client.

A child finds the same packages as its parent wherever it is started, is out of reach of the terminal's Ctrl-C (who started it
ends it in order), and keeps to one thread.
"""

import os
import subprocess
import sys
from typing import Any  # Any: a Popen of text or bytes, as asked


def start_python(code: str, *words: str, **options: Any) -> "subprocess.Popen[Any]":
    """Start `code` in a new interpreter with `words` as its arguments; `options` are Popen's."""
    # -P: the folder one happens to stand in must not shadow our packages, whose names are general.
    command = [sys.executable, "-P", "-c", code, *words]
    packages = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(command, env=os.environ | packages, start_new_session=True, **options)


def end_process(process: "subprocess.Popen[Any]", patience_seconds: float) -> None:
    """Ask a child to end and wait; kill it where that takes longer than `patience_seconds`."""
    process.terminate()
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
