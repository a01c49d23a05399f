"""What the released code gets wrong, each mistake a switch: on is put right, off is as released.

The release is the authors' repository, read beside the paper. Plain data, stored with every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.layers.corrections import Switches


@dataclass(frozen=True, slots=True)
class Corrections(Switches):
    """Which mistakes are put right. Data, network, training and synthesis each read their own switches.

    inverted_power: magnitudes are the root of what the logarithm was taken of. As released, Griffin-Lim takes
        log(1 + power) itself for magnitudes.
    whole_band: every bin is heard. As released, bins from 150 on (3.2 kHz) are silenced.
    residual_once: a multi-band block gives x + f(x). As released 2x + f(x): four blocks make 16x.
    split_by_passage: validation hears pieces, or ends of pieces, that share no sample with training. As released, every
        fifth of chunks that overlap by 4.5 of 5 s, drawn at random.
    exact_length: as many frames come out as go in. As released, about as many, and only 860 give 860.
    true_frame_rate: a score is laid out at sample_rate / hop frames a second. As released, at that rounded down, so that it
        runs 0.16 % slow.
    every_onset: each note has its onset. As released, onsets are where a pitch begins to sound: a note repeated without a
        gap has none, and one between two frames is lost.
    windowed: a long score is rendered in windows as long as the training's chunks, so that instance norms see what they
        were trained on. As released in one piece, whose length changes every frame.
    patient_by_epoch: the learning rate falls after ten epochs without gain. As released, epochs are counted in tens, and it
        falls after a hundred.
    split_in_bands: a block splits its input on any torch. As released, it writes into a tuple, which is a TypeError.
    own_scores: a user's notes can be rendered. As released, only chunks of the data set can.
    """

    CRASHES: ClassVar = ("split_in_bands", "own_scores")  # mistakes that only end the program

    inverted_power: bool = True
    whole_band: bool = True
    residual_once: bool = True
    split_by_passage: bool = True
    exact_length: bool = True
    true_frame_rate: bool = True
    every_onset: bool = True
    windowed: bool = True
    patient_by_epoch: bool = True
    split_in_bands: bool = True
    own_scores: bool = True
