"""Who is shown a stream's spectrogram: each viewer as many frames a second as it asked for, until it asks no more.

frames of the stream, in order -> every viewer's own pace -> datagrams
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plugin_bridge.protocol import LAST_PLAIN_SAMPLE, MagnitudeRequest, ProtocolError, pack_magnitude
from server.limits import MOST_VIEWERS
from server.magnitude_output import SpectrumFrame

VIEW_SECONDS = 10.0  # then a client asks again: one that is gone costs nothing for long, and a new engine is asked soon

Address = tuple[str, int]
Transmit = Callable[[bytes, Address], None]


@dataclass(slots=True)
class Viewer:
    """Who looks on. every: samples between two frames. until: the sample at which it must have asked again."""

    every: float
    until: float
    plain: bool
    next_place: float = 0.0


class Viewers:
    """Those of one stream."""

    def __init__(self, stream: int, rate: int, transmit: Transmit) -> None:
        """Args: stream: its number. rate: the host's, in Hz."""
        self._stream, self._rate, self._transmit = stream, rate, transmit
        self._viewers: dict[Address, Viewer] = {}

    def __len__(self) -> int:
        return len(self._viewers)

    def take(self, request: MagnitudeRequest, sender: Address, here: int) -> None:
        """Show the spectrogram to `sender` from sample `here` on, or no longer. Raises ProtocolError where too many look on."""
        self._viewers.pop(sender, None)
        if not request.frames_a_second:
            return
        if len(self._viewers) >= MOST_VIEWERS:
            raise ProtocolError(
                f"{MOST_VIEWERS} clients are shown the spectrogram of stream {self._stream}, which is the most"
            )
        every, until = self._rate / request.frames_a_second, here + VIEW_SECONDS * self._rate
        self._viewers[sender] = Viewer(every, until, request.plain)

    def show(self, frames: Sequence[SpectrumFrame], end: int) -> None:
        """Send each viewer its frames of the block that ends before sample `end`, and forget who has not asked for long."""
        for address, viewer in list(self._viewers.items()):
            if end > viewer.until:
                del self._viewers[address]
                continue
            for frame in frames:
                if frame.place >= viewer.next_place and not (viewer.plain and frame.place > LAST_PLAIN_SAMPLE):
                    viewer.next_place = frame.place + viewer.every - (frame.place - viewer.next_place) % viewer.every
                    self._transmit(pack_magnitude(self._stream, frame.place, frame.bins, viewer.plain), address)
