"""The published networks are the paper's to the parameter, write what they were taught, and travel and export.

Networks are tiny but where their size is the question; those of the paper's size have no weights (torch's meta device).
"""

from dataclasses import fields, replace

import numpy as np
import onnxruntime
import pytest
import torch

from models.arranger.published.config import (
    DURATION_PAD,
    EOS,
    FRAMES,
    KINDS,
    PAD,
    PUBLISHED,
    SMALL,
    SOS,
    STEPS,
    PublishedConfig,
)
from models.arranger.published.corrections import Corrections
from models.arranger.published.export import Encode, Write, export, inputs_of
from models.arranger.published.network import PublishedNetwork, load_network, save_network
from models.arranger.published.objectives import all_told
from models.arranger.published.pianotree import Coins, PianoTree
from models.arranger.published.recurrence import Summary, step
from models.arranger.published.schedules import PRIOR_ONLY
from models.arranger.published.transcriber import Transcriber

ALL, RELEASED = Corrections.all(), Corrections.as_released()
BLOCKS = {
    "transcriber": 26_491_256, "frame_encoder": 11_885_780, "chord_encoder": 582_912, "chord_decoder": 1_361_748,
    "symbol_encoder": 9_211_170, "feature_decoder": 3_779_718, "feature_embedding": 256, "pianotree": 8_960_785,
}  # fmt: skip
TOTALS = {
    "cvae": 62_273_625,
    "no_chord": 61_000_965,
    "supervised": 48_452_573,
    "supervised_kl": 48_452_573,
    "chord_only": 23_896_589,
}
"""As released; nobody released the last one, which the paper has."""


def weightless(config: PublishedConfig, corrections: Corrections, kind: str = "cvae") -> PublishedNetwork:
    with torch.device("meta"):
        return PublishedNetwork(config, corrections, kind)


def test_as_released_nothing_is_put_right_but_what_ends_the_program():
    for name in (field.name for field in fields(Corrections)):
        assert getattr(ALL, name)
        assert getattr(RELEASED, name) == (name in Corrections.CRASHES)
        assert not getattr(Corrections.as_released(crashes=True), name)
    assert Corrections.from_json(RELEASED.to_json()) == RELEASED
    assert (RELEASED.chord_size, ALL.chord_size) == (36, 38)


def test_every_part_has_the_papers_parameters():
    network = weightless(PUBLISHED, RELEASED)
    assert network.parameter_counts == BLOCKS
    assert network.parameter_count == sum(BLOCKS.values()) == TOTALS["cvae"]
    assert sum(value.numel() for value in network.transcriber.offset.parameters()) == 7_879_240
    unread = [p.numel() for name, p in network.pianotree.named_parameters() if name.startswith("duration_")]
    assert sum(unread) == 11_397


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_parameters(kind):
    assert weightless(PUBLISHED, RELEASED, kind).parameter_count == TOTALS[kind]
    put_right = weightless(PUBLISHED, ALL, kind).parameter_count
    assert put_right - TOTALS[kind] == (7_172 if kind in ("cvae", "chord_only") else 0) - 11_397, "classes for no chord"
    assert sum(PUBLISHED.latents(kind).values()) == 512


def test_the_small_size_has_its_parameters_and_unknown_kinds_are_refused():
    assert weightless(SMALL, ALL).parameter_count == 4_871_766
    with pytest.raises(
        ValueError, match="the kind is diffusion; allowed: cvae, no_chord, supervised, supervised_kl, chord_only"
    ):
        weightless(SMALL, ALL, "diffusion")


def test_a_step_written_out_is_the_librarys(tiny):
    torch.manual_seed(0)
    unit = torch.nn.GRU(5, 7, batch_first=True)
    given, hidden = torch.randn(3, 4, 5), torch.randn(3, 7)
    wanted = unit(given, hidden[None])[0]
    for place in range(4):
        hidden = step(unit, given[:, place], hidden)
        torch.testing.assert_close(hidden, wanted[:, place])


def test_a_summary_ends_where_each_sequence_does():
    torch.manual_seed(0)
    summary, lengths = Summary(5, 7), torch.tensor([1, 3, 6])
    given = torch.randn(3, 6, 5)
    both = torch.nn.GRU(5, 7, batch_first=True, bidirectional=True)
    for name, value in summary.onward.named_parameters():
        getattr(both, name).data.copy_(value)
        getattr(both, f"{name}_reverse").data.copy_(getattr(summary.backward_, name))
    packed = torch.nn.utils.rnn.pack_padded_sequence(given, lengths, batch_first=True, enforce_sorted=False)
    torch.testing.assert_close(summary(given, lengths), both(packed)[1].transpose(0, 1).flatten(1))


