"""What does the page look like? Some seconds of the take, really played and seen in Chromium, as docs/page.png.

PYTHONPATH=. python benchmarks/page_picture.py      (needs Chromium, Debian's chromium)
"""

import asyncio
import base64
import shutil
import subprocess
import tempfile
from pathlib import Path

import aiohttp

from server.child_process import end_process
from server.commands.serve import PAGE
from server.page.take_source import spawn_take
from server.server_process import server_process

SECONDS, WIDTH, HEIGHT = 16, 1240, 1010
PICTURE = Path(__file__).parents[1] / "docs" / "page.png"
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
)
LISTENING = "DevTools listening on ws://"


def main() -> None:
    """Play, wait, look."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("needs Chromium (Debian: chromium)")
    with (
        server_process(["--page", "0"]) as (server, host, port),
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().removeprefix(PAGE).strip()
        take = spawn_take(host, port, "transcriber", {"stream": "live"})
        assert take.stdout is not None
        take.stdout.readline()
        browser = subprocess.Popen(
            [chromium, *QUIET, f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}", "--remote-debugging-port=0", address],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert browser.stderr is not None
        place = next(line for line in browser.stderr if line.startswith(LISTENING))
        PICTURE.write_bytes(asyncio.run(_look(place.removeprefix(LISTENING).partition("/")[0])))
        for process in (browser, take):
            end_process(process, 5.0)
    print(f"wrote {PICTURE}, {PICTURE.stat().st_size // 1000} kB")


async def _look(devtools: str) -> bytes:
    """Return the picture of the browser's page after SECONDS."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{devtools}/json/list") as answer:
            url = next(page["webSocketDebuggerUrl"] for page in await answer.json() if page["type"] == "page")
        await asyncio.sleep(SECONDS)
        async with session.ws_connect(url, max_msg_size=0) as socket:
            await socket.send_json({"id": 1, "method": "Page.captureScreenshot"})
            return base64.b64decode((await socket.receive_json())["result"]["data"])


if __name__ == "__main__":
    main()
