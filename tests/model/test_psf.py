"""Rendering of integrated Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.emitters import Emitters
from model.optics import Optics, Widths
from model.psf import own_pixel_share, pixel_shares, render


def test_an_emitter_at_a_pixel_centre_gives_it_the_share_that_the_error_function_says() -> None:
    share = pixel_shares(np.array([4.5]), 1.09, 0)[0, 0] ** 2
    assert share == pytest.approx(math.erf(1 / (2 * math.sqrt(2) * 1.09)) ** 2)
    assert share == pytest.approx(0.125, abs=0.001)


def test_an_emitter_on_a_pixel_corner_lights_the_four_pixels_around_it_equally() -> None:
    image = render(Emitters.of([0], [8.0], [8.0], [1000.0]), (1, 16, 16), 1.1)[0]
    four = image[7:9, 7:9]
    assert four == pytest.approx(four[0, 0])
    assert image.max() == pytest.approx(four[0, 0])


def test_no_light_is_lost_within_the_field() -> None:
    image = render(Emitters.of([0], [15.3], [17.8], [1000.0]), (1, 32, 32), 1.2)
    assert image.sum() == pytest.approx(1000, rel=5e-4)


def test_the_centre_of_light_is_where_the_emitter_is() -> None:
    image = render(Emitters.of([0], [10.5], [7.25], [1.0]), (1, 24, 24), 1.0)[0]
    centres = np.arange(24) + 0.5
    assert (image.sum(axis=0) * centres).sum() / image.sum() == pytest.approx(10.5, abs=1e-3)
    assert (image.sum(axis=1) * centres).sum() / image.sum() == pytest.approx(7.25, abs=1e-3)


def test_an_emitter_outside_shines_into_the_field_as_if_the_field_were_larger() -> None:
    outside = Emitters.of([0, 0], [-1.3, 5.0], [4.4, 17.9], [1000.0, 500.0])
    small = render(outside, (1, 16, 16), 1.1)[0]
    large = render(outside.shifted(x_px=8, y_px=8), (1, 32, 32), 1.1)[0]
    assert small.sum() > 50
    assert small == pytest.approx(large[8:24, 8:24])


def test_far_away_emitters_give_no_light_and_no_error() -> None:
    assert render(Emitters.of([0, 0], [-90.0, 400.0], [3.0, 3.0], [1e6, 1e6]), (1, 8, 8), 1.0).sum() == 0


def test_frames_keep_their_own_light_and_light_adds_up() -> None:
    both = Emitters.of([0, 2, 2], [3.5, 4.5, 4.5], [3.5, 4.5, 4.5], [100.0, 10.0, 20.0])
    image = render(both, (4, 9, 9), 1.0)
    assert image.sum(axis=(1, 2)) == pytest.approx([100, 0, 30, 0], rel=1e-3)


def test_rendering_more_rows_than_fit_into_one_portion_gives_the_same_light(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    many = Emitters.of(rng.integers(0, 6, 200), rng.uniform(0, 20, 200), rng.uniform(0, 20, 200), 100.0)
    whole = render(many, (6, 20, 20), 1.1)
    monkeypatch.setattr("model.psf._SHARES_AT_ONCE", 700)
    assert render(many, (6, 20, 20), 1.1) == pytest.approx(whole)


def test_the_own_pixel_share_is_what_the_rendered_pixel_holds() -> None:
    emitter = Emitters.of([0], [6.9], [5.2], [1.0])
    assert own_pixel_share(emitter, Widths(np.array([1.3]), np.array([1.3])))[0] == pytest.approx(
        render(emitter, (1, 12, 12), 1.3)[0, 5, 6]
    )


def test_rows_of_many_widths_give_the_light_of_each_alone() -> None:
    rng = np.random.default_rng(1)
    rows = Emitters.of(rng.integers(0, 3, 60), rng.uniform(-4, 40, 60), rng.uniform(-4, 40, 60), rng.uniform(1, 9, 60))
    widths = Widths(rng.uniform(0.8, 5.0, 60), rng.uniform(0.8, 5.0, 60))
    together = render(rows, (3, 36, 36), widths)
    alone = np.zeros((3, 36, 36))
    for index in range(60):
        one = np.array([index])
        alone += render(rows.select(one), (3, 36, 36), widths.select(one))
    assert together == pytest.approx(alone, abs=1e-3 * together.max())


def test_an_elliptic_image_is_wider_along_its_wider_axis() -> None:
    image = render(Emitters.of([0], [16.5], [16.5], [1.0]), (1, 33, 33), Widths(np.array([2.0]), np.array([1.0])))[0]
    distance = np.arange(33) - 16
    spread_x, spread_y = ((image.sum(axis=axis) * distance**2).sum() / image.sum() for axis in (0, 1))
    assert spread_x == pytest.approx(4.0 + 1 / 12, rel=0.01)
    assert spread_y == pytest.approx(1.0 + 1 / 12, rel=0.01)


def test_a_halo_moves_its_share_of_the_light_outwards_and_loses_little() -> None:
    one = Emitters.of([0], [20.5], [20.5], [1000.0])
    optics = Optics(1.1, halo=0.2)
    plain, haloed = render(one, (1, 41, 41), 1.1)[0], render(one, (1, 41, 41), 1.1, optics)[0]
    assert haloed.sum() == pytest.approx(1000, rel=5e-3)
    ring = np.hypot(*np.mgrid[-20:21, -20:21]) > 4.5
    assert plain[ring].sum() < 1
    assert haloed[ring].sum() > 30


def test_the_halo_of_an_emitter_outside_reaches_into_the_field() -> None:
    optics = Optics(1.1, halo=0.3)
    outside = Emitters.of([0], [-7.0], [8.0], [1000.0])
    small, large = render(outside, (1, 16, 16), 1.1, optics), render(outside.shifted(x_px=12), (1, 16, 28), 1.1, optics)
    assert small.sum() > 0.5
    assert small == pytest.approx(large[:, :, 12:], abs=1e-6)
