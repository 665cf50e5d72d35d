"""Where molecules lie: anywhere, or along filaments as on microtubules.

Every function fills a square with N positions, (N,) x and (N,) y in px, and knows nothing of time or light. Uniform
placement hardly ever puts two emitters into one pixel (0.12 % of pixels at 5 per um² and 100 nm); filaments do.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Structure = Literal["uniform", "filaments"]

FILAMENTS_PER_UM = 0.35
"""Mean number of filaments per um of edge, beside the first one: about 4 times the mean density within 500 nm."""
PERSISTENCE_UM = 10.0
"""Length over which a filament forgets its direction."""
LABEL_NM = 15.0
"""Standard deviation of a label's distance from the axis of its filament."""
STEP_UM = 0.05


def place(
    structure: Structure, count: int, edge_px: float, pixel_nm: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Positions of `count` molecules in the square 0 … `edge_px`: x (N,) and y (N,), px."""
    if structure == "uniform":
        return rng.uniform(0.0, edge_px, count), rng.uniform(0.0, edge_px, count)
    um_per_px = pixel_nm / 1000.0
    x_um, y_um, heading = filaments(edge_px * um_per_px, rng)
    x, y = _label(x_um, y_um, heading, count, rng)
    return x / um_per_px, y / um_per_px


def filaments(edge_um: float, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Points, `STEP_UM` apart, along worm-like chains (Kratky & Porod 1949) that cross a square of edge `edge_um`.

    A chain's middle lies on an isotropic random line through the square's circumscribed circle (uniform direction and
    distance from the centre), so that filaments are as dense at the border as in the middle. Its direction is a random
    walk with variance 2 step / persistence length per step, the two-dimensional chain.

    Returns:
        x, y (um) and heading (radian) of the points within the square, (P,) each, P ≥ 1.
    """
    while True:
        x, y, heading = _chains(edge_um, 1 + rng.poisson(FILAMENTS_PER_UM * edge_um), rng)
        within = (x >= 0) & (x < edge_um) & (y >= 0) & (y < edge_um)
        if within.any():
            return x[within], y[within], heading[within]


def _chains(edge_um: float, chains: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    arm = math.ceil(1.5 * edge_um / STEP_UM)
    direction = rng.uniform(0.0, 2.0 * np.pi, (chains, 1))
    aside = rng.uniform(-1.0, 1.0, (chains, 1)) * edge_um / math.sqrt(2.0)
    turns = np.cumsum(rng.normal(0.0, math.sqrt(2.0 * STEP_UM / PERSISTENCE_UM), (chains, 2 * arm + 1)), axis=1)
    heading = direction + turns - turns[:, arm : arm + 1]  # (chains, points)
    x = _through(edge_um / 2 - aside * np.sin(direction), STEP_UM * np.cos(heading), arm)
    y = _through(edge_um / 2 + aside * np.cos(direction), STEP_UM * np.sin(heading), arm)
    return x, y, heading


def _through(middle: Floats, steps: Floats, index: int) -> Floats:
    path = np.cumsum(steps, axis=1)
    return np.asarray(path - path[:, index : index + 1] + middle)


def _label(x_um: Floats, y_um: Floats, heading: Floats, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    point = rng.integers(0, len(x_um), count)
    along = rng.uniform(0.0, STEP_UM, count)
    across = rng.normal(0.0, LABEL_NM / 1000.0, count)
    cosine, sine = np.cos(heading[point]), np.sin(heading[point])
    return x_um[point] + along * cosine - across * sine, y_um[point] + along * sine + across * cosine
