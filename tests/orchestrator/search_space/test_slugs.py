from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.config import Scalar, field_paths
from orchestrator.search_space.slugs import MAX_CHARACTERS, slug

RUN_ID = "3fa9c1d2e4b5a697"


def test_a_slug_reads_like_the_cell() -> None:
    axes: dict[str, Scalar] = {
        "model.depth": 4,
        "model.frames": 3,
        "optimizer.name": "adam",
        "optimizer.learning_rate": 1e-3,
    }
    assert slug(axes, 11, RUN_ID) == "d4-f3-adam-lr1e-3-s11-3fa9c1"


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ("model.base_filters", 32, "bf32"),
        ("loss.fn_weight", 0.5, "fw0.5"),
        ("optimizer.learning_rate", 0.00316227766017, "lr0.003162"),
        ("optimizer.learning_rate", 0.01, "lr0.01"),
        ("optimizer.weight_decay", 0.0, "wd0"),
        ("simulation.photons", 5000.0, "p5e3"),
        ("simulation.density_min_per_um2", 0.1, "dmin0.1"),
        ("simulation.psf_sigma_max_px", 1.25, "psmaxp1.25"),
        ("simulation.photons", 100_000.0, "p1e5"),
        ("training.early_stopping_patience", None, "espnone"),
        ("data.clip", "scale-only", "scale_only"),
        ("data.movie", "/data/Cell 7/movie B.tif", "movie_b"),
        ("data.movie", "../../etc/passwd", "passwd"),
    ],
)
def test_a_value_is_written_short(path: str, value: Scalar, part: str) -> None:
    assert slug({path: value}, 0, RUN_ID) == f"{part}-s0-3fa9c1"


def test_a_run_without_axes_is_its_seed_and_its_id() -> None:
    assert slug({}, 3, RUN_ID) == "s3-3fa9c1"


texts = st.text(alphabet="aZ9 ./\\:-_\né\0", max_size=40)
scalars = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, st.none(), st.booleans())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(field_paths())), scalars, max_size=20), st.integers(0, 2**53 - 1))
def test_a_slug_is_bounded_and_safe_as_a_file_name(axes: dict[str, Scalar], seed: int) -> None:
    made = slug(axes, seed, RUN_ID)
    assert len(made) <= MAX_CHARACTERS
    assert re.fullmatch(r"[a-z0-9_.-]+", made)
    assert made.endswith(f"s{seed}-3fa9c1")
