"""A predicted movie file, fitted block by block."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from model.card import Card
from model.decoding.peeling import decode
from model.fitting.fit import Optics, fit
from model.fitting.uncertainty import bounds
from model.fitting.width import fitted_width
from model.prediction.outputs import TableFiles, open_map
from model.prediction.photons import USUAL_SIGMA_PX
from model.prediction.streaming import Task

BLOCK_PIXELS = 1 << 19
"""Pixels of a block of frames; one frame at least."""


class Camera(NamedTuple):
    """What counts mean."""

    photons_per_count: float
    baseline: float
    excess: float
    read_photons: float


def fit_file(task: Task, card: Card, camera: Camera, sigma_px: float | None) -> dict[str, Any]:
    """Fit a movie whose prediction is complete, and write the tables.

    Args:
        task: what was predicted, and where it lies.
        card: of the network.
        camera: of the movie.
        sigma_px: width of the point spread function; none: it is fitted to the first frames.
    """
    optics = Optics(sigma_px or USUAL_SIGMA_PX, camera.excess, camera.read_photons)
    if sigma_px is None:
        optics = optics._replace(sigma_px=fitted_width(*_block(task, card, camera, 0), optics, card.error_px))
    step = max(BLOCK_PIXELS // int(np.prod(task.movie.shape[1:])), 1)
    uncertainties = [np.zeros(0)]
    with TableFiles(task.paths.fitted(), task.movie.shape, task.pixel_nm) as tables:
        for first in range(0, task.movie.shape[0], step):
            fitted = fit(*_block(task, card, camera, first, step), optics, card.error_px)
            error = bounds(fitted, optics)
            precision_px = np.hypot(error.x_px, error.y_px) / np.sqrt(2.0)
            tables.append(fitted.emitters.shifted(frames=first), precision_px)
            uncertainties.append(precision_px)
    median_nm = float(np.median(np.concatenate(uncertainties))) * task.pixel_nm if tables.rows else float("nan")
    return {"localisations": tables.rows, "sigma_px": optics.sigma_px, "uncertainty_nm": median_nm}


def _block(task: Task, card: Card, camera: Camera, first: int, step: int = 20) -> tuple[Any, Any]:
    """Photons (T, Y, X) of some frames, and their candidates."""
    stop = min(first + step, task.movie.shape[0])
    probability = np.moveaxis(open_map(task.paths.map, task.movie.shape)[first:stop], 1, -1)
    photons = (task.movie.read(first, stop).astype(np.float64) - camera.baseline) * camera.photons_per_count
    return photons, decode(probability, card.threshold)
