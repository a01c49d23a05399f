"""The translator's manifest, all but its graphs and its figures, which the exporter fills in."""

from collections.abc import Mapping
from typing import Any  # Any: settings are JSON

from models.manifest import GraphSpec, Head, Manifest, Parameter, Port
from models.translator.config import TranslatorConfig
from models.translator.notes import DYNAMICS, INSTRUMENTS

LISTEN, PLAY = ("listen",), ("play",)
LOOK_AHEAD_HOPS = {"commit": 38, "live": 5}
SOONER_HOPS = 14  # of a commit stream that shall not wait so long; how hard a note is played shows less
DECODING: dict[str, dict[str, Any]] = {
    "commit": {"tracker": {"on": 0.5, "off": 0.3, "confirm": 45.0, "release": 5, "patient": True}},
    "live": {"tracker": {"on": 0.5, "off": 0.3, "confirm": 20.0, "release": 4}, "live_delay": 1280},
}
"""Kind of stream -> how notes are decided, see `tracker`; live_delay in samples."""


def translator_manifest(
    graphs: tuple[GraphSpec, ...], config: TranslatorConfig, map_settings: Mapping[str, Any], quality: Mapping[str, float],
    decoding: Mapping[str, Any] = DECODING,
) -> Manifest:  # fmt: skip
    """Return the manifest of a translator of two graphs, `listen` and `play`; map_settings: what `map.described` says."""
    heads = {kind: _head(config.hop * hops, config, LISTEN) for kind, hops in LOOK_AHEAD_HOPS.items()}
    here = _head(0, config, PLAY)
    instruments, same = INSTRUMENTS, "same"
    offered = (*heads.values(), _head(config.hop * SOONER_HOPS, config, LISTEN))
    listened = tuple(f"{head.look_ahead_ms:g}" for head in sorted(offered, key=lambda head: head.look_ahead))
    return Manifest(
        name="translator",
        title="Translator: notes from a sound, a sound from notes, and the space between",
        licence="Apache-2.0; trained on free recordings, named in models/translator/README.md",
        paper="Bijective signal and symbol models: variational autoencoders for music transcription and synthesis (latent-transcription)",
        sample_rate=config.sample_rate,
        hop=config.hop,
        decoder="translator",
        graphs=graphs,
        inputs=(Port("audio", "audio", 1, "full scale", directions=LISTEN), Port("notes", "notes", directions=PLAY)),
        outputs=(
            Port("notes", "notes", directions=LISTEN),
            Port("symbols", "magnitude", unit="probability", directions=LISTEN),
            Port("audio", "audio", 1, "full scale", directions=PLAY),
            Port("spectrum", "magnitude", unit="full scale", directions=PLAY),
        ),
        heads=(*offered, here),
        parameters=(
            Parameter("direction", "listen", choices=("listen", "play"), fixed=True,
                      description="listen: audio to notes; play: notes to audio"),
            Parameter("stream", "commit", choices=("commit", "live"), fixed=True,
                      description="commit: exact places at a constant latency; live: as soon as possible"),
            Parameter("look_ahead_ms", "auto", choices=("auto", *listened), unit="ms", fixed=True, directions=LISTEN,
                      description="how long a decision may wait; auto: "
                      + ", ".join(f"{head.look_ahead_ms:g} for {kind}" for kind, head in heads.items())),
            Parameter("look_ahead_ms", "auto", choices=("auto", "0"), unit="ms", fixed=True, directions=PLAY,
                      description="a note sounds in its own hop"),
            Parameter("level", "recorded", choices=("recorded", "any"), directions=LISTEN,
                      description="recorded: how loud it is says how hard it is played; any: only its timbre does"),
            Parameter("input_gain_db", 0.0, -40.0, 40.0, unit="dB", directions=LISTEN, description="what comes in is so much louder"),
            Parameter("sensitivity", 0.5, 0.0, 1.0, directions=LISTEN, description="0 misses soft notes, 1 hears what is not there"),
            Parameter("gate_db", -70.0, -100.0, 0.0, unit="dB", directions=LISTEN, description="no note starts below this peak level"),
            Parameter("lowest", 21.0, 0.0, 127.0, unit="pitch", directions=LISTEN, description="lowest pitch listened for"),
            Parameter("highest", 108.0, 0.0, 127.0, unit="pitch", directions=LISTEN, description="highest pitch listened for"),
            Parameter("channel", 1.0, 1.0, 16.0, directions=LISTEN, description="MIDI channel of what is sent"),
            Parameter("transpose", 0.0, -48.0, 48.0, unit="semitones", description="moves what is sent or played"),
            Parameter("instrument", "flute", choices=instruments, directions=PLAY, description="who plays"),
            Parameter("morph", 0.0, 0.0, 1.0, directions=PLAY, description="how far on the way to the other instrument and dynamic"),
            Parameter("morph_instrument", same, choices=(same, *instruments), directions=PLAY, description="the instrument it goes to"),
            Parameter("morph_dynamics", same, choices=(same, *DYNAMICS), directions=PLAY, description="the dynamic it goes to"),
            Parameter("map_x", 0.0, -1.5, 1.5, directions=PLAY, description="across the map of the space"),
            Parameter("map_y", 0.0, -1.5, 1.5, directions=PLAY, description="up the map of the space"),
            Parameter("map", 0.0, 0.0, 1.0, directions=PLAY, description="how much the place on the map counts, not the symbols"),
            *(Parameter(f"space_{axis}", 0.0, -1.5, 1.5, directions=PLAY, description=f"along axis {axis} of the space, from where it is")
              for axis in range(3, config.axes + 1)),
            Parameter("path", "", text=True, directions=PLAY,
                      description="where the sound goes and when it is there in seconds: flute pp 0, cello ff 1.5, -0.5 0.8 3, loop 5"),
            Parameter("dynamics", 0.0, -1.0, 1.0, directions=PLAY, description="added to every note's strength, in shares of pp to ff"),
            Parameter("gain_db", 0.0, -60.0, 24.0, unit="dB", directions=PLAY, description="level"),
        ),
        trained_on=(
            "Philharmonia Orchestra single notes (free for any use but as samples)",
            "Salamander Grand Piano by Alexander Holm (CC-BY)",
            "renders with the sound fonts FluidR3 GM (MIT) and MuseScore General (MIT)",
        ),
        settings={
            "config": config.to_json(), "decoding": dict(decoding), "map": dict(map_settings),
            "auto_look_ahead_ms": {
                "listen": {kind: head.look_ahead_ms for kind, head in heads.items()}, "play": {"commit": 0.0, "live": 0.0},
            },
        },
        quality=dict(quality),
    )  # fmt: skip


def _head(samples: int, config: TranslatorConfig, directions: tuple[str, ...]) -> Head:
    return Head(round(1000 * samples / config.sample_rate, 3), samples, directions=directions)
