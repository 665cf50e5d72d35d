"""A network's answers made probabilities: what it calls 30 % shall come true three times in ten.

Class probabilities are scaled as `p_c' ∝ exp(s log p_c + b_c)`, vector scaling with one slope (Guo et al. 2017), by the
slope and offsets that make validation pixels most likely. Scaling a softmax is scaling what goes into it, so slope and
offsets go into the last layer's weights, and the network answers calibrated from then on at no cost.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from model.config import CLASSES

Floats = NDArray[np.float64]

LOGITS = "logits"
"""Name of the last layer with weights."""
LEAST_PROBABILITY = 1e-6
HOLD = 1e-3
"""Weight of what holds slope and offsets near 1 and 0, in mean log likelihood: a class that hardly occurs stays."""


class Scaling(NamedTuple):
    """What makes probabilities calibrated."""

    slope: float
    offsets: Floats  # (4,)

    def apply_to(self, network: keras.Model) -> None:
        """Put it into the weights of the network's last layer."""
        layer = network.get_layer(LOGITS)
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * self.slope, bias * self.slope + self.offsets])

    def of(self, probability: NDArray[Any]) -> Floats:
        """Calibrated probabilities; classes last."""
        return np.asarray(np.exp(log_softmax(_logits(probability) * self.slope + self.offsets, axis=-1)))


def fit_scaling(probability: NDArray[Any], classes: NDArray[Any], weights: NDArray[Any]) -> Scaling:
    """The scaling under which pixels are most likely.

    Args:
        probability: of the classes, (N, 4).
        classes: true ones, (N,).
        weights: of the pixels, (N,), not all 0.
    """
    logits, share = _logits(probability), weights / weights.sum()
    true = np.eye(CLASSES)[classes]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        change = parameters - _NOTHING
        scaled = log_softmax(logits * parameters[0] + parameters[1:], axis=-1)
        wrong = share[:, None] * (np.exp(scaled) - true)  # (N, 4)
        likelihood = float((share[:, None] * true * scaled).sum())
        slope = np.concatenate([[(wrong * logits).sum()], wrong.sum(axis=0)])
        return -likelihood + HOLD * float(change @ change), slope + 2 * HOLD * change

    found = minimize(loss, _NOTHING, jac=True, method="L-BFGS-B").x
    return Scaling(float(found[0]), found[1:])


_NOTHING = np.array([1.0, 0.0, 0.0, 0.0, 0.0])


def _logits(probability: NDArray[Any]) -> Floats:
    return np.log(np.maximum(probability.astype(np.float64), LEAST_PROBABILITY))
