"""One open page: about 30 times a second it is told what is new, and in between it may give commands.

What is new is read when the browser has taken what came before, so that a slow one gets fewer and fuller messages and holds
nobody up. Each message is a JSON object with those of these that there are:

    hello    the server, its models and commands, once                closed   streams that are no more
    opened   streams, with their parameters                           values   parameters of a stream that changed
    status   compute times, counts and the latency by part            told     what listeners are told: [kind, text]
    frames   a stream's position, level, late events, what left since the last frame, and where something was missed, all
             that sounds                                              answer   to the command of the same number
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any  # Any: messages are JSON

import numpy as np
from aiohttp import WSMsgType, web

from server.errors import BacklineError
from server.limits import COMMANDS_A_SECOND, COMMANDS_AT_ONCE
from server.note_ledger import PITCHES
from server.osc.packets import Command
from server.pace import Pace
from server.page.desk import Desk
from server.page.sight import Sight
from server.shared_page import TRAIL, SharedPage, Slot

log = logging.getLogger(__name__)
FRAME_SECONDS = 1 / 30
MOST_TOLD = 64  # lines that wait for a slow browser
HERE = ("127.0.0.1", 0)  # a page has no UDP address
NOT_FROM_A_PAGE = ("/backline/quit", "/backline/notify")


async def told(socket: web.WebSocketResponse, telling: Coroutine[Any, Any, None]) -> None:
    """Tell the one at the other end until it is gone; where we fail it, hang up, so that it can call again."""
    try:
        await telling
    except ConnectionError:
        pass  # it is gone, and whoever reads from it sees that too
    except Exception:  # a bug of ours: this one calls again, all others are served on
        log.exception("a bug in what a page or a listener is told")
        await socket.close()


class Browser:
    """One WebSocket of a page."""

    def __init__(self, desk: Desk, socket: web.WebSocketResponse) -> None:
        self._desk, self._socket = desk, socket
        self._seen: dict[int, _Seen] = {}
        self._told: deque[tuple[str, str]] = deque(maxlen=MOST_TOLD)

    async def run(self) -> None:
        """Serve until the page is closed."""
        self._desk.watchers.add(self._hear)
        showing = asyncio.get_running_loop().create_task(told(self._socket, self._show()))
        try:
            pace = Pace(COMMANDS_A_SECOND, COMMANDS_AT_ONCE)
            async for message in self._socket:
                await asyncio.sleep(pace.take())  # whoever is faster is read from more slowly
                if message.type is WSMsgType.TEXT:
                    await self._socket.send_json({"answer": await self._carry_out(message.data)})
        finally:
            self._desk.watchers.discard(self._hear)
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    def _hear(self, kind: str, text: str) -> None:
        self._told.append((kind, text))

    async def _show(self) -> None:
        await self._socket.send_json({"hello": await self._desk.hello()})
        while not self._socket.closed:
            news = self._news()
            if news:
                await self._socket.send_str(json.dumps(news, separators=(",", ":")))
            await asyncio.sleep(FRAME_SECONDS)

    def _news(self) -> dict[str, Any]:
        sights = self._desk.sights()
        news: dict[str, list[Any]] = {name: [] for name in ("opened", "closed", "values", "status", "frames", "told")}
        news["closed"] = [number for number in self._seen if number not in sights]
        for number in news["closed"]:
            del self._seen[number]
        for number, sight in sights.items():
            if number not in self._seen:
                self._seen[number] = _Seen()
                news["opened"].append(sight.describe())
            self._seen[number].add_news(sight, news)
        while self._told:
            news["told"].append(self._told.popleft())
        return {name: rows for name, rows in news.items() if rows}

    async def _carry_out(self, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
            number, address, arguments = asked["number"], str(asked["do"]), tuple(asked["with"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"number": None, "problem": "a command is a JSON object of number, do and with"}
        answers: list[tuple[object, ...]] = []
        try:
            if address in NOT_FROM_A_PAGE:
                raise BacklineError(f"{address} is not for pages")
            if address in self._desk.own:
                return {"number": number, "results": [await self._desk.own[address](*arguments)]}
            await self._desk.handle(Command(address, arguments), HERE, lambda *words, tags="": answers.append(words))
        except BacklineError as error:
            return {"number": number, "problem": str(error)}
        except TypeError:  # of our own commands: wrong arguments
            return {"number": number, "problem": f"{address} does not take {arguments!r:.60}"}
        return {"number": number, "results": list(answers[0][2:]) if answers else []}


class _Seen:
    """What one browser has been told of one stream."""

    def __init__(self) -> None:
        self._engine: SharedPage | None = None
        self._left = self._asked = 0
        self._values: dict[str, float | str] | None = None
        self._last: tuple[int, float, int] | None = None

    def add_news(self, sight: Sight, news: dict[str, list[Any]]) -> None:
        if sight.values() is not self._values:
            self._values = sight.values()
            news["values"].append({"stream": sight.number, "values": self._values})
        if sight.asked != self._asked:
            self._asked = sight.asked
            news["status"].append(sight.status | {"stream": sight.number})
        slot = sight.slot()
        if slot is not None:
            frame = self._frame(sight, slot)
            if frame is not None:
                news["frames"].append(frame | {"stream": sight.number})

    def _frame(self, sight: Sight, slot: Slot) -> dict[str, Any] | None:
        frame: dict[str, Any] = {}
        if self._engine is not sight.engine:  # a new browser or a new engine: what the page still holds
            self._engine, self._left = sight.engine, max(0, slot.events_since(0)[0] - TRAIL + 1)
            frame["sounding"] = []
        self._left, events = slot.events_since(self._left)
        if events is None:
            frame["sounding"] = _sounding(slot)
        elif events:
            frame["events"] = events
        now = slot.position, round(sight.level(), 4), slot.late
        if now == self._last and not frame:
            return None
        self._last = now
        return {"position": now[0], "level": now[1], "late": now[2]} | frame


def _sounding(slot: Slot) -> list[list[int]]:
    """Return all that sounds: channel, pitch, velocity."""
    return [
        [channel, pitch, int(slot.sounding[channel, pitch])]
        for channel, pitch in np.argwhere(slot.sounding[:, :PITCHES]).tolist()
    ]
