"""Windows over a movie: which frame is answered from where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.config import TrainConfig, resolve
from model.normalisation import Intensities
from model.prediction import predict

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


def config(frames: int, **others: Any) -> TrainConfig:
    return resolve({"model.frames": frames, "data.clip": "scale-only", "model.depth": 1} | others)


def movie(length: int, height: int = 5, width: int = 7) -> np.ndarray:
    """Frame i holds i + 1, which becomes i under SCALE."""
    return np.broadcast_to(np.arange(1, length + 1, dtype="uint16")[:, None, None], (length, height, width))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 11])
@pytest.mark.parametrize("frames", [3, 5])
def test_every_frame_is_answered_with_a_neighbour_on_both_sides(frames: int, length: int) -> None:
    answer = predict(Echo(), movie(length), SCALE, config(frames))  # type: ignore[arg-type]
    assert answer.shape == (length, 5, 7, 4)
    assert answer.dtype == np.float32
    own = np.arange(length)
    reflected = np.pad(own, 1, mode="reflect") if length > 1 else np.zeros(3, int)
    assert answer[:, 0, 0, 1:].tolist() == np.column_stack([reflected[:-2], own, reflected[2:]]).tolist()


def test_windows_of_five_advance_by_three() -> None:
    network = Echo()
    predict(network, movie(30), SCALE, config(5))  # type: ignore[arg-type]
    assert sum(shape[0] for shape in network.seen) == 10


def test_a_single_frame_network_sees_each_frame_once() -> None:
    network = Echo()
    answer = predict(network, movie(4), SCALE, config(1))  # type: ignore[arg-type]
    assert answer[:, 0, 0, 2].tolist() == [0, 1, 2, 3]
    assert network.seen == [(4, 1, 5, 7, 1)]


def test_large_frames_go_in_batches_of_one_shape() -> None:
    network = Echo()
    small = config(3, **{"data.patch_px": 8, "training.batch_size": 2})
    answer = predict(network, movie(13, 8, 8), SCALE, small)  # type: ignore[arg-type]
    assert network.seen == [(4, 3, 8, 8, 1)] * 4
    assert answer[:, 0, 0, 2].tolist() == list(range(13))


def test_the_clip_of_the_config_is_applied() -> None:
    hard = config(1, **{"data.clip": "hard"})
    assert predict(Echo(), movie(4), SCALE, hard)[:, 0, 0, 2].tolist() == [0, 1, 1, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 7), (0, 5, 7), (2, 0, 7)])
def test_what_is_no_movie_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a movie"):
        predict(Echo(), np.zeros(shape), SCALE, config(3))  # type: ignore[arg-type]
