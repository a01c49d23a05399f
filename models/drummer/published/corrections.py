"""What the paper leaves open or gets wrong, each a switch: on is put right, off is as the paper and its network's defaults have it.

The paper came without code; it names a public repository of CycleGAN whose "default network" it used, and whose defaults fill the
gaps. Plain data, stored with every checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.layers.corrections import Switches


@dataclass(frozen=True, slots=True)
class Corrections(Switches):
    """Which are put right. Data, network and synthesis each read their own switches.

    as_it_is: crops are heard as they were cut. By default the network's image loader enlarges them by 286 / 256, cuts a part
        out at random, and mirrors every other one: half of the music runs backwards, and no pitch or tempo stays where it was.
    sounding: crops in which an instrument is silent are left out. The paper says nothing of them, and most stems rest often.
    even: what is enlarged takes each neighbour once and is smoothed afterwards. By default transposed convolutions of 3
        by 2 reach some points twice as often as others, which is seen as a chequerboard and heard as a buzz.
    windowed: a long song is drawn in windows as long as a crop, so that instance norms see what they were trained on.
        As published in one piece, "arbitrary long".
    """

    as_it_is: bool = True
    sounding: bool = True
    even: bool = True
    windowed: bool = True
