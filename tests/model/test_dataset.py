"""The tf.data pipelines of a run."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.config import TrainConfig
from model.dataset import Datasets, build_datasets, class_shares, portion, training_patches
from model.experimental import load_experimental
from model.patches import Patches


def config(seed: int = 5, **data: object) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "data": {"patch_px": 16} | data,
            "model": {"depth": 1},
            "training": {"seed": seed, "batch_size": 4},
            "evaluation": {"frames": 7, "size_px": 24},
        }
    )


def real(test_data: Path, source: str, **changes: object) -> TrainConfig:
    files = {"movie": str(test_data / "locan/images.tif"), "table": str(test_data / "locan/rapidSTORM_from_images.txt")}
    return config(source=source, pixel_nm=133.0, **files, **changes)


def batches(dataset: Any, number: int) -> list[tuple[np.ndarray, ...]]:
    return [tuple(part.numpy() for part in batch) for batch in itertools.islice(dataset, number)]


def same(first: list[tuple[np.ndarray, ...]], second: list[tuple[np.ndarray, ...]]) -> bool:
    return all((a == b).all() for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))


@pytest.fixture(scope="module")
def simulated() -> Datasets:
    return build_datasets(config())


def test_a_batch_has_the_shapes_and_kinds_that_the_network_reads(simulated: Datasets) -> None:
    ((x, y, w),) = batches(simulated.train(0), 1)
    assert (x.shape, y.shape, w.shape) == ((4, 3, 16, 16, 1), (4, 3, 16, 16), (4, 3, 16, 16))
    assert (x.dtype, y.dtype, w.dtype) == (np.float32, np.int32, np.float32)
    assert (x.min() >= -1, x.max() <= 1, set(np.unique(y)) <= {0, 1, 2, 3}) == (True, True, True)


def test_a_run_resumed_at_a_step_sees_what_it_would_have_seen(simulated: Datasets) -> None:
    straight = batches(simulated.train(0), 140)
    resumed = batches(build_datasets(config()).train(130), 10)
    assert same(straight[130:], resumed)
    assert not same(straight[:10], straight[10:20])


def test_another_seed_changes_the_training_and_not_what_judges_it(simulated: Datasets) -> None:
    other = build_datasets(config(seed=6))
    assert not same(batches(simulated.train(0), 1), batches(other.train(0), 1))
    assert same(batches(simulated.validation, 9), batches(other.validation, 9))
    assert simulated.test_movie is not None
    assert other.test_movie is not None
    assert (simulated.validation_movie.frames == other.validation_movie.frames).all()
    assert (simulated.test_movie.frames == other.test_movie.frames).all()


def test_validation_and_test_movie_are_two_movies_of_the_asked_size(simulated: Datasets) -> None:
    assert simulated.test_movie is not None
    assert simulated.validation_movie.frames.shape == simulated.test_movie.frames.shape == (7, 24, 24)
    assert (simulated.validation_movie.frames != simulated.test_movie.frames).any()


def test_validation_is_finite_and_the_same_in_each_epoch(simulated: Datasets) -> None:
    first, second = (batches(simulated.validation, 100) for _ in range(2))
    assert sum(len(x) for x, _, _ in first) == 2
    assert same(first, second)


def test_class_shares_are_positive_and_add_up(simulated: Datasets) -> None:
    assert simulated.class_shares.shape == (4,)
    assert simulated.class_shares.sum() == pytest.approx(1)
    assert (np.diff(simulated.class_shares) < 0).all()
    assert simulated.class_shares[3] > 0


def test_large_patches_are_held_in_smaller_numbers() -> None:
    assert portion(config()) == 512
    assert portion(config(patch_px=512)) == 5


def test_class_shares_count_weighted_pixels_and_one_more_for_each_class() -> None:
    counts = np.array([0, 0, 0, 1, 1, 2], np.uint8).reshape(1, 1, 1, 6)
    weights = np.array([1, 1, 1, 1, 0, 0.5], np.float32).reshape(1, 1, 1, 6)
    shares = class_shares(Patches(weights, counts, weights))
    assert shares.tolist() == pytest.approx(np.array([4, 2, 1.5, 1]) / 8.5)


def test_an_experimental_run_trains_on_the_first_frames_and_has_no_test_movie(test_data: Path) -> None:
    found = build_datasets(real(test_data, "experimental"))
    assert found.test_movie is None
    assert found.validation_movie.frames.shape == (1, 128, 128)
    ((x, y, _),) = batches(found.train(3), 1)
    assert x.shape == (4, 3, 16, 16, 1)
    assert y.max() <= 1
    assert len(batches(found.validation, 100)) == 16


def test_a_mixed_run_holds_the_asked_share_of_experimental_patches(test_data: Path) -> None:
    mixed = real(test_data, "mixed", mix=0.3)
    training, _ = load_experimental(mixed.data)
    together = training_patches(mixed, training)
    real_only = training_patches(real(test_data, "experimental"), training)(0, 40)
    known = {patch.tobytes() for patch in real_only.x}
    counts = [sum(patch.tobytes() in known for patch in together(4 * i, 4 * i + 4).x) for i in range(25)]
    assert sum(counts) == 30
    assert set(counts) == {1, 2}


def test_a_mixed_run_is_validated_on_the_real_movie_and_tested_on_a_simulated_one(test_data: Path) -> None:
    found = build_datasets(real(test_data, "mixed"))
    assert found.validation_movie.frames.shape == (1, 128, 128)
    assert found.test_movie is not None
    assert found.test_movie.frames.shape == (7, 24, 24)
    straight = batches(found.train(0), 12)
    assert same(straight[9:], batches(found.train(9), 3))
