"""A server with its page, clients of its HTTP port, and a real browser that is told what to do over the DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 30.0
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip


class PageAddress:
    """Where a page is, and how it is asked without a browser."""

    def __init__(self, port: int) -> None:
        self.port, self.host = port, f"127.0.0.1:{port}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
        """Send a request as it stands, path and headers; return the answer and its body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    def json(self, path: str) -> Any:
        """Return what the address space says at a path."""
        answer, body = self.ask(path)
        assert answer.status == 200, body
        return json.loads(body)


def page_of(server: Any) -> PageAddress:
    """Return the page of a server that prints where it is."""
    line = server.process.stdout.readline()
    assert line.startswith("backline shows its page at http://127.0.0.1:"), line
    return PageAddress(int(line.rstrip("/\n").rsplit(":", 1)[1]))


class Socket:
    """A WebSocket client that blocks, so that a test reads from top to bottom."""

    def __init__(self, url: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            self._session, self._socket = self.run(self._open(url, options))
        except BaseException:
            self._loop.close()
            raise

    async def _open(self, url: str, options: dict[str, Any]) -> tuple[aiohttp.ClientSession, Any]:
        session = aiohttp.ClientSession()
        try:
            return session, await session.ws_connect(url, max_msg_size=0, **options)
        except BaseException:
            await session.close()
            raise

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns, within PATIENCE."""
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def send(self, message: dict[str, Any] | bytes) -> None:
        """Send JSON or bytes."""
        self.run(self._socket.send_bytes(message) if isinstance(message, bytes) else self._socket.send_json(message))

    def next(self) -> Any:
        """Return the next message: JSON, or bytes."""
        message = self.run(self._socket.receive())
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        return json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else message.data

    def until(self, is_it: Callable[[Any], bool]) -> Any:
        """Return the first message of which `is_it` is true."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message = self.next()
            if is_it(message):
                return message
        raise AssertionError("what was waited for did not come")

    def close(self) -> None:
        """Hang up."""
        self.run(self._socket.close())
        self.run(self._session.close())
        self._loop.close()


class Chromium:
    """A browser with one page."""

    def __init__(self, process: "subprocess.Popen[bytes]", profile: Path) -> None:
        self._serial = 0
        port = self._port(process, profile)
        self.socket = Socket(self._target(port))
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    def _port(self, process: "subprocess.Popen[bytes]", profile: Path) -> int:
        assert process.stderr is not None
        while line := process.stderr.readline().decode():
            if "DevTools listening on" in line:
                return int(line.split("127.0.0.1:")[1].split("/")[0])
        raise AssertionError("Chromium ended before it listened")

    def _target(self, port: int) -> str:
        pages = PageAddress(port).json("/json/list")
        return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command and return its result. What the page complains of meanwhile is kept."""
        self._serial += 1
        self.socket.send({"id": self._serial, "method": method, "params": parameters})
        while True:
            message = self.socket.next()
            if message.get("id") == self._serial:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "Runtime.exceptionThrown":
                self.problems.append(str(message["params"]["exceptionDetails"]))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.problems.append(str(message["params"]["entry"]))

    def value(self, expression: str) -> Any:
        """Return what an expression is on the page."""
        result = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Return what an expression is on the page once it is true; the page itself looks at every frame."""
        look = f"""new Promise((done, fail) => {{
            const until = performance.now() + {1000 * PATIENCE - 1000};
            const look = () => {{ const it = ({expression}); if (it) done(it);
                else if (performance.now() > until) fail(new Error("never came true")); else setTimeout(look, 20); }};
            look(); }})"""
        return self.value(look)

    def open(self, url: str) -> None:
        """Go to a page and wait until it is connected."""
        self.tell("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && document.getElementById('link')?.dataset.state === 'open'")

    def look(self, width: int, height: int = 900, dark: bool = False, still: bool = False, phone: bool = False) -> None:
        """Be a window or a phone, in light or dark, with or without motion."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        self.tell(
            "Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in wishes.items()]
        )

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        place = self.value(f"""(() => {{ const it = document.querySelector({json.dumps(selector)}); it.scrollIntoView({{block: "center"}});
            const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type into what has the focus; a newline is the Enter key."""
        for sign in text:
            key = (
                {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
                if sign == "\n"
                else {"key": sign, "text": sign}
            )
            self.tell("Input.dispatchKeyEvent", type="keyDown", **key)
            self.tell("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self, path: Path, whole: bool = True) -> bytes:
        """Write the page as it looks, and return the PNG."""
        data = base64.b64decode(self.tell("Page.captureScreenshot", captureBeyondViewport=whole)["data"])
        path.write_bytes(data)
        return data


@contextmanager
def open_chromium(profile: Path) -> Iterator[Chromium]:
    """Run a browser; end it however it stands."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    process = subprocess.Popen([CHROMIUM, *QUIET, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.PIPE)
    try:
        chromium = Chromium(process, profile)
        yield chromium
        chromium.socket.close()
    finally:
        process.terminate()
        process.wait(20)
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture(scope="module")
def page(server: Any) -> PageAddress:
    """The page of `server`."""
    return page_of(server)


@pytest.fixture(scope="session")
def find_page() -> Callable[[Any], PageAddress]:
    """The function `page_of`."""
    return page_of


@pytest.fixture
def connect(page: PageAddress) -> Iterator[Callable[..., Socket]]:
    """A function (path) -> Socket at the page's port."""
    opened: list[Socket] = []

    def make(path: str, **options: Any) -> Socket:
        opened.append(Socket(f"http://{page.host}{path}", **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def open_socket() -> type[Socket]:
    """The class `Socket`."""
    return Socket


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser."""
    with open_chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="session")
def chromium_opener() -> Callable[[Path], AbstractContextManager[Chromium]]:
    """The function `open_chromium`."""
    return open_chromium
