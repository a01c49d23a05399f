"""The bundled take as a client of its own: it plays in real time, again and again, until whoever started it is gone."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.block import Samples, silence
from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream
from server.audio.file import read_audio
from server.child_process import start_python
from server.errors import BacklineError

TAKE = Path(__file__).parents[1] / "takes" / "take.ogg"
BLOCK = 256
REST_SECONDS = 2.0  # between two rounds


def spawn_take(host: str, port: int, model: str, settings: Mapping[str, str | float]) -> "subprocess.Popen[str]":
    """Start the process. It prints a JSON line with its stream once it plays, a problem on standard error."""
    words = json.dumps({"host": host, "port": port, "model": model, "settings": dict(settings)})
    return start_python(
        "from server.page.take_source import main; main()", words, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def main() -> None:
    """Entry of the process: one JSON argument with host, port, model and settings."""
    given = json.loads(sys.argv[1])
    samples, rate = read_audio(TAKE)
    round_of_it = np.concatenate([samples[:1], silence(1, round(REST_SECONDS * rate))], axis=1)
    client = BridgeClient(given["host"], given["port"])
    try:
        client.load(given["model"])
        stream = client.open_stream(given["model"], rate, given["settings"])
        sys.stdout.write(json.dumps({"stream": stream.number}) + "\n")
        sys.stdout.flush()
        play(stream, round_of_it, rate)
    except (BridgeError, BacklineError, BrokenPipeError) as error:
        sys.stderr.write(f"backline: {error}\n")
        raise SystemExit(2) from error


def play(stream: BridgeStream, samples: Samples, rate: int) -> None:
    """Send (1, n) samples over and over, a block whenever its last sample would have been heard; end with standard input."""
    start, began = 0, time.monotonic()
    places = np.arange(BLOCK)
    while not stream.refused:  # the stream was closed
        due = began + (start + BLOCK) / rate
        while (left := due - time.monotonic()) > 0:
            if select.select([sys.stdin], [], [], left)[0]:
                return
        for _ in stream.receive():  # the notes are for those who look on
            pass
        stream.send(start, samples[:, (places + start) % samples.shape[1]])
        start += BLOCK


if __name__ == "__main__":
    main()
