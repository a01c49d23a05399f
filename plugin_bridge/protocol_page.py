"""docs/protocol.md, made from the table, so that page and code cannot disagree.

Remade by: python -c "from plugin_bridge.protocol_page import write; write()"
"""

from pathlib import Path

from plugin_bridge.protocol import DEFAULT_PORT, LARGEST_BLOCK, MOST_CHANNELS, TABLE, Direction

PAGE = Path(__file__).parents[1] / "docs" / "protocol.md"
HEAD = f"""# The wire

Made from `plugin_bridge/protocol.py`; change it there.

Backline speaks OSC 1.0 over UDP. Commands go to the control port ({DEFAULT_PORT} unless `--port` says otherwise) on 127.0.0.1.
Opening a stream answers with the **data port** of the model's engine: audio and MIDI go there and what the player gives
comes back from there, to the address the blocks came from. The data port stays the same when an engine is replaced.

* Every command is answered: `/backline/done` with the command's address and its results, `/backline/fail` with the
  address and a reason, or its own reply. An unknown address is answered by `/backline/fail`.
* Commands of one sender are carried out in order. A bundle with a time tag up to 60 s ahead waits for its time and holds
  nothing else up; a late one is carried out at once.
* A block has 1 to {LARGEST_BLOCK} samples in 1 to {MOST_CHANNELS} channels. Samples are **little-endian float32**, one channel after the
  other. Blocks may be of any size, and sizes may change. A block that was heard before is dropped; a hole of up to a
  second is filled with silence; after a longer hole or a jump back the stream starts again, its notes ended.
* Time is the sample index of the stream, as the client counts it. A reply to the block from sample a to b carries what is
  due in it: play it at once, or at `due` plus what your own path to the device needs.
* A stream declares its latency when it opens (0 for `stream=live`): an event leaves at the sample it speaks about
  plus this, to the sample, at every block size.
* At `pace` realtime, audio more than 0.1 s behind the newest block is dropped and counted instead of making everything late,
  and the notes of a client that is silent for a second are ended. At `pace` free nothing is dropped: wait for
  `/backline/processed` before you are more than a few megabytes ahead.
* Type tags: i int32, h int64, s string, b blob, m MIDI (port, status, data 1, data 2).

"""
TITLES: dict[Direction, str] = {
    "command": "Commands (to the control port)",
    "reply": "Replies (from the control port)",
    "to engine": "To the data port",
    "from engine": "From the data port",
}


def page() -> str:
    """Return the page's text."""
    text = HEAD
    for direction, title in TITLES.items():
        text += f"## {title}\n\n| address | types | arguments | meaning |\n|---|---|---|---|\n"
        for entry in TABLE:
            if entry.direction == direction:
                tags = f"`{entry.tags}`" if entry.tags else ""
                text += f"| `{entry.address}` | {tags} | {entry.arguments} | {entry.meaning} |\n"
        text += "\n"
    return text.rstrip() + "\n"


def write() -> None:
    """Write docs/protocol.md."""
    PAGE.write_text(page(), encoding="utf-8")
