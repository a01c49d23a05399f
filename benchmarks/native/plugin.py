"""The plug-in with the probe model in a host, between the two ends of an instrument: what it reports and what is measured.

    impulse -> effect (hears audio) -> note          note -> instrument (hears MIDI) -> impulse

Both plug-ins are set up by their own parameters, as a session would have them, and find the server by BACKLINE_PORT.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.native.clap_host import ClapRun, run_clap
from benchmarks.native.jack_probe import JackProbe
from benchmarks.native.jackd import Jackd
from benchmarks.native.jalv import Jalv
from benchmarks.native.take import Take
from benchmarks.record import ROOT

BUILT = ROOT / "build" / "plugin"
EFFECT, INSTRUMENT = "urn:backline:effect", "urn:backline:instrument"
BUNDLES = {EFFECT: "Backline", INSTRUMENT: "BacklineInstrument"}  # file names without their ending
PLAYERS = {"transcriber": 1, "probe": 2}  # places in the parameter Player
STREAM_SLOT = {"transcriber": 3, "probe": 1}  # the slot of the player's parameter `stream`: 0 commit, 1 live
LIVE, LATE = 2, 3  # of the output parameter Status: the server answers; it did not in time within the last half second
NOTE = (0x90, 60, 100)
APART = 1537  # samples, beside four blocks: more than any delay, and at ever other places of block and hop
LEAD_SECONDS = 0.1
NOTICE_SECONDS, NOTICE_BLOCKS = 0.1, 4
MOST_BLOCKS = 3000  # a second, of two plug-ins at once: an engine in Python does not answer more of them


@dataclass(frozen=True, slots=True)
class Measured:
    """What a host was told and what came out, in samples. reported: by each plug-in, the effect first."""

    reported: Sequence[int]
    notes: list[int]  # impulse in -> note out; -1: none came
    impulses: list[int]  # note in -> impulse out
    take: Take


def settings(kind: str, player: str = "probe", symbols: bool = True) -> dict[str, float]:
    """Return the parameters of a player with a `kind` of stream, by LV2 symbols or by names."""
    place, slot, value = PLAYERS[player], STREAM_SLOT[player], 1.0 if kind == "live" else 0.0
    return {"player": place, f"slot_{slot}": value} if symbols else {"Player": place, f"Slot {slot}": value}


def material(rate: int, block: int, count: int) -> tuple[list[int], list[tuple[int, ...]], int]:
    """Return the frames of impulses, notes between them, and the length of the take."""
    step = APART + 4 * block + rate // 50
    impulses = [round(LEAD_SECONDS * rate) + step * turn for turn in range(count)]
    return impulses, [(place + step // 2 + 5, *NOTE) for place in impulses], impulses[-1] + 2 * step + 2 * block


def open_jalv(
    jackd: Jackd, port: int, uri: str, name: str, given: Mapping[str, float], folder: Path = BUILT, state: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Jalv:  # fmt: skip
    """Return a running jalv with one of the plug-ins, told `given` by symbols, or with a saved state."""
    return Jalv(jackd, folder / "lv2", uri, name, given, state, {"BACKLINE_PORT": str(port)} | dict(environment or {}))


def effect_ports(name: str = "effect") -> list[tuple[str, str]]:
    """Return what connects an effect in jalv with a probe."""
    return [("play:out", f"{name}:lv2_audio_in_1"), ("play:out", f"{name}:lv2_audio_in_2"),
            (f"{name}:lv2_audio_out_1", "record:in"), (f"{name}:lv2_events_out", "record:midi_in")]  # fmt: skip


PORTS = {
    EFFECT: [pair for pair in effect_ports() if pair[1] != "record:in"],
    INSTRUMENT: [("play:midi_out", "instrument:lv2_events_in"), ("instrument:lv2_audio_out_1", "record:in")],
}
"""What is connected where both are measured at once: each answers to a port of its own. The first is where it hears."""


def reported_by(probe: JackProbe, port: str) -> int:
    """Return the latency that a plug-in in jalv reports; `port` is its input, to which the probe is connected.

    JACK passes latencies on by notices of its own, some cycles after the plug-in set it.
    """
    time.sleep(NOTICE_SECONDS + NOTICE_BLOCKS * probe.take.block / probe.take.rate)
    return probe.latency(port)["capture"][1]


def in_jalv(
    jackd: Jackd, port: int, kind: str, count: int = 12, folder: Path = BUILT, states: Mapping[str, Path] | None = None
) -> Measured:
    """Measure both plug-ins in jalv, which loads `states` (by URI) instead of being told the settings."""
    if jackd.rate > MOST_BLOCKS * jackd.period:  # one after the other
        effect, instrument = (
            _in_jalv((uri,), jackd, port, kind, count, folder, states or {}) for uri in (EFFECT, INSTRUMENT)
        )
        return _measured(effect[0] + instrument[0], effect[1], instrument[1])
    reported, take = _in_jalv((EFFECT, INSTRUMENT), jackd, port, kind, count, folder, states or {})
    return _measured(reported, take, take)


def _in_jalv(
    uris: Sequence[str], jackd: Jackd, port: int, kind: str, count: int, folder: Path, states: Mapping[str, Path]
) -> tuple[list[int], Take]:
    impulses, notes, frames = material(jackd.rate, jackd.period, count)
    with ExitStack() as hosts:
        names = {uri: uri.rpartition(":")[2] for uri in uris}
        running = [
            hosts.enter_context(
                open_jalv(jackd, port, uri, name, {} if states else settings(kind), folder, states.get(uri))
            )
            for uri, name in names.items()
        ]
        connect = [pair for uri in uris for pair in PORTS[uri]]
        probe = hosts.enter_context(JackProbe(jackd, connect, impulses, notes, frames=frames))
        for host in running:
            host.wait_for("status", LIVE, LATE)
        reported = [reported_by(probe, PORTS[uri][0][1]) for uri in uris]
        probe.say("start")
        take = probe.finish(10.0 + frames / jackd.rate)
    return reported, take


def in_clap(
    port: int, kind: str, rate: int, blocks: Sequence[int], count: int = 12, folder: Path = BUILT,
    states: Mapping[str, Path] | None = None, keep: Mapping[str, Path] | None = None,
) -> Measured:  # fmt: skip
    """Measure both plug-ins in clap_host, one after the other; states are loaded, and kept at the end, by URI."""
    impulses, notes, frames = material(rate, max(blocks), count)
    takes = []
    for uri, heard in ((EFFECT, {"impulses": impulses}), (INSTRUMENT, {"notes": notes})):
        run = ClapRun(
            folder / "clap" / f"{BUNDLES[uri]}.clap", rate=rate, blocks=blocks, until=("Status", LIVE),
            settings={} if states else settings(kind, symbols=False), load=(states or {}).get(uri), save=(keep or {}).get(uri),
        )  # fmt: skip
        takes.append(run_clap(run, frames, environment={"BACKLINE_PORT": str(port)}, **heard))
    return _measured([take.reported[-1][1] for take in takes], *takes)


def _measured(reported: Sequence[int], effect: Take, instrument: Take) -> Measured:
    notes = effect.delays(effect.impulses, effect.onsets)
    impulses = instrument.delays([frame for frame, *_ in instrument.notes], [frame for frame, _ in instrument.audio])
    return Measured(reported, notes, impulses, effect)
