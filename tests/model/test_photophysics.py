"""Blinking: stationary density, edge frames, brightness."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.photophysics import Blinks, Kinetics, blink, full_photons, rows_per_molecule, shine


def test_an_on_time_is_cut_at_the_borders_of_frames() -> None:
    rows = shine(Blinks(np.arange(1), np.array([0.25]), np.array([2.5])), frames=5)
    assert rows.frame.tolist() == [0, 1, 2]
    assert rows.share.tolist() == [0.75, 1.0, 0.5]
    assert rows.molecule.tolist() == [0, 0, 0]


def test_a_row_with_less_than_one_percent_of_the_light_is_dropped() -> None:
    rows = shine(Blinks(np.arange(3), np.array([0.995, 3.2, 1.0]), np.array([2.0, 3.205, 2.02])), frames=5)
    assert list(zip(rows.molecule.tolist(), rows.frame.tolist(), strict=True)) == [(0, 1), (2, 1), (2, 2)]


def test_nothing_shines_after_the_last_frame() -> None:
    rows = shine(Blinks(np.arange(2), np.array([1.5, 0.0]), np.array([90.0, 1.0])), frames=2)
    assert list(zip(rows.molecule.tolist(), rows.frame.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert rows.share.tolist() == [0.5, 1.0]


def test_a_mean_on_time_of_one_frame_touches_nearly_two_frames() -> None:
    assert rows_per_molecule(Kinetics(1.0)) == pytest.approx(math.exp(-0.01) * 1.99)


@pytest.mark.parametrize("mean_on_frames", [0.2, 1.0, 5.0])
def test_every_frame_has_the_asked_rows_from_the_first_to_the_last(mean_on_frames: float) -> None:
    frames, asked = 20, 4000.0
    rows = shine(blink(asked, Kinetics(mean_on_frames), frames, np.random.default_rng(1)), frames)
    per_frame = np.bincount(rows.frame, minlength=frames)
    assert per_frame == pytest.approx(asked, rel=6 / math.sqrt(asked))
    assert per_frame.mean() == pytest.approx(asked, rel=0.03)


def test_the_first_frame_is_as_bright_as_the_others() -> None:
    rows = shine(blink(20_000.0, Kinetics(3.0), 8, np.random.default_rng(2)), 8)
    light = np.bincount(rows.frame, rows.share, 8)
    assert light == pytest.approx(light.mean(), rel=0.05)


def test_photons_have_the_asked_mean_and_spread() -> None:
    photons = full_photons(40_000, 5000.0, 0.3, np.random.default_rng(3))
    assert photons.mean() == pytest.approx(5000, rel=0.01)
    assert photons.std() == pytest.approx(1500, rel=0.02)


def test_photons_are_positive_even_where_they_spread_as_wide_as_their_mean() -> None:
    photons = full_photons(40_000, 500.0, 1.0, np.random.default_rng(4))
    assert photons.min() > 0
    assert photons.mean() == pytest.approx(500 * 1.2876, rel=0.02)


def test_without_spread_all_molecules_are_equally_bright() -> None:
    assert full_photons(3, 700.0, 0.0, np.random.default_rng(5)).tolist() == [700.0] * 3


CHALLENGE = Kinetics.of_rates(3.0, 2.5, 1.5)


def test_the_rates_of_the_challenge_make_on_times_of_a_frame_and_one_return_in_two_lives() -> None:
    assert tuple(CHALLENGE) == pytest.approx((1.0, 0.5, 2.5))


def test_on_times_of_one_molecule_within_a_frame_are_one_row() -> None:
    spells = Blinks(np.array([0, 0, 1]), np.array([0.1, 0.6, 0.7]), np.array([0.3, 1.2, 0.8]))
    rows = shine(spells, frames=3)
    assert list(zip(rows.molecule.tolist(), rows.frame.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert rows.share == pytest.approx([0.6, 0.2, 0.1])


def test_parts_of_a_frame_that_are_each_too_short_count_together() -> None:
    spells = Blinks(np.array([0, 0]), np.array([0.1, 0.5]), np.array([0.107, 0.507]))
    assert shine(spells, frames=1).share == pytest.approx([0.014])


def test_blinking_molecules_shine_as_long_as_their_bleaching_time_says() -> None:
    blinks = blink(4000.0, CHALLENGE, 200, np.random.default_rng(6))
    on = (blinks.stop - blinks.start)[blinks.start > 0]
    assert on.mean() == pytest.approx(1.0, rel=0.01)
    later = np.bincount(blinks.molecule, blinks.stop - blinks.start)
    assert later.mean() == pytest.approx(1.5, rel=0.02)
    assert np.bincount(blinks.molecule).mean() == pytest.approx(1.5, rel=0.02)


def test_on_times_of_a_molecule_follow_each_other_with_dark_times_between() -> None:
    blinks = blink(4000.0, CHALLENGE, 50, np.random.default_rng(7))
    within = blinks.molecule[1:] == blinks.molecule[:-1]
    dark = (blinks.start[1:] - blinks.stop[:-1])[within]
    assert dark.min() >= 0
    assert dark.mean() == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("kinetics", [CHALLENGE, Kinetics.of_rates(1.0, 30.0, 8.0)])
def test_blinking_movies_are_stationary_and_have_the_asked_rows(kinetics: Kinetics) -> None:
    frames, asked = 20, 4000.0
    rows = shine(blink(asked, kinetics, frames, np.random.default_rng(8)), frames)
    per_frame = np.bincount(rows.frame, minlength=frames)
    assert per_frame == pytest.approx(asked, rel=6 / math.sqrt(asked))
    assert per_frame.mean() == pytest.approx(asked, rel=0.03)
    light = np.bincount(rows.frame, rows.share, frames)
    assert light[0] == pytest.approx(light.mean(), rel=0.08)


def test_the_challenge_rates_give_the_run_lengths_of_its_training_set() -> None:
    """Its truth has 2.87 rows for each molecule."""
    assert rows_per_molecule(CHALLENGE) == pytest.approx(2.87, rel=0.05)


def test_log_normal_photons_have_the_asked_mean_and_spread_and_a_long_tail() -> None:
    photons = full_photons(200_000, 3000.0, 0.6, np.random.default_rng(9), "lognormal")
    assert photons.mean() == pytest.approx(3000, rel=0.01)
    assert photons.std() == pytest.approx(1800, rel=0.03)
    assert np.median(photons) == pytest.approx(3000 / math.sqrt(1.36), rel=0.01)
