"""When molecules shine and how brightly: from a density of rows to switch-on times, ON times and photons per frame.

Molecules switch on uniformly in time. One that shines bleaches or goes dark, and one that is dark comes back: the model
of the SMLM Challenge 2016 (Sage et al. 2019); with no return it is a single exponential ON time. A run of frames starts
in the stationary state, and because exponential times have no memory, what is left of a molecule's life at frame 0 is
distributed as a whole one from its state on. Switching is integrated over each frame, so frames in which a molecule
switches are dim.
"""

from __future__ import annotations

import functools
import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

LEAST_SHARE = 0.01
"""Share of a full frame's light below which a row is dropped (SMLM Challenge 2016, Sage et al. 2019)."""
_TRIALS, _TRIAL_ROWS = 200_000, 4_000_000
_FOREVER = 1 << 40


class Kinetics(NamedTuple):
    """Mean times of a molecule's states, frames."""

    on: float
    """One ON time, however it ends."""
    returns: float = 0.0
    """Mean number of returns from the dark before bleaching."""
    dark: float = 0.0
    """One dark time."""

    @classmethod
    def of_rates(cls, ton: float, tdark: float, tbleach: float) -> Kinetics:
        """ON → dark at 1 / `ton`, dark → ON at 1 / `tdark`, ON → bleached at 1 / `tbleach`, each per frame."""
        return cls(1.0 / (1.0 / ton + 1.0 / tbleach), tbleach / ton, tdark)


class Blinks(NamedTuple):
    """S ON times in frames from the start of the movie, ordered by molecule and then by time."""

    molecule: NDArray[np.int64]  # (S,)
    start: Floats  # (S,)
    stop: Floats  # (S,)


class Shining(NamedTuple):
    """Rows: which molecule shines in which frame and for what share of it; N rows, ordered by molecule and frame."""

    molecule: NDArray[np.int64]  # (N,)
    frame: NDArray[np.int64]  # (N,)
    share: Floats  # (N,)


@functools.lru_cache(maxsize=256)
def rows_per_molecule(kinetics: Kinetics) -> float:
    """Mean number of frames in which a molecule gives at least `LEAST_SHARE` of a full frame's light.

    Without returns: with ε the least share, a molecule that stays on for ℓ ≥ ε gives such a row in 1 − 2ε + ℓ frames on
    average over its switch-on phase; the mean over exponential ℓ is `exp(−ε / m) (1 − ε + m)`. For m = 1 frame that is
    nearly 2. With returns it is counted on simulated molecules, always the same ones, to 0.2 %.
    """
    if not kinetics.returns:
        return math.exp(-LEAST_SHARE / kinetics.on) * (1.0 - LEAST_SHARE + kinetics.on)
    rows_each = (1.0 + kinetics.returns) * (2.0 + kinetics.on)
    trials = int(min(_TRIALS, _TRIAL_ROWS / rows_each)) + 1
    rng = np.random.default_rng(0)
    blinks = _lives(rng.uniform(0.0, 1.0, trials), np.zeros(trials, bool), kinetics, rng)
    return len(shine(blinks, _FOREVER).frame) / trials


def blink(rows_per_frame: float, kinetics: Kinetics, frames: int, rng: np.random.Generator) -> Blinks:
    """ON times of all molecules of a movie whose mean number of rows per frame is `rows_per_frame`."""
    rate = rows_per_frame / rows_per_molecule(kinetics)
    shining = rng.poisson(rate * kinetics.on * (1.0 + kinetics.returns))
    dark = rng.poisson(rate * kinetics.dark * kinetics.returns)
    later = rng.uniform(0.0, frames, rng.poisson(rate * frames))
    born = np.concatenate([np.zeros(shining + dark), later])  # (M,)
    at = np.arange(len(born))
    return _lives(born, (at >= shining) & (at < shining + dark), kinetics, rng)


def shine(blinks: Blinks, frames: int) -> Shining:
    """ON times cut at the borders of frames 0 … `frames` − 1; a molecule has one row in a frame, if any.

    Rows below `LEAST_SHARE` are dropped.
    """
    first = np.floor(blinks.start).astype(np.int64)
    last = np.minimum(np.floor(blinks.stop).astype(np.int64), frames - 1)
    spans = np.maximum(last - first + 1, 0)  # (S,)
    spell = np.repeat(np.arange(len(spans)), spans)  # (N,)
    frame = np.arange(len(spell)) - np.repeat(np.cumsum(spans) - spans, spans) + first[spell]  # (N,)
    share = np.minimum(blinks.stop[spell], frame + 1) - np.maximum(blinks.start[spell], frame)  # (N,)
    return _united(blinks.molecule[spell], frame, share)


def full_photons(
    count: int,
    mean: float,
    spread: float,
    rng: np.random.Generator,
    distribution: Literal["normal", "lognormal"] = "normal",
) -> Floats:
    """Photons of each molecule in a frame in which it shines throughout.

    Args:
        count: molecules, M.
        mean: photons, mean of the distribution; of the normal one before it is cut below zero.
        spread: its standard deviation over its mean.
        rng: source of randomness.
        distribution: its shape.

    Returns:
        Positive photons, (M,).
    """
    if spread == 0:
        return np.full(count, mean)
    if distribution == "lognormal":
        variance = math.log1p(spread**2)  # of the logarithm
        return rng.lognormal(math.log(mean) - variance / 2, math.sqrt(variance), count)
    below_zero = float(ndtr(-1.0 / spread))
    drawn = 1.0 - rng.random(count) * (1.0 - below_zero)  # in (below_zero, 1]
    return np.asarray(mean * (1.0 + spread * ndtri(np.minimum(drawn, 1.0 - 1e-12))))  # (M,)


def _lives(born: Floats, dark: NDArray[np.bool_], kinetics: Kinetics, rng: np.random.Generator) -> Blinks:
    """All ON times of molecules that begin at `born` (M,), shining unless `dark` (M,)."""
    spells = rng.geometric(1.0 / (1.0 + kinetics.returns), len(born))  # (M,)
    molecule = np.repeat(np.arange(len(born)), spells)  # (S,)
    first = np.cumsum(spells) - spells  # (M,)
    on, before = rng.exponential(kinetics.on, len(molecule)), rng.exponential(kinetics.dark, len(molecule))
    before[first[~dark]] = 0.0
    ends = np.cumsum(before + on)  # (S,), of all lives one after the other
    stop = born[molecule] + ends - (ends - before - on)[first][molecule]
    return Blinks(molecule, stop - on, stop)


def _united(molecule: NDArray[np.int64], frame: NDArray[np.int64], share: Floats) -> Shining:
    """Rows of the same molecule and frame, which stand side by side, made one."""
    if len(frame):
        fresh = np.ones(len(frame), bool)
        fresh[1:] = (molecule[1:] != molecule[:-1]) | (frame[1:] != frame[:-1])
        at = np.flatnonzero(fresh)
        molecule, frame, share = molecule[at], frame[at], np.add.reduceat(share, at)
    kept = share >= LEAST_SHARE
    return Shining(molecule[kept], frame[kept], share[kept])
