"""How sure a fit is: the Cramér–Rao bound of each emitter among its neighbours.

The inverse of the Fisher information of an emitter and its nearest neighbours, whose images overlap with its own; the
rest of the frame is taken as known. The light of neighbours raises the variance of the pixels, and confusion with them
raises the bound. What was known before the fit (the priors) is not counted, so an emitter that the image hardly tells
from its neighbour has a large bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from model.emitters import Emitters
from model.fitting.fit import Fitted, Optics
from model.fitting.images import Windows

Floats = NDArray[np.float64]

NEIGHBOURS = 4
"""So many neighbours are unknown together with each emitter."""
REACH_SIGMA = 4.0
"""Further ones are not."""
_AT_ONCE = 2048


class Bounds(NamedTuple):
    """Standard deviations."""

    x_px: Floats  # (N,)
    y_px: Floats  # (N,)
    photons: Floats  # (N,)


def bounds(fitted: Fitted, optics: Optics) -> Bounds:
    """Cramér–Rao bounds of the emitters of a fit."""
    near = _nearest(fitted.emitters, optics)
    parts = [_bounds(fitted, near[at : at + _AT_ONCE], optics) for at in range(0, len(near), _AT_ONCE)]
    return Bounds(*np.concatenate([np.zeros((3, 0)), *parts], axis=1))


def _nearest(emitters: Emitters, optics: Optics) -> NDArray[np.int64]:
    """Each emitter and then its neighbours in its frame, (N, 1 + NEIGHBOURS); -1 where there are no more."""
    reach = REACH_SIGMA * optics.sigma_px
    places = np.column_stack([emitters.x_px, emitters.y_px, emitters.frame * 3.0 * reach])
    _, near = cKDTree(places).query(places, NEIGHBOURS + 1, distance_upper_bound=reach)
    own = np.arange(emitters.rows)[:, None]
    others = np.where(near == own, emitters.rows, near)
    others.sort(axis=1)
    kept = np.concatenate([own, others[:, :NEIGHBOURS]], axis=1)
    return np.where(kept == emitters.rows, -1, kept)


def _bounds(fitted: Fitted, near: NDArray[np.int64], optics: Optics) -> Floats:
    """Standard deviations (3, N) of the first of each row."""
    own = fitted.emitters.select(near[:, 0])
    windows = Windows.around(own, fitted.weight.shape, optics.sigma_px)
    slopes = []
    for column in near.T:
        other = fitted.emitters.select(column)
        light = windows.shares(other.x_px, other.y_px, optics.sigma_px).slopes(other.photons)
        slopes.append(np.where(column[:, None] >= 0, light, 0.0))
    every = np.concatenate(slopes)  # (3 K, N, W W)
    information = np.einsum("anp,np,bnp->nab", every, windows.gather(fitted.weight), every)
    missing = np.repeat(near < 0, 3, axis=1)
    diagonal = np.arange(len(every))
    information[:, diagonal, diagonal] += np.where(missing, 1.0, 1e-12)
    variance = np.diagonal(np.linalg.pinv(information, hermitian=True), axis1=1, axis2=2)[:, :3]  # (N, 3)
    return np.asarray(np.sqrt(np.abs(variance)).T)
