"""Placement of molecules."""

from __future__ import annotations

import numpy as np
import pytest

from model.structures import LABEL_NM, STEP_UM, filaments, place


def test_uniform_molecules_fill_the_square_evenly() -> None:
    x, y = place("uniform", 40_000, 20.0, 100.0, np.random.default_rng(0))
    counts, _, _ = np.histogram2d(x, y, bins=4, range=[[0, 20], [0, 20]])
    assert counts.sum() == 40_000
    assert counts == pytest.approx(2500, rel=0.12)


def test_molecules_on_filaments_lie_within_label_distance_of_an_axis() -> None:
    edge_px, pixel_nm = 60.0, 100.0
    x_um, y_um, _ = filaments(edge_px * pixel_nm / 1000, np.random.default_rng(7))
    x, y = place("filaments", 300, edge_px, pixel_nm, np.random.default_rng(7))
    to_axis = np.hypot(x[:, None] * 0.1 - x_um, y[:, None] * 0.1 - y_um).min(axis=1)
    assert to_axis.max() < 5 * LABEL_NM / 1000 + STEP_UM
    assert to_axis.std() > 0


def test_filaments_are_smooth_and_stay_within_the_square() -> None:
    x, y, heading = filaments(6.0, np.random.default_rng(3))
    assert min(x.min(), y.min()) >= 0
    assert max(x.max(), y.max()) < 6.0
    turns = np.abs(np.diff(heading))
    assert np.median(turns) < 0.15


def test_filaments_are_as_dense_at_the_border_as_in_the_middle() -> None:
    rng = np.random.default_rng(11)
    found = [filaments(5.0, rng) for _ in range(600)]
    middle = sum(int(((abs(x - 2.5) < 1.25) & (abs(y - 2.5) < 1.25)).sum()) for x, y, _ in found)
    assert middle / sum(len(x) for x, _, _ in found) == pytest.approx(0.25, abs=0.02)


def test_filaments_crowd_molecules_far_more_than_chance() -> None:
    rng = np.random.default_rng(5)
    crowded = {}
    for structure in ("uniform", "filaments"):
        x, y = place(structure, 400, 60.0, 100.0, rng)  # type: ignore[arg-type]
        crowded[structure] = (np.hypot(x[:, None] - x, y[:, None] - y) < 2.5).sum() / 400
    assert crowded["filaments"] > 3 * crowded["uniform"]
