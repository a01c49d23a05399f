"""Both graphs: their shapes, that a step says what the whole says, what they must not see, and that they export."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.arranger.config import BAR, CHORD, FEATURE, FEATURES, HEARD, KEYS, LATENT, MODES, PITCHES, SLOTS, WINDOW
from models.arranger.encoder import _bound
from models.arranger.losses import tensors
from models.arranger.network import ArrangerNetwork, load_network, save
from models.arranger.sizes import VARIANTS, ArrangerConfig, sized
from models.arranger.validation import write_bars
from models.arranger.writer import remembered
from tests.arranger.made_songs import made_material

SMALL = {
    "inner": 16, "audio": 16, "symbols": 12, "chords": 12, "context": 16, "cell": 4, "hidden": 24, "notes": 16, "embedding": 12,
}  # fmt: skip


def network(variant: str = "autoregressive", **sizes: int) -> ArrangerNetwork:
    torch.manual_seed(5)
    return ArrangerNetwork(ArrangerConfig(variant, **(SMALL | sizes))).eval()


def inputs(batch: int = 3, seed: int = 1) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    heard = torch.rand(batch, WINDOW, len(HEARD), PITCHES, generator=draw)
    chords = torch.rand(batch, 8, CHORD, generator=draw)
    rolls = [(torch.rand(batch, WINDOW, KEYS, generator=draw) - 0.95).clamp(min=0) * 20 for _ in range(2)]
    return heard, chords, *rolls, torch.tensor([[0.0, 1.0, 1.0, 0.0]]).expand(batch, len(MODES))


def steps(
    net: ArrangerNetwork, z: torch.Tensor, features: torch.Tensor, allowed: torch.Tensor
) -> dict[str, torch.Tensor]:
    state, rows = net.write.initial_state(len(z)), []
    for step in range(WINDOW):
        first = torch.full((len(z), 1), float(step == 0))
        said, state = net.write.step(z, features[:, step], first, allowed, state)
        rows.append(said)
    return {name: torch.stack([row[name] for row in rows], 1) for name in rows[0]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_what_the_graphs_promise(variant: str) -> None:
    net = network(variant)
    with torch.no_grad():
        out, state = net.encode.step(*inputs(), net.encode.initial_state(3))
        said, state = net.write.step(
            out["z"], out["features"][:, 0], torch.ones(3, 1), torch.ones(3, KEYS), net.write.initial_state(3)
        )
    assert out["z"].shape == (3, LATENT)
    assert out["features"].shape == (3, WINDOW, FEATURE)
    assert 0 <= out["features"].min() <= out["features"].max() <= 1
    assert {name: tuple(value.shape) for name, value in said.items()} == dict.fromkeys(
        ("pitch", "length", "sure"), (3, SLOTS)
    )
    assert state["last"].shape == (3, 2, KEYS)
    assert state["hidden"].shape == (3, 24)


def test_the_sizes_are_alike() -> None:
    counts = [sum(weights.numel() for weights in ArrangerNetwork(sized(variant)).parameters()) for variant in VARIANTS]
    assert min(counts) > 1_000_000
    assert max(counts) < 1.03 * min(counts)


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="'best'; allowed: autoregressive"):
        ArrangerConfig("best")


def test_steps_say_what_the_whole_says_of_the_same_notes() -> None:
    net = network()
    net.write.stop.fill_(0.9)
    with torch.no_grad():
        net.write.pitch.weight.mul_(8)
        encoded = net.encode(*inputs())
        said = steps(net, encoded.z, encoded.features, torch.ones(3, KEYS))
        pitch, length = said["pitch"].long(), said["length"].long()
        assert 60 < (pitch >= 0).sum() < 3 * WINDOW * SLOTS
        assert (pitch >= 0).sum(-1).max() > 2
        whole = net.write(encoded.z, encoded.features, pitch, length)
        chance = torch.softmax(whole.pitch, -1)
    notes = whole.key < KEYS
    assert int(notes.sum()) == int((pitch >= 0).sum())
    chosen = torch.full((3 * WINDOW, SLOTS), 0.0)
    slot = torch.zeros(3 * WINDOW, dtype=torch.long)
    for cell in range(len(whole.key)):
        of = whole.of[cell]
        if notes[cell]:
            assert whole.pitch[cell, :KEYS].argmax() == whole.key[cell]
            assert whole.length[cell].argmax() == whole.long[cell]
            chosen[of, slot[of]] = chance[cell, whole.key[cell]]
        else:
            assert chance[cell, KEYS] > 0.9
        slot[of] += 1
    torch.testing.assert_close(chosen.reshape(3, WINDOW, SLOTS), said["sure"], atol=1e-5, rtol=1e-4)


def test_what_is_believed_to_be_written_is_what_was() -> None:
    pitch, length = torch.full((1, WINDOW, SLOTS), -1), torch.ones(1, WINDOW, SLOTS, dtype=torch.long)
    pitch[0, 2, 0], length[0, 2, 0] = 40, 4
    last = remembered(pitch, length)[0, :, :, 40]
    assert last[:3].tolist() == [[0, 0]] * 3
    assert last[3].tolist() == [0.25, 0]
    assert last[4:7, 1].tolist() == [0.1875, 0.125, 0.0625]
    assert not last[7:].any()


def test_notes_rise_and_forbidden_keys_are_not_struck() -> None:
    net = network()
    net.write.stop.fill_(1.0)
    allowed = torch.zeros(2, KEYS)
    allowed[0, 10:30] = 1
    with torch.no_grad():
        encoded = net.encode(*inputs(2))
        said = steps(net, encoded.z, encoded.features, allowed)
    pitch = said["pitch"]
    assert (pitch[1] == -1).all()
    struck = pitch[0][pitch[0] >= 0]
    assert len(struck) > WINDOW
    assert ((struck >= 10) & (struck < 30)).all()
    for row in pitch[0]:
        assert (row.diff()[row[1:] >= 0] > 0).all()
        assert (row[int((row >= 0).sum()) :] == -1).all()


def test_where_features_decide_what_they_find_likely_is_struck_from_the_lowest_up() -> None:
    net = network()
    net.write.boldness.fill_(1.0)
    feature = torch.zeros(1, FEATURE)
    rolls = feature[0, -KEYS:]
    rolls[[10, 20, 30, 40]] = torch.tensor([0.5, 0.19, 0.9, 0.3])
    feature[0, FEATURES.index("bound")] = 0.2
    allowed = torch.ones(1, KEYS)
    allowed[0, 40] = 0
    with torch.no_grad():
        said, _ = net.write.step(torch.zeros(1, LATENT), feature, torch.ones(1, 1), allowed, net.write.initial_state(1))
    assert said["pitch"][0, :3].tolist() == [10, 30, -1]
    assert said["sure"][0, :3].tolist() == pytest.approx([0.5, 0.9, 0])


def test_a_step_that_likely_has_a_bass_gets_one_though_no_key_of_it_is_likely() -> None:
    net = network()
    net.write.boldness.fill_(1.0)
    feature = torch.zeros(2, FEATURE)
    feature[:, FEATURES.index("bound")] = 0.3
    feature[0, -KEYS:][[10, 15, 22, 60]] = torch.tensor([0.15, 0.2, 0.25, 0.9])  # some bass by .49
    feature[1, -KEYS:][[10, 15, 60]] = torch.tensor([0.15, 0.2, 0.9])  # by .32
    with torch.no_grad():
        start = net.write.initial_state(2)
        said, _ = net.write.step(torch.zeros(2, LATENT), feature, torch.ones(2, 1), torch.ones(2, KEYS), start)
    assert said["pitch"][:, :3].tolist() == [[22, 60, -1], [60, -1, -1]]


def test_the_bound_is_half_of_the_best_f1_that_can_be_expected() -> None:
    chances = torch.tensor([0.9, 0.6, 0.3, 0.1] + [0.02] * 20)
    ordered, count = chances.cumsum(0), torch.arange(1, len(chances) + 1)
    best = float((2 * ordered / (count + chances.sum())).max())
    struck = torch.zeros(1, WINDOW, KEYS)
    struck[0, 0, : len(chances)] = chances
    assert float(_bound(struck)) == pytest.approx(best / 2, abs=1e-5)
    assert float(_bound(torch.full((1, WINDOW, KEYS), 0.001))) == pytest.approx(0.06)


def test_hurrying_writes_the_same() -> None:
    net = network()
    with torch.no_grad():
        encoded, state = net.encode(*inputs()), net.write.initial_state(3)
        given = (encoded.z, encoded.features[:, 0], torch.ones(3, 1), torch.ones(3, KEYS), state)
        slow, fast = net.write.step(*given), net.write.step(*given, hurry=True)
    for a, b in zip(slow, fast, strict=True):
        for name in a:
            torch.testing.assert_close(a[name], b[name])


def test_a_window_begins_anew() -> None:
    net = network()
    with torch.no_grad():
        encoded = net.encode(*inputs())
        given = (encoded.z, encoded.features[:, 0], torch.ones(3, 1), torch.ones(3, KEYS))
        fresh = net.write.step(*given, net.write.initial_state(3))
        used = net.write.step(*given, {"hidden": torch.ones(3, 24), "last": torch.ones(3, 2, KEYS)})
    torch.testing.assert_close(fresh[1]["hidden"], used[1]["hidden"])


def encode(net: ArrangerNetwork, *given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        encoded = net.encode(*given)
    return encoded.z, encoded.features


@pytest.mark.parametrize(
    ("variant", "seen"),
    [
        ("autoregressive", (True, True, True)),
        ("prior", (True, True, False)),
        ("supervised", (True, False, False)),
        ("chord_only", (False, True, False)),
    ],
)
def test_a_variant_sees_what_it_may(variant: str, seen: tuple[bool, bool, bool]) -> None:
    net, given = network(variant), list(inputs())
    plain = encode(net, *given)[0]
    for index, sees in enumerate(seen):
        changed = list(given)
        changed[index] = torch.zeros_like(given[index])
        assert torch.equal(encode(net, *changed)[0], plain) != sees


def test_a_prompt_that_is_not_said_to_be_there_is_not_seen_nor_is_a_texture() -> None:
    net, (heard, chords, prompt, texture, _) = network(), inputs()
    none = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).expand(3, 4)
    nothing = torch.zeros_like(prompt)
    for a, b in zip(
        encode(net, heard, chords, prompt, texture, none),
        encode(net, heard, chords, nothing, nothing, none),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
    textured = torch.tensor([[0.0, 1.0, 0.0, 1.0]]).expand(3, 4)
    assert not torch.allclose(
        encode(net, heard, chords, prompt, texture, textured)[0],
        encode(net, heard, chords, prompt, nothing, textured)[0],
    )


def test_in_training_the_latents_are_drawn_and_the_symbols_may_come_from_their_prior() -> None:
    net, given = network("prior"), inputs()
    a, b = (net.encode(*given, torch.Generator().manual_seed(seed)).z for seed in (1, 2))
    assert not torch.allclose(a, b)
    prior = torch.tensor([[1.0], [0.0], [0.0]])
    z = net.encode(*given, torch.Generator().manual_seed(1), prior).z
    symbols = z[0, net.config.chord_latent + net.config.audio_latent :]
    assert 0.05 < symbols.std() < 0.2
    assert not z[1, net.config.chord_latent + net.config.audio_latent :].any()  # it has neither a prompt nor a texture


def test_a_checkpoint_brings_the_network_back(tmp_path: Path) -> None:
    net = network("chord_only")
    net.write.stop.fill_(0.7)
    save(net, tmp_path / "writer.safetensors", {"figures": "{}"})
    again = load_network(tmp_path / "writer.safetensors")
    assert again.config == net.config
    assert float(again.write.stop) == pytest.approx(0.7)
    torch.testing.assert_close(encode(again, *inputs())[1], encode(net, *inputs())[1])


def test_bars_are_written_from_a_batch_of_material() -> None:
    material, no = made_material(["001"]), np.array([False, False])
    batch = material.take(np.array([[0, 2], [0, 3]]), no, ~no)
    cells = write_bars(network(), batch)
    assert cells.shape == (2, BAR, SLOTS, 2)
    assert ((cells[..., 0] >= 0) == (cells[..., 1] >= 1)).all()
    given = tensors(batch)
    assert given.prompt.shape == (2, WINDOW, KEYS)


@pytest.mark.parametrize("variant", ["autoregressive", "supervised"])
def test_both_graphs_export(variant: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    import onnxruntime

    from exporters.onnx_export import describe_graph, trace

    net = network(variant)
    shapes = {
        "encode": {
            "heard": (WINDOW, 5, PITCHES),
            "chords": (8, CHORD),
            "prompt": (WINDOW, KEYS),
            "texture": (WINDOW, KEYS),
            "mode": (4,),
        },
        "write": {"z": (LATENT,), "feature": (FEATURE,), "first": (1,), "allowed": (KEYS,)},
    }
    given = inputs(1)
    with torch.no_grad():
        out, _ = net.encode.step(*given, {})
        state = net.write.initial_state(1)
        ones = (torch.ones(1, 1), torch.ones(1, KEYS))
        said, after = net.write.step(out["z"], out["features"][:, 3], *ones, state)
    tries = {
        "encode": (net.encode, given, (out["z"], out["features"])),
        "write": (
            net.write,
            (out["z"], out["features"][:, 3], *ones, *state.values()),
            (*said.values(), *after.values()),
        ),
    }
    for name, (graph, values, wanted) in tries.items():
        model = trace(graph, describe_graph(name, graph, shapes[name]))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feeds = {port.name: value.numpy() for port, value in zip(session.get_inputs(), values, strict=True)}
        for found, right in zip(session.run(None, feeds), wanted, strict=True):
            np.testing.assert_allclose(found, right.numpy(), atol=1e-4)
