"""docs/protocol.md, made from the table, so that page and code cannot disagree.

Remade by: python -c "from plugin_bridge.protocol_page import write; write()"
"""

from pathlib import Path

from plugin_bridge.protocol import DEFAULT_PORT, FASTEST_BPM, LARGEST_BLOCK, MOST_CHANNELS
from plugin_bridge.protocol_table import TABLE, Direction

PAGE = Path(__file__).parents[1] / "docs" / "protocol.md"
HEAD = f"""# The wire

Made from `plugin_bridge/protocol.py`; change it there.

Backline speaks OSC 1.0 over UDP, and over TCP in the frames of OSC 1.1 (SLIP, RFC 1055, with END before and after each
packet). Commands go to the control port ({DEFAULT_PORT} unless `--port` says otherwise, the same number for both) on 127.0.0.1.
Opening a stream answers with the **data port** of the model's engine: audio and MIDI go there and what the player gives
comes back from there, to the address the blocks came from. The data port stays the same when an engine is replaced.

* Every command is answered: `/backline/done` with the command's address and its results, `/backline/fail` with the
  address and a reason, or its own reply. An unknown address is answered by `/backline/fail`.
* The server listens on this machine alone. Where it was told to listen elsewhere (`backline serve --host ADDRESS --allow-remote`) it
  asks for a **token**, and so it does with `--token-file`: `/backline/token TOKEN` is said once by every UDP sender, to the control
  port and to each data port that it sends to, and once on every TCP connection, within 5 s. Whoever has not said it is answered by one
  `/backline/fail`, ten a second for all strangers together, and not heard. A data port answers only where it is wrong. It may be said
  again at any time, and to a server that asks for none. Over HTTP it is `?token=TOKEN` or the header `Authorization: Bearer TOKEN`.
  A token keeps out who does not know it and hides nothing: through a net that is not yours, go by a tunnel.
* **Nobody takes more than a share** (`server/limits.py` has all figures and their reasons): 64 streams in all, 32
  of one client, which is a program of this machine or another machine; 2000 commands a second of one, of which what
  comes faster waits its turn, up to 256. What goes further is refused with a sentence, and all others are served on.
* Models, and folders among the takes, go by **name** over the wire, never by path.
* Commands of one sender are carried out in order. A bundle with a time tag up to 60 s ahead waits for its time and holds
  nothing else up; a late one is carried out at once.
* A block has 1 to {LARGEST_BLOCK} samples in 1 to {MOST_CHANNELS} channels. Samples are **little-endian float32**, one channel after the
  other. Blocks may be of any size, and sizes may change. A block that was heard before is dropped; a hole of up to a
  second is filled with silence; after a longer hole or a jump back the stream starts again, its notes ended.
* A program that knows no int64, blob or MIDI type (Pure Data, SuperCollider, Max) sends blocks as `iif...` or `iiib`: whoever's
  last block had its first sample as int32 is answered in int32. That counts to 2^31 samples, 12 hours at 48 kHz; then open again.
* Time is the sample index of the stream, as the client counts it. A reply to the block from sample a to b carries what is
  due in it: play it at once, or at `due` plus what your own path to the device needs.
* A stream declares its latency when it opens (0 for `stream=live`): an event leaves at the sample it speaks about
  plus this, to the sample, at every block size.
* `/backline/transport` says what the host's transport does from a sample on; it goes on like that until the next one. Send
  it before the block that holds the sample, whenever anything but the steady course of time changes (start, stop, locate,
  loop, tempo, metre), and once a second, since an engine that takes over has heard none. Time may begin below zero (pre-roll).
  A tempo is 1 to {FASTEST_BPM:g} BPM; 0 says that there is none, and then nothing beside it is read. Beats are quarter notes
  whatever the metre: 6/8 has 3 a bar.
* A transport that stops, or that jumps while it plays (a locate, a loop), ends what sounds, at that sample, and no note of what
  was heard before it starts any more. What the player knows is kept: who plays on through a loop is heard on. Start, tempo
  and metre end nothing, and neither does a jump while it stands. Where the audio jumps along, `/backline/stream/reset` forgets.
  The server ends its notes for clients that keep no account. **Who owns the output port** (a plug-in, a JACK client) ends
  them as well, at the frame of the break and without waiting for the server, which may be gone; the later ends find nothing to end.
* Every stream remembers the last two minutes of its audio in and of its MIDI out, whatever engine plays. `/backline/stream/keep`
  writes them, in the server's folder of takes (`backline serve --takes DIR`): the notes at the samples they speak about, so that
  those of a commit stream lie on their onsets, as far as they were due, in beats of the tempo that the transport told. Files are
  there when the answer is, whole or not at all. Listeners hear of each as `/backline/event keep`.
* MIDI may be sent long before the block that holds its sample; up to 4096 messages wait. A player's audio for it leaves the
  stream's latency after that sample. **What is known ahead need not be late**: `/backline/stream/clip` tells of a clip, and the
  player hears each of its events earlier by the latency and by what the client's own path adds, so that it sounds on its place.
  Beats follow the host's transport, which may start, stop, locate and loop; what is told, started or located to within the
  latency comes as soon as it may. Whoever compensates for the stream's latency as well leaves the clip's notes to it.
* A model may work in several directions (a sound to notes, notes to a sound): `direction` is a setting of the stream, else it is
  the model's default. `/backline/models` tells under `directions` what each takes and gives, its heads and its parameters; beside it
  stand those of the default one. A stream has the ports and parameters of its direction and no others, and keeps it.
* A stream whose player gives audio and no notes declares its latency in `stream=live` too: the one of the head that is chosen then.
* A player that plans on the transport's beats (drummer, arranger) has a parameter `ahead_ms`: in a live stream its messages come so
  long before they are due, each with the sample at which it is, and its audio as much earlier, which makes up for what lies behind
  the client. Where the transport breaks off, the client drops what is not due yet.
* A player that has a `magnitude` port shows its spectrogram to whoever asks the data port, be it another program than the one
  that sends the blocks: `/backline/magnitude` with the frames a second that are wanted. `/backline/status` tells streams and their ports.
* At `pace` realtime, audio more than 0.1 s behind the newest block is dropped and counted instead of making everything late,
  and the notes of a client that is silent for a second are ended. At `pace` free nothing is dropped: wait for
  `/backline/processed` before you are more than a few megabytes ahead.
* A TCP client uses one connection for everything: commands, and the data messages of any stream, which would go to a data
  port by UDP; answers come back over it. It costs the way through one more process, so it is for where datagrams do not
  get through. A frame that is no packet is answered by `/backline/fail` and ends nothing; a client that leaves
  4 MiB unread is disconnected. A stream outlives its connection, as it outlives a UDP client that falls silent.
* Every parameter of a stream has an address of its own, `/backline/stream/<n>/<parameter>`: with a value it is set, clipped to its
  range; without one it is answered at that address. One that is a text takes a string of up to 400 characters; what the player does
  not understand is refused and changes nothing. The whole address space is told as OSCQuery over HTTP, on the command port + 1;
  `HOST_INFO` names UDP as the transport, and beside it `TCP_PORT` and `TCP_FRAMING`, since the proposal knows only one.
* A command whose engine fails is carried out by the next; load, open and changes are answered within 55, 28 and 8 s, if need be
  by a refusal.
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
