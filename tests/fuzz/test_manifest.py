"""A manifest of any JSON is a manifest that serves, or one sentence that names what is wrong."""

import json
from dataclasses import asdict

from hypothesis import strategies as st

from exporters.onnx_export import describe_graph
from models.manifest import ManifestError
from models.manifest_reading import parse_manifest
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL, ProbeNetwork

GOOD = asdict(probe_manifest(describe_graph("step", ProbeNetwork(), {"audio": (HOP,), "pulses": (HOP,)}), HOP, TAIL))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.sampled_from([0, -1, 1, 8000, 2**31, 2**63, 1e308, -0.5, float("nan"), float("inf")]), st.integers(),
    st.floats(), st.text(max_size=12), st.sampled_from(["audio", "notes", "direction", "free", "mpe", "../x.onnx", "a.onnx", "\0"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """A good manifest of which up to four fields, however deep, were changed, taken out, doubled or added."""
    data = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(0, 4))):
        here = data
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            key = draw(st.sampled_from(keys)) if keys else None
            if key is None or not isinstance(here[key], dict | list) or not here[key] or draw(st.integers(0, 3)) == 0:
                break
            here = here[key]
        kind = draw(st.sampled_from(["change", "change", "out", "more"]))
        if kind == "out" and key is not None:
            del here[key]
        elif kind == "more" and isinstance(here, list):
            here.append(here[key] if key is not None and draw(st.booleans()) else draw(VALUES))
        elif isinstance(here, dict) and (kind == "more" or key is None):
            here[draw(st.sampled_from(["directions", "file", "text", "fixed", "choices"]) | st.text(max_size=8))] = (
                draw(VALUES)
            )
        elif key is not None:
            here[key] = draw(VALUES)
    return json.dumps(data)


def test_any_json_is_a_manifest_or_one_sentence(fuzz, spoiled, one_sentence):
    assert parse_manifest(json.dumps(GOOD)).name == "probe"

    def check(text: str) -> None:
        try:
            manifest = parse_manifest(text)
        except ManifestError as error:
            one_sentence(error)
            return
        values = manifest.resolve({})
        manifest.facing(values)
        assert manifest.name.isidentifier()
        for parameter in manifest.stream_parameters:
            assert parameter.parse(values[parameter.name]) == values[parameter.name]
        json.dumps(manifest.settings)

    texts = spoiled(st.just(json.dumps(GOOD).encode())).map(lambda data: data.decode("utf-8", "replace"))
    fuzz(check, manifests() | texts | VALUES.map(json.dumps) | st.text(max_size=50), examples=250)
