"""Did guests hear all that they should have? What came over the wire, against the same blocks through the same stream in this process.

A stream of one row is the same to the last bit wherever it runs, so that nothing may be missing and nothing may be more.
"""

from collections import Counter
from collections.abc import Iterable

from benchmarks.soak_streams import Client, Heard, transport_at
from models.events import HostEvent, Transport
from server.midi.message import from_bytes, to_bytes
from server.model_store import find_model, open_stream
from server.scheduler import Emission


def expected(guest: Client, provider: str = "cpu") -> Heard:
    """Return what a guest must have heard, to the end of its stream. Raises BacklineError."""
    part, heard = guest.part, Heard()
    stream = open_stream(find_model(part.model), dict(part.settings), part.rate, provider)
    for place in range(0, guest.place, part.block):
        block = guest.material.block(place, part.block)
        _add(heard, stream.process(place, block, list(_events(guest, place))).emissions)
    _add(heard, stream.finish(stream.position))
    return heard


def compared(guest: Client, should: Heard) -> tuple[int, int]:
    """Return how many events are missing from what a guest heard, and how many it heard that are not to be there."""
    there, wanted = Counter(guest.heard), Counter(should)
    return (wanted - there).total(), (there - wanted).total()


def _events(guest: Client, place: int) -> Iterable[HostEvent]:
    """Yield what was told in the block from `place` on."""
    told = transport_at(guest.part, place)
    if told is not None:
        yield Transport(*told)
    for sample, *midi in guest.material.midi_in(place, guest.part.block):
        event = from_bytes(sample, *midi)
        if event is not None:
            yield event


def _add(heard: Heard, emissions: Iterable[Emission]) -> None:
    heard += [(each.due, each.place, *to_bytes(each.event)) for each in emissions]
