"""Tables whose positions walk away from the light."""

from __future__ import annotations

import numpy as np
import pytest

from model.config import SimulationConfig
from model.drift import refuse_drift
from model.emitters import Emitters, LabelledMovie
from model.errors import InputError
from model.scene import typical_scene
from model.simulator import simulate_movie


@pytest.fixture(scope="module")
def sparse() -> LabelledMovie:
    scene = typical_scene(SimulationConfig(structure="uniform", photons=2000.0), 100.0, 0.2)
    return simulate_movie(scene, frames=200, size_px=64, rng=np.random.default_rng(3))


def walked(movie: LabelledMovie, nm: float) -> Emitters:
    along = movie.emitters.frame / len(movie.frames) * nm / movie.pixel_nm
    moved = movie.emitters._replace(x_px=movie.emitters.x_px + along)
    return moved.select(moved.inside(movie.frames.shape))


def test_a_table_in_raw_coordinates_passes(sparse: LabelledMovie) -> None:
    refuse_drift(sparse.frames, sparse.emitters, 100.0, 1.1)


def test_a_constant_offset_of_a_dialect_is_no_drift(sparse: LabelledMovie) -> None:
    moved = sparse.emitters.shifted(x_px=0.4, y_px=-0.3)
    refuse_drift(sparse.frames, moved.select(moved.inside(sparse.frames.shape)), 100.0, 1.1)


def test_positions_that_noise_spreads_by_30_nm_pass(sparse: LabelledMovie) -> None:
    x, y = np.random.default_rng(4).normal(0, 0.3, (2, sparse.emitters.rows))
    noisy = sparse.emitters._replace(x_px=sparse.emitters.x_px + x, y_px=sparse.emitters.y_px + y)
    refuse_drift(sparse.frames, noisy.select(noisy.inside(sparse.frames.shape)), 100.0, 1.1)


def test_a_table_that_was_corrected_for_60_nm_of_drift_is_refused_with_about_that(sparse: LabelledMovie) -> None:
    with pytest.raises(InputError, match="corrected for drift") as refused:
        refuse_drift(sparse.frames, walked(sparse, 60.0), 100.0, 1.1)
    stated = float(str(refused.value).split("up to ")[1].split(" nm")[0])
    assert stated == pytest.approx(0.8 * 60, abs=15)


def test_a_few_localisations_prove_nothing(sparse: LabelledMovie) -> None:
    refuse_drift(sparse.frames, walked(sparse, 60.0).select(slice(None, None, 40)), 100.0, 1.1)
