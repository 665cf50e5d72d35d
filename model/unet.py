"""The 3D-UNet: a few consecutive frames in, the probability of 0, 1, 2 and 3+ emitters in every pixel out.

    (B, T, Y, X, 1) ─ project ─ down0 ───────────────── concat ─ up0 ─ 1×1×1 ─ softmax (B, T, Y, X, 4)
                                  ╰ down1 ───── concat ─ up1 ╯
                                      ╰ bridge ╯

Only Y and X are halved on the way down; time stays whole, so every frame of the window gets its own map. Y and X may be
anything: the image is mirrored beyond its lower and right edge until the way down fits, and cut back at the end. A
layer's name says where it stands: `down0_conv1`, `bridge_conv0`, `up1_concat`. 1×1×1 convolutions are `Dense` layers,
which do the same sum faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from model.config import CLASSES, ModelConfig
from model.layers import CropLike, FoldPixels, PadToMultiple, UnfoldPixels

Tensor = Any
"""A symbolic tensor (B, T, Y, X, C)."""


def build_unet(config: ModelConfig, class_shares: Sequence[float], seed: int = 0) -> keras.Model:
    """Build the network; the same seed gives the same weights.

    Input (B, T, Y, X, 1) float32 with T = `config.frames`, any Y and X; output (B, T, Y, X, 4) float32, which sums to 1
    over the last axis. Its bias starts at the log of `class_shares`, the prior of the classes 0, 1, 2 and 3+.

    Raises:
        ValueError: `class_shares` are not four positive numbers.
    """
    prior = _log_prior(class_shares)
    parts = _Parts(config, _seeds(seed))
    image = layers.Input((config.frames, None, None, 1), name="frames")
    x = PadToMultiple(2**config.depth, name="pad")(image)
    x = parts.convolution(x, config.base_filters, "project_conv")
    x = _down_and_up(x, config, parts)
    logits = parts.dense(CLASSES, "logits", dtype="float32")
    x = CropLike(dtype="float32", name="crop")([logits(x), image])
    logits.bias.assign(prior)
    return keras.Model(image, layers.Softmax(dtype="float32", name="probability")(x), name="unet")


def _down_and_up(x: Tensor, config: ModelConfig, parts: _Parts) -> Tensor:
    filters = [config.base_filters * 2**level for level in range(config.depth + 1)]
    skips = []
    for level in range(config.depth):
        skips.append(parts.residual(x, filters[level], f"down{level}"))
        x = parts.halve(skips[level], filters[level + 1], f"down{level}_halve")
    x = parts.residual(x, filters[-1], "bridge")
    x = layers.SpatialDropout3D(config.dropout, seed=next(parts.seeds), name="bridge_dropout")(x)
    for level in reversed(range(config.depth)):
        x = parts.double(x, filters[level], f"up{level}_double")
        x = layers.Concatenate(name=f"up{level}_concat")([x, skips[level]])
        x = parts.residual(x, filters[level], f"up{level}")
    return x


class _Parts(NamedTuple):
    """Builds the parts of one network, each layer with a seed of its own."""

    config: ModelConfig
    seeds: Iterator[int]

    def convolution(self, x: Tensor, filters: int, name: str) -> Tensor:
        """Convolution over time, Y and X; then normalisation and Swish (Ramachandran 2017)."""
        edge = self.config.kernel
        kernel = (edge if self.config.frames > 1 else 1, edge, edge)
        initializer = keras.initializers.HeNormal(next(self.seeds))
        x = layers.Conv3D(filters, kernel, padding="same", kernel_initializer=initializer, name=name)(x)
        if self.config.normalisation != "none":
            x = _NORMALISATIONS[self.config.normalisation](filters, f"{name}_norm")(x)
        return layers.Activation("silu", name=f"{name}_swish")(x)

    def residual(self, x: Tensor, filters: int, place: str) -> Tensor:
        """Convolutions beside a short cut (He 2016)."""
        short_cut = x if x.shape[-1] == filters else self.dense(filters, f"{place}_shortcut")(x)
        for index in range(self.config.convolutions_per_block):
            x = self.convolution(x, filters, f"{place}_conv{index}")
        return layers.Add(name=f"{place}_add")([x, short_cut])

    def halve(self, x: Tensor, filters: int, name: str) -> Tensor:
        """2×2 convolution of stride 2."""
        return self.dense(filters, name)(FoldPixels(name=f"{name}_fold")(x))

    def double(self, x: Tensor, filters: int, name: str) -> Tensor:
        """2×2 transposed convolution of stride 2."""
        return UnfoldPixels(name=f"{name}_unfold")(self.dense(4 * filters, name)(x))

    def dense(self, filters: int, name: str, dtype: str | None = None) -> layers.Dense:
        """1×1×1 convolution."""
        initializer = keras.initializers.GlorotUniform(next(self.seeds))
        return layers.Dense(filters, kernel_initializer=initializer, dtype=dtype, name=name)


_NORMALISATIONS: dict[str, Callable[[int, str], layers.Layer]] = {
    "batch": lambda filters, name: layers.BatchNormalization(name=name),
    "group": lambda filters, name: layers.GroupNormalization(math.gcd(filters, 8), name=name),
    "layer": lambda filters, name: layers.LayerNormalization(name=name),
}


def _seeds(seed: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(2**31))


def _log_prior(class_shares: Sequence[float]) -> list[float]:
    shares = [float(share) for share in class_shares]
    if len(shares) != CLASSES or min(shares) <= 0:
        raise ValueError(f"class_shares must be {CLASSES} positive numbers, found {shares}: measure them on targets")
    return [math.log(share) for share in shares]
