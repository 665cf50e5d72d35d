"""Layers that Keras lacks: an image of any size is made to fit the way down, halved, doubled and cut back.

All take (B, T, Y, X, C) and touch Y, X and C only. Halving folds each 2×2 px into channels and doubling unfolds them,
so that a dense layer after or before is a 2×2 convolution of stride 2 or its transpose: the same weights and results as
`Conv3D` and `Conv3DTranspose` with stride (1, 2, 2), whose gradient takes up to a hundred times longer on a CPU.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of whichever backend Keras runs on, or a symbolic one."""

Shape = tuple[int | None, ...]
"""Edges of a tensor; None where unknown until it comes."""


@keras.saving.register_keras_serializable(package="hdsmlm")
class PadToMultiple(keras.layers.Layer):
    """Mirrors an image beyond its lower and right edge until Y and X are multiples of `multiple`.

    An image smaller than what is to be added is mirrored again, so a single pixel will do.
    """

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, x: Tensor) -> Tensor:
        """Pad the two edges."""
        for axis in (2, 3):
            x = ops.take(x, self._mirrored(ops.shape(x)[axis]), axis=axis)
        return x

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Y and X rounded up."""
        edges = [None if edge is None else math.ceil(edge / self.multiple) * self.multiple for edge in shape[2:4]]
        return (*shape[:2], *edges, shape[4])

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "multiple": self.multiple}

    def _mirrored(self, size: Any) -> Tensor:
        index = ops.arange(-(-size // self.multiple) * self.multiple, dtype="int32") % (2 * size)
        return ops.minimum(index, 2 * size - 1 - index)


@keras.saving.register_keras_serializable(package="hdsmlm")
class CropLike(keras.layers.Layer):
    """Cuts the first of two images to the Y and X of the second, keeping its upper left part."""

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Cut."""
        x, like = inputs
        _, _, height, width, _ = ops.shape(like)
        return x[:, :, :height, :width, :]

    def compute_output_shape(self, shapes: list[Shape]) -> Shape:
        """Batch, time and channels of the first, Y and X of the second."""
        x, like = shapes
        return (*x[:2], *like[2:4], x[4])


@keras.saving.register_keras_serializable(package="hdsmlm")
class FoldPixels(keras.layers.Layer):
    """Puts each 2×2 px into one pixel of four times the channels; Y and X must be even."""

    def call(self, x: Tensor) -> Tensor:
        """(B, T, 2Y, 2X, C) to (B, T, Y, X, 4C)."""
        _, frames, height, width, channels = ops.shape(x)
        x = ops.reshape(x, (-1, frames, height // 2, 2, width // 2, 2, channels))
        x = ops.transpose(x, (0, 1, 2, 4, 3, 5, 6))
        return ops.reshape(x, (-1, frames, height // 2, width // 2, 4 * channels))

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Y and X halved, channels times four."""
        edges = [None if edge is None else edge // 2 for edge in shape[2:4]]
        return (*shape[:2], *edges, 4 * (shape[4] or 1))


@keras.saving.register_keras_serializable(package="hdsmlm")
class UnfoldPixels(keras.layers.Layer):
    """Puts the channels of each pixel into 2×2 px with a quarter of the channels, which `FoldPixels` undoes."""

    def call(self, x: Tensor) -> Tensor:
        """(B, T, Y, X, 4C) to (B, T, 2Y, 2X, C)."""
        _, frames, height, width, channels = ops.shape(x)
        x = ops.reshape(x, (-1, frames, height, width, 2, 2, channels // 4))
        x = ops.transpose(x, (0, 1, 2, 4, 3, 5, 6))
        return ops.reshape(x, (-1, frames, 2 * height, 2 * width, channels // 4))

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Y and X doubled, a quarter of the channels."""
        edges = [None if edge is None else 2 * edge for edge in shape[2:4]]
        return (*shape[:2], *edges, (shape[4] or 4) // 4)
