"""What the released code gets wrong, each mistake a switch: on is put right, off is as released.

The release is the authors' repository, read beside the paper. Plain data, stored with every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.layers.corrections import Switches


@dataclass(frozen=True, slots=True)
class Corrections(Switches):
    """Which mistakes are put right. Data, network, objective, training and measures each read their own switches.

    log_probability: a symbol's likelihood is the logarithm of its probability. As released, the probability itself stands in
        its place, which is why the paper prints a -log p of -1.
    one_variance: what the network calls a variance is one wherever it is used. As released, likelihood and divergence take
        it for a variance and sampling takes it for a standard deviation.
    floored_variance: a variance lies between 0.001 and 1. As released, between 0 and 1, so that one band that never changes
        can carry a likelihood without end.
    published_rate: Adam begins at the paper's 0.001. As released, a misspelt key leaves it at 0.00001.
    falling_rate: the rate falls as the run goes on. As released, the schedule is made and never stepped.
    warm_up: divergences count from 0 to 1 over the first 100 epochs, as the paper says. As released, in full from the start.
    joint_once: both autoencoders learn from one loss, carried back once. As released it is carried back twice, the second
        time through weights that the first optimizer has changed, which today's torch refuses.
    floored_log: the logarithm is taken of a magnitude of at least 0.000001. As released the floor is computed and thrown
        away, so that digital silence is minus infinity.
    own_statistics: mean and range are those of everything that is trained on. As released, those of the first instrument.
    signal_mixing: sources are added as sounds are, before the magnitude. As released, their normalised log spectra are added.
    silence_heard: training hears silence and faint noise too, and mixtures in which a source rests, labelled by the silent
        class. As released that class is there and nothing ever belongs to it.
    split_by_note: whole pitch x dynamic cells are kept out, so that no file is on both sides. As released a fifth of the
        frames, each among neighbours of the same note that are trained on.
    best_on_validation: the weights that are kept are those of the best validation. As released, of the best batch of the test.
    linear_divergence: spectra are compared as linear power. As released, as exponentials of normalised logarithms.
    same_features: another source's notes are analysed as the training's. As released, they are rolled by one band and
        normalised each by its own mean and range.
    """

    CRASHES: ClassVar = ("joint_once",)  # mistakes that only end the program

    log_probability: bool = True
    one_variance: bool = True
    floored_variance: bool = True
    published_rate: bool = True
    falling_rate: bool = True
    warm_up: bool = True
    joint_once: bool = True
    floored_log: bool = True
    own_statistics: bool = True
    signal_mixing: bool = True
    silence_heard: bool = True
    split_by_note: bool = True
    best_on_validation: bool = True
    linear_divergence: bool = True
    same_features: bool = True
