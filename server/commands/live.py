"""`backline live MODEL`: audio through a model in real time, over the real OSC bridge, with a view of what is heard."""

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from models.block import Samples
from models.events import Event, NoteOn
from models.manifest import Manifest
from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream
from server.audio.file import AudioWriter, check_rate, read_audio
from server.commands.live_report import report_row, say_row
from server.commands.options import (
    add_clip_options,
    add_model_options,
    block_size,
    parse_settings,
    say_remarks,
    server_address,
)
from server.directions import gives, said_of, takes, turned
from server.errors import BacklineError
from server.files import require_folder, write_text_whole
from server.live_file import FilePlayer, Listening
from server.live_routes import TAKE, Routes, is_clip, read_routes
from server.live_view import LiveView
from server.midi.clip import CLIP_RATE, read_clip
from server.midi.file import tempo_of, write_midi
from server.midi.ports import parse_port
from server.midi.rtmidi import MidiOutput
from server.model_store import find_model
from server.run_file import long_silence, write_log
from server.server_process import own_server


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    add_model_options(parser)
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="DEVICE|FILE",
        help="an audio or .mid file, `take` (the bundled one, default), `jack`, an audio device by name or number (`default` is one), "
        "or a MIDI port: midi:NAME, virtual:NAME; twice for audio and MIDI",
    )
    parser.add_argument(
        "--output", action="append", default=[], metavar="DEVICE|FILE",
        help="a .mid or audio file, a MIDI port (midi:NAME; `midi` or virtual:NAME make one), an audio device, or `jack` with "
        "--input jack (the default there); twice for two of them",
    )  # fmt: skip
    parser.add_argument(
        "--channel", type=channel_number, default=1, metavar="N", help="the device's channel that is heard (default 1)"
    )
    parser.add_argument(
        "--rate", type=int, metavar="HZ", help="the device's sample rate (default: its own), or a .mid's (48000)"
    )
    add_clip_options(parser)
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
    routes = read_routes(arguments.input, arguments.output)
    settings = _for_the_ear(arguments, routes, parse_settings(arguments.set))
    _check_ways(arguments, routes)
    if routes.jack:
        return _play_jack(arguments, settings)
    report = arguments.report or (routes.clip.with_suffix(".latency.json") if routes.clip else None)
    for file in filter(None, (routes.clip, routes.sound, report, arguments.log)):
        require_folder(file)
    _check_kinds(arguments, routes, settings)
    if routes.file is None or routes.audio_out:
        return _play_devices(arguments, routes, settings, report)
    return _play_file(arguments, routes, routes.file, settings, report)


def _check_ways(arguments: argparse.Namespace, routes: Routes) -> None:
    """Raise BacklineError where an option has nothing to say about the way that was chosen."""
    if (routes.audio_in or routes.audio_out) and arguments.pace == "free":
        raise BacklineError("--pace is 'free'; a device plays in real time")
    plays_clip = routes.file is not None and is_clip(routes.file)
    rate = arguments.rate and not plays_clip
    if not routes.audio_in and (rate or arguments.channel > 1) and not routes.audio_out:
        raise BacklineError("--rate and --channel are for audio devices; a file and JACK have their own")
    if arguments.track and not plays_clip:
        raise BacklineError("--track is for MIDI files; name one: --input FILE.mid")


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
    if routes.file is not None:
        say_remarks(read_clip(routes.file, CLIP_RATE, arguments.track))
    with _server(arguments) as (host, port):
        asked = DeviceSettings(arguments.model, host, port, settings, routes.audio_in, routes.audio_out, routes.midi_in,
                               routes.midi_out, arguments.channel, arguments.rate, arguments.block,
                               str(routes.file or ""), tuple(arguments.track))  # fmt: skip
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
    samples, events, rate = _read_file(arguments, path)
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
            parts = json.loads(str(client.request("/backline/status")[3]))[str(stream.number)]["parts"]
            sound = (
                stack.enter_context(AudioWriter(routes.sound, rate, _channels_out(arguments, settings)))
                if routes.sound is not None
                else None
            )
            player = FilePlayer(
                stream, samples, rate, arguments.block, arguments.pace == "realtime", output, events,
                sound.write if sound is not None else None, sum(parts.values()),
            )  # fmt: skip
            heard = _listen(arguments, console, stream, player, rate, path)
            if sound is not None:
                sound.finish()
            status = json.loads(str(client.request("/backline/status")[3]))[str(stream.number)]
            stream.close()
        except BridgeError as error:
            raise BacklineError(str(error)) from error
        finally:
            client.close()
    row = report_row(arguments, heard, stream, status, rate, path)
    if routes.clip is not None:
        write_midi(routes.clip, heard.take.events(), rate, arguments.model, tempo_of(settings))
    if report is not None:
        write_text_whole(report, json.dumps(row, indent=1) + "\n")
    if arguments.log is not None:
        write_log(arguments.log, heard.take)
    say_row(console, row, [routes.clip, routes.sound, report])
    return 0


