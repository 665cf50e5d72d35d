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


def test_molecules_on_rings_keep_one_distance_from_few_centres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.structures.RING_RADIUS_NM", (150.0, 150.0))
    monkeypatch.setattr("model.structures.RINGS_PER_UM2", 0.0)
    x, y = place("rings", 5000, 400.0, 10.0, np.random.default_rng(3))
    shift = np.array([200.0 - _circular_middle(x, 400.0), 200.0 - _circular_middle(y, 400.0)])
    radius = np.hypot((x + shift[0]) % 400 - 200, (y + shift[1]) % 400 - 200) * 10
    assert radius.mean() == pytest.approx(150, rel=0.03)
    assert radius.std() == pytest.approx(LABEL_NM, rel=0.1)


def test_molecules_in_a_cluster_spread_normally_around_its_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.structures.CLUSTER_SIGMA_NM", (100.0, 100.0))
    monkeypatch.setattr("model.structures.CLUSTERS_PER_UM2", 0.0)
    x, _ = place("clusters", 5000, 400.0, 10.0, np.random.default_rng(4))
    spread = (x + 200.0 - _circular_middle(x, 400.0)) % 400 - 200
    assert spread.std() * 10 == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("structure", ["rings", "clusters"])
def test_structures_fill_the_square_evenly_on_average_up_to_its_border(structure: str) -> None:
    rng = np.random.default_rng(12)
    found = [place(structure, 400, 30.0, 100.0, rng) for _ in range(1000)]  # type: ignore[arg-type]
    x, y = (np.concatenate([each[axis] for each in found]) for axis in (0, 1))
    counts, _, _ = np.histogram2d(x, y, bins=4, range=[[0, 30], [0, 30]])
    assert counts.sum() == 400_000
    assert counts == pytest.approx(25_000, rel=0.15)


def _circular_middle(values: np.ndarray, period: float) -> float:
    return float(np.angle(np.exp(2j * np.pi * values / period).mean()) % (2 * np.pi) / (2 * np.pi) * period)
