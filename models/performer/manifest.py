"""The performer's manifest, all but its graph and its figures, which the exporter fills in."""

from collections.abc import Mapping

from models.manifest import GraphSpec, Head, Manifest, Parameter, Port
from models.performer.config import PerformerConfig

AUTO_LOOK_AHEAD = {"commit": -1, "live": 0}
"""Which head `auto` is: a clip is known ahead and is moved back by the host; who plays by hand wants to hear it now."""

DEFAULT_RANGE = 30.0
"""dB: the recordings are 16 to 24, and what is heard on the violin is 0.7 of what is asked for."""

INSTRUMENTS = {
    "violin": {"lowest": 55, "highest": 100, "brightness": -2.0},
    "cello": {"lowest": 36, "highest": 81, "brightness": 0.0},
    "flute": {"lowest": 60, "highest": 96, "brightness": 0.0},
}
"""Lowest and highest pitch of each, and by how many dB an octave above 1 kHz it is brighter than its recordings, which are bright
of a violin from near by."""


def performer_manifest(
    graph: GraphSpec, config: PerformerConfig, manners: Mapping[str, Mapping[str, float]], quality: Mapping[str, float]
) -> Manifest:
    """Return the manifest of a performer.

    manners: instrument that ships -> `vibrato_semitones`, `vibrato_hertz`, `vibrato_delay` as measured.
    """
    ahead = [config.hop * hops for hops in config.look_ahead]
    heads = tuple(Head(round(1000 * samples / config.sample_rate, 3), samples) for samples in ahead)
    offered = tuple(f"{head.look_ahead_ms:g}" for head in heads)
    auto = {kind: heads[index].look_ahead_ms for kind, index in AUTO_LOOK_AHEAD.items()}
    instruments = {name: INSTRUMENTS[name] | dict(own) for name, own in manners.items()}
    return Manifest(
        name="performer",
        title="Performer: notes played as by a person",
        licence="Apache-2.0; trained on free recordings, named in models/performer/README.md",
        paper="PerformanceNet: Score-to-Audio Music Generation with Multi-Band Convolutional Residual Network (AAAI 2019)",
        sample_rate=config.sample_rate,
        hop=config.hop,
        decoder="performer",
        graphs=(graph,),
        inputs=(Port("notes", "notes"),),
        outputs=(Port("audio", "audio", 1, "full scale"), Port("spectrum", "magnitude", unit="full scale")),
        heads=heads,
        parameters=(
            Parameter("instrument", next(iter(instruments)), choices=tuple(instruments), fixed=True,
                      description="who plays"),
            Parameter("look_ahead_ms", "auto", choices=("auto", *offered), unit="ms", fixed=True,
                      description="how much of the score is known ahead; auto: "
                      + ", ".join(f"{ms:g} for {kind}" for kind, ms in auto.items())),
            Parameter("stream", "commit", choices=("commit", "live"), fixed=True,
                      description="commit: a clip, at its place; live: by hand, as soon as possible"),
            Parameter("dynamics", 0.0, -1.0, 1.0, description="how much harder every note is played, in shares of all velocities"),
            Parameter("range", DEFAULT_RANGE, 0.0, 60.0, unit="dB", description="how far velocities 20 and 120 lie apart"),
            Parameter("brightness", 0.0, -12.0, 12.0, unit="dB/octave", description="more or less of what lies above 1 kHz"),
            Parameter("vibrato", 1.0, 0.0, 4.0, description="times the player's own"),
            Parameter("room", 1.0, 0.0, 2.0, description="times the room of the recordings; 0 is none"),
            Parameter("gain_db", 0.0, -60.0, 24.0, unit="dB", description="level"),
            Parameter("transpose", 0.0, -48.0, 48.0, unit="semitones", description="moves what is played"),
            Parameter("out_of_range", "octave", choices=("octave", "drop"), fixed=True,
                      description="notes the instrument has not: moved by octaves, or left out"),
        ),
        trained_on=(
            "Bach's solo violin played by John Garner (CC BY 3.0), notes from the bach-violin-dataset",
            "Philharmonia Orchestra single notes (free for any use but as samples)",
            "POP909 (MIT)",
        ),
        settings={"config": config.to_json(), "instruments": instruments, "auto_look_ahead_ms": auto},
        quality=dict(quality),
    )  # fmt: skip
