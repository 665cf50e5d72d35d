"""Widths of images over depth, and the share of the central pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.optics import ASTIGMATIC, Optics, Widths, central_share


def test_the_central_pixel_holds_an_eighth_of_the_light_at_sigma_1_09() -> None:
    assert central_share(1.09, 1.09) == pytest.approx(0.125, abs=0.001)
    assert central_share(1.0, 1.4) == pytest.approx(np.sqrt(central_share(1.0, 1.0) * central_share(1.4, 1.4)))


def test_the_astigmatic_widths_are_the_calibration_worked_by_hand() -> None:
    widths = Optics(1.375, ASTIGMATIC).widths(np.array([0.0, 205.0, -205.0]))
    u = -205 / 290
    expected = 1.40 * math.sqrt(1 + u**2 + 0.05 * u**3 + 0.03 * u**4)
    assert widths.x_px[0] == pytest.approx(expected)
    u = 205 / 290
    assert widths.y_px[0] == pytest.approx(1.35 * math.sqrt(1 + u**2 - 0.01 * u**3 + 0.02 * u**4))
    assert widths.x_px[1] == pytest.approx(1.40)
    assert widths.y_px[2] == pytest.approx(1.35)


def test_above_focus_an_astigmatic_image_is_narrow_in_x_and_below_in_y() -> None:
    widths = Optics(1.375, ASTIGMATIC).widths(np.array([300.0, -300.0]))
    assert widths.x_px[0] < widths.y_px[0]
    assert widths.y_px[1] < widths.x_px[1]


def test_optics_that_are_stretched_widen_as_much_at_a_greater_depth() -> None:
    z = np.array([-300.0, 0.0, 205.0])
    stretched = Optics(1.375, (ASTIGMATIC[0].stretched(1.5), ASTIGMATIC[1].stretched(1.5)))
    assert stretched.widths(1.5 * z).x_px == pytest.approx(Optics(1.375, ASTIGMATIC).widths(z).x_px)
    assert stretched.widths(1.5 * z).y_px == pytest.approx(Optics(1.375, ASTIGMATIC).widths(z).y_px)


def test_a_round_image_widens_alike_on_both_sides_and_axes() -> None:
    widths = Optics(1.1).widths(np.array([-400.0, 0.0, 400.0]))
    assert widths.x_px == pytest.approx([1.1 * math.sqrt(2), 1.1, 1.1 * math.sqrt(2)])
    assert (widths.x_px == widths.y_px).all()


def test_a_halo_takes_its_share_from_the_central_pixel() -> None:
    one = Widths(np.array([1.1]), np.array([1.1]))
    dimmed = Optics(1.1, halo=0.2).central_share(one)[0]
    assert dimmed == pytest.approx(0.8 * central_share(1.1, 1.1) + 0.2 * central_share(2.75, 2.75))
