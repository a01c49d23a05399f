"""What the released code gets wrong, each mistake a switch: on is put right, off is as released.

The release is the authors' repository, read beside the paper. Plain data, stored with every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.layers.corrections import Switches


@dataclass(frozen=True, slots=True)
class Corrections(Switches):
    """Which mistakes are put right. Data, features, network, objective, training and inference each read their own switches.

    rising_mask: of the notes that stage 2 masks, 0.1, 0.3, 0.6 and 0.7 are kept from low to high pitches. As released the
        four stand in a Python set, which hands them out as 0.1, 0.6, 0.3, 0.7.
    one_front_end: the transcriber learns from the spectrum that it will be given. As released it learnt from one that is
        45 times as strong, in bands weighted by their widths, and is then given another.
    no_chord: a beat without a chord has a class of its own in root and bass. As released its root of -1 becomes B in training,
        and in inference it sets the bit of a bass B and that of a B in the chroma and leaves the root empty.
    still_offsets: the transcriber's offset stack, which no gradient ever reaches, is left as it is. As released its norms go on
        adapting in training, so that a frozen network's statistics drift away.
    pruned: layers that nothing reads are not there: the decoder's recurrence over bits of a duration. As released they are
        stored, counted and given to the optimizer.
    sorted_notes: a sixteenth's notes stand from low to high, a pitch once. As released those of PIANO follow those of BRIDGE.
    guarded: of more notes than there are slots for, the outermost are kept. As released they end the program.
    moved_bass: the bass feature is that of the notes as they are transposed. As released it stays that of the original.
    end_summed: a sixteenth that the network wrote is summed up as one that it is taught, the end included. As released the end is
        left out of what it wrote itself, and of a full sixteenth its last note too.
    previous_bars: the prompt of stage 3b is the two bars before the segment, as the paper says. As released it begins one bar
        before it, and half of what is to be written is given away.
    standard_prior: in stage 3a the third latent comes from the standard normal distribution, as the paper says. As released
        its deviation is 0.1.
    plain_validation: validation takes the latents' means, tells every token and leaves divergences out, so that one epoch's can be held
        against another's. As released it draws latents and tosses coins whose shares fall from epoch to epoch.
    meant_flag: without prompts both bars of every second window are written, with prompts the first bar of each. As released the
        flag that says so is passed inverted, and every song comes out as the other way would have it.
    every_slot: all notes of a sixteenth are written to MIDI and to prompts. As released the first ten slots.
    """

    CRASHES: ClassVar = ("guarded",)  # mistakes that only end the program

    rising_mask: bool = True
    one_front_end: bool = True
    no_chord: bool = True
    still_offsets: bool = True
    pruned: bool = True
    sorted_notes: bool = True
    guarded: bool = True
    moved_bass: bool = True
    end_summed: bool = True
    previous_bars: bool = True
    standard_prior: bool = True
    plain_validation: bool = True
    meant_flag: bool = True
    every_slot: bool = True

    @property
    def roots(self) -> int:
        """Classes of a chord's root, and of its bass."""
        return 12 + self.no_chord

    @property
    def chord_size(self) -> int:
        """Values of a beat's chord: root, chroma, bass."""
        return 2 * self.roots + 12
