"""Simulated movies with their truth: structure → blinking → photons → camera, each stage a module of its own.

A `Scene` is one movie's physics, drawn from the ranges of a `SimulationConfig`; `simulate_movie` plays it. Molecules
also lie in a margin around the field, so that light from outside leaks in, as it does under a microscope. Everything
comes from one generator: the same seed gives the same bytes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.camera import CAMERAS, Camera, expose
from model.config import SimulationConfig
from model.curation import simulated_snr
from model.emitters import Emitters, LabelledMovie
from model.photophysics import blink, full_photons, shine
from model.psf import reach_px, render
from model.structures import Structure, place


class Scene(NamedTuple):
    """The physics of one movie."""

    structure: Structure
    camera: Camera
    density_per_um2: float
    """Mean rows with at least 1 % of full light, per frame and um²."""
    photons: float
    photons_spread: float
    background: float
    """Photons per px and frame."""
    sigma_px: float
    mean_on_frames: float
    pixel_nm: float


def draw_scene(simulation: SimulationConfig, pixel_nm: float, rng: np.random.Generator) -> Scene:
    """A scene from the ranges of a config: density and background log-uniform, sigma uniform, structure by a coin."""
    structures: tuple[Structure, ...] = ("uniform", "filaments")
    drawn = structures[rng.integers(2)]
    return Scene(
        structure=drawn if simulation.structure == "mixed" else simulation.structure,
        camera=CAMERAS[simulation.camera],
        density_per_um2=_log_uniform(simulation.density_min_per_um2, simulation.density_max_per_um2, rng),
        photons=simulation.photons,
        photons_spread=simulation.photons_spread,
        background=_log_uniform(simulation.background_min, simulation.background_max, rng),
        sigma_px=rng.uniform(simulation.psf_sigma_min_px, simulation.psf_sigma_max_px),
        mean_on_frames=simulation.mean_on_frames,
        pixel_nm=pixel_nm,
    )


def typical_scene(simulation: SimulationConfig, pixel_nm: float, density_per_um2: float) -> Scene:
    """The scene in the middle of a config's ranges, at a given density; `mixed` structures become uniform."""
    return Scene(
        structure="uniform" if simulation.structure == "mixed" else simulation.structure,
        camera=CAMERAS[simulation.camera],
        density_per_um2=density_per_um2,
        photons=simulation.photons,
        photons_spread=simulation.photons_spread,
        background=math.sqrt(simulation.background_min * simulation.background_max),
        sigma_px=(simulation.psf_sigma_min_px + simulation.psf_sigma_max_px) / 2,
        mean_on_frames=simulation.mean_on_frames,
        pixel_nm=pixel_nm,
    )


def simulate_movie(scene: Scene, *, frames: int, size_px: int, rng: np.random.Generator) -> LabelledMovie:
    """Camera counts (T, Y, X) uint16 of a square field, and every emitter row within it, with photons and SNR."""
    shape = (frames, size_px, size_px)
    emitters, expected = illuminate(scene, frames=frames, size_px=size_px, rng=rng)
    seen = emitters.select(emitters.inside(shape))
    seen = seen._replace(snr=simulated_snr(seen, expected, scene.sigma_px, scene.camera))
    return LabelledMovie(expose(expected, scene.camera, rng), seen, scene.pixel_nm)


def illuminate(
    scene: Scene, *, frames: int, size_px: int, rng: np.random.Generator
) -> tuple[Emitters, NDArray[np.float64]]:
    """All emitters, those in the margin included, and the photons to expect in each pixel, (T, Y, X)."""
    margin = reach_px(scene.sigma_px)
    edge_px = size_px + 2 * margin
    rows_per_frame = scene.density_per_um2 * (edge_px * scene.pixel_nm / 1000.0) ** 2
    blinks = blink(rows_per_frame, scene.mean_on_frames, frames, rng)
    molecules = len(blinks.start)
    x, y = place(scene.structure, molecules, edge_px, scene.pixel_nm, rng)
    bright = full_photons(molecules, scene.photons, scene.photons_spread, rng)
    rows = shine(blinks, frames)
    emitters = Emitters.of(
        rows.frame, x[rows.molecule] - margin, y[rows.molecule] - margin, bright[rows.molecule] * rows.share
    )
    return emitters, render(emitters, (frames, size_px, size_px), scene.sigma_px) + scene.background


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """Log-uniform between two bounds; uniform where the lower one is 0."""
    drawn = float(rng.random())
    return low * (high / low) ** drawn if low > 0 else high * drawn
