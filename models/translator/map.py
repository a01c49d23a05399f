"""The map: the plane through the latent space in which instruments and dynamics lie farthest apart, found from their means."""

from __future__ import annotations

from typing import Any  # Any: settings are JSON

import numpy as np
import torch

from models.translator.config import GROUPS
from models.translator.network import TranslatorNetwork
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.symbols import symbols_of

PITCHES = range(48, 85, 3)
MOST = 1.5  # how far from its middle the map goes


def places_of(network: TranslatorNetwork) -> np.ndarray:
    """(instruments, dynamics, latent): where each is, a mean over pitches."""
    symbols = [
        [[symbols_of(instrument, pitch, dynamics) for pitch in PITCHES] for dynamics in range(GROUPS["dynamics"])]
        for instrument in range(GROUPS["instrument"])
    ]
    with torch.no_grad():
        mean, _ = network.encoder(torch.from_numpy(np.array(symbols)))
    return np.asarray(mean.mean(2).numpy())


def draw_map(network: TranslatorNetwork) -> None:
    """Set the player's axes to the principal ones of the instruments' and dynamics' places; 1 is the farthest of them."""
    places = places_of(network).reshape(-1, network.config.latent)
    centre = places.mean(0)
    _, _, axes = np.linalg.svd(places - centre, full_matrices=False)
    player = network.player
    axes = axes[: network.config.axes]
    seen = (places - centre) @ axes.T
    player.centre.copy_(torch.from_numpy(centre))
    player.axes.copy_(torch.from_numpy(axes.copy()))
    player.span.copy_(torch.from_numpy(np.abs(seen).max(0)))


def described(network: TranslatorNetwork, grid: int = 13) -> dict[str, Any]:
    """What a page needs to draw the map: where the instruments and dynamics are, and what the space says all over it.

    `places`: instrument -> dynamic -> [x, y]. `grid`: coordinates of rows and columns, MOST either side; `instrument`, `dynamics`:
    (grid, grid, …) probabilities there, from the lowest left, of the C in the middle.
    """
    player, latent = network.player, network.config.latent
    seen = ((torch.from_numpy(places_of(network)) - player.centre) @ player.axes[:2].t()) / player.span[:2]
    line = torch.linspace(-MOST, MOST, grid)
    position = torch.stack([line.expand(grid, grid), line[:, None].expand(grid, grid)], -1).reshape(-1, 2)
    symbols = torch.from_numpy(np.mean([symbols_of(i, 60, 2) for i in range(len(INSTRUMENTS))], 0)).expand(
        len(position), 1, -1
    )
    pull = torch.cat([position, torch.ones(len(position), 1), torch.zeros(len(position), network.config.axes - 2)], 1)
    with torch.no_grad():
        place = player.place(symbols, symbols, torch.zeros(len(position), 1), pull).view(-1, latent)
        said = network.decoder.probabilities(place)
    rounded = {
        name: np.round(said[name].view(grid, grid, -1).numpy().astype(float), 2).tolist()
        for name in ("instrument", "dynamics")
    }
    return {
        "places": {
            name: {dynamic: [round(float(v), 3) for v in seen[i, j]] for j, dynamic in enumerate(DYNAMICS)}
            for i, name in enumerate(INSTRUMENTS)
        },
        "grid": [round(float(v), 3) for v in line],
        **rounded,
    }
