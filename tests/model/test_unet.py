"""The network: shapes, names, prior, and that every hyperparameter changes it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from model.config import ModelConfig
from model.unet import build_unet

SHARES = (0.9, 0.08, 0.015, 0.005)
TINY = {"base_filters": 2, "depth": 2, "convolutions_per_block": 1}


def unet(seed: int = 0, **changes: Any) -> keras.Model:
    return build_unet(ModelConfig(**(TINY | changes)), SHARES, seed)


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    return unet()


def frames(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 1)).astype("float32")


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1), (2, 13)])
def test_any_edge_lengths_come_back_as_they_went_in(tiny: keras.Model, size: tuple[int, int]) -> None:
    answer = np.asarray(tiny(frames(2, 3, *size)))
    assert answer.shape == (2, 3, *size, 4)
    assert answer.dtype == np.float32
    assert answer.sum(axis=-1) == pytest.approx(1, abs=1e-5)


def test_the_edge_lengths_are_unknown_until_an_image_comes(tiny: keras.Model) -> None:
    assert tiny.input_shape == (None, 3, None, None, 1)
    assert tiny.output_shape == (None, 3, None, None, 4)


def test_an_odd_image_is_answered_like_the_same_image_mirrored_by_hand(tiny: keras.Model) -> None:
    image = frames(1, 3, 6, 7)
    mirrored = np.pad(image, ((0, 0), (0, 0), (0, 2), (0, 1), (0, 0)), mode="symmetric")
    np.testing.assert_allclose(tiny(image), np.asarray(tiny(mirrored))[:, :, :6, :7], atol=1e-6)


def test_before_training_a_dark_image_is_answered_with_the_prior() -> None:
    answer = np.asarray(unet(normalisation="none")(np.zeros((1, 3, 8, 8, 1), "float32")))
    assert answer == pytest.approx(np.broadcast_to(SHARES, answer.shape), abs=1e-5)


def test_shares_of_zero_have_no_logarithm_and_are_refused() -> None:
    with pytest.raises(ValueError, match="4 positive numbers"):
        build_unet(ModelConfig(**TINY), (1.0, 0.0, 0.0, 0.0))


def test_layer_names_say_where_they_stand(tiny: keras.Model) -> None:
    names = {layer.name for layer in tiny.layers}
    places = {"project_conv", "down0_conv0", "down1_conv0", "bridge_conv0", "up1_concat", "up0_conv0", "logits"}
    assert places <= names


def test_a_frame_is_answered_with_the_help_of_its_neighbours_only() -> None:
    model = unet(frames=5, depth=1, convolutions_per_block=1, base_filters=2)
    image = frames(1, 5, 4, 4)
    changed = image.copy()
    changed[0, 4] += 1
    difference = np.abs(np.asarray(model(image)) - np.asarray(model(changed))).max(axis=(0, 2, 3, 4))
    assert (difference[1:] > 0).all()  # four convolutions of three frames reach four frames far


def test_a_single_frame_needs_no_depth_in_time() -> None:
    model = unet(frames=1)
    assert model.get_layer("project_conv").kernel.shape == (1, 3, 3, 1, 2)
    assert model(frames(1, 1, 8, 8)).shape == (1, 1, 8, 8, 4)


@pytest.mark.parametrize(
    ("change", "layer", "shape"),
    [
        ({"base_filters": 3}, "down1_conv0", (3, 3, 3, 6, 6)),
        ({"kernel": 5}, "down0_conv0", (5, 5, 5, 2, 2)),
        ({"convolutions_per_block": 2}, "bridge_conv1", (3, 3, 3, 8, 8)),
        ({"depth": 3}, "up2_conv0", (3, 3, 3, 16, 8)),
    ],
)
def test_filters_kernel_convolutions_and_depth_are_honoured(change: dict[str, int], layer: str, shape: Any) -> None:
    assert tuple(unet(**change).get_layer(layer).kernel.shape) == shape


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("batch", keras.layers.BatchNormalization),
        ("group", keras.layers.GroupNormalization),
        ("layer", keras.layers.LayerNormalization),
    ],
)
def test_each_convolution_is_followed_by_the_normalisation(name: str, kind: type) -> None:
    model = unet(depth=1, normalisation=name)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv3D)]
    assert len([layer for layer in model.layers if isinstance(layer, kind)]) == len(convolutions)
    assert np.isfinite(np.asarray(model(frames(1, 3, 4, 4)))).all()


def test_dropout_drops_whole_channels_of_the_bottleneck() -> None:
    model = unet(dropout=0.5, base_filters=8)
    dropout = model.get_layer("bridge_dropout")
    dropped = np.asarray(dropout(np.ones((1, 3, 4, 4, 32), "float32"), training=True))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert (dropped == dropped[:, :1, :1, :1]).all()


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (unet(seed).get_layer("down0_conv0").kernel for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_answer_is_float32_under_half_precision() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = unet(depth=1)
    finally:
        keras.config.set_dtype_policy("float32")
    answer = np.asarray(model(frames(1, 3, 5, 5)))
    assert answer.dtype == np.float32
    assert answer.sum(axis=-1) == pytest.approx(1, abs=1e-5)
