"""`model predict`: movies through a network, into maps, tables and a picture each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.messages import INPUT_REFUSED, complain, network_option, refusals, results_option
from model.commands.networks import load, pixel_size

if TYPE_CHECKING:
    from model.prediction.outputs import Paths
    from model.prediction.photons import Scale
    from model.prediction.streaming import Network


@click.command()
@click.argument("movies", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="MOVIE…")
@network_option
@results_option("predictions")
@click.option("--pixel-nm", type=click.FloatRange(20, 500), help="Edge of a pixel where the file does not say, nm.")
@click.option("--threshold", type=click.FloatRange(0.01, 1), help="τ of the decoder instead of the network's own.")
@click.option(
    "--views",
    type=click.Choice([1, 4, 8]),
    help="Turned and mirrored views to average, instead of the network's own number; fewer are faster.",
)
@click.option(
    "--photons-per-count",
    default=0.1667,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Photons that one count above the baseline stands for; of an EMCCD with 45 e per count and gain 300.",
)
@click.option(
    "--sigma-px",
    default=1.1,
    show_default=True,
    type=click.FloatRange(0.5, 4),
    help="Standard deviation of the point spread function, px; for the photons alone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each movie.")
def predict(movies: tuple[Path, ...], reference: str | None, out: Path, as_json: bool, **options: Any) -> None:
    """Find the emitters of each MOVIE, of any length and size.

    Writes into --out, each named after its movie: .counts.ome.tif, the probability of 0, 1, 2 and 3+ emitters in each
    pixel; .thunderstorm.csv and .picasso.hdf5 with .yaml, the candidates; .png, a quick look; .prediction.json, how far
    it is and whether the movie looks like what the network was trained on. Interrupted, the same call goes on where it
    stopped. A movie that cannot be read is told of, and the rest is done; the exit code is 2 then.

    \b
    Examples:
      model predict movie.tif --pixel-nm 100
      model predict *.tif --model models:/wolf@champion --out results
    """
    from model.errors import InputError
    from model.files import make_folder
    from model.prediction.outputs import Paths
    from model.prediction.photons import Scale

    scale = Scale(options["photons_per_count"], options["sigma_px"])
    with refusals(as_json):
        network = load(reference, threshold=options["threshold"], views=options["views"])
        stems = _stems(movies)
        make_folder(out)
    refused = 0
    for stem, path in stems.items():
        try:
            told = predict_movie(network, path, Paths.of(out, stem), options["pixel_nm"], scale)
        except (InputError, OSError) as error:
            refused += 1
            complain(str(error), {"movie": str(path)}, as_json)
        else:
            click.echo(json.dumps(told) if as_json else _sentence(told))
    if refused:
        raise SystemExit(INPUT_REFUSED)


def _stems(movies: tuple[Path, ...]) -> dict[str, Path]:
    from model.errors import InputError
    from model.prediction.outputs import stem_of

    stems: dict[str, Path] = {}
    for path in movies:
        stem = stem_of(path)
        if stem in stems:
            raise InputError(
                f"{stems[stem]} and {path} would both be written to {stem}.*; predict them into two folders (--out)"
            )
        stems[stem] = path
    return stems


def predict_movie(
    network: Network, path: Path, paths: Paths, pixel_nm: float | None, scale: Scale | None = None
) -> dict[str, Any]:
    """Predict a movie file into `paths` and draw it; what was found, ready for JSON.

    Raises:
        InputError: the movie cannot be read, or it is unknown how large its pixels are.
    """
    from model.movies import open_movie
    from model.prediction.photons import Scale
    from model.prediction.pictures import draw_prediction
    from model.prediction.streaming import Task, predict_file

    with open_movie(path) as movie:
        edge_nm = pixel_size(path, pixel_nm, movie.pixel_nm)
        task = Task(movie, paths, edge_nm, scale or Scale())
        with _progress(path.name) as progress:
            journal = predict_file(network, task, progress)
        draw_prediction(task, network.card.threshold, journal)
    found = {"movie": str(path), "frames": journal.frames, "localisations": journal.localisations}
    return found | {"low": journal.low, "high": journal.high, "domain": journal.domain}


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal) as bar:
        line = bar.add_task(name, total=None)
        yield lambda done, frames: bar.update(line, completed=done, total=frames)


def _sentence(told: dict[str, Any]) -> str:
    found = f"{told['movie']}: {told['localisations']:,} localisations in {told['frames']:,} frames"
    domain = told["domain"]
    if domain is None:
        return f"{found}; the network does not know what it was trained on, so look at the picture"
    if not domain["out_of_domain"]:
        return f"{found}; in domain ({domain['distance']:.2f}, usual up to {domain['limit']:.2f})"
    reasons = "; ".join(domain["reasons"]) or "an unusual combination of usual traits"
    return f"{found}; OUT OF DOMAIN ({domain['distance']:.2f}, usual up to {domain['limit']:.2f}): {reasons}"
