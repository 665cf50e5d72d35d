"""One answer from many views: a movie turned and mirrored shows the same sample, so the answers may be averaged.

View number `n` of the eight symmetries of the square is turned by `n mod 4` quarter turns and, from 4 on, mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def turned(image: NDArray[Any], number: int) -> NDArray[Any]:
    """A view of an image (B, T, Y, X, …); Y and X change places where it is turned by one or three quarters."""
    view = np.rot90(image, number % 4, (2, 3))
    return view[:, :, :, ::-1] if number >= 4 else view


def turned_back(view: NDArray[Any], number: int) -> NDArray[Any]:
    """What `turned` undoes."""
    image = view[:, :, :, ::-1] if number >= 4 else view
    return np.rot90(image, -(number % 4), (2, 3))


def mean_answer(answer: Callable[[Floats], Floats], seen: Floats, symmetries: int) -> Floats:
    """Mean of the answers (B, T, Y, X, C) to the first `symmetries` views of what is seen (B, T, Y, X, …)."""
    total = np.array(answer(seen))
    for number in range(1, symmetries):
        total += turned_back(answer(np.ascontiguousarray(turned(seen, number))), number)
    return total / np.float32(symmetries)
