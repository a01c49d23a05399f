"""The transcriber's manifest, all but its graph and its figures, which the exporter fills in."""

from collections.abc import Mapping, Sequence
from typing import Any  # Any: decoder settings are JSON

from models.manifest import GraphSpec, Head, Manifest, Parameter, Port

DEFAULT_LOOK_AHEAD_MS = 32.0


def transcriber_manifest(
    graph: GraphSpec,
    sample_rate: int,
    hop: int,
    look_ahead_hops: Sequence[int],
    settings: Mapping[str, Any],
    quality: Mapping[str, float],
) -> Manifest:
    """Return the manifest of a transcriber with one head per entry of `look_ahead_hops`."""
    heads = tuple(Head(round(1000 * k * hop / sample_rate, 3), k * hop) for k in look_ahead_hops)
    offered = tuple(f"{head.look_ahead_ms:g}" for head in heads)
    return Manifest(
        name="transcriber",
        title="Piano transcriber: audio to notes while it is played",
        licence="Apache-2.0; trained on CC-BY and MIT material (models/transcriber/README.md)",
        paper="",
        sample_rate=sample_rate,
        hop=hop,
        decoder="transcriber",
        graphs=(graph,),
        inputs=(Port("audio", "audio", 1, "full scale"),),
        outputs=(Port("notes", "notes"),),
        heads=heads,
        parameters=(
            Parameter("look_ahead_ms", f"{DEFAULT_LOOK_AHEAD_MS:g}", choices=offered, unit="ms", fixed=True,
                      description="how long a decision waits: later is more accurate"),
            Parameter("stream", "commit", choices=("commit", "live"), fixed=True,
                      description="commit: exact places at a constant latency; live: as soon as possible"),
            Parameter("sensitivity", 0.5, 0.0, 1.0, description="0 misses soft notes, 1 hears what is not there"),
            Parameter("lowest", 21.0, 0.0, 127.0, unit="pitch", description="lowest pitch reported"),
            Parameter("highest", 108.0, 0.0, 127.0, unit="pitch", description="highest pitch reported"),
        ),
        trained_on=(
            "Salamander Grand Piano by Alexander Holm (CC-BY)",
            "GiantMIDI-Piano (CC BY 4.0)",
            "POP909 (MIT)",
            "renders with Debian's sound fonts",
        ),
        settings=dict(settings),
        quality=dict(quality),
    )  # fmt: skip
