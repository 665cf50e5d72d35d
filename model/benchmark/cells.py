"""The fixed test set: simulated movies by density, structure, light and blinking, and some beyond what is usual.

Everything follows from the seeds here. `DIGEST` pins the bytes, which depend on the versions of NumPy and SciPy in the
lock and on x86-64; where they differ the scores are of another set, and the benchmark says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from model.camera import CAMERAS
from model.emitters import LabelledMovie
from model.scene import Scene
from model.simulator import simulate_movie
from model.structures import Structure

DIGEST = "5a69b07510323640698712cde48de2efc33f9c4e7aad7a3b7e855431ab78f0da"
"""SHA-256 over all movies and their truth, in order."""

DENSITIES = (0.2, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
STRUCTURES: tuple[Structure, ...] = ("uniform", "filaments")
ON_FRAMES = (1.0, 3.0)
MOVIES, FRAMES, SIZE_PX = 5, 10, (64, 64)
PIXEL_NM, SIGMA_PX, PHOTONS_SPREAD = 100.0, 1.09, 0.3
SNR_THRESHOLD = 2.0
_SEED, _VALIDATION_SEED = 2016, 2017


class Light(NamedTuple):
    """A camera, and how bright emitters and background are."""

    camera: str
    photons: float
    background: float


LIGHTS = {
    "EMCCD bright": Light("emccd", 5000.0, 100.0),
    "EMCCD dim": Light("emccd", 800.0, 50.0),
    "sCMOS": Light("scmos", 5000.0, 200.0),
}
BINDING = ("EMCCD bright", "sCMOS")
"""Lights whose uniform cells have a target."""


class Cell(NamedTuple):
    """What the movies of one cell have in common."""

    density: float
    structure: Structure = "uniform"
    light: str = "EMCCD bright"
    on_frames: float = 1.0
    twist: str = ""
    """How it differs from what is usual; empty where it does not."""
    sigma_px: float = SIGMA_PX
    gain: float = 1.0
    """Over the camera's own."""
    size_px: tuple[int, int] = SIZE_PX

    @property
    def binds(self) -> bool:
        """Whether a target was set for it."""
        return not self.twist and self.structure == "uniform" and self.light in BINDING

    def scene(self) -> Scene:
        """The physics of its movies."""
        light = LIGHTS[self.light]
        camera = CAMERAS[light.camera]
        if camera.em_gain is not None:
            camera = camera._replace(em_gain=camera.em_gain * self.gain)
        return Scene(
            structure=self.structure,
            camera=camera,
            density_per_um2=self.density,
            photons=light.photons,
            photons_spread=PHOTONS_SPREAD,
            background=light.background,
            sigma_px=self.sigma_px,
            mean_on_frames=self.on_frames,
            pixel_nm=PIXEL_NM,
        )


def cells() -> list[Cell]:
    """Every cell, in order: densities innermost, the unusual ones last."""
    usual = [
        Cell(density, structure, light, on_frames)
        for structure in STRUCTURES
        for light in LIGHTS
        for on_frames in ON_FRAMES
        for density in DENSITIES
    ]
    return usual + [cell for density in (1.0, 4.0) for cell in _unusual(density)]


def _unusual(density: float) -> Iterator[Cell]:
    yield Cell(density, twist="sigma −15 %", sigma_px=0.85 * SIGMA_PX)
    yield Cell(density, twist="sigma +15 %", sigma_px=1.15 * SIGMA_PX)
    yield Cell(density, twist="gain × 2", gain=2.0)
    yield Cell(density, twist="odd size", size_px=(61, 97))


def judging_movies(cell: Cell) -> Iterator[LabelledMovie]:
    """The movies of a cell by which networks are judged."""
    return _movies(cell, _SEED, MOVIES)


def validation_movies(cell: Cell, number: int) -> Iterator[LabelledMovie]:
    """Other movies of the same kind, for what a method without training may choose: a threshold."""
    return _movies(cell, _VALIDATION_SEED, number)


def _movies(cell: Cell, seed: int, number: int) -> Iterator[LabelledMovie]:
    name = int.from_bytes(hashlib.sha256(repr(cell).encode()).digest()[:8], "little")
    for movie in range(number):
        rng = np.random.default_rng([seed, movie, name])
        yield simulate_movie(cell.scene(), frames=FRAMES, size_px=cell.size_px, rng=rng)


def digest(movies: Iterable[LabelledMovie]) -> str:
    """SHA-256 over counts and true rows."""
    whole = hashlib.sha256()
    for movie in movies:
        whole.update(np.ascontiguousarray(movie.frames, "<u2").tobytes())
        truth = movie.emitters
        whole.update(np.ascontiguousarray(np.stack([truth.frame, truth.x_px, truth.y_px, truth.snr]), "<f8").tobytes())
    return whole.hexdigest()
