"""A training run learns, stops and goes on where it stopped; its checkpoint becomes the same network and a served file.

The network is tiny and the clock is made: every look at it is a second later.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from exporters.onnx_export import ExportError
from exporters.players import export_transcriber
from models.events import NoteOff, NoteOn
from models.model_file import read_manifest
from models.registry import open_processor
from models.transcriber import material, training
from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.network import TranscriberNetwork, load_network, read_card
from models.transcriber.targets import rolls_of, stack_heads
from server.live_stream import LiveStream
from server.model_store import find_model, open_stream

TINY = TranscriberConfig(
    spectral_channels=4, harmonic_channels=8, channels=8, narrow_channels=4, memory_channels=4, head_channels=12
)
HEADS = len(TINY.look_ahead_hops)
FIGURES = {"onset_f1": [0.5, 0.6, 0.7, 0.7, 0.8, 0.8], "onset_threshold": [0.6] * 6, "live_f1": [0.5] * 6,
           "error_ms": [1.0] * 6, "note_f1": [0.4] * 6, "frame_threshold": [0.3] * 6}  # fmt: skip


def new_run(folder: Path, seed: int = 1) -> training._Run:
    """Return a run of a tiny network; its rate rises by 0.001 a step."""
    torch.manual_seed(seed)
    return training._Run(TranscriberNetwork(TINY), folder, seconds=60.0, learning_rate=0.2)


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, dict[str, Tensor]]:
    """Two segments of 40 hops, a tone in each, and what the heads should say."""
    time = np.arange(40 * TINY.hop) / TINY.sample_rate
    tones, rolls = [], []
    for onset, pitch in ((0.12, 60), (0.2, 67)):
        sound = (
            np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * np.exp(-4 * (time - onset)) * (time >= onset)
        )
        tones.append(0.3 * sound.astype(np.float32))
        note = np.array([(onset * TINY.sample_rate, 0.5 * TINY.sample_rate, pitch, 120)])
        rolls.append(rolls_of(note, 40, TINY.hop))
    return torch.from_numpy(np.stack(tones)), stack_heads(rolls, TINY.look_ahead_hops)


def test_the_losses_fall_on_a_batch_that_comes_again(tmp_path, batch):
    run = new_run(tmp_path)
    losses = [run.learn(*batch) for _ in range(16)]
    for part in ("onset", "frame", "velocity"):  # where in its frame an onset lies is learnt last
        assert losses[-1][part] < 0.8 * losses[0][part]  # measured 0.47, 0.31 and 0.53
    assert np.isfinite([list(row.values()) for row in losses]).all()
    assert run.step == 16


def test_the_rate_warms_up_by_steps_and_falls_with_the_time_that_is_left(tmp_path, batch):
    run = new_run(tmp_path)
    first, second = run.learn(*batch)["learning_rate"], run.learn(*batch)["learning_rate"]
    assert second == pytest.approx(2 * first)
    run.elapsed, run.step = 60.0, 10_000
    assert run.learn(*batch)["learning_rate"] == pytest.approx(0.01 * run.learning_rate)


def test_a_step_whose_gradient_is_not_finite_changes_nothing(tmp_path, batch):
    run = new_run(tmp_path)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    audio, targets = batch
    run.learn(audio, targets | {"velocity": targets["velocity"] * torch.inf})
    assert all(torch.equal(before[name], value) for name, value in run.network.state_dict().items())


def test_a_run_that_is_resumed_goes_on_as_if_it_had_not_stopped(tmp_path, batch):
    run, resumed = new_run(tmp_path), new_run(tmp_path, seed=2)
    for _ in range(3):
        run.learn(*batch)
    run.elapsed, run.best = 12.5, 0.25
    run.save()
    resumed.resume()
    assert (resumed.step, resumed.elapsed, resumed.best) == (3, 12.5, 0.25)
    for _ in range(2):
        assert run.learn(*batch) == resumed.learn(*batch)
    for one, other in ((run.network, resumed.network), (run.averaged, resumed.averaged)):
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_run_without_a_past_begins_at_nothing(tmp_path):
    run = new_run(tmp_path)
    run.resume()
    assert (run.step, run.elapsed) == (0, 0.0)


def test_a_worse_network_does_not_replace_the_best(tmp_path):
    run = new_run(tmp_path)
    run.offer(FIGURES)
    best = (tmp_path / "transcriber.safetensors").read_bytes()
    run.step = 7
    run.offer(FIGURES | {"onset_f1": [0.1] * 6})
    assert (tmp_path / "transcriber.safetensors").read_bytes() == best
    run.offer(FIGURES | {"onset_f1": [0.9] * 6})
    assert read_card(tmp_path / "transcriber.safetensors")["step"] == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["transcriber.safetensors"], "something was left behind"


def write_render(folder: Path, seed: int) -> None:
    """Write 6 s of decaying tones as training finds them."""
    rng, rate = np.random.default_rng(seed), TINY.sample_rate
    audio, notes = np.zeros(6 * rate), []
    for onset in np.arange(0.2, 5.0, 0.3):
        pitch, start = int(rng.integers(40, 90)), round(onset * rate)
        time = np.arange(len(audio) - start) / rate
        audio[start:] += 0.2 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * np.exp(-6 * time)
        notes.append((start, start + rate // 4, pitch, 80))
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"render_{seed:05d}.npz", audio=np.round(audio * 32767).astype(np.int16),
             notes=np.array(notes, np.int32))  # fmt: skip


@pytest.fixture(scope="module")
def train_for(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Path]]:
    """A function (seconds) that trains in one and the same folder for this long and returns the checkpoint."""
    output = tmp_path_factory.mktemp("run")
    folders = output / "renders" / "training", output / "renders" / "validation"
    for seed, folder in enumerate((folders[0], folders[0], folders[1])):
        write_render(folder, seed)
    ticks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
        patch.setattr(training, "prepare_renders", lambda *_: folders)
        patch.setattr(training, "_keep_freed_memory", lambda: None)  # it would bind the rest of this process
        patch.setattr(material, "SEGMENT_HOPS", 40)
        yield lambda seconds: training.train(
            Path("no data"), output, minutes=seconds / 60, config=TINY, learning_rate=0.01
        )


@pytest.fixture(scope="module")
def stopped_once(train_for) -> Path:
    """The checkpoint of three steps, a stop, and two more; each step and each validation takes a second."""
    train_for(3)
    return train_for(6)


def curve(checkpoint: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (checkpoint.parent / "curve.jsonl").read_text().splitlines()]


def test_training_goes_on_at_the_step_and_the_minute_at_which_it_stopped(stopped_once):
    rows = curve(stopped_once)
    assert [row["step"] for row in rows] == [3, 5]
    assert [row["minutes"] for row in rows] == [pytest.approx(4 / 60, abs=0.01), pytest.approx(7 / 60, abs=0.01)]


def test_training_leaves_a_curve_a_checkpoint_and_what_is_needed_to_go_on(stopped_once):
    names = {path.name for path in stopped_once.parent.iterdir()}
    assert names == {"renders", "transcriber.safetensors", "resume.safetensors", "curve.jsonl", "curve.png"}


def test_a_run_whose_time_is_up_does_nothing_more(stopped_once, train_for):
    before = stopped_once.read_bytes(), curve(stopped_once)
    assert train_for(6) == stopped_once
    assert (stopped_once.read_bytes(), curve(stopped_once)) == before


def test_a_checkpoints_card_holds_the_sizes_the_thresholds_and_the_figures(stopped_once):
    card = read_card(stopped_once)
    assert TranscriberConfig.from_json(json.loads(card["config"])) == TINY
    figures = json.loads(card["figures"])
    assert set(figures) == set(FIGURES)
    assert all(len(values) == HEADS for values in figures.values())
    assert all(0 < threshold < 1 for name in ("onset_threshold", "frame_threshold") for threshold in figures[name])
    assert int(card["step"]) in (3, 5)


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory, noise) -> tuple[TranscriberNetwork, Path]:
    """A network with random weights whose activations swing widely over noise, so that notes abound; its checkpoint."""
    run = new_run(tmp_path_factory.mktemp("talkative"))
    network = run.averaged
    with torch.no_grad():
        logits = torch.stack(list(network.logits(torch.from_numpy(noise(60 * TINY.hop, level=0.3))).values()))
        spread = 0.5 * logits.std(2).mean((1, 3)).flatten()  # over time: (outputs * heads,)
        network.heads.weight /= spread[:, None]
        network.heads.bias -= logits.mean((1, 2, 4)).flatten()
        network.heads.bias /= spread
    run.offer(FIGURES)
    return network, run.output / "transcriber.safetensors"


@torch.no_grad()
def test_a_checkpoint_is_loaded_as_the_network_that_was_saved(talkative, noise):
    network, checkpoint = talkative
    audio = torch.from_numpy(noise(20 * TINY.hop))
    loaded, saved = load_network(checkpoint)(audio), network(audio)
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert saved["onset"].shape == (1, 20, HEADS, PITCHES)


@pytest.fixture(scope="module")
def exported(talkative, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    assert export_transcriber(talkative[1], path, {}) < 5e-4  # torch to ONNX over 50 hops; measured 3e-5
    return path


def test_an_exported_file_carries_the_cards_thresholds_and_figures(exported):
    manifest = read_manifest(exported)
    assert manifest.settings == {name: FIGURES[name] for name in ("onset_threshold", "frame_threshold")}
    assert manifest.quality == {"validation onset_f1": 0.7, "validation live_f1": 0.5, "validation note_f1": 0.4}
    assert [head.look_ahead for head in manifest.heads] == [hops * TINY.hop for hops in TINY.look_ahead_hops]


@pytest.mark.parametrize("stream", ["commit", "live"])
def test_an_exported_file_is_served_and_hears_what_torch_hears(exported, talkative, torch_step, noise, feed, stream):
    audio = noise(48_000, level=0.3)
    served = feed(open_stream(find_model(str(exported)), {"stream": stream}, 48_000), audio, 480)
    manifest = read_manifest(exported)
    processor = open_processor(manifest, torch_step(talkative[0], ("audio",)), manifest.resolve({"stream": stream}))
    in_torch = feed(LiveStream(processor, 48_000), audio, 480)
    one, other = (
        Counter((type(e.event), e.event.pitch, round(e.due / 480)) for e in heard.emissions)
        for heard in (served, in_torch)
    )
    assert (one & other).total() >= 0.98 * max(one.total(), other.total())  # an activation may lie at the threshold
    kinds = [type(e.event) for e in served.emissions]
    assert kinds.count(NoteOn) == kinds.count(NoteOff) > 20


def test_a_checkpoint_that_is_not_there_is_not_exported(tmp_path):
    for missing in (None, tmp_path / "nothing.safetensors"):
        with pytest.raises(ExportError, match=r"there is no checkpoint .*; `backline train transcriber` makes one"):
            export_transcriber(missing, tmp_path / "tiny.onnx", {})
    assert not any(tmp_path.iterdir())
