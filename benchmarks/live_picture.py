"""What does `backline live` look like? The first seconds of the take, really played, as docs/live.svg.

PYTHONPATH=. python benchmarks/live_picture.py
"""

import os
import re
from pathlib import Path

from rich.console import Console

from plugin_bridge.client import BridgeClient
from server.audio.file import read_audio
from server.commands.live import TAKES
from server.live_file import FilePlayer
from server.live_view import LiveView
from server.server_process import own_server

SECONDS, BLOCK = 15, 256
PICTURE = Path(__file__).parents[1] / "docs" / "live.svg"


def main() -> None:
    """Play, then draw the last moment."""
    samples, rate = read_audio(TAKES / "take.ogg")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=110, force_terminal=True, file=nowhere)
        view = LiveView(f"backline: transcriber hears take.ogg at {rate} Hz", rate, console, plain=False)
        with own_server() as (host, port):
            client = BridgeClient(host, port)
            client.load("transcriber")
            stream = client.open_stream("transcriber", rate, {"stream": "live", "pace": "realtime"})
            player = FilePlayer(stream, samples[:, : SECONDS * rate], rate, BLOCK, realtime=True)
            heard = player.play(view.event, lambda: None)
            stream.close()
            client.close()
        answered = sorted(heard.replies_us)[len(heard.replies_us) // 2]
        load = f"a block answered in {answered:.0f} us of {1e6 * BLOCK / rate:.0f}"
        console.print(view.render(SECONDS, load))
    drawing = console.export_svg(title="backline live transcriber")
    # rich links fonts from the net; a page must draw without it, in whatever fixed font there is.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}\n", "", drawing, flags=re.DOTALL), encoding="utf-8")
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
