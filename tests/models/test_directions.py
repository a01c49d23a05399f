"""A manifest of several graphs and directions: what it is in each, and what it may not say."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import (
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
from models.registry import open_processor
from models.step import only_step
from models.stream import stream_spec

SIGNAL = (TensorSpec("audio", (128,)),)
LISTEN = GraphSpec("listen", "hop", SIGNAL, SIGNAL, file="listen.onnx", directions=("listen", "through"))
PLAY = GraphSpec("play", "hop", SIGNAL, SIGNAL, file="play.onnx", directions=("play", "through"))
BOTH = Manifest(
    name="both",
    title="Both ways",
    licence="none",
    sample_rate=32_000,
    hop=128,
    decoder="probe",
    graphs=(LISTEN, PLAY),
    inputs=(Port("audio", "audio", 1, directions=("listen", "through")), Port("notes", "notes", directions=("play",))),
    outputs=(
        Port("notes", "notes", directions=("listen",)),
        Port("audio", "audio", 2, directions=("play", "through")),
        Port("spectrum", "magnitude"),
    ),
    heads=(Head(0.0, 0), Head(16.0, 512, directions=("listen",))),
    parameters=(
        Parameter("direction", "listen", choices=("play", "listen", "through"), fixed=True),
        Parameter("stream", "commit", choices=("commit", "live"), fixed=True),
        Parameter("look_ahead_ms", "auto", choices=("auto", "0", "16"), fixed=True),
        Parameter("sensitivity", 0.5, 0.0, 1.0, directions=("listen",)),
    ),
    settings={"auto_look_ahead_ms": {"commit": 0, "live": 0, "listen": {"commit": 16, "live": 0}}},
)


def kinds(manifest: Manifest) -> tuple[list[str], list[str], list[str]]:
    return ([p.kind for p in manifest.inputs], [p.kind for p in manifest.outputs], [g.name for g in manifest.graphs])


def test_it_is_what_it_was_on_the_way_through_json():
    assert parse_manifest(BOTH.to_json()) == BOTH


def test_the_default_direction_comes_first():
    assert BOTH.directions == ("listen", "play", "through")
    assert replace(BOTH, parameters=BOTH.parameters[1:]).directions == ()


def test_in_a_direction_there_is_what_belongs_to_it_and_what_belongs_to_all():
    assert kinds(BOTH.facing({})) == kinds(BOTH.facing({"direction": "listen"}))
    assert kinds(BOTH.facing({"direction": "listen"})) == (["audio"], ["notes", "magnitude"], ["listen"])
    assert kinds(BOTH.facing({"direction": "play"})) == (["notes"], ["audio", "magnitude"], ["play"])
    assert kinds(BOTH.facing({"direction": "through"})) == (["audio"], ["audio", "magnitude"], ["listen", "play"])
    names = [parameter.name for parameter in BOTH.facing({"direction": "play"}).stream_parameters]
    assert names == ["direction", "stream", "look_ahead_ms"], "what belongs to streams of notes goes with the notes"


def test_a_manifest_that_faces_a_direction_goes_on_facing_it():
    faced = BOTH.facing({"direction": "play"})
    assert faced.facing({}) == faced
    assert faced.facing({"direction": "play"}) == faced
    assert faced.resolve({})["direction"] == "play"


def test_parameters_are_those_of_the_direction():
    own = {"direction": "listen", "stream": "commit", "look_ahead_ms": 16.0, "sensitivity": 0.5}
    assert BOTH.resolve({}) == own | {p.name: p.default for p in NOTE_STREAM_PARAMETERS}
    assert BOTH.resolve({"direction": "play"}) == {"direction": "play", "stream": "commit", "look_ahead_ms": 0.0}
    with pytest.raises(ManifestError, match="has no parameter 'quantise'; it has: direction, stream, look_ahead_ms"):
        BOTH.resolve({"direction": "through", "quantise": "1/8"})
    with pytest.raises(ManifestError, match="look_ahead_ms is 16; model 'both' offers: 0"):
        BOTH.resolve({"direction": "play", "look_ahead_ms": 16})
    with pytest.raises(ManifestError, match="direction is 'back'; allowed: play, listen, through"):
        BOTH.resolve({"direction": "back"})


def test_a_streams_channels_and_kind_are_those_of_the_direction():
    listening, playing = BOTH.facing({}), BOTH.facing({"direction": "play"})
    heard, played = stream_spec(listening, BOTH.heads[1], "live"), stream_spec(playing, BOTH.heads[0], "live")
    assert (heard.channels_in, heard.channels_out, heard.kind, heard.live_delay) == (1, 0, "live", 512 + 64)
    assert (played.channels_in, played.channels_out, played.kind, played.live_delay) == (0, 2, "commit", 0)


def test_a_player_of_one_graph_refuses_two():
    with pytest.raises(ValueError, match="its graphs are listen, play, and this player works with one"):
        only_step({"listen": object(), "play": object()})


def test_a_processor_is_told_its_direction(monkeypatch):
    told = []
    monkeypatch.setattr("models.probe.processor.ProbeProcessor", lambda *given: told.append(given))
    steps = {"play": object()}
    open_processor(BOTH, steps, BOTH.resolve({"direction": "play"}))
    assert told == [(BOTH.facing({"direction": "play"}), steps, BOTH.resolve({"direction": "play"}))]


def test_parameters_of_different_directions_may_share_a_name():
    other = Parameter("sensitivity", 3.0, 0.0, 9.0, directions=("play",))
    manifest = parse_manifest(replace(BOTH, parameters=(*BOTH.parameters, other)).to_json())
    assert manifest.resolve({})["sensitivity"] == 0.5
    assert manifest.resolve({"direction": "play", "sensitivity": 7})["sensitivity"] == 7.0


def graphs(**changes: object) -> Manifest:
    return replace(BOTH, graphs=(replace(LISTEN, **changes), PLAY))


def chosen(**changes: object) -> Manifest:
    return replace(BOTH, parameters=(replace(BOTH.parameters[0], **changes), *BOTH.parameters[1:]))


REFUSALS = {
    "a file in another folder": (graphs(file="../listen.onnx"), "graph 'listen' is in '../listen.onnx'; allowed: a plain name"),
    "a file from the root": (graphs(file="/tmp/listen.onnx"), "graph 'listen' is in '/tmp/listen.onnx'; allowed"),
    "a hidden file": (graphs(file=".onnx"), "graph 'listen' is in '.onnx'; allowed: a plain name that ends in .onnx"),
    "a file that is no graph": (graphs(file="listen.py"), "graph 'listen' is in 'listen.py'; allowed"),
    "no file": (graphs(file=""), "graph 'listen' has no file; each of several graphs has its own"),
    "a file of two graphs": (graphs(file="play.onnx"), "file 'play.onnx' is that of more than one graph"),
    "two graphs of a name": (graphs(name="play"), "name 'play' is that of more than one graph"),
    "a direction that is not offered": (
        graphs(directions=("listen", "back")),
        "directions has 'back'; allowed: the choices of the parameter 'direction': listen, play, through",
    ),
    "directions that are numbers": (graphs(directions=(1,)), "directions is .*; it must be a list of texts"),
    "directions and nothing to choose them by": (
        replace(BOTH, parameters=BOTH.parameters[1:]),
        "directions has 'listen'; allowed: none",
    ),
    "a direction that changes while it runs": (chosen(fixed=False), "parameter 'direction' must be fixed, and there in"),
    "a direction in one direction": (chosen(directions=("play",)), "parameter 'direction' must be fixed, and there in"),
    "a direction without a graph": (
        replace(BOTH, graphs=(replace(LISTEN, directions=("listen",)), replace(PLAY, directions=("play",)))),
        "direction 'through' has no graph",
    ),
    "a direction without an output": (replace(BOTH, outputs=BOTH.outputs[:1]), "direction 'play' has no output"),
    "a parameter twice": (
        replace(BOTH, parameters=(*BOTH.parameters, Parameter("sensitivity", 0.0))),
        "parameter 'sensitivity' is there twice in direction 'listen'",
    ),
    "a direction without a head": (replace(BOTH, heads=BOTH.heads[1:]), "direction 'play' has no head"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_manifest_that_contradicts_itself_is_refused_with_a_sentence(case):
    manifest, sentence = REFUSALS[case]
    with pytest.raises(ManifestError, match=sentence):
        parse_manifest(manifest.to_json())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    key=st.sampled_from(["graphs", "inputs", "outputs", "heads", "parameters"]),
    field=st.sampled_from(["directions", "file", "checksum", "choices", "name", "default"]),
    value=JSON | st.lists(st.sampled_from(["listen", "play", "through", "back"])),
)
def test_any_value_in_any_field_is_either_accepted_or_refused_with_a_sentence(key, field, value):
    data = json.loads(BOTH.to_json())
    data[key][0][field] = value
    try:
        manifest = parse_manifest(json.dumps(data))
    except ManifestError:
        return
    for direction in manifest.directions:
        assert manifest.facing({"direction": direction}).graphs
