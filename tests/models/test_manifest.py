"""What a manifest may say; every refusal has a sentence that names the field, its value and what is allowed."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import (
    CONTRACT,
    NOTE_STREAM_PARAMETERS,
    GraphSpec,
    Head,
    Manifest,
    ManifestError,
    Parameter,
    Port,
    TensorSpec,
)
from models.manifest_reading import parse_manifest

GOOD = Manifest(
    name="echo",
    title="Echo",
    licence="MIT",
    sample_rate=48_000,
    hop=128,
    decoder="probe",
    graphs=(
        GraphSpec(
            "step",
            "hop",
            (TensorSpec("audio", (128,)),),
            (TensorSpec("out", (128,)),),
            (TensorSpec("a/b", (2, 3), 0.5),),
        ),
    ),
    inputs=(Port("audio", "audio", 1, "full scale"),),
    outputs=(Port("notes", "notes"),),
    heads=(Head(0.0, 0), Head(16.0, 768)),
    parameters=(
        Parameter("gain_db", 0.0, -60.0, 6.0, unit="dB"),
        Parameter("stream", "commit", choices=("commit", "live"), fixed=True),
        Parameter("look_ahead_ms", 16.0, 0.0, 100.0, unit="ms", fixed=True),
    ),
    paper="arXiv",
    trained_on=("nothing",),
    settings={"threshold": [0.3, 0.4]},
    quality={"f1": 0.9},
    checksum="sha256:0",
)


def changed(*path: str | int, to: object) -> str:
    """Return GOOD as JSON with one value replaced; a path's last step may be a new key."""
    data = json.loads(GOOD.to_json())
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(data)


def without(key: str) -> str:
    data = json.loads(GOOD.to_json())
    del data[key]
    return json.dumps(data)


def test_a_manifest_survives_the_way_through_json():
    assert parse_manifest(GOOD.to_json()) == GOOD


