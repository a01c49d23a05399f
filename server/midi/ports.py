"""MIDI ports of the system by name, where there is no JACK client of ours: ALSA's sequencer or JACK, through python-rtmidi.

    word of the command line -> PortChoice -> open_output, open_input -> a port of python-rtmidi

A port that exists is chosen by its name, a part of it that no other has, or its number; a virtual one is ours, and others
connect to it. The library is loaded when it is needed; without it there is one sentence.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: objects of python-rtmidi, which has no types

from server.errors import BacklineError
from server.quiet import quiet

OWN_NAME = "backline"
SEQUENCER = Path("/dev/snd/seq")


@dataclass(frozen=True, slots=True)
class PortChoice:
    """A port as it was asked for. virtual: one of our own, called `name`."""

    name: str
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class MidiPorts:
    """What there is. system: who carries them, ALSA or JACK."""

    system: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def parse_port(word: str) -> PortChoice | None:
    """Return the port that an option's word means: `midi`, `midi:NAME` or `virtual:NAME`; None where it means none."""
    kind, colon, name = word.partition(":")
    if kind not in ("midi", "virtual") or (colon and not name):
        return None
    if not colon:
        return PortChoice(OWN_NAME, True) if kind == "midi" else None
    return PortChoice(name, kind == "virtual")


def list_ports() -> MidiPorts:
    """Return the ports there are. Raises BacklineError: no library, nobody to carry MIDI."""
    with quiet():
        source, sink = _new("MidiIn", OWN_NAME), _new("MidiOut", OWN_NAME)
    found = MidiPorts(system_of(sink), tuple(source.get_ports()), tuple(sink.get_ports()))
    for each in (source, sink):
        each.delete()
    return found


def open_output(choice: PortChoice) -> tuple[Any, str]:
    """Return an open MidiOut and the whole name of its port. Raises BacklineError."""
    return _open("MidiOut", choice)


def open_input(choice: PortChoice) -> tuple[Any, str]:
    """Return an open MidiIn and the whole name of its port; sensing and sysex are not heard. Raises BacklineError."""
    port, name = _open("MidiIn", choice)
    port.ignore_types(sysex=True, timing=False, active_sense=True)
    return port, name


def find_port(name: str, there: tuple[str, ...] | list[str], kind: str) -> int:
    """Return the index of the port that `name` means: its number, its name, or a part of one name only.

    Raises BacklineError with the ports there are. kind: input or output.
    """
    if name in there:
        return list(there).index(name)
    if name.isdecimal() and int(name) < len(there):
        return int(name)
    like = [index for index, other in enumerate(there) if name.casefold() in other.casefold()]
    if len(like) == 1:
        return like[0]
    listed = ", ".join(f"{index} '{other}'" for index, other in enumerate(there)) or "none"
    problem = f"{len(like)} MIDI {kind}s have '{name}' in their names" if like else f"there is no MIDI {kind} '{name}'"
    raise BacklineError(f"{problem}; there are: {listed}; `virtual:NAME` makes one that others connect to")


def _open(kind: str, choice: PortChoice) -> tuple[Any, str]:
    with quiet():
        port = _new(kind, OWN_NAME)
    if choice.virtual:
        port.open_virtual_port(choice.name)
        return port, choice.name
    there = port.get_ports()
    index = find_port(choice.name, there, "output" if kind == "MidiOut" else "input")
    port.open_port(index, "midi_out" if kind == "MidiOut" else "midi_in")
    return port, str(there[index])


def _new(kind: str, client: str) -> Any:
    """Return a new MidiIn or MidiOut at whoever carries MIDI here."""
    try:
        import rtmidi
    except ImportError as error:
        raise BacklineError(
            f"MIDI ports need the Python package 'python-rtmidi', which cannot be used: {error}"
        ) from error
    compiled = rtmidi.get_compiled_api()
    wanted = (
        [rtmidi.API_LINUX_ALSA] if SEQUENCER.exists() else []
    )  # asked without one, ALSA complains on standard error
    for api in (*wanted, rtmidi.API_UNIX_JACK):
        if api in compiled:
            try:
                return getattr(rtmidi, kind)(api, name=client)
            except (rtmidi.RtMidiError, SystemError):
                continue
    raise BacklineError(f"nobody carries MIDI here: there is no ALSA sequencer ({SEQUENCER}; `modprobe snd-seq`) and no JACK "
                        "server answers")  # fmt: skip


def system_of(port: Any) -> str:
    """Return who carries a port: ALSA or JACK."""
    import rtmidi

    return "ALSA" if port.get_current_api() == rtmidi.API_LINUX_ALSA else "JACK"
