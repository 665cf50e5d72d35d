"""A `Scene` is one movie's physics, drawn from the ranges of a `SimulationConfig`, or the middle of them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from model.camera import CAMERAS, Camera, altered
from model.data_config import SimulationConfig
from model.optics import ASTIGMATIC, PLAIN, Axes, Optics
from model.photophysics import Kinetics
from model.structures import STRUCTURED, Structure

_OPTICS_FACTOR = 1.4
"""How far the depths of `mixed` optics differ from the calibrated ones, either way."""


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
    """Width of the point spread function in focus."""
    mean_on_frames: float
    """One ON time."""
    pixel_nm: float
    returns: float = 0.0
    """Mean number of returns from the dark."""
    dark_frames: float = 0.0
    """Mean time of one dark state."""
    photons_distribution: Literal["normal", "lognormal"] = "normal"
    axes: Axes = PLAIN
    """Of the point spread function."""
    halo: float = 0.0
    z_range_nm: float = 0.0
    perlin: float = 0.0
    blobs_per_um2: float = 0.0
    pixel_maps: bool = False

    @property
    def optics(self) -> Optics:
        """The point spread function."""
        return Optics(self.sigma_px, self.axes, self.halo)

    @property
    def kinetics(self) -> Kinetics:
        """The photophysics."""
        return Kinetics(self.mean_on_frames, self.returns, self.dark_frames)


def draw_scene(simulation: SimulationConfig, pixel_nm: float, rng: np.random.Generator) -> Scene:
    """A scene from the ranges of a config."""
    camera = simulation.camera
    if camera == "mixed":
        camera = "emccd" if rng.random() < 0.5 else "scmos"
    times = _factor(simulation.on_factor, rng)
    kinetics = kinetics_of(simulation)
    scene = typical_scene(
        simulation, pixel_nm, _log_uniform(simulation.density_min_per_um2, simulation.density_max_per_um2, rng)
    )._replace(
        structure=_structure(simulation, rng),
        camera=altered(_calibrated(CAMERAS[camera], simulation), simulation.camera_factor, rng),
        photons=simulation.photons * _factor(simulation.photons_factor, rng),
        background=_log_uniform(simulation.background_min, simulation.background_max, rng),
        sigma_px=rng.uniform(simulation.psf_sigma_min_px, simulation.psf_sigma_max_px),
        mean_on_frames=kinetics.on * times,
        dark_frames=kinetics.dark * times,
        halo=rng.uniform(0.0, simulation.halo_max),
    )
    return _with_depth(scene, simulation, rng) if simulation.psf == "mixed" else scene


def typical_scene(simulation: SimulationConfig, pixel_nm: float, density_per_um2: float) -> Scene:
    """The scene in the middle of a config's ranges, at a given density.

    Structures that differ between movies become uniform, `mixed` cameras the EMCCD and `mixed` optics flat and round.
    """
    kinetics = kinetics_of(simulation)
    return Scene(
        structure=_alike(simulation) or "uniform",
        camera=camera_of(simulation),
        density_per_um2=density_per_um2,
        photons=simulation.photons,
        photons_spread=simulation.photons_spread,
        background=math.sqrt(simulation.background_min * simulation.background_max),
        sigma_px=(simulation.psf_sigma_min_px + simulation.psf_sigma_max_px) / 2,
        mean_on_frames=kinetics.on,
        pixel_nm=pixel_nm,
        returns=kinetics.returns,
        dark_frames=kinetics.dark,
        photons_distribution=simulation.photons_distribution,
        axes=ASTIGMATIC if simulation.psf == "astigmatic" else PLAIN,
        halo=simulation.halo_max / 2,
        z_range_nm=0.0 if simulation.psf == "mixed" else simulation.z_range_nm,
        perlin=simulation.background_perlin,
        blobs_per_um2=simulation.blobs_per_um2,
        pixel_maps=simulation.pixel_maps,
    )


def camera_of(simulation: SimulationConfig) -> Camera:
    """The camera that a config names; of `mixed` the EMCCD, the noisier one."""
    return _calibrated(CAMERAS["emccd" if simulation.camera == "mixed" else simulation.camera], simulation)


def kinetics_of(simulation: SimulationConfig) -> Kinetics:
    """The photophysics that a config names."""
    if simulation.photophysics == "lifetime":
        return Kinetics(simulation.mean_on_frames)
    return Kinetics.of_rates(simulation.ton_frames, simulation.tdark_frames, simulation.tbleach_frames)


def _calibrated(camera: Camera, simulation: SimulationConfig) -> Camera:
    if simulation.counts_per_electron is not None:
        camera = camera._replace(electrons_per_adu=(camera.em_gain or 1.0) / simulation.counts_per_electron)
    return camera if simulation.baseline is None else camera._replace(baseline=simulation.baseline)


def _with_depth(scene: Scene, simulation: SimulationConfig, rng: np.random.Generator) -> Scene:
    """A scene of `mixed` optics: one half stay flat, of the others every other one is astigmatic."""
    drawn = rng.random()
    if drawn < 0.5:
        return scene
    x, y = ASTIGMATIC if drawn < 0.75 else PLAIN
    factor = _factor(_OPTICS_FACTOR, rng)
    axes = (x.stretched(factor), y.stretched(factor))
    return scene._replace(axes=axes, z_range_nm=rng.uniform(0.0, simulation.z_range_nm))


def _structure(simulation: SimulationConfig, rng: np.random.Generator) -> Structure:
    if alike := _alike(simulation):
        return alike
    others: tuple[Structure, ...] = STRUCTURED if simulation.structure == "mixed" else ("filaments",)
    return "uniform" if rng.random() < 0.5 else others[rng.integers(len(others))]


def _alike(simulation: SimulationConfig) -> Structure | None:
    """What all movies show; none where they differ."""
    structure = simulation.structure
    return None if structure == "mixed" or structure == "half_filaments" else structure  # noqa: PLR1714  (for mypy)


def _factor(most: float, rng: np.random.Generator) -> float:
    return float(most ** rng.uniform(-1.0, 1.0))


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """Log-uniform between two bounds; uniform where the lower one is 0."""
    drawn = float(rng.random())
    return low * (high / low) ** drawn if low > 0 else high * drawn