def _read_file(arguments: argparse.Namespace, path: Path) -> tuple[Samples, Sequence[Event], int]:
    """Return (audio, events, rate) of a file; the side that it does not have is silent."""
    if not is_clip(path):
        samples, rate = read_audio(path)
        return samples, (), rate
    rate = check_rate(arguments.rate or CLIP_RATE)
    clip = read_clip(path, rate, arguments.track)
    say_remarks(clip)
    return long_silence(clip.played_length(rate)), clip.events, rate


def _server(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]  # a context manager of (host, port)
    if arguments.server is None:
        folder = ["--models", str(arguments.models)] if arguments.models else []
        return own_server([*folder, "--provider", arguments.provider])
    from contextlib import nullcontext

    return nullcontext(server_address(arguments.server))


def _for_the_ear(
    arguments: argparse.Namespace, routes: Routes, settings: dict[str, str | float]
) -> dict[str, str | float]:
    """Who plays wants notes soon: a model that has both kinds of stream is opened live unless told otherwise.

    One that works in several directions is opened in that of the routes.
    """
    manifest = _manifest(arguments)
    if manifest is None:
        return settings
    faced, settings = turned(manifest, settings, routes.heard, routes.given)
    both = any(parameter.name == "stream" for parameter in faced.parameters)
    return {"stream": "live", **settings} if both else settings


def _manifest(arguments: argparse.Namespace) -> Manifest | None:
    """Return what the model says about itself; None where another server may know it, or else says what is wrong."""
    try:
        return find_model(arguments.model, arguments.models).manifest
    except BacklineError:
        return None


def _channels_out(arguments: argparse.Namespace, settings: dict[str, str | float]) -> int:
    """Return the channels of the model's audio; 1 where only its server knows it."""
    manifest = _manifest(arguments)
    outputs = () if manifest is None else manifest.facing(settings).outputs
    return sum(port.channels for port in outputs if port.kind == "audio") or 1


def _check_kinds(arguments: argparse.Namespace, routes: Routes, settings: dict[str, str | float]) -> None:
    """Raise BacklineError where the model has no port for a file."""
    found = _manifest(arguments)
    if found is None:
        return
    manifest = found.facing(settings)
    if routes.file is not None and is_clip(routes.file) and not takes(manifest, "notes"):
        raise BacklineError(f"{said_of(manifest)} takes audio, and {routes.file} is MIDI")
    if routes.file is not None and not is_clip(routes.file) and not takes(manifest, "audio"):
        raise BacklineError(
            f"{said_of(manifest)} takes MIDI, and {'the take' if routes.file == TAKE else routes.file} is audio"
        )
    if routes.sound is not None and not gives(manifest, "audio"):
        kinds = " and ".join(sorted({port.kind for port in manifest.outputs}))
        raise BacklineError(f"{said_of(manifest)} gives {kinds}, so it cannot write {routes.sound}")


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
