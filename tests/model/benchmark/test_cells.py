"""The fixed test set is what it is said to be, and no other."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from model.benchmark.cells import DIGEST, Cell, cells, digest, judging_movies, validation_movies


def test_every_density_stands_with_every_structure_light_and_blinking() -> None:
    usual = [cell for cell in cells() if not cell.twist]
    assert len(usual) == len(set(usual)) == 7 * 2 * 3 * 2
    assert Counter(cell.density for cell in usual) == dict.fromkeys((0.2, 1, 2, 4, 6, 8, 10), 12)
    assert sum(cell.binds for cell in cells()) == 7 * 2 * 2
    assert {cell.twist for cell in cells()} == {"", "sigma −15 %", "sigma +15 %", "gain × 2", "odd size"}


def test_the_test_set_has_the_bytes_that_were_published() -> None:
    assert digest(movie for cell in cells() for movie in judging_movies(cell)) == DIGEST


@pytest.mark.parametrize("cell", [Cell(0.2), Cell(4.0, light="sCMOS", on_frames=3.0), Cell(4.0, "filaments")])
def test_a_cell_has_the_density_that_it_is_named_after(cell: Cell) -> None:
    movies = list(judging_movies(cell))
    area_um2 = sum(movie.frames.size for movie in movies) * 0.01
    rows = sum(movie.emitters.rows for movie in movies)
    spread = 0.2 if cell.structure == "uniform" else 0.6
    assert rows / area_um2 == pytest.approx(cell.density, rel=spread)


def test_movies_for_choosing_are_not_those_that_judge() -> None:
    cell = Cell(2.0)
    judging, choosing = next(iter(judging_movies(cell))), next(iter(validation_movies(cell, 1)))
    assert judging.frames.shape == choosing.frames.shape
    assert not np.array_equal(judging.frames, choosing.frames)


def test_twists_change_what_they_are_named_after() -> None:
    plain = Cell(1.0).scene()
    twisted = {cell.twist: cell.scene() for cell in cells() if cell.twist and cell.density == 1.0}
    assert twisted["sigma +15 %"].sigma_px == pytest.approx(1.15 * plain.sigma_px)
    assert twisted["gain × 2"].camera.em_gain == 2 * (plain.camera.em_gain or 0)
    odd = next(cell for cell in cells() if cell.twist == "odd size")
    assert next(iter(judging_movies(odd))).frames.shape[1:] == odd.size_px
