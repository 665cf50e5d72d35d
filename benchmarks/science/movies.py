"""Movies that this project did not simulate: score one against its truth, or see which a network is at home with.

    python benchmarks/science/movies.py score test.dax test_olist.txt --pixel-nm 160 [--model FILE]
    python benchmarks/science/movies.py survey FOLDER --pixel-nm 100 [--model FILE] [--out FOLDER]

`score` reads truth as any table of localisations, or as storm-analysis writes it: lines of `x y photons z` in px, of
the first frame alone, where 1 is the centre of pixel 0 (measured on its own `test.dax`, to 0.01 px). `survey` predicts
every movie below a folder and prints its out-of-domain flag.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from model.benchmark.floor import detect
from model.benchmark.methods import probability_map
from model.benchmark.tables import score_lines
from model.commands.networks import load, pixel_size
from model.commands.predict import predict_movie
from model.decoding.peeling import decode
from model.density import density_of
from model.domain import measured
from model.emitters import Emitters, LabelledMovie
from model.errors import InputError
from model.figures import draw_overlay
from model.movies import open_movie
from model.normalisation import measure, normalise
from model.prediction.outputs import Paths
from model.prediction.streaming import Network
from model.scoring.report import summary, take
from model.scoring.scores import score
from model.scoring.verdicts import MATCHED, Judged
from model.tables import read_table

MOVIES = (".tif", ".tiff", ".dax", ".raw")


@click.group()
def main() -> None:
    pass


@main.command("score")
@click.argument("movie", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--model", "reference")
@click.option("--pixel-nm", type=float)
@click.option("--figure", type=click.Path(path_type=Path))
def score_movie(movie: Path, table: Path, reference: str | None, figure: Path | None, pixel_nm: float | None) -> None:
    whole, known = _labelled(movie, table, pixel_nm)
    network = load(reference)
    probability = probability_map(network, whole)
    print(_surprise(network, whole, probability))
    labelled, probability = whole._replace(frames=whole.frames[:known]), probability[:known]
    judged = Judged(labelled, decode(probability, network.card.threshold))
    print("\n".join(score_lines(summary([take(judged, 0.0, probability)]))))
    wavelet = detect(labelled.frames, 1.0)
    for radius_nm in (250.0, 100.0):
        f1 = score(labelled.emitters, wavelet, radius_nm / labelled.pixel_nm, labelled.pixel_nm, MATCHED).f1
        print(f"wavelet at 1 std, F1 within {radius_nm:g} nm: {f1:.3f}")
    print(f"density {density_of(labelled.emitters, labelled.frames.shape, labelled.pixel_nm)}")
    if figure:
        draw_overlay(judged, known // 2, 250.0, MATCHED, figure)


def _labelled(path: Path, table: Path, pixel_nm: float | None) -> tuple[LabelledMovie, int]:
    """The movie, and how many of its frames the truth covers."""
    with open_movie(path) as movie:
        frames, edge_nm = movie.read(), pixel_size(path, pixel_nm, movie.pixel_nm)
    try:
        truth, known = read_table(table).emitters(edge_nm), len(frames)
    except InputError:
        x, y, photons, z = np.loadtxt(table, ndmin=2).T[:4]
        truth, known = Emitters.of(np.zeros(len(x), int), x - 0.5, y - 0.5, photons, z_nm=z), 1
    return LabelledMovie(frames, truth.select(truth.inside(frames.shape)), edge_nm), known


def _surprise(network: Network, movie: LabelledMovie, probability: np.ndarray) -> str:
    card = network.card
    if card.domain is None:
        return "the network does not know its domain"
    intensities = measure(movie.frames, card.low_percentile, card.high_percentile)
    return str(card.domain.surprise(measured(normalise(movie.frames, intensities, card.reading.clip), probability)))


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", "reference")
@click.option("--pixel-nm", default=100.0, help="Where a file does not say.")
@click.option("--out", default="survey", type=click.Path(path_type=Path))
def survey(folder: Path, reference: str | None, pixel_nm: float, out: Path) -> None:
    network = load(reference)
    for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in MOVIES):
        place = out / path.parent.relative_to(folder)
        place.mkdir(parents=True, exist_ok=True)
        try:
            told = predict_movie(network, path, Paths.of(place, path.stem), pixel_nm)
        except InputError as error:
            print(f"{path.relative_to(folder)}: {error}")
            continue
        print(json.dumps({name: told[name] for name in ("movie", "frames", "localisations", "domain")}), flush=True)


if __name__ == "__main__":
    main()