def tree_of_rows(rows: list[list[int]], slots: int) -> torch.Tensor:
    """A tree of one segment: pitches by step, all two steps long."""
    from models.arranger.published.symbols import tree_of

    notes = np.array([(place, 2, pitch) for place, row in enumerate(rows) for pitch in row], int).reshape(-1, 3)
    return torch.from_numpy(tree_of(notes[:0], notes, slots, ALL))[None]


@pytest.fixture
def taught(network, tiny) -> tuple[PianoTree, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A decoder, latents and features of two segments, and their trees."""
    tree = network(louder=3.0).pianotree
    with torch.no_grad():
        tree.pitch.bias[EOS] += 3.0  # else it never ends
    torch.manual_seed(1)
    rows = [[48, 60, 64] if place % 4 == 0 else [72] if place % 2 else [] for place in range(STEPS)]
    trees = torch.cat([tree_of_rows(rows, tiny.slots), tree_of_rows(rows[1:] + rows[:1], tiny.slots)])
    return tree, torch.randn(2, 16), torch.randn(2, STEPS, 4), trees


def test_teaching_at_once_is_teaching_step_by_step(taught, tiny):
    decoder, z, features, trees = taught
    at_once = decoder(z, trees, all_told(tiny.slots).notes, features)
    coins = all_told(tiny.slots).notes
    coins.notes[-1][-1] = False  # the last note's token is read by nobody
    assert not coins.all_told
    for said, wanted in zip(decoder(z, trees, coins, features), at_once, strict=True):
        torch.testing.assert_close(said, wanted, atol=1e-5, rtol=1e-5)


def test_told_its_own_notes_the_decoder_says_them_again(taught, tiny):
    decoder, z, features, _ = taught
    hidden, given, token = decoder.begin(z)
    wrote = []
    for place in range(STEPS):
        notes, hidden, token = decoder.decide(hidden, given, token, features[:, place])
        wrote.append(notes)
    own = torch.cat([decoder.sos(2)[:, None, None].expand(-1, STEPS, -1, -1), torch.stack(wrote, 1)], 2)
    ends = (own[..., 0] == EOS).int().cumsum(2)
    last, after = (own[..., 0] == EOS) & (ends == 1), (ends > 1) | (ends == 1) & (own[..., 0] != EOS)
    assert last.any()
    assert (ends == 0).sum() > 3 * STEPS, "it also wrote notes"
    own[..., 1:][last | after] = DURATION_PAD
    own[..., 0][after] = PAD
    pitch, duration = decoder(z, own, all_told(tiny.slots).notes, features)
    said = ~after[:, :, 1:]
    assert torch.equal(pitch.argmax(-1)[said], own[:, :, 1:, 0][said])
    notes = said & (own[:, :, 1:, 0] < SOS)
    assert torch.equal(duration.argmax(-1)[notes], own[:, :, 1:, 1:][notes])


def test_what_was_written_is_summed_up_as_what_is_taught_only_put_right(network, tiny):
    rows = [[48, 60]] * STEPS
    tree = tree_of_rows(rows, tiny.slots)
    wrote = tree[:, 0].clone()
    wrote[0, 3, 1:] = torch.tensor([0, 1, 0, 1, 0])  # bits that come with an EOS
    wrote[0, 4:, 0] = 99  # and what is said after it
    for corrections, alike in ((ALL, True), (replace(ALL, end_summed=False), False)):
        decoder = network(corrections).pianotree
        given = decoder.summary(decoder.embed(tree[:, 0]), torch.tensor([4]))
        assert torch.allclose(decoder.sum_up(wrote), given, atol=1e-6) == alike


def test_tokens_are_told_as_the_coins_fall(taught, tiny):
    decoder, z, features, trees = taught
    silent = all_told(tiny.slots, truth=False).notes
    other = torch.roll(trees, 1, 0)
    for one, two in zip(decoder(z, trees, silent, features), decoder(z, other, silent, features), strict=True):
        assert torch.equal(one, two), "nothing is told"
    coins = Coins([False] * 9 + [True] + [False] * 22, [[False] * tiny.slots] * STEPS)
    one, two = (decoder(z, given, coins, features)[0] for given in (trees, other))
    assert torch.equal(one[:, :10], two[:, :10])
    assert not torch.equal(one[:, 10], two[:, 10])


def test_the_offset_stack_stays_as_it_is_only_put_right(tiny):
    torch.manual_seed(0)
    spectrum = torch.randn(1, 229, FRAMES)
    for corrections, still in ((ALL, True), (replace(ALL, still_offsets=False), False)):
        heard = Transcriber(tiny, corrections).train()
        before = {name: value.clone() for name, value in heard.offset.state_dict().items()}
        said = heard(spectrum)
        assert said.shape == (1, 3, FRAMES, 88)
        said.sum().backward()
        assert all(value.grad is None for value in heard.offset.parameters())
        assert all(value.grad is not None for value in heard.onset.parameters())
        assert all(torch.equal(value, before[name]) for name, value in heard.offset.state_dict().items()) == still
        assert heard.onset.training


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_travels_in_a_file(kind, network, tmp_path):
    made = network(kind=kind)
    save_network(made, tmp_path / "n.safetensors", {"stage": "1"})
    again, card = load_network(tmp_path / "n.safetensors")
    assert (again.kind, again.config, again.corrections, card["stage"]) == (kind, made.config, made.corrections, "1")
    assert not again.training
    spectrum, chords = torch.randn(1, 229, FRAMES), torch.zeros(1, 8, 38)
    wrote = made.write(made.means(spectrum, chords))
    assert wrote.shape == (1, STEPS, 6, 6)
    assert torch.equal(wrote, again.write(again.means(spectrum, chords)))


def test_a_kind_hears_what_it_says(network):
    torch.manual_seed(1)
    spectra, chords, rolls = torch.randn(2, 1, 229, FRAMES), torch.rand(2, 1, 8, 38), torch.rand(2, 1, STEPS, 128)
    heard = {
        "cvae": "audio chord symbol",
        "no_chord": "audio symbol",
        "supervised": "audio",
        "chord_only": "chord symbol",
    }
    for kind, parts in heard.items():
        made = network(kind=kind)
        base = made.together(made.means(spectra[0], chords[0], rolls[0]))
        for name, given in (
            ("audio", (spectra[1], chords[0], rolls[0])),
            ("chord", (spectra[0], chords[1], rolls[0])),
            ("symbol", (spectra[0], chords[0], rolls[1])),
        ):
            assert torch.equal(base, made.together(made.means(*given))) != (name in parts), (kind, name)
        assert made.sizes.get("audio", 0) > 0, "features and all decoders have a place for it"
    assert PRIOR_ONLY.symbols == "none"


def test_the_graphs_say_what_torch_says(tiny, tmp_path):
    torch.manual_seed(0)
    made = PublishedNetwork(replace(tiny, slots=4), ALL).eval()
    paths = tmp_path / "encode.onnx", tmp_path / "write.onnx"
    export(made, *paths)
    encode, write = (onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in paths)
    torch.manual_seed(1)
    given, state = inputs_of(made)
    given |= {
        "spectrum": torch.randn(1, 229, FRAMES),
        "chords": torch.rand(1, 8, 38),
        "roll": torch.rand(1, STEPS, 128),
    }
    for symbols in (1.0, 0.0):
        given["symbols"] = torch.full((1, 1), symbols)
        with torch.no_grad():
            wanted = Encode(made)(*given.values())
        z = encode.run(["z"], {name: value.numpy() for name, value in given.items()})[0]
        np.testing.assert_allclose(z, wanted.numpy(), atol=1e-5)  # measured 2e-7
    wanted = made.write(made.means(given["spectrum"], given["chords"]))
    feed = {name: value.numpy() for name, value in state.items()} | {"z": z}
    wrote = []
    for place in range(STEPS):
        feed["first"] = np.full((1, 1), float(place == 0), np.float32)
        said = dict(zip([one.name for one in write.get_outputs()], write.run(None, feed), strict=True))
        wrote.append(said["notes"])
        feed |= {name.removeprefix("new_"): value for name, value in said.items() if name.startswith("new_")}
    assert np.array_equal(np.stack(wrote, 1), wanted.numpy())
    with torch.no_grad():
        assert len(Write(made)(*state.values())) == 6
