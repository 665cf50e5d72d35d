"""Signal to noise, by formula and from pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.camera import CAMERAS, Camera
from model.config import SimulationConfig
from model.curation import measured_snr, neighbours_light, reflected, signal_to_noise, simulated_snr
from model.emitters import Emitters
from model.optics import Optics, Widths, central_share
from model.psf import render
from model.scene import typical_scene
from model.simulator import simulate_movie


@pytest.mark.parametrize(
    ("photons", "sigma_px", "camera", "background"),
    [(277, 1.09, "emccd", 100), (386, 1.3, "emccd", 100), (251, 1.09, "scmos", 200), (77, 1.09, "scmos", 10)],
)
def test_snr_two_is_reached_at_so_many_photons(photons: int, sigma_px: float, camera: str, background: int) -> None:
    near = np.array([photons - 1.0, photons, photons + 1.0])
    snr = signal_to_noise(near, background, central_share(sigma_px, sigma_px), CAMERAS[camera])
    assert np.abs(snr - 2).argmin() == 1


def test_snr_is_the_formula_worked_by_hand() -> None:
    scmos = CAMERAS["scmos"]
    expected = 0.95 * 400 * 0.1 / np.sqrt(0.95 * 400 * 0.1 + 0.95 * 50 + 1.535**2)
    assert signal_to_noise(np.array([400.0]), 50.0, 0.1, scmos)[0] == pytest.approx(expected)


def known_snr(emitters: Emitters, background: float, optics: Optics) -> np.ndarray:
    widths = optics.widths(emitters.z_nm)
    light = render(emitters, (1, 16, 16), widths, optics) + background
    return simulated_snr(emitters, light, widths, optics, CAMERAS["emccd"])


def test_without_neighbours_the_background_is_the_background() -> None:
    alone = Emitters.of([0], [8.2], [8.7], [900.0], z_nm=0.0)
    snr = known_snr(alone, 60.0, Optics(1.1))
    assert snr == pytest.approx(signal_to_noise(np.array([900.0]), 60.0, central_share(1.1, 1.1), CAMERAS["emccd"]))


def test_a_dim_emitter_under_a_bright_one_loses_its_snr_and_the_bright_one_does_not() -> None:
    pair = Emitters.of([0, 0], [8.5, 9.5], [8.5, 8.5], [20_000.0, 400.0], z_nm=0.0)
    alone = pair.select(np.array([False, True]))
    together = known_snr(pair, 60.0, Optics(1.1))
    before = known_snr(alone, 60.0, Optics(1.1))
    assert together[1] < 1
    assert before[0] > 2
    assert together[0] > 30


def test_the_own_light_of_a_halo_is_no_background() -> None:
    optics = Optics(1.1, halo=0.3)
    alone = Emitters.of([0], [8.2], [8.7], [900.0], z_nm=0.0)
    share = optics.central_share(optics.widths(alone.z_nm))
    assert known_snr(alone, 60.0, optics) == pytest.approx(
        signal_to_noise(np.array([900.0]), 60.0, share, CAMERAS["emccd"]), rel=2e-3
    )


def test_out_of_focus_the_same_photons_have_a_lower_snr() -> None:
    near, far = (Emitters.of([0], [8.5], [8.5], [900.0], z_nm=z) for z in (0.0, 600.0))
    assert known_snr(far, 60.0, Optics(1.1))[0] < 0.5 * known_snr(near, 60.0, Optics(1.1))[0]


def test_each_emitter_has_the_read_noise_of_its_own_pixel() -> None:
    noise = np.ones((1, 16, 16))
    noise[0, 8, 4] = 50.0
    camera = CAMERAS["scmos"]._replace(read_noise=noise[0])
    pair = Emitters.of([0, 0], [4.5, 12.5], [8.5, 8.5], 900.0, z_nm=0.0)
    optics = Optics(1.0)
    widths = optics.widths(pair.z_nm)
    snr = simulated_snr(pair, render(pair, (1, 16, 16), widths), widths, optics, camera)
    alone = signal_to_noise(np.array([900.0]), 0.0, central_share(1.0, 1.0), camera._replace(read_noise=50.0))
    assert snr[0] == pytest.approx(alone[0], rel=1e-3)
    assert snr[1] > 4 * snr[0]


def test_the_measured_snr_of_isolated_emitters_agrees_with_the_true_one() -> None:
    scene = typical_scene(SimulationConfig(structure="uniform", photons=500, mean_on_frames=5.0), 100.0, 0.1)
    movie = simulate_movie(scene, frames=60, size_px=64, rng=np.random.default_rng(0))
    truth = movie.emitters
    measured = measured_snr(movie.frames, truth, scene.sigma_px)
    weak = (truth.snr > 1) & (truth.snr < 4)
    assert weak.sum() > 50
    assert np.median(measured[weak] / truth.snr[weak]) == pytest.approx(1.1, abs=0.2)


def test_empty_places_hardly_ever_look_reliable() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(500, 20, (20, 64, 64)).astype(np.float32)
    nothing = Emitters.of(np.repeat(np.arange(20), 100), rng.uniform(0, 64, 2000), rng.uniform(0, 64, 2000))
    assert (measured_snr(noise, nothing, 1.1) >= 2).mean() < 0.01


def test_a_movie_without_noise_gives_infinite_or_no_snr() -> None:
    frames = np.full((1, 32, 32), 100.0)
    frames[0, 16, 16] += 50
    found = measured_snr(frames, Emitters.of([0, 0], [16.5, 5.5], [16.5, 5.5]), 1.1)
    assert found.tolist() == [np.inf, 0.0]


def test_positions_at_the_border_and_no_positions_are_measured_too() -> None:
    noise = np.random.default_rng(2).normal(500, 20, (1, 12, 9))
    assert np.isfinite(measured_snr(noise, Emitters.of([0, 0], [0.0, 8.99], [0.0, 11.99]), 1.1)).all()
    assert measured_snr(noise, Emitters.none(), 1.1).shape == (0,)


def test_reflection_does_not_repeat_the_ends() -> None:
    assert reflected(np.arange(-3, 7), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert reflected(np.arange(-2, 3), 1).tolist() == [0] * 5
    assert reflected(np.arange(-2, 4), 2).tolist() == [0, 1, 0, 1, 0, 1]


def test_the_snr_of_summed_exposures_has_all_backgrounds_reads_and_spurious_charges() -> None:
    camera = CAMERAS["emccd"]
    single = signal_to_noise(np.array([900.0]), 20.0, 0.125, camera)
    five = signal_to_noise(np.array([900.0]), 5 * 20.0, 0.125, camera, sums=5)
    signal = 0.9 * 900 * 0.125
    read = 74.4 / 300
    assert five[0] == pytest.approx(signal / np.sqrt(2 * (signal + 0.9 * 100 + 5 * 0.002) + 5 * read**2))
    assert single[0] == pytest.approx(signal / np.sqrt(2 * (signal + 0.9 * 20 + 0.002) + read**2))


emitter_rows = st.integers(1, 8).flatmap(
    lambda rows: st.tuples(
        *(
            arrays(np.float64, rows, elements=st.floats(low, high))
            for low, high in ((0, 11.9), (0, 11.9), (1, 5000), (0.8, 2.0), (0.8, 2.0))
        ),
        arrays(np.int64, rows, elements=st.integers(0, 1)),
    )
)


@given(emitter_rows)
def test_the_light_of_neighbours_is_what_rendering_all_but_oneself_gives(columns: tuple[np.ndarray, ...]) -> None:
    x, y, photons, sigma_x, sigma_y, frame = columns
    order = np.argsort(frame, kind="stable")
    rows, widths = Emitters.of(frame, x, y, photons), Widths(sigma_x[order], sigma_y[order])
    found = neighbours_light(rows, widths)
    for index in range(rows.rows):
        others = np.arange(rows.rows) != index
        light = render(rows.select(others), (2, 12, 12), widths.select(others))
        at = (rows.frame[index], int(rows.y_px[index]), int(rows.x_px[index]))
        assert found[index] == pytest.approx(light[at], abs=1e-3 * photons.sum())


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0, 500), st.floats(0, 500), st.integers(1, 10))
def test_snr_grows_with_photons_and_falls_with_background_and_sums(
    few: float, more: float, low: float, high: float, sums: int
) -> None:
    for camera in CAMERAS.values():
        assert _snr(few, low, camera) <= _snr(few + more, low, camera)
        assert _snr(few, low + high, camera) <= _snr(few, low, camera)
        assert _snr(few, low, camera, sums) <= _snr(few, low, camera)


def _snr(photons: float, background: float, camera: Camera, sums: int = 1) -> float:
    return float(signal_to_noise(np.array([photons]), background, 0.125, camera, sums)[0])
