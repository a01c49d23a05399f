"""`backline serve`: the server in the foreground, until Ctrl-C, a TERM signal or /backline/quit."""

import argparse
import asyncio
import logging
import signal
import sys
from ipaddress import ip_address
from pathlib import Path

from plugin_bridge.protocol import DEFAULT_PORT
from server.control import Control, ServerConfig
from server.errors import BacklineError
from server.onnx_step import choose_provider

READY = "backline serves OSC at "
"""Beginning of the one line on standard output; HOST:PORT follows."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1, this machine only)"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"UDP port for commands (default {DEFAULT_PORT}; 0: any)"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with more models")
    parser.add_argument("--provider", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument("--held", action="store_true", help="end when standard input closes, with whoever started this")
    parser.add_argument("--verbose", action="store_true", help="tell what happens")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(message)s")
    choose_provider(arguments.provider)
    if not 0 <= arguments.port <= 65535:
        raise BacklineError(f"port is {arguments.port}; allowed: 0 to 65535")
    try:
        if not ip_address(arguments.host).is_loopback:
            logging.warning("listening at %s: anyone who reaches this address can use the server", arguments.host)
    except ValueError as error:
        raise BacklineError(f"host is '{arguments.host}'; it takes an IPv4 address, for instance 127.0.0.1") from error
    config = ServerConfig(arguments.host, arguments.port, arguments.models, arguments.provider)
    asyncio.run(_serve(config, arguments.held))
    return 0


async def _serve(config: ServerConfig, held: bool) -> None:
    control = Control(config)
    port = await control.start()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, control.end)
    if held:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), control.end)  # nobody writes: readable means closed
    print(f"{READY}{config.host}:{port}", flush=True)
    try:
        await control.wait()
    finally:
        await control.close()
