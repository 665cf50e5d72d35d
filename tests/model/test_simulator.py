"""Whole simulated movies."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest

from model.config import SimulationConfig
from model.optics import PLAIN
from model.photophysics import Kinetics, rows_per_molecule
from model.scene import Scene, draw_scene, typical_scene
from model.simulator import illuminate, simulate_movie
from model.targets import count_map


def scene(density: float = 1.0, **changes: object) -> Scene:
    return typical_scene(SimulationConfig(structure="uniform"), 100.0, density)._replace(**changes)


def test_the_same_seed_gives_the_same_movie_and_another_seed_another() -> None:
    first, again, other = (
        simulate_movie(scene(), frames=6, size_px=24, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.frames.tobytes() == again.frames.tobytes()
    assert all((a == b).all() for a, b in zip(first.emitters, again.emitters, strict=True))
    assert first.frames.tobytes() != other.frames.tobytes()


@pytest.mark.parametrize(("structure", "tolerance"), [("uniform", 0.02), ("filaments", 0.1)])
def test_the_field_has_the_asked_density_of_rows(structure: str, tolerance: float) -> None:
    rng = np.random.default_rng(3)
    asked = scene(5.0, structure=structure)
    movies = [
        illuminate(asked, frames=40, size_px=64, rng=rng).emitters for _ in range(2 if structure == "uniform" else 60)
    ]
    rows = np.mean([emitters.inside((40, 64, 64)).sum() for emitters in movies])
    assert rows / 40 / 6.4**2 == pytest.approx(5.0, rel=tolerance)


def test_uniform_emitters_share_a_pixel_as_rarely_as_chance_says() -> None:
    emitters = illuminate(scene(5.0), frames=500, size_px=64, rng=np.random.default_rng(4)).emitters
    shared = (count_map(emitters, (500, 64, 64)) >= 2).mean()
    assert shared == pytest.approx(1 - math.exp(-0.05) * 1.05, rel=0.08)
    assert shared == pytest.approx(0.0012, rel=0.08)


def test_filaments_put_several_emitters_into_a_pixel_far_more_often() -> None:
    rng = np.random.default_rng(5)
    shares = [
        (
            count_map(
                illuminate(scene(2.0, structure=structure), frames=100, size_px=64, rng=rng).emitters, (100, 64, 64)
            )
            >= 2
        )
        for structure in ("uniform", "filaments")
    ]
    assert shares[1].mean() > 5 * shares[0].mean()


def test_light_from_outside_leaks_in() -> None:
    emitters, _, expected = illuminate(scene(5.0), frames=50, size_px=16, rng=np.random.default_rng(6))
    assert (~emitters.inside((50, 16, 16))).sum() > 100
    inner, border = expected[:, 5:11, 5:11].mean(), np.concatenate([expected[:, :, 0], expected[:, :, -1]]).mean()
    assert border == pytest.approx(inner, rel=0.2)


def test_the_truth_lists_emitters_within_the_field_alone_each_with_light_and_snr() -> None:
    movie = simulate_movie(scene(3.0), frames=10, size_px=33, rng=np.random.default_rng(7))
    assert movie.frames.shape == (10, 33, 33)
    assert movie.frames.dtype == np.uint16
    assert movie.emitters.inside(movie.frames.shape).all()
    assert (movie.emitters.photons > 0).all()
    assert np.isfinite(movie.emitters.snr).all()


def test_a_movie_is_brightest_where_its_truth_says() -> None:
    lone = scene(0.02, background=20.0, mean_on_frames=5.0)
    movie = simulate_movie(lone, frames=40, size_px=64, rng=np.random.default_rng(8))
    bright = movie.emitters.select(movie.emitters.snr > 10)
    counts = movie.frames[bright.frame, np.floor(bright.y_px).astype(int), np.floor(bright.x_px).astype(int)]
    assert bright.rows > 10
    assert counts.min() > np.percentile(movie.frames, 99)


def test_drawn_scenes_stay_within_the_ranges_and_mix_structures_half_and_half() -> None:
    config = SimulationConfig(density_min_per_um2=0.5, density_max_per_um2=8.0)
    rng = np.random.default_rng(9)
    scenes = [draw_scene(config, 120.0, rng) for _ in range(400)]
    densities = np.array([each.density_per_um2 for each in scenes])
    assert 0.5 <= densities.min() < densities.max() <= 8.0
    assert np.median(densities) == pytest.approx(2.0, rel=0.2)
    assert all(1.0 <= each.sigma_px <= 1.2 and 50 <= each.background <= 150 for each in scenes)
    assert np.mean([each.structure == "uniform" for each in scenes]) == pytest.approx(0.5, abs=0.1)
    assert {each.structure for each in scenes} == {"uniform", "filaments", "rings", "clusters"}


@pytest.mark.parametrize(
    ("structure", "shown"),
    [("half_filaments", {"uniform", "filaments"}), ("mixed", {"uniform", "filaments", "rings", "clusters"})],
)
def test_half_of_the_movies_are_uniform_and_the_others_are_what_the_config_names(
    structure: Any, shown: set[str]
) -> None:
    config = SimulationConfig(structure=structure)
    rng = np.random.default_rng(0)
    found = [draw_scene(config, 100.0, rng).structure for _ in range(400)]
    assert set(found) == shown
    assert found.count("uniform") == pytest.approx(200, abs=40)
    assert typical_scene(config, 100.0, 1.0).structure == "uniform"


def test_a_background_from_zero_is_drawn_uniformly() -> None:
    config = SimulationConfig(background_min=0.0, background_max=100.0)
    rng = np.random.default_rng(10)
    assert np.mean([draw_scene(config, 100.0, rng).background for _ in range(400)]) == pytest.approx(50, abs=6)


BROAD = SimulationConfig(
    camera="mixed",
    camera_factor=1.5,
    pixel_maps=True,
    density_min_per_um2=0.5,
    density_max_per_um2=5.0,
    photons=2000.0,
    photons_factor=4.0,
    photons_distribution="lognormal",
    photophysics="blinking",
    on_factor=2.0,
    background_min=5.0,
    background_max=250.0,
    background_perlin=0.2,
    blobs_per_um2=0.1,
    psf_sigma_min_px=0.8,
    psf_sigma_max_px=1.6,
    halo_max=0.2,
    z_range_nm=300.0,
)


@pytest.mark.parametrize(
    "config", [BROAD, *(BROAD.model_copy(update={"psf": psf, "z_range_nm": 750.0}) for psf in ("astigmatic", "mixed"))]
)
def test_the_whole_physics_gives_the_same_bytes_for_the_same_seed(config: SimulationConfig) -> None:
    def movie(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        made = simulate_movie(draw_scene(config, 110.0, rng), frames=5, size_px=(20, 31), rng=rng)
        assert made.frames.shape == (5, 20, 31)
        assert np.isfinite(made.emitters.snr).all()
        assert np.abs(made.emitters.z_nm).max(initial=0) <= config.z_range_nm
        return made.frames.tobytes()

    assert movie(1) == movie(1) != movie(2)


def test_drawn_scenes_spread_over_cameras_photons_backgrounds_and_times() -> None:
    rng = np.random.default_rng(11)
    scenes = [draw_scene(BROAD, 110.0, rng) for _ in range(400)]
    assert np.mean([each.camera.em_gain is None for each in scenes]) == pytest.approx(0.5, abs=0.1)
    for values, low, high in (
        ([each.photons for each in scenes], 500.0, 8000.0),
        ([each.background for each in scenes], 5.0, 250.0),
        ([each.mean_on_frames for each in scenes], 0.5, 2.0),
        ([each.dark_frames for each in scenes], 1.25, 5.0),
    ):
        assert low <= min(values) < low * 1.2
        assert high / 1.2 < max(values) <= high
        assert np.median(values) == pytest.approx(math.sqrt(low * high), rel=0.2)


def test_of_mixed_optics_half_are_flat_a_quarter_round_and_a_quarter_astigmatic_with_depth() -> None:
    mixed = BROAD.model_copy(update={"psf": "mixed", "z_range_nm": 600.0})
    rng = np.random.default_rng(12)
    scenes = [draw_scene(mixed, 110.0, rng) for _ in range(800)]
    deep = [each for each in scenes if each.z_range_nm]
    assert len(deep) / len(scenes) == pytest.approx(0.5, abs=0.05)
    assert {each.axes for each in scenes if not each.z_range_nm} == {PLAIN}
    astigmatic = [each.axes[0].focus_nm != each.axes[1].focus_nm for each in deep]
    assert np.mean(astigmatic) == pytest.approx(0.5, abs=0.07)
    assert np.median([each.z_range_nm for each in deep]) == pytest.approx(300.0, rel=0.15)
    depths = [
        each.axes[0].depth_nm / (290.0 if cylinder else 400.0) for each, cylinder in zip(deep, astigmatic, strict=True)
    ]
    assert 1 / 1.4 <= min(depths) < 0.75
    assert 1.3 < max(depths) <= 1.4


def test_the_typical_scene_of_mixed_optics_is_flat_and_round() -> None:
    typical = typical_scene(BROAD.model_copy(update={"psf": "mixed", "z_range_nm": 600.0}), 110.0, 2.0)
    assert (typical.axes, typical.z_range_nm) == (PLAIN, 0.0)


@pytest.mark.parametrize("psf", ["astigmatic", "mixed"])
def test_optics_with_depth_are_refused_without_it(psf: Literal["astigmatic", "mixed"]) -> None:
    with pytest.raises(ValueError, match=f"psf '{psf}' needs z_range_nm above 0"):
        SimulationConfig(psf=psf)


def test_a_rectangular_field_has_the_asked_density_everywhere() -> None:
    emitters = illuminate(scene(5.0), frames=60, size_px=(20, 60), rng=np.random.default_rng(12)).emitters
    seen = emitters.select(emitters.inside((60, 20, 60)))
    assert seen.rows / 60 / (2.0 * 6.0) == pytest.approx(5.0, rel=0.05)
    assert seen.x_px.mean() == pytest.approx(30, rel=0.05)


def test_molecules_far_out_of_focus_add_light_and_no_truth() -> None:
    plain, blurred = (
        illuminate(scene(0.05, blobs_per_um2=blobs), frames=30, size_px=48, rng=np.random.default_rng(13))
        for blobs in (0.0, 1.0)
    )
    assert (plain.emitters.frame == blurred.emitters.frame).all()
    extra = (blurred.photons - plain.photons).mean()
    lit = 5000 * 0.01 * 1.0 * 2.0 / rows_per_molecule(Kinetics(2.0))
    assert extra == pytest.approx(lit, rel=0.25)


def test_the_noise_of_the_background_is_uneven_in_the_same_way_in_every_frame() -> None:
    light = illuminate(scene(0.01, perlin=0.2), frames=40, size_px=48, rng=np.random.default_rng(14)).photons
    assert np.median(light, axis=0).std() > 2
    assert np.median(light, axis=0).mean() == pytest.approx(87, rel=0.1)
