"""Light without a label: an uneven background, and the shape of molecules far out of focus.

The unevenness is gradient noise (Perlin 1985) over the field, constant in time, as out-of-focus fluorescence of a cell
is. Molecules far out of focus blink like the others and are played by `model.simulator`; here is how wide they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CELL_PX = (8.0, 32.0)
"""Between these the edge of a movie's noise cells is drawn, px."""
BLOB_WIDENING = (3.0, 6.0)
"""Between these the width of a molecule far out of focus over that in focus is drawn."""
_MOST = np.sqrt(0.5)
"""The largest value that two-dimensional gradient noise with unit gradients can take."""


def uneven(mean: float, amplitude: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Background `mean · (1 + amplitude · noise)` with noise from −1 to 1, photons per px, (Y, X)."""
    return mean * (1.0 + amplitude * gradient_noise(shape, rng.uniform(*CELL_PX), rng))


def gradient_noise(shape: tuple[int, int], cell_px: float, rng: np.random.Generator) -> Floats:
    """Perlin's noise with random unit gradients on a square lattice of edge `cell_px`, −1 to 1, (Y, X)."""
    offset = rng.uniform(0.0, 1.0, 2)
    y, x = (np.arange(size) / cell_px + start for size, start in zip(shape, offset, strict=True))
    angle = rng.uniform(0.0, 2.0 * np.pi, (int(y[-1]) + 2, int(x[-1]) + 2))
    line, column = y.astype(np.int64)[:, None], x.astype(np.int64)[None, :]
    down, right = y[:, None] - line, x[None, :] - column  # (Y, 1), (1, X)
    corners = [
        np.cos(angle[line + i, column + j]) * (right - j) + np.sin(angle[line + i, column + j]) * (down - i)
        for i in (0, 1)
        for j in (0, 1)
    ]  # each (Y, X)
    fade_x, fade_y = _fade(right), _fade(down)
    top = corners[0] + fade_x * (corners[1] - corners[0])
    bottom = corners[2] + fade_x * (corners[3] - corners[2])
    return np.asarray((top + fade_y * (bottom - top)) / _MOST)


def _fade(t: Floats) -> Floats:
    """`6 t⁵ − 15 t⁴ + 10 t³`, flat to the second derivative at 0 and 1 (Perlin 2002)."""
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
