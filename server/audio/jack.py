"""A JACK client as a client of the server, in a process of its own; PipeWire speaks JACK too. This is its door.

    play_jack -> spawn -> main -> run_jack -> jack_player.JackPlayer (ports, life) -> jack_cycle.Cycle (each process cycle)

`spawn` starts the process; what follows it runs inside. `play_jack` is the command line's way: it waits and tells. The
client ends with a signal, with either server, or, where it is `held`, with whoever started it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any  # Any: JSON, and objects of JACK-Client, which has no types

from plugin_bridge.client import BridgeClient, BridgeError
from plugin_bridge.protocol import DEFAULT_PORT
from server.child_process import start_python
from server.errors import BacklineError

Connections = Sequence[Sequence[str]]
"""Pairs of ports, source and destination; the client's own ones by their short name: ("system:capture_1", "audio_in")."""


@dataclass(frozen=True, slots=True)
class JackSettings:
    """What a client is started with.

    settings: as for a stream of the bridge. name: the client's, made unique by JACK. server_name: None takes JACK's own
    default. held: end when standard input ends, so that the client does not outlive who started it.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    settings: Mapping[str, str | float] = field(default_factory=dict)
    name: str = "backline"
    server_name: str | None = None
    connect: Connections = ()
    held: bool = True


def spawn(settings: JackSettings) -> "subprocess.Popen[str]":
    """Start a client process. It prints a JSON line once it is active and one at its end, problems on standard error."""
    return start_python(
        "from server.audio.jack import main; main()", json.dumps(asdict(settings)), text=True,
        stdin=subprocess.PIPE if settings.held else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def play_jack(host: str, port: int, model: str, settings: Mapping[str, str | float], connect: Connections = ()) -> int:
    """Be at JACK, in a process started for it, until Ctrl-C; say what the ports declare and what was lost.

    Returns the exit code. Raises BacklineError.
    """
    client = spawn(JackSettings(model, host, port, dict(settings), connect=connect))
    assert client.stdout is not None
    first = client.stdout.readline()
    if first:
        _say_active(json.loads(first))
        with suppress(KeyboardInterrupt):
            client.wait()
    client.terminate()
    last, errors = client.communicate()
    for line in filter(None, last.splitlines()):
        _say_ended(json.loads(line))
    if client.returncode:
        raise BacklineError(
            errors.strip().removeprefix("backline: ") or f"the JACK client ended with code {client.returncode}"
        )
    return 0


def _say_active(active: Mapping[str, Any]) -> None:
    declared, rate = active["declared_latency"], active["sample_rate"]
    late = (
        f"the outputs declare {declared} samples ({1000 * declared / rate:.1f} ms)"
        if declared
        else "live: the outputs declare no latency"
    )
    sys.stdout.write(
        f"JACK ports {' '.join(active['ports'])} at {rate} Hz, period {active['period']}; {late}; Ctrl-C ends\n"
    )
    sys.stdout.flush()


def _say_ended(found: Mapping[str, Any]) -> None:
    late = f"{found['late_events']} events late, {found['late_blocks']} of {found['callbacks']} blocks late"
    sys.stdout.write(f"{found['notes']} notes, {late}, {found['xruns']} xruns\n")


def run_jack(
    host: str, port: int, model: str, settings: Mapping[str, str | float], name: str = "backline", server_name: str | None = None,
    connect: Connections = (), held: bool = False, on_active: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Be a JACK client until a signal comes or a server ends; return its statistics, with `problem`. Raises BacklineError.

    It takes the whole process: signals, garbage collector, memory. `on_active` gets what the ports declare.
    """
    client = open_client(name, server_name)
    from server.audio.jack_player import JackPlayer

    try:
        player = JackPlayer(client, BridgeClient(host, port), model, settings)
        return player.run(connect, held, on_active or (lambda _: None))
    except BridgeError as error:
        raise BacklineError(str(error)) from error
    finally:
        client.close()


def open_client(name: str, server_name: str | None) -> Any:
    """Return a client of JACK that is not active yet. Raises BacklineError: no library, no server."""
    try:
        import jack
    except ModuleNotFoundError as error:
        raise BacklineError(
            "JACK needs the Python package 'JACK-Client'; install backline with the extra `jack`"
        ) from error
    except OSError as error:
        raise BacklineError(
            "the JACK library (libjack) is missing; install jackd2 or PipeWire's pipewire-jack"
        ) from error
    jack.set_error_function(lambda _: None)  # libjack writes three lines of its own about a server that is not there
    jack.set_info_function(lambda _: None)
    try:
        return jack.Client(name, no_start_server=True, servername=server_name)
    except jack.JackOpenError as error:
        named = f" called '{server_name}'" if server_name else ""
        raise BacklineError(f"no JACK server{named} answers; start one with `jackd -d alsa` (`jackd -d dummy` without a sound card) "
                            "or run PipeWire") from error  # fmt: skip


def main() -> None:
    """Entry of the process: one JSON argument, the JackSettings."""
    settings = JackSettings(**json.loads(sys.argv[1]))
    try:
        statistics = run_jack(settings.host, settings.port, settings.model, settings.settings, settings.name, settings.server_name,
                              settings.connect, settings.held, _tell)  # fmt: skip
        _tell(statistics)
        if statistics["problem"]:
            raise BacklineError(statistics["problem"])
    except BacklineError as error:
        sys.stderr.write(f"backline: {error}\n")
        raise SystemExit(2) from error


def _tell(values: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # who started it is gone; the notes are ended all the same


if __name__ == "__main__":
    main()
