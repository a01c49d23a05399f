"""`backline live MODEL`: audio through a model in real time, over the real OSC bridge, with a view of what is heard."""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console

from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream
from server.audio.file import read_audio
from server.commands.options import add_model_options, block_size, parse_settings
from server.errors import BacklineError
from server.files import require_folder, write_text_whole
from server.live_file import FilePlayer, Listening, spread
from server.live_view import LiveView
from server.midi.file import MIDI_SUFFIXES, write_midi
from server.model_store import find_model
from server.run_file import write_log
from server.server_process import own_server

TAKES = Path(__file__).parents[1] / "takes"


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_model_options(parser)
    parser.add_argument(
        "--input",
        default="take",
        metavar="DEVICE|FILE",
        help="an audio file, `take` (the bundled one, default) or `jack`",
    )
    parser.add_argument(
        "--output", metavar="DEVICE|FILE", help="a .mid file, or `jack` with --input jack (the default there)"
    )
    parser.add_argument("--server", metavar="HOST:PORT", help="a running server (default: one of its own)")
    parser.add_argument("--block", type=block_size, default=256, metavar="N", help="block in samples (default 256)")
    parser.add_argument(
        "--pace", choices=("realtime", "free"), default="realtime", help="free: as fast as the engine answers"
    )
    parser.add_argument("--log", type=Path, metavar="EVENTS.jsonl", help="write every event as it leaves")
    parser.add_argument("--report", type=Path, metavar="FILE", help="latency report (default: beside the .mid)")
    parser.add_argument("--plain", action="store_true", help="a line a note, as without a terminal")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    settings = _for_the_ear(arguments, parse_settings(arguments.set))
    if arguments.input == "jack":
        from server.audio.jack import play_jack

        if arguments.output not in (None, "jack") or arguments.log or arguments.report:
            raise BacklineError(
                "with --input jack, notes go to the JACK port midi_out; leave --output, --log and --report out"
            )
        with _server(arguments) as (host, port):
            return play_jack(host, port, arguments.model, settings)
    path = TAKES / "take.ogg" if arguments.input == "take" else Path(arguments.input)
    samples, rate = read_audio(path)
    output = Path(arguments.output) if arguments.output else None
    if output is not None and output.suffix.lower() not in MIDI_SUFFIXES:
        raise BacklineError(f"--output is '{output}'; a file's notes go to a .mid file")
    report = arguments.report or (output.with_suffix(".latency.json") if output else None)
    for file in filter(None, (output, report, arguments.log)):
        require_folder(file)
    console = Console()
    with _server(arguments) as (host, port):
        client = BridgeClient(host, port)
        try:
            client.load(arguments.model)
            stream = client.open_stream(arguments.model, rate, settings | {"pace": arguments.pace})
            player = FilePlayer(stream, samples, rate, arguments.block, arguments.pace == "realtime")
            heard = _listen(arguments, console, stream, player, rate)
            status = json.loads(str(client.request("/backline/status")[3]))[str(stream.number)]
            stream.close()
        except BridgeError as error:
            raise BacklineError(str(error)) from error
        finally:
            client.close()
    row = _report(arguments, heard, stream, status, rate)
    if output is not None:
        write_midi(output, heard.take.events(), rate, arguments.model)
    if report is not None:
        write_text_whole(report, json.dumps(row, indent=1) + "\n")
    if arguments.log is not None:
        write_log(arguments.log, heard.take)
    _say(console, row, output, report)
    return 0


def _server(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]  # a context manager of (host, port)
    if arguments.server is None:
        folder = ["--models", str(arguments.models)] if arguments.models else []
        return own_server([*folder, "--provider", arguments.provider])
    from contextlib import nullcontext

    host, colon, port = arguments.server.rpartition(":")
    if not colon or not port.isdecimal():
        raise BacklineError(f"--server is '{arguments.server}'; it is written HOST:PORT, for instance 127.0.0.1:9010")
    return nullcontext((host, int(port)))


def _for_the_ear(arguments: argparse.Namespace, settings: dict[str, str | float]) -> dict[str, str | float]:
    """Who plays wants notes soon: a model that has both kinds of stream is opened live unless told otherwise."""
    try:
        manifest = find_model(arguments.model, arguments.models).manifest
    except BacklineError:
        return settings  # another server may know it; else it says what is wrong
    both = any(parameter.name == "stream" for parameter in manifest.parameters)
    return {"stream": "live", **settings} if both else settings


def _listen(
    arguments: argparse.Namespace, console: Console, stream: BridgeStream, player: FilePlayer, rate: int
) -> Listening:
    declared = f"{1000 * stream.latency / rate:.0f} ms declared" if stream.latency else "live: 0 ms declared"
    title = f"backline: {arguments.model} hears {Path(arguments.input).name} at {rate} Hz, {declared}"
    plain = arguments.plain or not console.is_terminal
    if plain:
        console.print(title, highlight=False)
    budget_us = 1e6 * arguments.block / rate

    def load() -> str:
        recent = player.result.replies_us[-200:]
        return f"a block answered in {sorted(recent)[len(recent) // 2]:.0f} us of {budget_us:.0f}" if recent else ""

    with LiveView(title, rate, console, plain) as view:
        try:
            return player.play(view.event, lambda: view.tick(player.position / rate, load()))
        except KeyboardInterrupt:  # what was heard so far is kept
            player.result.take.end(player.position, player.position)
            return player.result


def _report(
    arguments: argparse.Namespace, heard: Listening, stream: BridgeStream, status: dict[str, object], rate: int
) -> dict[str, object]:
    return {
        "model": arguments.model,
        "input": str(arguments.input),
        "sample_rate": rate,
        "block": arguments.block,
        "notes": sum(1 for e, _ in heard.take.emissions if type(e.event).__name__ == "NoteOn"),
        "declared_latency_samples": stream.latency,
        "declared_latency_ms": round(1000 * stream.latency / rate, 2),
        "onset_to_arrival_ms": spread(heard.waits_ms),
        "block_answered_us": spread(heard.replies_us, first_apart=True),
        "late_events": stream.late,
        "blocks_sent_late": heard.late_sends,
        "engine": status,
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "python": sys.version.split()[0]},
    }


def _say(console: Console, row: dict[str, object], output: Path | None, report: Path | None) -> None:
    waits = row["onset_to_arrival_ms"]
    assert isinstance(waits, dict)
    line = f"{row['notes']} notes"
    if waits:
        line += f", heard {waits['p50']:.0f} ms after their place (p95 {waits['p95']:.0f}, slowest {waits['max']:.0f})"
        line += f", {row['late_events']} late"
    written = " and ".join(str(path) for path in (output, report) if path)
    console.print(line + (f"; wrote {written}" if written else ""), highlight=False)
