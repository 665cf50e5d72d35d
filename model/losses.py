"""Hybrid Tversky: how wrong a map of class probabilities is, as one number.

In come true counts (B, T, Y, X), probabilities of the classes 0, 1, 2 and 3+ (B, T, Y, X, 4) and weights m
(B, T, Y, X); out comes `λ · L_FT + (1 − λ) · L_CE`. L_FT is the focal Tversky loss, which cares for the overlap of the
few pixels that hold emitters, L_CE the focal cross entropy, which keeps the map a probability. A pixel of weight 0 is
neither emitter nor background. Weights are part of both formulas, so they arrive as Keras' `sample_weight` and are used
here, not in Keras' reduction; sums run over the batch, time and both edges at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from model.config import CLASSES, LossConfig

CHAMPION = LossConfig()
"""Cross entropy in the main: the map stays a probability, which a prior for a fit must be."""

CLASS_SHARES_OF_TVERSKY = (0.5, 0.3, 0.2)
"""v: weights of the classes 1, 2 and 3+; renormalised over the classes that a batch holds."""

HIGHEST_CLASS_WEIGHT = 25.0
SMOOTHING = 1.0
SMALLEST_DISTANCE = 1e-6
EPSILON = 1e-7

Tensor = Any
"""A tensor of whichever backend Keras runs on."""


def class_weights(class_shares: Sequence[float], exponent: float) -> list[float]:
    """Weights `min((f_0 / f_c)^exponent, 25)` of the cross entropy, one for each class.

    Raises:
        ValueError: there are not four shares, or one is not positive.
    """
    shares = [float(share) for share in class_shares]
    if len(shares) != CLASSES or min(shares) <= 0:
        raise ValueError(f"class_shares must be {CLASSES} positive numbers, found {shares}: measure them on targets")
    return [min((shares[0] / share) ** exponent, HIGHEST_CLASS_WEIGHT) for share in shares]


def tversky_index(predicted: Tensor, true: Tensor, weight: Tensor, fn_weight: float) -> Tensor:
    """Overlap of two maps of amounts, from 0 (none) to 1 (equal); one number.

    `(Σ m min + s) / (Σ m min + fp Σ m (predicted − true)⁺ + fn Σ m (true − predicted)⁺ + s)`, fp = 1 − fn, s = 1. For
    a true map of zeros and ones and probabilities p this is `Σ m p g + s` over `Σ m p g + fp Σ m p (1 − g) +
    fn Σ m (1 − p) g + s` (Salehi 2017); the minimum extends it to counts above one.
    """
    shared = ops.sum(weight * ops.minimum(predicted, true))
    false = ops.sum(weight * ops.relu(predicted - true))
    missed = ops.sum(weight * ops.relu(true - predicted))
    return (shared + SMOOTHING) / (shared + (1 - fn_weight) * false + fn_weight * missed + SMOOTHING)


def focal_cross_entropy(
    p: Tensor, g: Tensor, weight: Tensor, weights_of_classes: Sequence[float], exponent: float
) -> Tensor:
    """Mean of `w_y (1 − p_y)^exponent (−log p_y)` over the weights m, y the true class (Lin 2017).

    `p` and the one-hot `g` are (B, T, Y, X, 4), `weight` is (B, T, Y, X).
    """
    of_truth = ops.clip(ops.sum(p * g, axis=-1), EPSILON, 1 - EPSILON)  # (B, T, Y, X)
    surprise = -ops.log(of_truth)
    if exponent:
        surprise = surprise * (1 - of_truth) ** exponent
    class_weight = ops.sum(g * ops.convert_to_tensor(weights_of_classes, dtype=g.dtype), axis=-1)  # (B, T, Y, X)
    return ops.sum(weight * class_weight * surprise) / ops.maximum(ops.sum(weight), EPSILON)


@keras.saving.register_keras_serializable(package="hdsmlm")
class HybridTversky(keras.losses.Loss):
    """`λ L_FT + (1 − λ) L_CE` with `L_FT = 0.5 (1 − TI_any)^γ + 0.5 Σ_c v_c (1 − TI_c)^γ`.

    λ is `tversky_share`, γ `tversky_exponent` (Abraham & Khan 2018); the mixture follows Yeung 2021. TI_any is taken on
    the probability of any emitter where `pooling_px` is 1, on expected counts summed over 3×3 px where it is 3, so that
    an emitter one pixel off is mostly right. `1 − TI` is at least 1e-6, or its power would have too steep a gradient.

    Raises:
        ValueError: `class_shares` are not four positive numbers.
    """

    def __init__(
        self, class_shares: Sequence[float], config: LossConfig = CHAMPION, name: str = "hybrid_tversky"
    ) -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.class_shares = [float(share) for share in class_shares]
        self.class_weights = class_weights(self.class_shares, config.class_weight_exponent)
        self.config = config

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """The loss, one number, of counts (B, T, Y, X), probabilities (B, T, Y, X, 4) and weights (B, T, Y, X)."""
        counts = ops.clip(ops.cast(y_true, "int32"), 0, CLASSES - 1)
        p = ops.convert_to_tensor(y_pred, dtype="float32")
        g = ops.one_hot(counts, CLASSES, dtype="float32")  # (B, T, Y, X, 4)
        m = ops.ones_like(p[..., 0]) if sample_weight is None else ops.cast(sample_weight, "float32")
        entropy = focal_cross_entropy(p, g, m, self.class_weights, self.config.focal_exponent)
        share = self.config.tversky_share
        return share * self.focal_tversky(p, g, m) + (1 - share) * entropy

    def focal_tversky(self, p: Tensor, g: Tensor, m: Tensor) -> Tensor:
        """L_FT of probabilities and one-hot truth (B, T, Y, X, 4) under weights (B, T, Y, X)."""
        any_emitter = self._distance(*self._any_emitter(p, g, m))
        classes, shares = [], []
        for c, share in enumerate(CLASS_SHARES_OF_TVERSKY, start=1):
            classes.append(self._distance(p[..., c], g[..., c], m))
            shares.append(share * ops.cast(ops.sum(m * g[..., c]) > 0, "float32"))
        present = ops.stack(shares)
        per_class = ops.sum(present * ops.stack(classes)) / ops.maximum(ops.sum(present), EPSILON)
        return 0.5 * any_emitter + 0.5 * per_class

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs."""
        return {"name": self.name, "class_shares": self.class_shares, "config": self.config.model_dump()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HybridTversky:
        """The loss that `get_config` described."""
        return cls(**(config | {"config": LossConfig(**config["config"])}))

    def _distance(self, predicted: Tensor, true: Tensor, weight: Tensor) -> Tensor:
        index = tversky_index(predicted, true, weight, self.config.fn_weight)
        return ops.maximum(1 - index, SMALLEST_DISTANCE) ** self.config.tversky_exponent

    def _any_emitter(self, p: Tensor, g: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.config.pooling_px == 1:
            return 1 - p[..., 0], 1 - g[..., 0], m
        predicted, true = (_box_sum(m * _expected_count(classes), self.config.pooling_px) for classes in (p, g))
        return predicted, true, ops.ones_like(m)


def _expected_count(classes: Tensor) -> Tensor:
    return classes[..., 1] + 2 * classes[..., 2] + 3 * classes[..., 3]


def _box_sum(image: Tensor, edge_px: int) -> Tensor:
    """Sum over a square around each pixel of a (B, T, Y, X) map; nothing lies outside the map."""
    flat = ops.reshape(image, (-1, *ops.shape(image)[2:], 1))  # (B·T, Y, X, 1)
    summed = ops.conv(flat, ops.ones((edge_px, edge_px, 1, 1), dtype=image.dtype), padding="same")
    return ops.reshape(summed, ops.shape(image))
