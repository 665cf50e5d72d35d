"""Windows over a movie: which frame is answered from where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.config import resolve
from model.normalisation import Intensities
from model.prediction.windows import Reading, predict

SCALE = Intensities(0.0, 2.0)


class Echo:
    """Stands for a network: class 1 to 3 hold the intensity of the frame before, of the frame, and of the one after."""

    output_shape = (None, None, None, None, 4)

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        self.seen.append(x.shape)
        before, after = np.roll(x, 1, axis=1), np.roll(x, -1, axis=1)
        return np.concatenate([0 * x, before, x, after], axis=-1)


def reading(frames: int, **others: Any) -> Reading:
    return Reading(frames, "scale-only")._replace(**others)


def movie(length: int, height: int = 5, width: int = 7) -> np.ndarray:
    """Frame i holds i + 1, which becomes i under SCALE."""
    return np.broadcast_to(np.arange(1, length + 1, dtype="uint16")[:, None, None], (length, height, width))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 11])
@pytest.mark.parametrize("frames", [3, 5])
def test_every_frame_is_answered_with_a_neighbour_on_both_sides(frames: int, length: int) -> None:
    answer = predict(Echo(), movie(length), SCALE, reading(frames))  # type: ignore[arg-type]
    assert answer.shape == (length, 5, 7, 4)
    assert answer.dtype == np.float32
    own = np.arange(length)
    reflected = np.pad(own, 1, mode="reflect") if length > 1 else np.zeros(3, int)
    assert answer[:, 0, 0, 1:].tolist() == np.column_stack([reflected[:-2], own, reflected[2:]]).tolist()


def test_windows_of_five_advance_by_three() -> None:
    network = Echo()
    predict(network, movie(30), SCALE, reading(5))  # type: ignore[arg-type]
    assert sum(shape[0] for shape in network.seen) == 10


def test_a_single_frame_network_sees_each_frame_once() -> None:
    network = Echo()
    answer = predict(network, movie(4), SCALE, reading(1))  # type: ignore[arg-type]
    assert answer[:, 0, 0, 2].tolist() == [0, 1, 2, 3]
    assert network.seen == [(4, 1, 5, 7, 1)]


def test_large_frames_go_in_batches_of_one_shape() -> None:
    network = Echo()
    small = reading(3, pixels_at_once=256)
    answer = predict(network, movie(13, 8, 8), SCALE, small)  # type: ignore[arg-type]
    assert network.seen == [(4, 3, 8, 8, 1)] * 4
    assert answer[:, 0, 0, 2].tolist() == list(range(13))


def test_the_clip_of_the_config_is_applied() -> None:
    hard = reading(1, clip="hard")
    assert predict(Echo(), movie(4), SCALE, hard)[:, 0, 0, 2].tolist() == [0, 1, 1, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 7), (0, 5, 7), (2, 0, 7)])
def test_what_is_no_movie_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a movie"):
        predict(Echo(), np.zeros(shape), SCALE, reading(3))  # type: ignore[arg-type]


def test_the_config_of_a_run_says_how_its_network_reads() -> None:
    config = resolve({"model.frames": 5, "data.clip": "scale-only", "data.patch_px": 16, "training.batch_size": 4})
    assert Reading.of(config) == Reading(5, "scale-only", 1, 2 * 4 * 16 * 16)


class UpperLeft:
    """Answers class 1 with the intensity of the pixel up and left of each, which no turned view agrees with."""

    output_shape = (None, None, None, None, 4)

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        moved = np.roll(x, (1, 1), axis=(2, 3))
        return np.concatenate([0 * x, moved, 0 * x, 0 * x], axis=-1)


@pytest.mark.parametrize(("symmetries", "corners"), [(1, 1), (4, 4), (8, 4)])
def test_views_are_turned_back_before_they_are_averaged(symmetries: int, corners: int) -> None:
    frames = np.zeros((1, 7, 9))
    frames[0, 3, 4] = 2.0
    scale = Intensities(-1.0, 1.0)
    answer = predict(UpperLeft(), frames, scale, reading(1, symmetries=symmetries))[0, ..., 1]  # type: ignore[arg-type]
    assert answer[4, 5] == pytest.approx(2.0 / corners)
    assert answer.sum() == pytest.approx(2.0)
    assert np.count_nonzero(answer) == corners
