"""The transcriber's manifest, all but its graph, its thresholds and its figures, which the exporter fills in."""

from collections.abc import Mapping
from typing import Any  # Any: decoder settings are JSON

from models.manifest import GraphSpec, Head, Manifest, Parameter, Port
from models.transcriber.config import TranscriberConfig
from models.transcriber.decode import PLACES_BEFORE

AUTO_LOOK_AHEAD_MS = {"commit": 160, "live": 40}
"""What `auto` means: a clip wants the best notes and is moved back by the host; who plays wants them soon."""

NAMES = {
    1: ("transcriber_one_phase", "Transcriber in one phase: audio to notes, half the work, up to 8 ms later"),
    2: ("transcriber", "Transcriber: audio to notes while it is played"),
}
"""Phases -> name and title."""

INSTRUMENTS = {
    "piano": {"network": "piano", "pedal": True, "bend": False, "single": False},
    "general": {"network": "general", "pedal": False, "bend": False, "single": False},
    "guitar": {"network": "general", "pedal": False, "bend": True, "single": False},
    "bass": {"network": "general", "pedal": False, "bend": True, "single": True},
    "strings": {"network": "general", "pedal": False, "bend": True, "single": False},
    "winds": {"network": "general", "pedal": False, "bend": True, "single": True},
    "voice": {"network": "general", "pedal": False, "bend": True, "single": True},
    "mallets": {"network": "general", "pedal": False, "bend": False, "single": False},
    "organ": {"network": "general", "pedal": False, "bend": False, "single": False},
    "synth": {"network": "general", "pedal": False, "bend": True, "single": False},
}
"""What a player may choose: the network that hears it, whether it has a pedal, bends, or plays one note at a time."""


def instruments_of(decoding: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the instruments that networks can hear. decoding: network -> group of instruments -> streams."""
    heard = {name: dict(row) for name, row in INSTRUMENTS.items() if row["network"] in decoding}
    for name, row in heard.items():
        own = decoding[str(row["network"])].get(name)
        if own is not None:
            row["streams"] = own
    return heard


def transcriber_manifest(
    graph: GraphSpec, config: TranscriberConfig, settings: Mapping[str, Any], quality: Mapping[str, float]
) -> Manifest:
    """Return the manifest of a transcriber.

    settings: `networks` (name -> stream -> look-ahead -> what DecodeSettings reads, and for live `hold` and `live_delay`,
    in samples), `instruments` (name -> network, pedal, bend, single, and `streams` where it has its own) and `constants`
    (name in the graph -> parameter -> values for which it is set).
    """
    # An onset may be placed a frame before the one that its head speaks about, and a frame is some hops long.
    before = round((1 + PLACES_BEFORE) * config.frame) - config.hop
    heads = tuple(
        Head(round(ms, 3), samples + before)
        for ms, samples in zip(config.look_ahead_ms, config.look_ahead, strict=True)
    )
    offered = tuple(f"{head.look_ahead_ms:g}" for head in heads)
    clock = {
        "phases": config.phases,
        "look_ahead": config.look_ahead,
        "bins_per_semitone": config.bins_per_semitone,
    }
    name, title = NAMES.get(config.phases, NAMES[2])
    return Manifest(
        name=name,
        title=title,
        licence="Apache-2.0; trained on free material, named in models/transcriber/README.md",
        paper="",
        sample_rate=config.sample_rate,
        hop=config.hop,
        decoder="transcriber",
        graphs=(graph,),
        inputs=(Port("audio", "audio", 1, "full scale"),),
        outputs=(Port("notes", "notes"),),
        heads=heads,
        parameters=(
            Parameter("instrument", next(iter(settings["instruments"])), choices=tuple(settings["instruments"]), fixed=True,
                      description="what is played"),
            Parameter("look_ahead_ms", "auto", choices=("auto", *offered), unit="ms", fixed=True,
                      description="how long a decision waits: later is more accurate; auto: "
                      + ", ".join(f"{ms} for {kind}" for kind, ms in AUTO_LOOK_AHEAD_MS.items())),
            Parameter("stream", "commit", choices=("commit", "live"), fixed=True,
                      description="commit: exact places at a constant latency; live: as soon as possible"),
            Parameter("sensitivity", 0.5, 0.0, 1.0, description="0 misses soft notes, 1 hears what is not there"),
            Parameter("gate_db", -100.0, -100.0, 0.0, unit="dB", description="no note starts below this peak level"),
            Parameter("tuning_hz", 440.0, 0.0, 480.0, unit="Hz", description="the instrument's A4; 0 finds it by itself"),
            Parameter("lowest", 21.0, 0.0, 127.0, unit="pitch", description="lowest pitch listened for"),
            Parameter("highest", 108.0, 0.0, 127.0, unit="pitch", description="highest pitch listened for"),
            Parameter("transpose", 0.0, -48.0, 48.0, unit="semitones", description="moves what is sent"),
            Parameter("channel", 1.0, 1.0, 16.0, description="MIDI channel of what is sent"),
            Parameter("pedal", "on", choices=("on", "off"), description="a piano's sustain pedal, as CC64"),
            Parameter("bend", "on", choices=("on", "off"), description="a bending instrument's pitch bend, 2 semitones"),
        ),
        trained_on=(
            "Salamander Grand Piano by Alexander Holm (CC-BY)",
            "GiantMIDI-Piano (CC BY 4.0)",
            "POP909 (MIT)",
            "Philharmonia Orchestra single notes (free for any use but as samples)",
            "electric bass single notes (CC0)",
            "Bach's solo violin played by John Garner (CC BY 3.0), notes from the bach-violin-dataset",
            "game music of Freedoom, OpenTTD, openMSX and Simutrans, played by sound fonts (BSD, GPL-2, Artistic)",
            "renders with Debian's sound fonts",
        ),
        settings={**clock, **settings, "auto_look_ahead_ms": AUTO_LOOK_AHEAD_MS},
        quality=dict(quality),
    )  # fmt: skip
