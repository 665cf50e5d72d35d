"""Whether a movie looks, to a network, like what it was trained on: measured, not guessed.

`Traits` are numbers of a scaled movie and of the network's answer that need no truth: how its intensities are spread,
how alike neighbouring pixels and frames are (noise, width and shape of the point spread function, blinking), how dense
and how sure the answer is, and how much of the image the answer explains: light that its expected counts, blurred, do
not account for stays behind as structure. What changes between frames is compared on its own: there, a point spread
function is not hidden by a background. The same numbers of simulated movies from the training ranges are stored with
the network. A movie is out of domain if it lies further from those movies than 98 % of them lie from each other.

Sums come first, so that a movie of any length is measured block by block in little memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from model.decoding.peeling import expected_counts

Floats = NDArray[np.float64]

LAGS = (0, 1, 2, 3, 4, 6)
"""Distances, px, over which neighbouring pixels are compared."""
BLUR_PX = 1.2
"""Standard deviation with which expected counts are blurred into an image."""
LEAST_SIGNAL = 0.05
"""Share of the variance that neighbouring pixels have in common, at least, where likenesses are put in relation to it:
where there is hardly any signal, its shape cannot be told."""
NEIGHBOURS = 5
"""The distance to a set of movies is that to its fifth nearest."""
USUAL_SHARE = 0.98
"""Share of the training movies that count as in domain."""
LEAST_MOVIES = 20
"""Fewer say nothing about what is usual."""

TRAITS = {
    "mean": "mean intensity, scaled",
    "spread": "spread of intensities, scaled",
    "noise": "share of noise in the intensities",
    "reach2": "likeness of pixels 2 px apart",
    "reach3": "likeness of pixels 3 px apart",
    "reach4": "likeness of pixels 4 px apart",
    "reach6": "likeness of pixels 6 px apart",
    "blink2": "likeness 2 px apart of what changes between frames",
    "blink3": "likeness 3 px apart of what changes between frames",
    "blink4": "likeness 4 px apart of what changes between frames",
    "blink6": "likeness 6 px apart of what changes between frames",
    "roundness": "likeness along x against along y",
    "duration": "likeness of consecutive frames",
    "density": "emitters per px found",
    "doubt": "share of found emitters in doubt",
    "crowding": "share of emitters in pixels with more than one",
    "explained": "agreement of the answer with the image",
    "left2": "structure at 2 px that the answer does not explain",
    "left4": "structure at 4 px that the answer does not explain",
}
"""Names of the traits, and what they are called in a sentence."""

_SHIFTS = tuple((0, lag) for lag in LAGS) + tuple((lag, 0) for lag in LAGS[1:])
_SMALL = 1e-6


class Sums(NamedTuple):
    """What is added up over the blocks of a movie."""

    values: Floats
    """Pixels, image, image², counts, doubt, crowded counts, light, light², image · light, products, of changes too."""

    @classmethod
    def none(cls) -> Sums:
        """Before the first block."""
        return cls(np.zeros(_LENGTH))

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.values + other.values)


def add_up(image: NDArray[np.float32], probability: NDArray[np.float32]) -> Sums:
    """The sums of a block of scaled frames (T, Y, X) and the network's map of them (T, Y, X, 4)."""
    counts = expected_counts(probability)  # (T, Y, X)
    light = counts
    for axis in (1, 2):
        light = gaussian_filter1d(light, BLUR_PX, axis, mode="nearest")
    any_emitter = 1.0 - probability[..., 0]
    scaled = image.astype(np.float64)
    heads = [
        scaled.size,
        scaled.sum(),
        (scaled**2).sum(),
        counts.sum(),
        (any_emitter * probability[..., 0]).sum(),
        (2 * probability[..., 2] + 3 * probability[..., 3]).sum(),
        light.sum(),
        (light**2).sum(),
        (scaled * light).sum(),
    ]
    pairs = [_products(*pair) for pair in _pairs_of(scaled, light)]
    changes = np.diff(scaled, axis=0)
    return Sums(np.concatenate([heads, *pairs, _neighbours(changes, changes)]))


def traits(sums: Sums) -> Floats:
    """The traits of a movie, in the order of `TRAITS`; NaN where it is too short or too small for one."""
    moments = _Moments.of(sums)
    return np.array([*_of_image(moments), *_of_answer(sums), *_of_both(moments)])


class _Moments(NamedTuple):
    """Of the image and of the light that the answer puts there; likenesses at all `_SHIFTS`, and over a frame."""

    mean: float
    variance: float
    light_variance: float
    shared: float
    """Covariance of the two."""
    image: Floats
    """Likeness of the image with itself."""
    crossed: Floats
    """Of the image with the light."""
    light: Floats
    """Of the light with itself."""
    changes: Floats
    """Of what changes between frames with itself; not over a frame."""

    @classmethod
    def of(cls, sums: Sums) -> _Moments:
        pixels, image, squares, *_, light, light2, both = sums.values[:_HEADS]
        own, crossed, lit = sums.values[_HEADS:-_CHANGES].reshape(3, len(_SHIFTS) + 1, 2)
        mean, shine = image / pixels, light / pixels
        return cls(
            mean,
            variance=squares / pixels - mean**2,
            light_variance=light2 / pixels - shine**2,
            shared=both / pixels - mean * shine,
            image=_mean(own) - mean**2,
            crossed=_mean(crossed) - mean * shine,
            light=_mean(lit) - shine**2,
            changes=_mean(sums.values[-_CHANGES:].reshape(-1, 2)),
        )


