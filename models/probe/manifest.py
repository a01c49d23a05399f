"""The probe's manifest, all but its graph: the exporter adds what it finds there."""

from models.manifest import GraphSpec, Head, Manifest, Parameter, Port
from models.probe.processor import PEAK_REACH

SAMPLE_RATE = 48_000


def probe_manifest(graph: GraphSpec, hop: int, tail: int) -> Manifest:
    """Return the manifest of a probe that answers `tail` + PEAK_REACH samples late, in hops of `hop`."""
    look_ahead = tail + PEAK_REACH
    head = Head(round(1000 * look_ahead / SAMPLE_RATE, 3), look_ahead)
    return Manifest(
        name="probe",
        title="Latency probe: impulse to note, note to impulse",
        licence="Apache-2.0",
        sample_rate=SAMPLE_RATE,
        hop=hop,
        decoder="probe",
        graphs=(graph,),
        inputs=(Port("audio", "audio", 1, "full scale"), Port("notes", "notes")),
        outputs=(Port("notes", "notes"), Port("audio", "audio", 1, "full scale")),
        heads=(head,),
        parameters=(
            Parameter("stream", "commit", choices=("commit", "live"), fixed=True, description="kind of note stream"),
        ),
        trained_on=("nothing: it is written by hand",),
    )