REFUSALS = {
    "not json": ("{", "the manifest is not JSON"),
    "a list": ("[1]", "the manifest is not a JSON object"),
    "a word": ('"backline"', "the manifest is not a JSON object"),
    "deeply nested": ("[" * 100_000, "the manifest is not JSON"),
    "an endless number": ('{"contract":' + "9" * 5_000 + "}", "the manifest is not JSON"),
    "an older contract": (changed("contract", to=0), f"contract is 0; this Backline reads contract {CONTRACT}"),
    "no contract": (without("contract"), "contract is None"),
    "an unknown field": (changed("colour", to="red"), "incomplete or has a wrong type.*colour"),
    "a name with a path in it": (
        changed("name", to="../x"),
        r"name is '\.\./x'; allowed: letters, digits and underscores",
    ),
    "a name that is a number": (changed("name", to=5), "name is 5; it must be text"),
    "a sample rate too low": (changed("sample_rate", to=7_999), "sample_rate is 7999; allowed: 8000 to 192000 Hz"),
    "a sample rate too high": (changed("sample_rate", to=192_001), "sample_rate is 192001; allowed"),
    "a sample rate in words": (changed("sample_rate", to="48k"), "sample_rate is '48k'; it must be a whole number"),
    "half a sample of hop": (changed("hop", to=128.5), "hop is 128.5; it must be a whole number"),
    "no hop": (changed("hop", to=0), "hop is 0; allowed: 1 to 65536 samples"),
    "a hop too long": (changed("hop", to=65_537), "hop is 65537; allowed"),
    "no graph": (changed("graphs", to=[]), "at least one graph and one head"),
    "no head": (changed("heads", to=[]), "at least one graph and one head"),
    "graphs that are a number": (changed("graphs", to=3), "incomplete or has a wrong type"),
    "quality in words": (changed("quality", to={"f1": "good"}), "quality is .*; it must be an object of numbers"),
    "choices that are numbers": (
        changed("parameters", 1, "choices", to=[1, 2]),
        "choices is .*; it must be a list of texts",
    ),
    "an unknown clock": (
        changed("graphs", 0, "clock", to="week"),
        "clock is 'week'; allowed: hop, sixteenth, beat, bar, event",
    ),
    "a tensor of size zero": (
        changed("graphs", 0, "inputs", 0, "shape", to=[0]),
        "tensor 'audio' has shape .*; sizes start at 1",
    ),
    "a negative state size": (changed("graphs", 0, "state", 0, "shape", to=[2, -1]), "tensor 'a/b' has shape"),
    "an unknown field of a tensor": (
        changed("graphs", 0, "inputs", 0, "size", to=1),
        "incomplete or has a wrong type.*size",
    ),
    "an initial value in words": (
        changed("graphs", 0, "state", 0, "initial", to="0"),
        "initial is '0'; it must be a number",
    ),
    "a shape in words": (changed("graphs", 0, "inputs", 0, "shape", to=["x"]), "incomplete or has a wrong type"),
    "an unknown port kind": (
        changed("inputs", 0, "kind", to="video"),
        "port 'audio' is of kind 'video'; allowed: audio, notes",
    ),
    "a negative look-ahead": (changed("heads", 0, "look_ahead", to=-1), "look_ahead is -1; allowed: 0 or more samples"),
    "a look-ahead in words": (
        changed("heads", 0, "look_ahead", to="soon"),
        "look_ahead is 'soon'; it must be a whole number",
    ),
    "a default out of range": (changed("parameters", 0, "default", to=7), "gain_db is '7'; allowed: -60 to 6 dB"),
    "a default that is no choice": (
        changed("parameters", 1, "default", to="x"),
        "stream is 'x'; allowed: commit, live",
    ),
    "a text with a range": (
        changed("parameters", 0, "text", to=True),
        "parameter 'gain_db' is a text, which has no choices, minimum or maximum",
    ),
    "a text that is no yes or no": (
        changed("parameters", 0, "text", to="yes"),
        "text is 'yes'; it must be true or false",
    ),
    "a range in words": (changed("parameters", 0, "minimum", to="low"), "minimum is 'low'; it must be a number"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_broken_manifest_is_refused_with_a_sentence(case):
    text, sentence = REFUSALS[case]
    with pytest.raises(ManifestError, match=sentence):
        parse_manifest(text)


@pytest.mark.parametrize(
    "field",
    ["name", "title", "licence", "sample_rate", "hop", "decoder", "graphs", "inputs", "outputs", "heads", "parameters"],
)
def test_a_missing_field_is_named(field):
    with pytest.raises(ManifestError, match=field):
        parse_manifest(without(field))


# No subnormal floats: ONNX Runtime, told to take them as zero, does so to the whole thread.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from([
    *[(key,) for key in json.loads(GOOD.to_json())],
    *[("graphs", 0, key) for key in ("name", "clock", "inputs", "outputs", "state")],
    *[("graphs", 0, "inputs", 0, key) for key in ("name", "shape", "initial")],
    *[("inputs", 0, key) for key in ("name", "kind", "channels", "unit")],
    *[("heads", 0, key) for key in ("look_ahead_ms", "look_ahead")],
    *[("parameters", 0, key) for key in ("name", "default", "minimum", "maximum", "choices", "unit", "fixed")],
])  # fmt: skip


@given(text=st.text() | JSON.map(json.dumps))
def test_foreign_text_never_raises_anything_else(text):
    with pytest.raises(ManifestError):
        parse_manifest(text)


@given(place=PLACES, value=JSON)
def test_any_value_in_any_field_is_either_accepted_or_refused_with_a_sentence(place, value):
    try:
        manifest = parse_manifest(changed(*place, to=value))
    except ManifestError:
        return
    assert isinstance(manifest.hop, int)
    assert isinstance(manifest.sample_rate, int)
    assert all(isinstance(head.look_ahead, int) for head in manifest.heads)


def test_given_parameters_are_laid_over_the_defaults():
    own = {"gain_db": -3.0, "stream": "commit", "look_ahead_ms": 16.0}
    assert GOOD.resolve({"gain_db": "-3"}) == own | {p.name: p.default for p in NOTE_STREAM_PARAMETERS}


