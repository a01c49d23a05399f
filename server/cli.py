"""The door: words to commands. Everything heavy is imported by the command that needs it.

A problem that the user can mend is one sentence on standard error and exit code 2.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from server.errors import BacklineError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("server.commands.serve", "start the server and wait for clients"),
    "live": ("server.commands.live", "play audio through a model in real time"),
    "keep": ("server.commands.keep", "write what was just played on a running stream, as .mid and .wav"),
    "run": ("server.commands.run", "put a file through a model"),
    "batch": ("server.commands.batch", "put every file of a folder through a model, here or on a Ray cluster"),
    "models": ("server.commands.models", "list the models"),
    "doctor": ("server.commands.doctor", "look at this machine: audio, MIDI, OSC, ONNX Runtime, real-time rights"),
    "train": ("exporters.commands.train", "train a player from a folder of data (extra `train`)"),
    "evaluate": ("server.commands.evaluate", "score a model on recordings with notes (extra `train`)"),
    "export": ("exporters.commands.export", "turn a checkpoint into a model file (extra `train`)"),
    "triton": ("exporters.commands.triton", "write a model into an NVIDIA Triton model repository (extra `train`)"),
    "bench": ("server.commands.bench", "run the benchmarks"),
}
"""Command -> (module, one line of help). Modules are named, not imported: `--help` is instant."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if words is None else words)
    parser = _Parser(prog="backline", description="Trained players for a DAW, at low latency.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in words if word in COMMANDS), None)
    for name, (module, line) in COMMANDS.items():
        one = commands.add_parser(name, help=line, description=line[0].upper() + line[1:] + ".")
        if name == chosen:
            _import(module, name).add(one)
    arguments = parser.parse_args(words)
    return _guarded(lambda: int(_import(COMMANDS[arguments.command][0], arguments.command).main(arguments)))


class _Parser(argparse.ArgumentParser):
    """A parser whose refusals look like all others: one sentence."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with code 2."""
        self.exit(2, f"backline: {message} (see {self.prog} --help)\n")


def _guarded(run: Callable[[], int]) -> int:
    try:
        return run()
    except BacklineError as error:
        print(f"backline: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


def _import(module: str, command: str):  # type: ignore[no-untyped-def]  # a module with add and main
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in ("models", "server", "exporters", "plugin_bridge"):
            raise
        print(f"backline: `{command}` needs the Python package '{error.name}'; install backline with the extra that "
              f"brings it (README, Install)", file=sys.stderr)  # fmt: skip
        raise SystemExit(2) from error


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("backline")
    except PackageNotFoundError:
        return "0 (not installed)"


if __name__ == "__main__":
    sys.exit(main())
