"""Networks on other point spread functions than the test set's, beside the classical floor.

    python benchmarks/science/optics.py [--model FILE]…

Uniform EMCCD bright movies with a mean ON time of 3 frames; the floor's threshold is chosen, for each point spread
function, on other movies of all densities. F1 at 250 nm, pooled over the movies; truths below SNR 2 are neither
required nor forbidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
import numpy as np

from model.benchmark.cells import FRAMES, SIZE_PX, SNR_THRESHOLD, Cell
from model.benchmark.floor import choose_threshold, detect
from model.benchmark.methods import probability_map
from model.commands.networks import load
from model.decoding.peeling import decode
from model.emitters import Emitters, LabelledMovie
from model.optics import ASTIGMATIC
from model.prediction.streaming import Network
from model.scoring.scores import count, pooled, summarise
from model.scoring.verdicts import Criterion, judge
from model.simulator import simulate_movie

DENSITIES, MOVIES, RADIUS_NM = (0.3, 1.0, 4.0), 5, 250.0
CRITERION = Criterion(snr_threshold=SNR_THRESHOLD)
OPTICS: dict[str, dict[str, Any]] = {
    "0.8 px wide": {"sigma_px": 0.8},
    "1.09 px": {},
    "1.5 px": {"sigma_px": 1.5},
    "2 px": {"sigma_px": 2.0},
    "2.5 px": {"sigma_px": 2.5},
    "1.09 px, emitters within ±400 nm of focus": {"z_range_nm": 400.0},
    "1.09 px, astigmatic, ±300 nm": {"axes": ASTIGMATIC, "z_range_nm": 300.0},
    "1.09 px, astigmatic, ±600 nm": {"axes": ASTIGMATIC, "z_range_nm": 600.0},
}
Finder = Callable[[LabelledMovie], Emitters]


@click.command()
@click.option("--model", "references", multiple=True, help="May be given several times; none: the one that ships.")
def main(references: tuple[str, ...]) -> None:
    networks = {name: _of(load(name)) for name in references} or {"champion": _of(load(None))}
    print(f"| point spread function | density per um² | {' | '.join(networks)} | wavelet |")
    print("|" + "---|" * (3 + len(networks)))
    for number, (optics, changes) in enumerate(OPTICS.items()):
        threshold = choose_threshold(_movies(changes, [1, number], 1), RADIUS_NM, SNR_THRESHOLD)
        finders = [*networks.values(), _floor(threshold)]
        for density in DENSITIES:
            movies = _movies(changes, [2, number], MOVIES, (density,))
            told = " | ".join(_told(finder, movies) for finder in finders)
            print(f"| {optics} | {density:g} | {told} |", flush=True)


def _of(network: Network) -> Finder:
    return lambda movie: decode(probability_map(network, movie), network.card.threshold)


def _floor(threshold: float) -> Finder:
    return lambda movie: detect(movie.frames, threshold)


def _movies(
    changes: dict[str, Any], seed: list[int], number: int, densities: Sequence[float] = DENSITIES
) -> list[LabelledMovie]:
    scenes = [Cell(density, on_frames=3.0).scene()._replace(**changes) for density in densities for _ in range(number)]
    rng = np.random.default_rng(seed)
    return [simulate_movie(scene, frames=FRAMES, size_px=SIZE_PX, rng=rng) for scene in scenes]


def _told(finder: Finder, movies: Sequence[LabelledMovie]) -> str:
    verdicts = [judge(movie.emitters, finder(movie), RADIUS_NM / movie.pixel_nm, CRITERION) for movie in movies]
    tallies = [count(verdict, movie.pixel_nm) for verdict, movie in zip(verdicts, movies, strict=True)]
    scores = summarise(pooled(tallies), RADIUS_NM)
    return f"{scores.f1:.3f} (P {scores.precision:.2f}, R {scores.recall:.2f})"


if __name__ == "__main__":
    main()