def _of_image(moments: _Moments) -> list[float]:
    """From `mean` to `duration`."""
    along_x, along_y = moments.image[1 : len(LAGS)], moments.image[len(LAGS) : -1]
    near, reach = _reach(moments.image[:-1])
    return [
        moments.mean,
        math.sqrt(max(moments.variance, 0.0)),
        1 - near / max(moments.variance, _SMALL),
        *reach,
        *_reach(moments.changes)[1],
        (along_x[1] - along_y[1]) / near,
        moments.image[-1] / near,
    ]


def _of_answer(sums: Sums) -> list[float]:
    """From `density` to `crowding`."""
    pixels, _, _, counts, doubt, crowded = sums.values[:6]
    found = max(counts, _SMALL)
    return [math.log(max(counts / pixels, 1e-5)), doubt / found, crowded / found]


def _of_both(moments: _Moments) -> list[float]:
    """From `explained` on: the light, as bright as fits the image best, is taken away from it."""
    slope = moments.shared / max(moments.light_variance, _SMALL)
    left = moments.image - 2 * slope * moments.crossed + slope**2 * moments.light
    near, _ = _reach(moments.image[:-1])
    remains = (left[2 : len(LAGS)] + left[len(LAGS) + 1 : -1]) / 2 / near
    explained = moments.shared / math.sqrt(max(moments.variance * moments.light_variance, _SMALL**2))
    return [explained, remains[0], remains[2]]


def _reach(covariance: Floats) -> tuple[float, Floats]:
    """The covariance with the next pixel, and those with further ones over it; from those at `_SHIFTS`."""
    along_x, along_y = covariance[1 : len(LAGS)], covariance[len(LAGS) :]
    near = max((along_x[0] + along_y[0]) / 2, LEAST_SIGNAL * covariance[0], _SMALL)
    return near, (along_x[1:] + along_y[1:]) / 2 / near


def _pairs_of(image: Floats, light: Floats) -> tuple[tuple[Floats, Floats], ...]:
    return (image, image), (image, light), (light, light)


def _products(one: Floats, other: Floats) -> Floats:
    """For each shift, and then for consecutive frames: the sum of products and their number, flat."""
    return np.array([*_neighbours(one, other), (one[:-1] * other[1:]).sum(), one[:-1].size])


def _neighbours(one: Floats, other: Floats) -> list[float]:
    """For each shift: the sum of products and their number, flat."""
    sums: list[float] = []
    for down, right in _SHIFTS:
        b = other[:, down:, right:]
        sums += [(one[:, : b.shape[1], : b.shape[2]] * b).sum(), b.size]
    return sums


def _mean(products: Floats) -> Floats:
    return np.where(products[:, 1] > 0, products[:, 0] / np.maximum(products[:, 1], 1), np.nan)


_HEADS, _CHANGES = 9, 2 * len(_SHIFTS)
_LENGTH = _HEADS + 3 * 2 * (len(_SHIFTS) + 1) + _CHANGES


class Surprise(NamedTuple):
    """How far a movie is from what a network was trained on."""

    distance: float
    limit: float
    """The distance that 98 % of the training movies keep from each other."""
    reasons: tuple[str, ...]
    """The traits that are most unusual, in words."""

    @property
    def out_of_domain(self) -> bool:
        """Whether the movie is further away than is usual."""
        return self.distance > self.limit


class Domain:
    """The traits of movies from the training ranges."""

    def __init__(self, movies: Sequence[Sequence[float]] | Floats) -> None:
        """From the traits of each movie, (N, traits).

        Raises:
            ValueError: there are too few movies, or other traits.
        """
        self.movies = np.asarray(movies, np.float64)  # (N, traits)
        if self.movies.ndim != 2 or self.movies.shape[1] != len(TRAITS) or len(self.movies) < LEAST_MOVIES:
            raise ValueError(
                f"a domain needs {len(TRAITS)} traits of at least {LEAST_MOVIES} movies, "
                f"found shape {self.movies.shape}"
            )
        self._centre, self._spread = self.movies.mean(axis=0), self.movies.std(axis=0) + _SMALL
        self._whitening = _whitening((self.movies - self._centre) / self._spread)
        self._places = self._whitened(self.movies)
        own = np.sort(_distances(self._places, self._places), axis=1)[:, NEIGHBOURS]
        self.limit = float(np.quantile(own, USUAL_SHARE))

    def surprise(self, movie: Floats) -> Surprise:
        """How far a movie with these traits (traits,) is away, and why; an unknown trait counts as the usual one."""
        movie = np.where(np.isnan(movie), self._centre, movie)
        distances = np.sort(_distances(self._whitened(movie[None]), self._places)[0])
        return Surprise(float(distances[NEIGHBOURS - 1]), self.limit, self._reasons(movie))

    def _whitened(self, movies: Floats) -> Floats:
        return np.asarray((movies - self._centre) / self._spread @ self._whitening)

    def _reasons(self, movie: Floats) -> tuple[str, ...]:
        low, high = self.movies.min(axis=0), self.movies.max(axis=0)
        beyond = np.maximum(low - movie, movie - high) / self._spread
        worst = [index for index in np.argsort(-beyond)[:3] if beyond[index] > 0]
        names = list(TRAITS.values())
        return tuple(
            f"{names[index]}: {movie[index]:.3g}, trained on {low[index]:.3g} to {high[index]:.3g}" for index in worst
        )


def _whitening(standard: Floats) -> Floats:
    """Makes the directions of standardised traits equally wide; directions that hardly vary keep a tenth of a width."""
    variances, directions = np.linalg.eigh(np.cov(standard.T))
    return np.asarray(directions / np.sqrt(np.maximum(variances, 0.0) + 0.01))


def _distances(some: Floats, others: Floats) -> Floats:
    return np.asarray(np.sqrt(((some[:, None] - others) ** 2).mean(axis=2)))


def measured(image: NDArray[Any], probability: NDArray[Any]) -> Floats:
    """The traits of a movie in memory."""
    return traits(add_up(image, probability))
