"""The HTTP server: the page, the OSC address space, and their WebSockets, all on one port.

/              a browser gets the page; whoever asks for JSON, or with an attribute, the root of the address space;
               a WebSocket here is an OSCQuery client's
/page/...      the page's files, and its WebSocket at /page/live
/backline/...  the address space
"""

import asyncio
import logging
from importlib import resources
from socket import socket
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from server.control import Control
from server.limits import (
    LARGEST_MESSAGE,
    LONGEST_PAUSE_SECONDS,
    MOST_CONNECTIONS,
    MOST_SOCKETS,
    REQUESTS_A_SECOND,
    REQUESTS_AT_ONCE,
)
from server.osc.query import ATTRIBUTES, find, host_info
from server.pace import Paces
from server.page.address_space import AddressSpace
from server.page.browser import Browser
from server.page.desk import Desk
from server.page.guard import COOKIE, HEADERS, refusal, said_tokens, without_token
from server.page.listener import Listener
from server.token import is_token

SHUTDOWN_SECONDS = 1.0
HEARTBEAT_SECONDS = 20.0
TYPES = {".js": "text/javascript", ".html": "text/html", ".css": "text/css", ".svg": "image/svg+xml"}


class PageServer:
    """One for a control process; lives in its event loop."""

    def __init__(self, control: Control, osc_port: int) -> None:
        self._desk = Desk(control, osc_port)
        self._space = AddressSpace(self._desk)
        self._files = {
            file.name: file.read_bytes() for file in resources.files("server.page").joinpath("files").iterdir()
        }
        self._token = control.config.token
        self._paces = Paces(REQUESTS_A_SECOND, REQUESTS_AT_ONCE)
        self._sockets: set[web.WebSocketResponse] = set()
        self._web = ("127.0.0.1", 0)
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self._asking: asyncio.Task[None] | None = None

    async def open(self, connection: socket) -> None:
        """Serve on a socket that is bound."""
        self._web = connection.getsockname()[:2]
        app = web.Application(middlewares=[self._guarded])
        app.router.add_get("/", self._root)
        app.router.add_get("/page/live", self._browser)
        app.router.add_get("/page/{name}", self._file)
        app.router.add_get("/{path:.*}", self._node)
        app.on_shutdown.append(self._hang_up)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, logger=_our_bugs()
        )
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        self._listening = await asyncio.get_running_loop().create_server(lambda: _Door(server), sock=connection)
        self._asking = asyncio.get_running_loop().create_task(self._desk.ask_on())

    async def close(self) -> None:
        """End what pages started, tell those who look on, and stop listening."""
        if self._asking is not None:
            self._asking.cancel()
        await self._desk.close()
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        reason = refusal(request.host, request.headers.get("Origin"))
        if reason is not None:
            raise web.HTTPForbidden(text=reason + "\n")
        pace = self._paces.of(request.remote)
        pause = pace.take()
        if pause > LONGEST_PAUSE_SECONDS:
            pace.give_back()
            raise web.HTTPTooManyRequests(
                text=f"more than {REQUESTS_A_SECOND} requests a second came from {request.remote}; ask again later\n"
            )
        await asyncio.sleep(pause)
        if self._token and not any(is_token(said, self._token) for said in said_tokens(request)):
            raise web.HTTPUnauthorized(
                text="this server asks for its token: add ?token=TOKEN, or the header Authorization: Bearer TOKEN\n"
            )
        response = await handler(request)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._listener(request)
        if self._token and "token" in request.query and "text/html" in request.headers.get("Accept", ""):
            # From here on the browser has it as a cookie: it stands in no address that is shown, kept or sent on.
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict")
            raise answer
        if not without_token(request.query_string) and "text/html" in request.headers.get("Accept", ""):
            return self._page("index.html")
        return await self._node(request)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return self._page(request.match_info["name"])

    def _page(self, name: str) -> web.Response:
        """Answer with a file by its name. Only what was found in the folder at the start has one."""
        if name not in self._files:
            raise web.HTTPNotFound(text=f"there is no {name:.80} here\n")
        suffix = name[name.rfind(".") :]
        return web.Response(body=self._files[name], content_type=TYPES[suffix], charset="utf-8")

    async def _node(self, request: web.Request) -> web.StreamResponse:
        """Answer with a node of the address space, or with one of its attributes."""
        asked = without_token(request.query_string).partition("=")[0]
        if asked == "HOST_INFO":
            return web.json_response(host_info("Backline", self._desk.osc_address, self._web))
        node = find(self._space.tree(), request.path)
        if node is None:
            raise web.HTTPNotFound(text=f"there is no {request.path:.80} in the address space\n")
        if not asked:
            return web.json_response(node)
        if asked not in ATTRIBUTES:
            raise web.HTTPBadRequest(text=f"attribute is '{asked:.40}'; allowed: HOST_INFO, {', '.join(ATTRIBUTES)}\n")
        if asked not in node:
            raise web.HTTPNoContent
        return web.json_response({asked: node[asked]})

    async def _browser(self, request: web.Request) -> web.StreamResponse:
        connection = await self._socket(request)
        self._desk.looking += 1
        try:
            await Browser(self._desk, connection).run()
        finally:
            self._desk.looking -= 1
            self._sockets.discard(connection)
        return connection

    async def _listener(self, request: web.Request) -> web.StreamResponse:
        connection = await self._socket(request)
        try:
            await Listener(self._space, connection).run()
        finally:
            self._sockets.discard(connection)
        return connection

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        if len(self._sockets) >= MOST_SOCKETS:
            raise web.HTTPServiceUnavailable(
                text=f"{MOST_SOCKETS} pages and clients are connected, which is the most\n"
            )
        connection = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, heartbeat=HEARTBEAT_SECONDS)
        self._sockets.add(connection)
        try:
            await connection.prepare(request)
        except BaseException:
            self._sockets.discard(connection)
            raise
        return connection

    async def _hang_up(self, _: web.Application) -> None:
        for connection in list(self._sockets):
            await connection.close(code=1001, message=b"the server ends")


def _our_bugs() -> logging.Logger:
    """Return a log that tells of our bugs and not of what others send: a page of traceback for each would fill a disk."""
    log = logging.getLogger("server.page.requests")
    if not log.filters:
        log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
    return log


class _Door(asyncio.Protocol):
    """Where a connection comes in: it is passed on to what serves it, or told that there are too many."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        if len(self._server.connections) < MOST_CONNECTIONS:
            protocol = self._server()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            return
        text = f"{MOST_CONNECTIONS} connections are open, which is the most\n"
        head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        cast(asyncio.Transport, transport).write((head + text).encode())
        transport.close()
