"""A clip as it comes over the wire: JSON rows of (place, status, data 1, data 2), checked once."""

import json
from dataclasses import replace
from math import isfinite

from models.events import Event
from plugin_bridge.protocol import FURTHEST_QUARTER, LAST_SAMPLE
from server.clip_ahead import CLIP_UNITS, ClipUnit
from server.errors import BacklineError
from server.midi.message import from_bytes

MOST_AHEAD = 1 << 20  # samples that a client's own path takes


def read_rows(unit: str, ahead: int, text: str) -> tuple[list[Event], ClipUnit]:
    """Return the events of a clip, their `sample` a place of the unit, and the unit. Raises BacklineError that names what is wrong."""
    found = next((known for known in CLIP_UNITS if known == unit), None)
    if found is None:
        raise BacklineError(f"places are in '{unit}'; allowed: {', '.join(CLIP_UNITS)}")
    if not 0 <= ahead <= MOST_AHEAD:
        raise BacklineError(f"the client's own path adds {ahead} samples; allowed: 0 to {MOST_AHEAD}")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: no JSON, or a number of more digits than Python reads
        raise BacklineError(f"a clip's rows are not JSON: {error}") from error
    if not isinstance(rows, list):
        raise BacklineError("a clip's rows are a JSON list")
    return [_event(row, found) for row in rows], found


def _event(row: object, unit: ClipUnit) -> Event:
    wrong = BacklineError(
        f"a clip's row is {row!r:.60}; it is [place, status, data 1, data 2] of a note, a controller or a bend"
    )
    if not isinstance(row, list) or len(row) != 4 or any(type(value) is not int for value in row[1:]):
        raise wrong
    place = row[0]
    if type(place) not in (int, float) or not all(0 <= value <= 255 for value in row[1:]):
        raise wrong
    low, high = (0, LAST_SAMPLE) if unit == "samples" else (-FURTHEST_QUARTER, FURTHEST_QUARTER)
    if not isfinite(place) or not low <= place <= high:
        raise BacklineError(f"a place in the clip is {place:g}; allowed: {low:g} to {high:g} {unit}")
    event = from_bytes(0, *row[1:])
    if event is None:
        raise wrong
    return replace(event, sample=place if unit == "beats" else round(place))
