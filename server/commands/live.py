"""`backline live MODEL`: audio through a model in real time, over the real OSC bridge, with a view of what is heard."""

import argparse
import json
import os
import platform
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from models.events import NoteOn
from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream
from server.audio.file import read_audio
from server.commands.options import add_model_options, block_size, parse_settings, server_address, tempo_of
from server.errors import BacklineError
from server.files import require_folder, write_text_whole
from server.live_file import FilePlayer, Listening, spread
from server.live_routes import TAKE, Routes, read_routes
from server.live_view import LiveView
from server.midi.file import write_midi
from server.midi.ports import parse_port
from server.midi.rtmidi import MidiOutput
from server.model_store import find_model
from server.run_file import write_log
from server.server_process import own_server


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_model_options(parser)
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="DEVICE|FILE",
        help="an audio file, `take` (the bundled one, default), `jack`, an audio device by name or number (`default` is one), "
        "or a MIDI port: midi:NAME, virtual:NAME; twice for audio and MIDI",
    )
    parser.add_argument(
        "--output", action="append", default=[], metavar="DEVICE|FILE",
        help="a .mid file, a MIDI port (midi:NAME; `midi` or virtual:NAME make one), an audio device, or `jack` with --input jack "
        "(the default there); twice for two of them",
    )  # fmt: skip
    parser.add_argument(
        "--channel", type=channel_number, default=1, metavar="N", help="the device's channel that is heard (default 1)"
    )
    parser.add_argument("--rate", type=int, metavar="HZ", help="the device's sample rate (default: its own)")
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
    routes = read_routes(arguments.input, arguments.output)
    _check_ways(arguments, routes)
    if routes.jack:
        return _play_jack(arguments, settings)
    report = arguments.report or (routes.clip.with_suffix(".latency.json") if routes.clip else None)
    for file in filter(None, (routes.clip, report, arguments.log)):
        require_folder(file)
    if routes.file is None:
        return _play_devices(arguments, routes, settings, report)
    return _play_file(arguments, routes, routes.file, settings, report)


def _check_ways(arguments: argparse.Namespace, routes: Routes) -> None:
    """Raise BacklineError where an option has nothing to say about the way that was chosen."""
    if (routes.audio_in or routes.audio_out) and arguments.pace == "free":
        raise BacklineError("--pace is 'free'; a device plays in real time")
    if not routes.audio_in and (arguments.rate or arguments.channel > 1) and not routes.audio_out:
        raise BacklineError("--rate and --channel are for audio devices; a file and JACK have their own")


def channel_number(text: str) -> int:
    """Parse --channel."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text}; allowed: 1 to 64")
    return int(text)


def _play_jack(arguments: argparse.Namespace, settings: dict[str, str | float]) -> int:
    from server.audio.jack import play_jack

    if arguments.log or arguments.report:
        raise BacklineError("with --input jack, notes go to the JACK port midi_out; leave --log and --report out")
    with _server(arguments) as (host, port):
        return play_jack(host, port, arguments.model, settings)


def _play_devices(
    arguments: argparse.Namespace, routes: Routes, settings: dict[str, str | float], report: Path | None
) -> int:
    """Play through audio devices and MIDI ports; what was heard is kept, whatever ends it."""
    from server.audio.portaudio import DeviceSettings
    from server.live_devices import DevicePlayer

    console = Console()
    with _server(arguments) as (host, port):
        asked = DeviceSettings(arguments.model, host, port, settings, routes.audio_in, routes.audio_out, routes.midi_in,
                               routes.midi_out, arguments.channel, arguments.rate, arguments.block)  # fmt: skip
        playing = DevicePlayer(asked, console, arguments.plain or not console.is_terminal).play()
    if routes.clip is not None:
        write_midi(routes.clip, playing.take.events(), playing.take.rate, arguments.model, tempo_of(settings))
    if report is not None:
        write_text_whole(report, json.dumps(playing.report, indent=1) + "\n")
    if arguments.log is not None:
        write_log(arguments.log, playing.take)
    notes = sum(isinstance(emission.event, NoteOn) for emission, _ in playing.take.emissions)
    late = f"{playing.report['late_events']} events late, {playing.report['lost_blocks']} blocks after lost input"
    written = " and ".join(str(path) for path in (routes.clip, report) if path)
    console.print(f"{notes} notes, {late}" + (f"; wrote {written}" if written else ""), highlight=False)
    if playing.problem:
        raise BacklineError(playing.problem)
    return 0


def _play_file(
    arguments: argparse.Namespace, routes: Routes, path: Path, settings: dict[str, str | float], report: Path | None
) -> int:
    """Play a file in real time, or as fast as the engine answers."""
    samples, rate = read_audio(path)
    choice = parse_port(routes.midi_out)
    if choice is not None and arguments.pace == "free":
        raise BacklineError("--pace is 'free'; to a MIDI port notes go in real time")
    console = Console()
    with _server(arguments) as (host, port), ExitStack() as stack:
        client = BridgeClient(host, port)
        try:
            client.load(arguments.model)
            stream = client.open_stream(arguments.model, rate, settings | {"pace": arguments.pace})
            output = stack.enter_context(closing(MidiOutput(choice))) if choice is not None else None
            player = FilePlayer(stream, samples, rate, arguments.block, arguments.pace == "realtime", output)
            heard = _listen(arguments, console, stream, player, rate, path)
            status = json.loads(str(client.request("/backline/status")[3]))[str(stream.number)]
            stream.close()
        except BridgeError as error:
            raise BacklineError(str(error)) from error
        finally:
            client.close()
    row = _report(arguments, heard, stream, status, rate, path)
    if routes.clip is not None:
        write_midi(routes.clip, heard.take.events(), rate, arguments.model, tempo_of(settings))
    if report is not None:
        write_text_whole(report, json.dumps(row, indent=1) + "\n")
    if arguments.log is not None:
        write_log(arguments.log, heard.take)
    _say(console, row, routes.clip, report)
    return 0


def _server(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]  # a context manager of (host, port)
    if arguments.server is None:
        folder = ["--models", str(arguments.models)] if arguments.models else []
        return own_server([*folder, "--provider", arguments.provider])
    from contextlib import nullcontext

    return nullcontext(server_address(arguments.server))


def _for_the_ear(arguments: argparse.Namespace, settings: dict[str, str | float]) -> dict[str, str | float]:
    """Who plays wants notes soon: a model that has both kinds of stream is opened live unless told otherwise."""
    try:
        manifest = find_model(arguments.model, arguments.models).manifest
    except BacklineError:
        return settings  # another server may know it; else it says what is wrong
    both = any(parameter.name == "stream" for parameter in manifest.parameters)
    return {"stream": "live", **settings} if both else settings


def _listen(
    arguments: argparse.Namespace, console: Console, stream: BridgeStream, player: FilePlayer, rate: int, path: Path
) -> Listening:
    declared = f"{1000 * stream.latency / rate:.0f} ms declared" if stream.latency else "live: 0 ms declared"
    title = f"backline: {arguments.model} hears {path.stem if path == TAKE else path.name} at {rate} Hz, {declared}"
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
    arguments: argparse.Namespace,
    heard: Listening,
    stream: BridgeStream,
    status: dict[str, object],
    rate: int,
    path: Path,
) -> dict[str, object]:
    return {
        "model": arguments.model,
        "input": "take" if path == TAKE else str(path),
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
