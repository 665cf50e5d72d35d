"""Where molecules lie: anywhere, along filaments as on microtubules, on rings as in pores, in clusters.

Every function fills a square with N positions, (N,) x and (N,) y in px, and knows nothing of time or light. Uniform
placement hardly ever puts two emitters into one pixel (0.12 % of pixels at 5 per um² and 100 nm); structures do.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Structure = Literal["uniform", "filaments", "rings", "clusters"]
STRUCTURED: tuple[Structure, ...] = ("filaments", "rings", "clusters")

FILAMENTS_PER_UM = 0.35
"""Mean number of filaments per um of edge, beside the first one: about 4 times the mean density within 500 nm."""
PERSISTENCE_UM = 10.0
"""Length over which a filament forgets its direction."""
LABEL_NM = 15.0
"""Standard deviation of a label's distance from the axis of its filament."""
STEP_UM = 0.05
RINGS_PER_UM2, RING_RADIUS_NM = 1.0, (50.0, 300.0)
"""Mean density of rings, and between which their common radius in a movie is drawn, log-uniformly."""
CLUSTERS_PER_UM2, CLUSTER_SIGMA_NM = 0.5, (40.0, 250.0)
"""The same of clusters, with the standard deviation of their molecules' distance along each axis."""


def place(
    structure: Structure, count: int, edge_px: float, pixel_nm: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Positions of `count` molecules in the square 0 … `edge_px`: x (N,) and y (N,), px."""
    if structure == "uniform":
        return rng.uniform(0.0, edge_px, count), rng.uniform(0.0, edge_px, count)
    um_per_px = pixel_nm / 1000.0
    edge_um = edge_px * um_per_px
    if structure == "filaments":
        x, y = _label(*filaments(edge_um, rng), count, rng)
    elif structure == "rings":
        x, y = rings(edge_um, count, rng)
    else:
        x, y = clusters(edge_um, count, rng)
    return x / um_per_px, y / um_per_px


def rings(edge_um: float, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Positions (N,) um on rings of one radius, with the spread of a label; what leaves the square enters opposite."""
    radius = _log_uniform(RING_RADIUS_NM, rng) / 1000.0
    x, y = _centres(RINGS_PER_UM2, edge_um, count, rng)
    angle, spread = rng.uniform(0.0, 2.0 * np.pi, count), rng.normal(0.0, LABEL_NM / 1000.0, (2, count))
    return (x + radius * np.cos(angle) + spread[0]) % edge_um, (y + radius * np.sin(angle) + spread[1]) % edge_um


def clusters(edge_um: float, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Positions (N,) um, normal around centres with one width; what leaves the square enters opposite."""
    sigma = _log_uniform(CLUSTER_SIGMA_NM, rng) / 1000.0
    x, y = _centres(CLUSTERS_PER_UM2, edge_um, count, rng)
    spread = rng.normal(0.0, sigma, (2, count))
    return (x + spread[0]) % edge_um, (y + spread[1]) % edge_um


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


def _centres(per_um2: float, edge_um: float, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """For each of `count` molecules the centre of its structure; at least one structure lies in the square."""
    x, y = rng.uniform(0.0, edge_um, (2, 1 + rng.poisson(per_um2 * edge_um**2)))
    chosen = rng.integers(0, len(x), count)
    return x[chosen], y[chosen]


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(bounds[0] * (bounds[1] / bounds[0]) ** rng.random())
