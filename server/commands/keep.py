"""`backline keep`: what was just played on a stream of a running server, as .mid and .wav."""

import argparse
import json
from pathlib import Path

from plugin_bridge.client import BridgeClient, BridgeError
from plugin_bridge.protocol import DEFAULT_PORT
from server.commands.options import server_address
from server.errors import BacklineError
from server.files import move_files
from server.keep import WRITE_SECONDS, check_seconds
from server.kept_take import KEPT_SECONDS


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "stream", nargs="?", type=int, metavar="STREAM", help="its number (may be left out where one is open)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: where the server keeps takes")
    parser.add_argument(
        "--seconds", type=int, default=KEPT_SECONDS, metavar="N", help=f"1 to {KEPT_SECONDS} (default {KEPT_SECONDS})"
    )
    parser.add_argument("--server", default=f"127.0.0.1:{DEFAULT_PORT}", metavar="HOST:PORT", help="the running server")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    host, port = server_address(arguments.server)
    seconds = check_seconds(arguments.seconds)
    folder = arguments.output.absolute() if arguments.output is not None else None
    if folder is not None and not folder.is_dir():
        raise BacklineError(f"there is no folder {folder}")
    client = BridgeClient(host, port)
    try:
        stream = arguments.stream if arguments.stream is not None else _only_stream(client)
        kept = client.request("/backline/stream/keep", stream, "", seconds, timeout=WRITE_SECONDS)
    except BridgeError as error:
        raise BacklineError(str(error)) from error
    finally:
        client.close()
    paths = [Path(str(path)) for path in kept]
    for path in paths if folder is None else move_files(paths, folder):
        print(path)
    return 0


def _only_stream(client: BridgeClient) -> int:
    streams = sorted(map(int, json.loads(str(client.request("/backline/status")[3]))))
    if len(streams) == 1:
        return streams[0]
    if not streams:
        raise BacklineError("no stream is open at this server")
    raise BacklineError(f"several streams are open; name one of {', '.join(map(str, streams))}")
