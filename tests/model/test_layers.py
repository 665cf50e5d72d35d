"""Padding, cropping and folding of images."""

from __future__ import annotations

import keras
import numpy as np

from model.layers import CropLike, FoldPixels, PadToMultiple, UnfoldPixels


def frames(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (*shape, 1)).astype("float32")


def test_padding_mirrors_again_where_the_image_is_too_small() -> None:
    line = np.arange(2.0, dtype="float32").reshape(1, 1, 1, 2, 1)
    padded = np.asarray(PadToMultiple(8)(line))
    assert padded.shape == (1, 1, 8, 8, 1)
    assert padded[0, 0, 0, :, 0].tolist() == [0, 1, 1, 0, 0, 1, 1, 0]


def test_padding_leaves_what_fits() -> None:
    image = frames(1, 1, 8, 4)
    np.testing.assert_array_equal(PadToMultiple(4)(image), image)


def test_a_folded_pixel_holds_its_four_pixels_in_reading_order_and_unfolds_to_them() -> None:
    image = np.arange(16.0, dtype="float32").reshape(1, 1, 4, 4, 1)
    folded = FoldPixels()(image)
    assert np.asarray(folded)[0, 0, 0, 1].tolist() == [2, 3, 6, 7]
    np.testing.assert_array_equal(UnfoldPixels()(folded), image)


def test_folding_before_a_dense_layer_is_a_strided_convolution() -> None:
    image = np.random.default_rng(0).normal(size=(1, 2, 6, 8, 3)).astype("float32")
    strided = keras.layers.Conv3D(5, (1, 2, 2), (1, 2, 2))
    expected = np.asarray(strided(image))
    dense = keras.layers.Dense(5)
    folded = FoldPixels()(image)
    dense.build(folded.shape)
    dense.set_weights([np.asarray(strided.kernel).reshape(12, 5), strided.bias])
    np.testing.assert_allclose(dense(folded), expected, atol=1e-5)


def test_cropping_keeps_the_upper_left_part_and_the_channels() -> None:
    image = np.random.default_rng(0).normal(size=(1, 2, 6, 8, 3)).astype("float32")
    cropped = np.asarray(CropLike()([image, frames(1, 2, 5, 7)]))
    np.testing.assert_array_equal(cropped, image[:, :, :5, :7])


def test_shapes_are_known_before_any_image_comes() -> None:
    assert PadToMultiple(8).compute_output_shape((None, 3, 9, None, 1)) == (None, 3, 16, None, 1)
    assert FoldPixels().compute_output_shape((None, 3, 8, None, 2)) == (None, 3, 4, None, 8)
    assert UnfoldPixels().compute_output_shape((None, 3, 4, None, 8)) == (None, 3, 8, None, 2)
    assert CropLike().compute_output_shape([(2, 3, 8, 8, 4), (2, 3, 5, None, 1)]) == (2, 3, 5, None, 4)


def test_layers_come_back_from_their_configs() -> None:
    again = keras.layers.deserialize(keras.layers.serialize(PadToMultiple(4)))
    assert again(frames(1, 1, 5, 3)).shape == (1, 1, 8, 4, 1)
