"""`model fit`: positions, photons and uncertainties of the candidates of a prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.messages import network_option, quiet_start, refusals, results_option
from model.commands.networks import load, pixel_size

if TYPE_CHECKING:
    from model.card import Card
    from model.fitting.files import Camera
    from model.prediction.streaming import Task


@click.command()
@click.argument("movie", type=click.Path(path_type=Path))
@network_option
@results_option("predictions")
@click.option("--pixel-nm", type=click.FloatRange(20, 500), help="Edge of a pixel where the file does not say, nm.")
@click.option("--sigma-px", type=click.FloatRange(0.5, 3), help="Width of the point spread function; none: fitted.")
@click.option("--baseline", default=100.0, show_default=True, type=float, help="Counts of a dark pixel.")
@click.option(
    "--photons-per-count",
    default=0.1667,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Photons that one count above the baseline stands for; of an EMCCD with 45 e per count and gain 300.",
)
@click.option("--excess", default=2.0, show_default=True, type=click.FloatRange(1, 2), help="2 for an EMCCD, else 1.")
@click.option("--read-noise", default=0.28, show_default=True, type=click.FloatRange(0), help="Photons at the input.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fit(movie: Path, reference: str | None, out: Path, as_json: bool, **options: Any) -> None:
    """Fit all emitters of MOVIE together, from where the network sees them.

    The probability map that `model predict` left in --out is taken as prior; where there is none, it is predicted
    first. Writes .fit.thunderstorm.csv and .fit.picasso.hdf5 with .yaml: x, y, photons, and the uncertainty that
    photon noise and neighbours leave (Cramér–Rao bound).

    \b
    Examples:
      model fit movie.tif --pixel-nm 100
      model fit movie.tif --photons-per-count 0.79 --excess 1 --read-noise 1.6 --sigma-px 1.2
    """
    with refusals(as_json):
        told = _fit(movie, reference, out, options)
    sentence = "{movie}: {localisations:,} emitters fitted, point spread function {sigma_px:.3f} px wide, uncertainty "
    click.echo(json.dumps(told) if as_json else (sentence + "{uncertainty_nm:.1f} nm in the median").format(**told))


def _fit(path: Path, reference: str | None, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    from model.files import make_folder

    with quiet_start():
        from model.movies import open_movie
        from model.prediction.outputs import Paths, stem_of
        from model.prediction.photons import Scale
        from model.prediction.streaming import Task, predict_file

    camera = _camera(options)
    with open_movie(path) as movie:
        pixel_nm = pixel_size(path, options["pixel_nm"], movie.pixel_nm)
        network = load(reference)
        make_folder(out)
        task = Task(movie, Paths.of(out, stem_of(path)), pixel_nm, Scale(camera.photons_per_count))
        predict_file(network, task, lambda done, frames: None)
        return {"movie": str(path)} | _fitted(path, task, network.card, camera, options["sigma_px"])


def _fitted(path: Path, task: Task, card: Card, camera: Camera, sigma_px: float | None) -> dict[str, Any]:
    """Fit what was predicted.

    Raises:
        InputError: the camera's numbers make no photons of its light.
    """
    import numpy as np

    from model.errors import InputError
    from model.fitting.files import fit_file

    try:
        return fit_file(task, card, camera, sigma_px)
    except np.linalg.LinAlgError as error:
        raise InputError(
            f"{path}: its light is beyond what can be fitted ({error}); give what its counts mean in photons with "
            "--photons-per-count and --baseline"
        ) from error


def _camera(options: dict[str, Any]) -> Camera:
    from model.fitting.files import Camera

    return Camera(*(options[name] for name in ("photons_per_count", "baseline", "excess", "read_noise")))