def test_every_stream_of_notes_can_be_quantised_and_nothing_else_can():
    assert GOOD.resolve({"quantise": "1/8t", "tempo_bpm": "90"})["quantise"] == "1/8t"
    with pytest.raises(ManifestError, match="quantise is '1/5'; allowed: off, 1/4, 1/4t"):
        GOOD.resolve({"quantise": "1/5"})
    with pytest.raises(ManifestError, match="has no parameter 'mpe'; it has: gain_db, stream, look_ahead_ms"):
        replace(GOOD, outputs=(Port("audio", "audio", 1),)).resolve({"mpe": "on"})


AUTO = replace(
    GOOD,
    parameters=(*GOOD.parameters[:2], Parameter("look_ahead_ms", "auto", choices=("auto", "0", "16"), fixed=True)),
    settings={"auto_look_ahead_ms": {"commit": 16, "live": 0}},
)


def test_a_text_is_one_line_that_is_not_too_long():
    words = Parameter("path", "", text=True)
    told = replace(GOOD, parameters=(*GOOD.parameters, words))
    assert parse_manifest(told.to_json()) == told
    assert told.resolve({"path": " flute 0, 1e3 "})["path"] == "flute 0, 1e3"
    assert words.parse(16.0) == "16.0"
    assert words.parse("é" * 400) == "é" * 400
    for wrong, sentence in (
        ("x" * 401, "path is 'x{40}', 401 characters; allowed: 400 in one line"),
        ("a\nb", "3 characters; allowed: 400"),
    ):
        with pytest.raises(ManifestError, match=sentence):
            told.resolve({"path": wrong})


@pytest.mark.parametrize(
    ("given_values", "look_ahead_ms"),
    [({}, 16), ({"stream": "live"}, 0), ({"look_ahead_ms": "auto", "stream": "commit"}, 16), ({"look_ahead_ms": 0}, 0)],
)
def test_an_automatic_look_ahead_becomes_that_of_the_stream(given_values, look_ahead_ms):
    assert float(AUTO.resolve(given_values)["look_ahead_ms"]) == look_ahead_ms


def test_an_automatic_look_ahead_that_no_head_has_is_refused():
    broken = replace(AUTO, settings={"auto_look_ahead_ms": {"commit": 20, "live": 0}})
    with pytest.raises(ManifestError, match="look_ahead_ms is 20; model 'echo' offers: 0, 16"):
        broken.resolve({})


def test_settings_keep_their_order_on_the_way_through_json():
    ordered = replace(GOOD, settings={"networks": {"piano": 1, "general": 2, "a": 3}})
    assert list(parse_manifest(ordered.to_json()).settings["networks"]) == ["piano", "general", "a"]


@pytest.mark.parametrize(
    ("given_values", "sentence"),
    [
        ({"reverb": 1}, "model 'echo' has no parameter 'reverb'; it has: gain_db, stream, look_ahead_ms"),
        ({"gain_db": 6.5}, "gain_db is '6.5'; allowed: -60 to 6 dB"),
        ({"gain_db": "loud"}, "gain_db is 'loud'; allowed: -60 to 6 dB"),
        ({"gain_db": "nan"}, "gain_db is 'nan'; allowed"),
        ({"stream": "both"}, "stream is 'both'; allowed: commit, live"),
        ({"look_ahead_ms": 20}, "look_ahead_ms is 20; model 'echo' offers: 0, 16"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(given_values, sentence):
    with pytest.raises(ManifestError, match=sentence):
        GOOD.resolve(given_values)


def test_a_model_without_parameters_says_so():
    with pytest.raises(ManifestError, match="it has: none"):
        replace(GOOD, parameters=(), outputs=(Port("audio", "audio", 1),)).parameter("gain_db")


def test_a_model_may_not_take_the_name_of_what_every_stream_has():
    text = replace(GOOD, parameters=(Parameter("mpe", 0.0),)).to_json()
    with pytest.raises(ManifestError, match="parameter 'mpe' has the name of one that every stream of notes has"):
        parse_manifest(text)


def test_a_head_is_found_by_its_milliseconds():
    assert GOOD.head(16.0) == Head(16.0, 768)
    assert GOOD.head(15.995) == Head(16.0, 768)


def test_a_parameter_without_a_range_takes_any_number_but_nan():
    free = Parameter("seed", 0.0)
    assert free.parse("-1e9") == -1e9
    with pytest.raises(ManifestError):
        free.parse("nan")
