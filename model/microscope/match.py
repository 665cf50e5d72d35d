"""The simulation settings that resemble a movie, so that a laboratory trains for its own microscope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from model.camera import CAMERAS
from model.config import Scalar
from model.errors import InputError
from model.microscope.brightness import brightness
from model.microscope.noise import camera_noise
from model.microscope.width import spot_sigma_px
from model.movies import Movie
from model.normalisation import measure

LEAST_FRAMES, LEAST_PX = 10, 32
MOST_FRAMES, MOST_PX = 200, 192
"""Of a larger movie the middle is looked at."""
DARK_AND_BRIGHT = (20.0, 99.0)
"""Percentiles that differ in a movie that shows something; at the upper one it is not saturated."""


class Match(NamedTuple):
    """A microscope and its sample, estimated from a movie."""

    camera: Literal["emccd", "scmos"]
    camera_is_certain: bool
    """Whether all that speaks for its kind agrees."""
    counts_per_electron: float
    baseline: float
    background: float
    """Photons per px and frame."""
    sigma_px: float
    photons: float
    """Of an emitter in a whole frame."""
    mean_on_frames: float
    density_per_um2: float
    """Rows with at least 1 % of full light per frame and um², over the field."""
    pixel_nm: float


def match_movie(movie: Movie, pixel_nm: float, camera: Literal["auto", "emccd", "scmos"] = "auto") -> Match:
    """Estimate what took a movie of raw camera frames.

    Args:
        movie: open.
        pixel_nm: edge of a pixel in the sample.
        camera: its kind where that is known; its quantum efficiency is taken from the preset.

    Raises:
        InputError: the movie is too short or small, holds no raw frames, or no spots that blink.
    """
    frames = _middle(movie)
    try:
        noise = camera_noise(frames, camera)
        sigma_px = spot_sigma_px(frames)
        found = brightness(frames, sigma_px, noise)
    except InputError as error:
        raise InputError(f"{movie.path}: {error}") from error
    efficiency = CAMERAS[noise.camera].quantum_efficiency
    return Match(
        camera=noise.camera,
        camera_is_certain=noise.is_certain,
        counts_per_electron=noise.counts_per_electron,
        baseline=noise.baseline,
        background=max(found.background, 0.0) / efficiency,
        sigma_px=sigma_px,
        photons=found.electrons / efficiency,
        mean_on_frames=found.mean_on_frames,
        density_per_um2=found.per_px / (pixel_nm / 1000.0) ** 2,
        pixel_nm=pixel_nm,
    )


def settings_of(found: Match) -> dict[str, Scalar]:
    """Hyperparameters for training data like the movie: its estimates, with room for what they are wrong by."""
    return {
        "data.pixel_nm": _rounded(found.pixel_nm, 20, 500),
        "simulation.camera": found.camera,
        "simulation.counts_per_electron": _rounded(found.counts_per_electron, 0.001, 1000),
        "simulation.baseline": _rounded(found.baseline, 0, 60_000),
        "simulation.photons": _rounded(found.photons, 50, 100_000),
        "simulation.photons_factor": 1.5,
        "simulation.mean_on_frames": _rounded(found.mean_on_frames, 0.2, 50),
        "simulation.on_factor": 1.5,
        "simulation.background_min": _rounded(found.background / 1.5, 0, 1000),
        "simulation.background_max": _rounded(found.background * 1.5, 1, 1000),
        "simulation.background_perlin": 0.2,
        "simulation.psf_sigma_min_px": _rounded(found.sigma_px * 0.93, 0.5, 4),
        "simulation.psf_sigma_max_px": _rounded(found.sigma_px * 1.07, 0.5, 4),
        "simulation.halo_max": 0.15,
        "simulation.density_min_per_um2": _rounded(found.density_per_um2 / 3, 0.01, 20),
        "simulation.density_max_per_um2": _rounded(found.density_per_um2 * 3, 0.01, 20),
    }


def as_search_space(settings: Mapping[str, Scalar], name: str) -> str:
    """The settings as the `base` of a search space."""
    lines = [f"  {path}: {value}" for path, value in settings.items()]
    head = [
        f"# Estimated by `model match` from {name}: the base of a search space that simulates movies like it.",
        "base:",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _middle(movie: Movie) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    """At most `MOST_FRAMES` consecutive frames of the middle of a movie and its field, (T, Y, X)."""
    length, height, width = movie.shape
    if length < LEAST_FRAMES or min(height, width) < LEAST_PX:
        raise InputError(
            f"{movie.path}: it has {length} frames of {width} × {height} px; at least {LEAST_FRAMES} of {LEAST_PX} × "
            f"{LEAST_PX} px are needed to tell noise from emitters: give a longer or larger movie"
        )
    first, top, left = (
        max(size - most, 0) // 2 for size, most in zip(movie.shape, (MOST_FRAMES, MOST_PX, MOST_PX), strict=True)
    )
    frames = movie.read(first, min(first + MOST_FRAMES, length))
    seen = frames[:, top : top + MOST_PX, left : left + MOST_PX]
    measure(seen, *DARK_AND_BRIGHT, str(movie.path))
    return seen.astype(np.float64)


def _rounded(value: float, low: float, high: float) -> float:
    return float(f"{min(max(value, low), high):.4g}")
