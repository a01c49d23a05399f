"""`backline serve`: the server in the foreground, until Ctrl-C, a TERM signal or /backline/quit; beside it a page."""

import argparse
import asyncio
import logging
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

from plugin_bridge.client import TOKEN_VARIABLE
from plugin_bridge.protocol import DEFAULT_PORT
from server.batched_step import SIZES
from server.control import Control, ServerConfig
from server.errors import BacklineError
from server.page.door import bind
from server.providers import check_provider
from server.services import check_engines
from server.step_pool import StepPool
from server.token import keep_in_environment, token_for

if TYPE_CHECKING:
    from server.page.app import PageServer

READY = "backline serves OSC at "
"""Beginning of the one line on standard output; HOST:PORT follows."""
PAGE = "backline shows its page at "
"""Beginning of the second, once the page is there; its address follows."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at (default 127.0.0.1, this machine only; another needs --allow-remote)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen where other machines reach it; clients must say a token: that of --token-file, or of BACKLINE_TOKEN in the "
        "environment, or one that is made and printed once",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help="file with the token that clients must say, readable by its owner alone; made where it is not there",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"UDP port for commands (default {DEFAULT_PORT}; 0: any)"
    )
    parser.add_argument(
        "--page",
        type=int,
        metavar="PORT",
        help="TCP port of the page and of OSCQuery (default: the command port + 1; 0: any)",
    )
    parser.add_argument("--no-page", action="store_true", help="no page and no OSCQuery")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder with more models")
    parser.add_argument(
        "--takes", type=Path, metavar="DIR", help="folder that takes are kept in (default: Backline in the home folder)"
    )
    parser.add_argument(
        "--provider",
        default="auto",
        help="auto (the faster, measured when a model is loaded), cpu or cuda (default auto)",
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N",
        help=f"streams of a model that may share a call: {', '.join(map(str, SIZES))} (default 1; more pays on CUDA)",
    )  # fmt: skip
    parser.add_argument(
        "--engines", type=int, default=1, metavar="N",
        help="processes that share a model's streams, each with a spare (default 1; as many as cores for many tracks)",
    )  # fmt: skip
    parser.add_argument("--held", action="store_true", help="end when standard input closes, with whoever started this")
    parser.add_argument("--verbose", action="store_true", help="tell what happens")


def main(arguments: argparse.Namespace) -> int:
    """Run the command."""
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.WARNING, format="%(message)s")
    check_provider(arguments.provider)
    StepPool(arguments.provider, arguments.batch)  # says now what an engine would say
    for name, port in (("port", arguments.port), ("page", arguments.page)):
        if port is not None and not 0 <= port <= 65535:
            raise BacklineError(f"{name} is {port}; allowed: 0 to 65535")
    if arguments.no_page and arguments.page is not None:
        raise BacklineError("--page and --no-page were both given; choose one")
    try:
        remote = not ip_address(arguments.host).is_loopback
    except ValueError as error:
        raise BacklineError(f"host is '{arguments.host}'; it takes an IPv4 address, for instance 127.0.0.1") from error
    if remote and not arguments.allow_remote:
        raise BacklineError(
            f"host is {arguments.host}, which other machines may reach; allowed: 127.0.0.1, or any with --allow-remote, and then "
            "clients must say a token"
        )
    token, made = token_for(arguments.token_file, remote)
    keep_in_environment(token)
    if made:
        sys.stderr.write(f"backline made a token for this run; clients need it as {TOKEN_VARIABLE}: {token}\n")
        sys.stderr.flush()
    config = ServerConfig(arguments.host, arguments.port, arguments.models, arguments.provider, arguments.takes, token,
                          arguments.batch, check_engines(arguments.engines))  # fmt: skip
    # Whoever started this one for themselves has a view of their own.
    page = None if arguments.no_page or (arguments.held and arguments.page is None) else Wish(arguments.page)
    asyncio.run(_serve(config, arguments.held, page))
    return 0


@dataclass(frozen=True, slots=True)
class Wish:
    """A page is wanted. port: where; None for the place beside the command port."""

    port: int | None

    def bind(self, config: ServerConfig, port: int) -> socket | None:
        """Return the page's socket. A place that was asked for and is taken refuses the server; the usual one goes without."""
        if self.port is not None:
            return bind(config.host, self.port)
        try:
            return bind(config.host, port + 1 if config.port else 0)
        except BacklineError as error:
            logging.warning("%s; serving without", error)
            return None


async def _serve(config: ServerConfig, held: bool, wish: Wish | None) -> None:
    control = Control(config)
    page = None
    try:
        port = await control.start()
        place = None if wish is None else wish.bind(config, port)
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, control.end)
        if held:  # nobody writes: readable means closed
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), control.end)
        print(f"{READY}{config.host}:{port}", flush=True)
        if place is not None:
            page = await _open_page(control, port, place)
        await control.wait()
    finally:
        if page is not None:
            await page.close()
        await control.close()


async def _open_page(control: Control, port: int, place: socket) -> "PageServer":
    # Loaded here and beside the event loop: a server is ready for its clients 0.2 s earlier.
    module = await asyncio.to_thread(import_module, "server.page.app")
    page: PageServer = module.PageServer(control, port)
    await page.open(place)
    host, number = place.getsockname()
    print(f"{PAGE}http://{host}:{number}/", flush=True)
    return page
