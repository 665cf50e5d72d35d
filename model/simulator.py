"""Simulated movies with their truth: structure → blinking → photons → camera, each stage a module of its own.

`simulate_movie` plays a `model.scene.Scene`. Molecules also lie in a margin around the field, so that light from
outside leaks in, as it does under a microscope. Everything comes from one generator: the same seed gives the same
bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.background import BLOB_WIDENING, uneven
from model.camera import expose, with_pixel_maps
from model.curation import simulated_snr
from model.emitters import Emitters, LabelledMovie
from model.optics import Widths
from model.photophysics import blink, full_photons, shine
from model.psf import halo_reach_px, reach_px, render
from model.scene import Scene
from model.structures import place

Floats = NDArray[np.float64]
Size = int | tuple[int, int]


class Light(NamedTuple):
    """What falls on the camera, and where it comes from."""

    emitters: Emitters
    """All rows, those in the margin included; (N,)."""
    widths: Widths
    """Of their images."""
    photons: Floats  # (T, Y, X)
    """To expect in each pixel."""


def simulate_movie(scene: Scene, *, frames: int, size_px: Size, rng: np.random.Generator) -> LabelledMovie:
    """Camera counts (T, Y, X) uint16, and every emitter row within the field, with photons, depth and SNR.

    `size_px` is the edge of a square field, or (Y, X).
    """
    light = illuminate(scene, frames=frames, size_px=size_px, rng=rng)
    camera = with_pixel_maps(scene.camera, light.photons.shape[1:], rng) if scene.pixel_maps else scene.camera
    within = light.emitters.inside(light.photons.shape)
    seen, widths = light.emitters.select(within), light.widths.select(within)
    seen = seen._replace(snr=simulated_snr(seen, light.photons, widths, scene.optics, camera))
    return LabelledMovie(expose(light.photons, camera, rng), seen, scene.pixel_nm)


def illuminate(scene: Scene, *, frames: int, size_px: Size, rng: np.random.Generator) -> Light:
    """The light of a scene on a field, before the camera."""
    field = (size_px, size_px) if isinstance(size_px, int) else size_px
    shape, optics = (frames, *field), scene.optics
    emitters = _emitters(scene, scene.density_per_um2, shape, _margin_px(scene), rng)
    widths = optics.widths(emitters.z_nm)
    photons = render(emitters, shape, widths, optics)
    photons += uneven(scene.background, scene.perlin, field, rng) if scene.perlin else scene.background
    if scene.blobs_per_um2:
        photons += _blobs(scene, shape, rng)
    return Light(emitters, widths, photons)


def _emitters(
    scene: Scene, density_per_um2: float, shape: tuple[int, int, int], margin: int, rng: np.random.Generator
) -> Emitters:
    """Rows of molecules of a density in a square that holds the field and a margin around it."""
    edge_px = max(shape[1:]) + 2 * margin
    rows_per_frame = density_per_um2 * (edge_px * scene.pixel_nm / 1000.0) ** 2
    blinks = blink(rows_per_frame, scene.kinetics, shape[0], rng)
    molecules = int(blinks.molecule[-1]) + 1 if len(blinks.molecule) else 0
    x, y = place(scene.structure, molecules, edge_px, scene.pixel_nm, rng)
    z = rng.uniform(-scene.z_range_nm, scene.z_range_nm, molecules)
    bright = full_photons(molecules, scene.photons, scene.photons_spread, rng, scene.photons_distribution)
    at, frame, share = shine(blinks, shape[0])
    return Emitters.of(frame, x[at] - margin, y[at] - margin, bright[at] * share, z_nm=z[at])


def _margin_px(scene: Scene) -> int:
    """Pixels around the field from which light leaks in."""
    depths = np.array([-scene.z_range_nm, 0.0, scene.z_range_nm])
    widest = float(np.max(scene.optics.widths(depths)))
    return reach_px(widest) + halo_reach_px(scene.optics)


def _blobs(scene: Scene, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Light of molecules far out of focus, (T, Y, X); their depth stands for their width."""
    low, high = BLOB_WIDENING
    margin = reach_px(high * scene.sigma_px)
    far = scene._replace(structure="uniform", z_range_nm=1.0)
    rows = _emitters(far, scene.blobs_per_um2, shape, margin, rng)
    width = scene.sigma_px * (low + (high - low) * (rows.z_nm + 1.0) / 2.0)
    return render(rows, shape, Widths(width, width))
