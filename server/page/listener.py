"""One OSCQuery client's WebSocket: it names addresses, and is sent their values as OSC packets whenever they change.

Text is a command, {"COMMAND": "LISTEN" or "IGNORE", "DATA": address}; binary is OSC, carried out as if it had come by UDP.
Values are looked at 30 times a second: a fader that moves faster arrives thinned out, and its last place always does.
"""

import asyncio
import json
import logging

from aiohttp import WSMsgType, web

from plugin_bridge.client import osc
from server.errors import BacklineError
from server.limits import COMMANDS_A_SECOND, COMMANDS_AT_ONCE, LONGEST_ADDRESS, MOST_ADDRESSES
from server.osc.packets import PacketError, read_packet
from server.osc.query import type_of
from server.pace import Pace
from server.page.address_space import AddressSpace
from server.page.browser import FRAME_SECONDS, HERE, NOT_FROM_A_PAGE, told

log = logging.getLogger(__name__)


class Listener:
    """One client."""

    def __init__(self, space: AddressSpace, socket: web.WebSocketResponse) -> None:
        self._space, self._socket = space, socket
        self._heard: dict[str, object] = {}  # address -> the value that was told last
        self._streams = set(space.streams())

    async def run(self) -> None:
        """Serve until the client is gone."""
        telling = asyncio.get_running_loop().create_task(told(self._socket, self._tell()))
        try:
            pace = Pace(COMMANDS_A_SECOND, COMMANDS_AT_ONCE)
            async for message in self._socket:
                await asyncio.sleep(pace.take())  # whoever is faster is read from more slowly
                if message.type is WSMsgType.TEXT:
                    refused = self._obey(message.data)
                    if refused is not None:
                        await self._socket.send_bytes(osc("/backline/fail", "LISTEN", refused))
                elif message.type is WSMsgType.BINARY:
                    await self._carry_out(message.data)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    def _obey(self, text: str) -> str | None:
        """Do what is asked; return why not, where there is an answer to that."""
        try:
            command = json.loads(text)
            word, address = command["COMMAND"], str(command["DATA"])
        except (ValueError, TypeError, KeyError, RecursionError):
            log.info("an OSCQuery client said what is no command: %.80s", text)
            return None
        if word == "IGNORE":
            self._heard.pop(address, None)
        elif word == "LISTEN" and len(address) > LONGEST_ADDRESS:
            return f"an address has {len(address)} signs; allowed: up to {LONGEST_ADDRESS}"
        elif word == "LISTEN" and len(self._heard) >= MOST_ADDRESSES and address not in self._heard:
            return f"{MOST_ADDRESSES} addresses are listened to already, which is the most"
        elif word == "LISTEN":
            self._heard[address] = self._space.value(address)
        return None

    async def _carry_out(self, packet: bytes) -> None:
        answers: list[bytes] = []
        try:
            for command in read_packet(packet):
                if command.address in NOT_FROM_A_PAGE:
                    raise BacklineError(f"{command.address} is for OSC over UDP alone")
                await self._space.carry_out(
                    command, HERE, lambda *words, tags="": answers.append(osc(*words, tags=tags))
                )
        except (PacketError, BacklineError) as error:
            answers.append(osc("/backline/fail", "packet", str(error)))
        for answer in answers:
            await self._socket.send_bytes(answer)

    async def _tell(self) -> None:
        while not self._socket.closed:
            streams = self._space.streams()
            for word, numbers in (("PATH_ADDED", streams - self._streams), ("PATH_REMOVED", self._streams - streams)):
                for number in sorted(numbers):
                    await self._socket.send_json({"COMMAND": word, "DATA": f"/backline/stream/{number}"})
            self._streams = streams
            for address, last in list(self._heard.items()):
                value = self._space.value(address)
                if value is not None and value != last and address in self._heard:
                    self._heard[address] = value
                    await self._socket.send_bytes(osc(address, value, tags=type_of(value)))
            await asyncio.sleep(FRAME_SECONDS)
