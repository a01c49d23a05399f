"""The OSC address space of this moment: what server.osc.query makes a tree of, read from the streams as they are seen."""

import numpy as np

from server.note_ledger import PITCHES
from server.osc.packets import Command
from server.osc.parameters import OscValue, as_osc, parameter_address
from server.osc.query import Node, StreamNode, build_tree
from server.osc.server import Address, Answer
from server.page.desk import Desk
from server.page.sight import Sight

MEANINGS = {
    "level": ("the input's peak, 1 is full scale", "gain.linear"),
    "sounding": ("notes that sound", ""),
    "late": ("events counted late so far", ""),
    "rate": ("sample rate", "Hz"),
}


class AddressSpace:
    """One for the server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sights = desk.sights()

    def streams(self) -> set[int]:
        """Return the streams that are open, and have `value` look at these from now on."""
        self._sights = self._desk.sights()
        return set(self._sights)

    def tree(self) -> Node:
        """Return the tree."""
        self.streams()
        return build_tree(_node(sight) for sight in self._sights.values())

    def value(self, address: str) -> OscValue | None:
        """Return the value at an address; None where there is none now."""
        *path, name = address.split("/")
        if path[-1:] == ["status"] and name in MEANINGS and (found := parameter_address("/".join(path))):
            sight = self._sights.get(found[0])
            return None if sight is None else _status(sight, name)
        found = parameter_address(address)
        sight = None if found is None else self._sights.get(found[0])
        if found is None or sight is None or found[1] not in sight.values():
            return None
        return as_osc(sight.manifest.parameter(found[1]), sight.values()[found[1]])

    async def carry_out(self, command: Command, sender: Address, answer: Answer) -> None:
        """Carry out a command as if it had come over OSC. Raises BacklineError."""
        await self._desk.handle(command, sender, answer)


def _node(sight: Sight) -> StreamNode:
    status = {name: (_status(sight, name), meaning, unit) for name, (meaning, unit) in MEANINGS.items()}
    return StreamNode(sight.number, sight.manifest.name, sight.manifest.stream_parameters, sight.values(), status)


def _status(sight: Sight, name: str) -> OscValue:
    slot = sight.slot()
    if name == "rate":
        return sight.stream.rate
    if name == "level":
        return round(sight.level(), 4)
    if slot is None:
        return 0
    return slot.late if name == "late" else int(np.count_nonzero(slot.sounding[:, :PITCHES]))
