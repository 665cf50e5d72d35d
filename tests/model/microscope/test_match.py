"""Microscopes recovered from movies of the simulator's own, and what cannot be matched.

The bounds are those that were measured on forty such movies of 100 frames of 96 × 96 px, both cameras, uniform and on
filaments, with and without halos, depth, pixel maps and uneven backgrounds; what is said of each is its worst.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tifffile

from model.camera import CAMERAS
from model.config import SimulationConfig, resolve
from model.errors import InputError
from model.microscope.match import Match, as_search_space, match_movie, settings_of
from model.movies import open_movie, write_movie
from model.scene import Scene, typical_scene
from model.simulator import simulate_movie


class Case(NamedTuple):
    camera: str
    structure: str
    density: float
    sigma_px: float
    photons: float
    background: float
    mean_on_frames: float
    rough: bool = False


PLAIN = [
    Case("emccd", "uniform", 0.3, 1.1, 5000, 100, 2),
    Case("emccd", "uniform", 2.0, 1.1, 800, 50, 2),
    Case("scmos", "uniform", 3.0, 0.9, 2000, 50, 1),
    Case("emccd", "filaments", 1.0, 1.3, 3000, 30, 1),
    Case("scmos", "uniform", 8.0, 1.4, 5000, 100, 3),
]
ROUGH = [
    Case("emccd", "uniform", 1.0, 1.1, 5000, 20, 2, rough=True),
    Case("scmos", "filaments", 0.3, 1.1, 5000, 100, 2, rough=True),
]
ROUGHNESS = {"halo_max": 0.2, "background_perlin": 0.2, "pixel_maps": True, "blobs_per_um2": 0.03, "z_range_nm": 250.0}


def matched(case: Case, folder: Path, gain: float = 1.0, baseline: int = 0) -> tuple[Match, float]:
    """The match of a movie, whose counts may have been multiplied and raised, and its true density."""
    config = SimulationConfig.model_validate(
        {
            "camera": case.camera,
            "structure": case.structure,
            "photons": case.photons,
            "background_min": case.background,
            "background_max": case.background,
            "psf_sigma_min_px": case.sigma_px,
            "psf_sigma_max_px": case.sigma_px,
            "mean_on_frames": case.mean_on_frames,
        }
        | (ROUGHNESS if case.rough else {})
    )
    movie = simulate_movie(
        typical_scene(config, 100.0, case.density), frames=100, size_px=96, rng=np.random.default_rng(1)
    )
    write_movie(folder / "m.tif", (movie.frames * gain + baseline).astype(np.float32), 100.0)
    with open_movie(folder / "m.tif") as opened:
        return match_movie(opened, 100.0), movie.emitters.rows / 100 / 9.6**2


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_a_plain_movie_tells_its_microscope(case: Case, tmp_path: Path) -> None:
    found, density = matched(case, tmp_path)
    preset = CAMERAS[case.camera]
    assert found.camera == case.camera
    assert found.counts_per_electron == pytest.approx((preset.em_gain or 1) / preset.electrons_per_adu, rel=0.06)
    assert found.baseline == pytest.approx(100, abs=30)
    assert found.sigma_px == pytest.approx(case.sigma_px, rel=0.03)
    assert found.mean_on_frames == pytest.approx(case.mean_on_frames, rel=0.1)
    assert found.photons == pytest.approx(case.photons, rel=0.2)
    assert found.density_per_um2 == pytest.approx(density, rel=0.3)
    assert found.background == pytest.approx(case.background, rel=0.4)


@pytest.mark.parametrize("case", ROUGH, ids=str)
def test_halos_depth_maps_and_uneven_backgrounds_cost_some_accuracy(case: Case, tmp_path: Path) -> None:
    found, density = matched(case, tmp_path)
    preset = CAMERAS[case.camera]
    assert found.camera == case.camera
    assert found.counts_per_electron == pytest.approx((preset.em_gain or 1) / preset.electrons_per_adu, rel=0.15)
    assert found.sigma_px == pytest.approx(case.sigma_px * math.sqrt(1.1), rel=0.05)
    assert found.mean_on_frames == pytest.approx(case.mean_on_frames, rel=0.15)
    assert found.photons == pytest.approx(case.photons, rel=0.3)
    assert found.density_per_um2 == pytest.approx(density, rel=0.5)
    assert found.background == pytest.approx(case.background, rel=0.5)


def test_another_gain_and_baseline_change_these_and_nothing_else(tmp_path: Path) -> None:
    first, _ = matched(PLAIN[0], tmp_path)
    second, _ = matched(PLAIN[0], tmp_path, gain=1.5, baseline=400)
    assert second.counts_per_electron == pytest.approx(1.5 * first.counts_per_electron, rel=1e-3)
    assert second.baseline == pytest.approx(1.5 * first.baseline + 400, abs=1)
    for name in ("sigma_px", "photons", "background", "mean_on_frames", "density_per_um2"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), rel=0.01)


def test_the_settings_are_hyperparameters_and_their_simulation_matches_like_the_movie(tmp_path: Path) -> None:
    first, _ = matched(PLAIN[0], tmp_path)
    config = resolve(settings_of(first))
    scene: Scene = typical_scene(config.simulation, config.data.pixel_nm, first.density_per_um2)
    again = simulate_movie(scene, frames=100, size_px=96, rng=np.random.default_rng(2))
    write_movie(tmp_path / "again.tif", again.frames, 100.0)
    with open_movie(tmp_path / "again.tif") as opened:
        second = match_movie(opened, 100.0)
    assert second.camera == first.camera
    for name, within in (
        ("counts_per_electron", 0.1),
        ("sigma_px", 0.05),
        ("photons", 0.3),
        ("mean_on_frames", 0.25),
        ("density_per_um2", 0.4),
    ):
        assert getattr(second, name) == pytest.approx(getattr(first, name), rel=within)


def test_extreme_estimates_stay_within_the_bounds_of_hyperparameters() -> None:
    wild = Match("scmos", False, 1e-9, -500.0, 1e9, 99.0, 1e12, 1e-6, 1e9, 100.0)
    assert resolve(settings_of(wild)).simulation.psf_sigma_max_px == 4.0
    assert resolve(settings_of(wild._replace(background=0.0, sigma_px=0.1, density_per_um2=0.0)))


def test_settings_as_the_base_of_a_search_space_are_plain_yaml() -> None:
    text = as_search_space({"simulation.camera": "emccd", "simulation.photons": 1200.0}, "movie.tif")
    assert text.splitlines()[1:] == ["base:", "  simulation.camera: emccd", "  simulation.photons: 1200.0"]


def test_the_movie_of_another_simulator_is_matched(test_data: Path) -> None:
    """Picasso's own description says: spot width 0.82 px, pixel 160 nm; its own fits find 14,200 photons on 246."""
    with open_movie(test_data / "picasso" / "testdata.raw") as movie:
        found = match_movie(movie, 160.0)
    assert found.camera == "scmos"
    assert found.sigma_px == pytest.approx(0.82, rel=0.05)
    assert found.photons == pytest.approx(14_200, rel=0.2)
    assert found.background == pytest.approx(246, rel=0.2)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (np.random.default_rng(0).integers(90, 110, (5, 64, 64)).astype(np.uint16), "at least 10 of 32"),
        (np.full((20, 64, 64), 7, np.uint16), "is constant"),
        (np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16), "no blinking spots|does not grow"),
        (np.where(np.arange(64) == 9, np.nan, 1.0).astype(np.float32) * np.ones((20, 64, 1), np.float32), "NaN"),
    ],
    ids=["short", "constant", "noise", "nan"],
)
def test_what_cannot_be_matched_is_refused_in_a_line(frames: np.ndarray, reason: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", frames, photometric="minisblack")
    with open_movie(tmp_path / "m.tif") as movie, pytest.raises(InputError, match=reason) as refused:
        match_movie(movie, 100.0)
    assert "\n" not in str(refused.value)
