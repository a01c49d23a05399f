"""What the released code gets wrong, each mistake a switch: on is put right, off is as released.

The release is the authors' repository, read beside the paper; the paper's text hides most of these. Plain data, stored
with every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.layers.corrections import Switches


@dataclass(frozen=True, slots=True)
class Corrections(Switches):
    """Which mistakes are put right. Features, network, targets, decoding and scores each read their own switches.

    aligned_rows: the transform begins at A0, where the labels do. As released it begins at C1, three rows off, and the
        lowest three keys are not heard at all.
    oriented_axes: the long kernels lie along frequency. As released, kernels meant for (time, frequency) sit on a
        (frequency, time) tensor: "an octave and a quarter" became 39 frames of time (0.9 s) by three semitones.
    log_magnitude: decibels below the loudest bin of what is heard. As released, plain magnitude at any level.
    mask_before_smoothing: the classes are told apart before labels are smoothed. As released, no smoothed label equals 0,
        every bin counts as positive, and the weighted loss is a plain mean times a constant.
    true_class_weights: each bin weighs as its class says. As released, each class's mean does, so that one positive bin
        outweighs its negatives by their number too.
    struck_onsets: an onset is where a key is struck. As released, a note that sounds on from before a crop begins anew at
        the crop's first frame.
    fixed_validation: early stopping looks at the same crops each epoch. As released, at new random ones.
    probability_threshold: thresholds meet probabilities. As released, the MIDI path compares logits with them.
    calibrated_thresholds: validation chooses the thresholds. As released, 0.6, changed by hand for each file.
    onsets_used: an onset begins a note, also where the pitch still sounds. As released, the onset activations are computed,
        trained and thrown away: a note is a run of frames.
    centred_times: a frame is a span of time and its note begins in the middle of what it can mean. As released, at its
        edge: onsets early and offsets late by half a frame (12 ms) on average.
    plain_reference: scores take the reference as it is. As released, it goes through a sigmoid first (1 becomes 0.731, 0
        becomes 0.5), so that a threshold from 0.731 on leaves no reference and one below 0.5 makes all of it a note.
    """

    aligned_rows: bool = True
    oriented_axes: bool = True
    log_magnitude: bool = True
    mask_before_smoothing: bool = True
    true_class_weights: bool = True
    struck_onsets: bool = True
    fixed_validation: bool = True
    probability_threshold: bool = True
    calibrated_thresholds: bool = True
    onsets_used: bool = True
    centred_times: bool = True
    plain_reference: bool = True
