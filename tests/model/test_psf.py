"""Rendering of integrated Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.emitters import Emitters
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
    monkeypatch.setattr("model.psf._ROWS_AT_ONCE", 7)
    assert render(many, (6, 20, 20), 1.1) == pytest.approx(whole)


def test_the_own_pixel_share_is_what_the_rendered_pixel_holds() -> None:
    emitter = Emitters.of([0], [6.9], [5.2], [1.0])
    assert own_pixel_share(emitter, 1.3)[0] == pytest.approx(render(emitter, (1, 12, 12), 1.3)[0, 5, 6])
