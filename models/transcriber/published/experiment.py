"""The paper's experiment from MIDI to figures: material, training, thresholds, scores. `train_published` is the whole of it.

The output folder holds `material/` (renders and transforms, made once), the checkpoint `published.safetensors` (best
weights; thresholds and figures in its card), `curve.jsonl`, `curve.png` and `figures.json`: the scores on test crops, by
the font of the training and by one never heard. Called by whoever trains.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from models.transcriber.published.corrections import Corrections
from models.transcriber.published.material import FONT, UNSEEN_FONT, cut_crops, parts, struck_anew
from models.transcriber.published.network import load_network, save_network
from models.transcriber.published.training import RECROPPED, LabelledCrops, fit
from models.transcriber.published.transcription import card_thresholds
from models.transcriber.published.validation import calibrate, hear_crops, measure


def train_published(
    data: Path,
    output: Path,
    *,
    minutes: float,
    seed: int = 1,
    corrections: Corrections | None = None,
    threads: int = 1,
    material: Path | None = None,
    training_crops: int | None = None,
    fonts: tuple[str, ...] = (FONT, UNSEEN_FONT),
) -> Path:
    """Make the material, train for at most `minutes` (material and figures not counted) and return the checkpoint.

    Where `output` holds a checkpoint, fine-tuning goes on from it.

    Args:
        data: folder with midi_giantmidi56 and midi_pop909.
        corrections: what is put right; everything, if left out.
        material: folder of renders that runs may share.
        training_crops: fewer or more than the split says.
        fonts: that play the test crops.
    """
    torch.set_num_threads(threads)
    corrections = corrections or Corrections.all()
    material = material or output / "material"
    split = parts(data)
    count = training_crops or split["training"].crops
    heard = LabelledCrops(cut_crops(split["training"], FONT, seed, count, corrections, material), corrections)
    count = split["validation"].crops if corrections.fixed_validation else RECROPPED
    watched = LabelledCrops(cut_crops(split["validation"], FONT, seed, count, corrections, material), corrections)
    checkpoint = fit(heard, watched, output, minutes=minutes, seed=seed, corrections=corrections)
    return score_checkpoint(checkpoint, data, seed, material, fonts)


def score_checkpoint(checkpoint: Path, data: Path, seed: int, material: Path, fonts: tuple[str, ...]) -> Path:
    """Choose the thresholds on the validation crops, write them and their figures into the checkpoint, and figures.json."""
    network, card = load_network(checkpoint)
    part, corrections = parts(data)["validation"], network.corrections
    heard = hear_crops(network, cut_crops(part, FONT, seed, part.crops, corrections, material))
    thresholds = calibrate(heard, corrections)
    figures = {"validation": measure(heard, thresholds, corrections)}
    card |= {"thresholds": json.dumps(thresholds.to_json()), "figures": json.dumps(figures)}
    save_network(network, checkpoint, card)
    for font in fonts:
        figures |= score_test_crops(checkpoint, data, seed, material, font)
    text = json.dumps({"thresholds": thresholds.to_json()} | figures, indent=1)
    (checkpoint.parent / "figures.json").write_text(text)
    return checkpoint


def score_test_crops(
    checkpoint: Path, data: Path, seed: int, material: Path, font: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores of the test crops played by a font: cut out of renders, and struck anew."""
    network, card = load_network(checkpoint)
    part, figures = parts(data)["test"], {}
    cut = cut_crops(part, font, seed, part.crops, network.corrections, material)
    for way, crops in (("cut", cut), ("struck anew", struck_anew(part, font, seed, network.corrections, material))):
        heard = hear_crops(network, crops)
        figures[f"{way}, {font}"] = measure(heard, card_thresholds(card), network.corrections)
    return figures
