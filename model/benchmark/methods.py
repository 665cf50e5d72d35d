"""What answers the test set: a network with its decoders and fit, and the classical floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.benchmark.cells import DENSITIES, LIGHTS, SNR_THRESHOLD, Cell, validation_movies
from model.benchmark.floor import choose_threshold, detect
from model.camera import Camera
from model.decoding.alternatives import argmax, suppressed
from model.decoding.peeling import decode
from model.emitters import Emitters, LabelledMovie
from model.fitting.fit import Optics, fit
from model.normalisation import measure
from model.prediction.streaming import Network
from model.prediction.windows import predict


class Answer(NamedTuple):
    """What a method finds in a movie."""

    found: Emitters
    probability: NDArray[Any] | None = None
    """(T, Y, X, 4), of methods that have a map."""


Method = Callable[[Cell, LabelledMovie], dict[str, Answer]]
"""Answers of a method and its variants, by name."""


def of_network(network: Network, name: str, *, variants: bool = False) -> Method:
    """A network with its own threshold; its variants read the same map otherwise."""

    def answers(cell: Cell, movie: LabelledMovie) -> dict[str, Answer]:
        probability = probability_map(network, movie)
        told = {name: Answer(decode(probability, network.card.threshold), probability)}
        if variants:
            told[f"{name}, neighbours suppressed"] = Answer(suppressed(probability, network.card.threshold))
            told[f"{name}, argmax"] = Answer(argmax(probability))
        return told

    return answers


def probability_map(network: Network, movie: LabelledMovie, name: str = "the stack") -> NDArray[np.float32]:
    """The map (T, Y, X, 4) of a movie, scaled by its own intensities; `name` is what an error calls it."""
    card = network.card
    intensities = measure(movie.frames, card.low_percentile, card.high_percentile, name)
    return predict(network.model, movie.frames, intensities, card.reading)


def classical_floor() -> Method:
    """Wavelet and local maxima; each light has the threshold that suits its validation movies of all densities best."""
    thresholds = {}
    for light in LIGHTS:
        movies = [movie for density in DENSITIES for movie in validation_movies(Cell(density, light=light), 1)]
        thresholds[light] = choose_threshold(movies, 250.0, SNR_THRESHOLD)
    return lambda cell, movie: {"wavelet": Answer(detect(movie.frames, thresholds[cell.light]))}


def with_fit(network: Network, name: str) -> Method:
    """A network's candidates, fitted; camera and width of the point spread function are known, as from calibration."""

    def answers(cell: Cell, movie: LabelledMovie) -> dict[str, Answer]:
        scene, card = cell.scene(), network.card
        camera = scene.camera
        photons = in_photons(movie, camera)
        optics = Optics(scene.sigma_px, camera.excess, float(camera.input_read_noise) / camera.quantum_efficiency)
        seeds = decode(probability_map(network, movie), card.threshold)
        return {name: Answer(fit(photons, seeds, optics, card.error_px).emitters)}

    return answers


def in_photons(movie: LabelledMovie, camera: Camera) -> NDArray[np.float64]:
    """Photons that the counts of a movie stand for in the mean, (T, Y, X)."""
    electrons = (movie.frames.astype(np.float64) - camera.baseline) * camera.electrons_per_adu
    return np.asarray(electrons / (camera.em_gain or 1.0) / camera.quantum_efficiency)
