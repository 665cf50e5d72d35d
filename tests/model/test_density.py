"""Field and local density."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.config import SimulationConfig
from model.density import density_of
from model.emitters import Emitters
from model.scene import typical_scene
from model.simulator import illuminate

DISC_UM2 = math.pi * 0.25


def test_the_field_density_counts_rows_per_frame_and_area() -> None:
    rows = Emitters.of([0, 0, 1, 1], [1.0, 9.0, 5.0, 50.0], [1.0, 9.0, 5.0, 5.0])
    assert density_of(rows, (2, 10, 10), 100.0).field == pytest.approx(3 / 2)


def test_the_local_density_counts_the_others_of_the_frame_within_500_nm() -> None:
    rows = Emitters.of([0, 0, 0, 1], [20.0, 24.0, 26.0, 20.0], [20.0, 20.0, 20.0, 20.0])
    assert density_of(rows, (2, 40, 40), 100.0).local == pytest.approx((1 + 2 + 1 + 0) / 4 / DISC_UM2)


def test_emitters_near_the_border_are_neighbours_but_do_not_look_around_themselves() -> None:
    rows = Emitters.of([0, 0], [6.0, 4.0], [20.0, 20.0])
    assert density_of(rows, (1, 40, 40), 100.0).local == pytest.approx(1 / DISC_UM2)
    assert math.isnan(density_of(rows, (1, 8, 40), 100.0).local)


@pytest.mark.parametrize("structure", ["uniform", "filaments", "rings", "clusters"])
def test_uniform_emitters_see_the_mean_density_and_structured_ones_more(structure: str) -> None:
    scene = typical_scene(SimulationConfig(structure=structure, mean_on_frames=0.5), 100.0, 2.0)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    found = [
        density_of(illuminate(scene, frames=20, size_px=64, rng=rng).emitters, (20, 64, 64), 100.0) for _ in range(12)
    ]
    ratio = np.mean([each.local for each in found]) / np.mean([each.field for each in found])
    assert ratio == pytest.approx(1.0, abs=0.06) if structure == "uniform" else 1.5 < ratio < 8.0
