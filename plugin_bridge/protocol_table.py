"""The wire as data: every OSC address once. docs/protocol.md is made from it; layouts of the hot messages are in protocol.py."""

from typing import Literal, NamedTuple

Direction = Literal["command", "reply", "to engine", "from engine"]


class Entry(NamedTuple):
    """One line of the wire: address, type tags, what they are, who says it, what it does.

    optional: how many of the last arguments may be left out.
    """

    address: str
    tags: str
    arguments: str
    direction: Direction
    meaning: str
    optional: int = 0


TABLE: tuple[Entry, ...] = (
    Entry("/backline/status", "", "", "command", "ask how the server is; answered by /backline/status.reply"),
    Entry("/backline/status.reply", "siis", "version, streams, engines, JSON with one entry per stream", "reply",
          "state of every stream: latency, compute time percentiles, losses, restarts"),
    Entry("/backline/token", "s", "token", "command",
          "said once by each UDP sender and each TCP connection, before anything else, where the server asks for a token; a data port "
          "takes it too, and answers only where it is wrong"),
    Entry("/backline/sync", "i", "number", "command", "answered by /backline/synced once all earlier commands are done"),
    Entry("/backline/synced", "i", "number", "reply", "see /backline/sync"),
    Entry("/backline/ping", "h", "client time t0 in ns", "command", "clock exchange, answered by /backline/pong"),
    Entry("/backline/pong", "hhh", "t0, server time received, server time sent, in ns", "reply", "see /backline/ping"),
    Entry("/backline/notify", "i", "1 to be told, 0 to stop", "command", "register this sender for /backline/event"),
    Entry("/backline/event", "ss", "kind, text", "reply", "to listeners: an engine was replaced, a stream opened or closed, a take kept"),
    Entry("/backline/models", "", "", "command", "ask for the models; answered by /backline/models.reply"),
    Entry("/backline/models.reply", "s", "JSON as of `backline models --json`, sizes and heads", "reply", "see /backline/models"),
    Entry("/backline/model/load", "s", "model", "command", "start the model's engine and its spare; /backline/done when both are warm"),
    Entry("/backline/stream/open", "sis", "model, sample rate in Hz, JSON settings", "command",
          "settings are the model's parameters, those of every stream of notes (quantise, quantise_strength, swing, tempo_bpm, mpe) "
          "and `pace`: realtime (stale audio is dropped) or free (nothing is), and `gather`: yes (small blocks in which nothing happens "
          "may wait for the next, see /backline/processed; in real time a player that only listens may begin to do so up to a hop "
          "later, apart from the engine's other streams) or no. "
          "/backline/done carries: stream, data port, latency in samples, live delay in samples"),
    Entry("/backline/stream/close", "i", "stream", "command", "end a stream and every note that sounds in it"),
    Entry("/backline/stream/reset", "i", "stream", "command", "end sounding notes and forget what was heard"),
    Entry("/backline/stream/set", "iss", "stream, parameter, value", "command",
          "change a parameter from the next hop on; `keep` from 0 to 1 keeps the take in the default folder"),
    Entry("/backline/stream/keep", "isi",
          "stream, name of a folder among the server's takes (empty: none), seconds (may be left out: 120)", "command",
          "write what was just played, audio in and MIDI out, as .wav and .mid; /backline/done carries the paths of the .mid and the .wav",
          optional=1),
    Entry("/backline/stream/clip", "isis",
          "stream, places in `samples` of the stream or in `beats` of the host (quarter notes), samples that the client's own path adds, "
          "JSON rows [place, status, data 1, data 2]", "command",
          "a clip that is known ahead: the player hears it so early that it sounds on its places, at no latency. More rows add to it, no "
          "row forgets it, and a row that it has changes nothing. Samples are played once, beats whenever the transport comes by. "
          "/backline/done carries: stream, events of the clip that are kept"),
    Entry("/backline/quit", "", "", "command", "end the server"),
    Entry("/backline/done", "s...", "address of the command, its results", "reply", "a command was carried out"),
    Entry("/backline/fail", "ss", "address of the command, reason", "reply", "a command was refused, and why"),
    Entry("/backline/audio", "ihib", "stream, first sample, samples per channel, little-endian float32, one channel after the other",
          "to engine", "a block of audio"),
    Entry("/backline/audio", "iiib", "the same with the first sample as int32", "to engine", "a block of audio; answered in int32"),
    Entry("/backline/audio", "iif...", "stream, first sample, the samples of one channel", "to engine",
          "a block of audio from a program that has no blobs; answered in int32"),
    Entry("/backline/midi", "ihm", "stream, sample, MIDI message", "to engine", "a MIDI message at a sample"),
    Entry("/backline/midi", "iiiii", "stream, sample, status, data 1, data 2", "to engine",
          "a MIDI message from a program that has neither int64 nor the MIDI type"),
    Entry("/backline/transport", "ihihddidd",
          "stream, sample from which it holds, 1 playing or 0, host frame, tempo in BPM (0: none), position, bar from 1, "
          "beat in the bar from 0 with its fraction, beats a bar; a beat is a quarter note in any metre (6/8 has 3)",
          "to engine", "the host's transport: before the block that holds the sample, whenever it changes, and once a second"),
    Entry("/backline/magnitude", "iii", "stream, frames a second (0: none), 1 to be answered in int32 (may be left out: 0)", "to engine",
          "be shown the player's spectrogram, where it has one, for 10 s of the stream: ask again before they are over", optional=1),
    Entry("/backline/midi", "ihhm", "stream, sample it is due, sample it speaks about, MIDI message", "from engine",
          "a MIDI message; due within the block that was just sent"),
    Entry("/backline/audio", "ihib", "stream, first sample, samples per channel, little-endian float32", "from engine",
          "a player's audio for the block that was just sent"),
    Entry("/backline/processed", "ihi", "stream, sample after the block's last, events counted late so far", "from engine",
          "a block is done: its events and audio were sent before this"),
    Entry("/backline/processed", "ihih",
          "stream, sample after the block's last, events counted late so far, sample before which nothing happens", "from engine",
          "the same to a stream that gathers: a block that ends at or before that sample may wait and go out with the next, for "
          "no hop is complete and nothing is due in it"),
    Entry("/backline/midi", "iiiiii", "stream, sample it is due, sample it speaks about, status, data 1, data 2", "from engine",
          "a MIDI message, answered in int32"),
    Entry("/backline/audio", "iiib", "stream, first sample, samples per channel, little-endian float32", "from engine",
          "a player's audio, answered in int32"),
    Entry("/backline/processed", "iii", "stream, sample after the block's last, events counted late so far", "from engine",
          "a block is done, answered in int32"),
    Entry("/backline/magnitude", "ihib", "stream, sample it speaks about, bins, float32, linear, from 0 Hz to half the model's rate",
          "from engine", "a frame of the spectrogram, to whoever asked; it leaves with the audio that it belongs to"),
    Entry("/backline/magnitude", "iiib", "the same with the sample as int32", "from engine", "a frame, answered in int32"),
)  # fmt: skip
