"""What answers the test set: a network with its decoders and fit, and the classical floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.benchmark.cells import DENSITIES, LIGHTS, SNR_THRESHOLD, Cell, validation_movies
from model.benchmark.floor import choose_threshold, detect
from model.decoding.alternatives import argmax, suppressed
from model.decoding.peeling import decode
from model.emitters import Emitters, LabelledMovie
from model.normalisation import measure
from model.prediction.streaming import Network
from model.prediction.windows import predict


class Answer(NamedTuple):
    """What a method finds in a movie."""

    found: Emitters
    probability: NDArray[Any] | None = None
    """(T, Y, X, 4), of methods that have a map."""


Method = Callable[[LabelledMovie], dict[str, Answer]]
"""Answers of a method and its variants, by name."""


def of_network(network: Network, name: str, *, variants: bool = False) -> Method:
    """A network with its own threshold; its variants read the same map otherwise."""

    def answers(movie: LabelledMovie) -> dict[str, Answer]:
        probability = probability_map(network, movie)
        told = {name: Answer(decode(probability, network.card.threshold), probability)}
        if variants:
            told[f"{name}, neighbours suppressed"] = Answer(suppressed(probability, network.card.threshold))
            told[f"{name}, argmax"] = Answer(argmax(probability))
        return told

    return answers


def probability_map(network: Network, movie: LabelledMovie) -> NDArray[np.float32]:
    """The map (T, Y, X, 4) of a movie, scaled by its own intensities."""
    card = network.card
    intensities = measure(movie.frames, card.low_percentile, card.high_percentile)
    return predict(network.model, movie.frames, intensities, card.reading)


def classical_floor() -> Method:
    """Wavelet and local maxima, with the threshold that suits validation movies of all densities and lights best."""
    kinds = [Cell(density, light=light) for density in DENSITIES for light in LIGHTS]
    movies = [movie for cell in kinds for movie in validation_movies(cell, 1)]
    threshold = choose_threshold(movies, 250.0, SNR_THRESHOLD)
    return lambda movie: {"wavelet": Answer(detect(movie.frames, threshold))}
