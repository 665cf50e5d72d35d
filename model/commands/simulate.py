"""`model simulate`: a movie and its truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.hyperparameters import config_file, config_of, settings
from model.commands.messages import as_json_option, listing, refusals, refuse

if TYPE_CHECKING:
    from model.config import Scalar, TrainConfig
    from model.emitters import LabelledMovie

_STRUCTURES = ("uniform", "filaments", "rings", "clusters")
TRUTH_PRECISION_NM = 1.0
"""Uncertainty that is written with true positions, which have none: programs that draw them need one."""


@click.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--frames", default=100, show_default=True, type=click.IntRange(1), help="Frames.")
@click.option("--size", default=64, show_default=True, type=click.IntRange(1), help="Edge of the field, px.")
@click.option("--density", default=1.0, show_default=True, type=click.FloatRange(0, 20), help="Emitters per um².")
@click.option("--structure", default="uniform", show_default=True, type=click.Choice(_STRUCTURES))
@click.option("--camera", type=click.Choice(["emccd", "scmos"]), help="emccd if not set otherwise.")
@click.option("--photons", type=float, help="Mean photons of an emitter in a whole frame; 5000 if not set otherwise.")
@click.option("--background", type=float, help="Photons per px and frame; about 87 if not set otherwise.")
@click.option("--pixel-nm", type=float, help="Edge of a pixel, nm; 100 if not set otherwise.")
@config_file
@settings
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed, the same bytes.")
@as_json_option
def simulate(out: Path, as_json: bool, **asked: Any) -> None:
    """Simulate a movie into OUT, an ImageJ TIFF, and its true emitters beside it.

    The truth is a ThunderSTORM CSV, and Picasso's HDF5 with its YAML. Everything in `simulation` and `data.pixel_nm`
    may be set; ranges are played in their middle. Both densities are told and stand in the movie: the mean over the
    field, and that within 500 nm of an emitter.

    \b
    Examples:
      model simulate dense.tif --density 4
      model simulate lines.tif --structure filaments --camera scmos --frames 500 --seed 7
      model simulate deep.tif --set simulation.psf=astigmatic --set simulation.z_range_nm=750
      model match movie.tif --out mine.json && model simulate like_mine.tif --config mine.json
    """
    if out.suffix not in {".tif", ".tiff"}:
        refuse(f"{out} does not end with .tif, which is what a movie is written as; name it so", as_json)
    with refusals(as_json):
        made = _simulate(out, asked)
    click.echo(json.dumps(made) if as_json else listing(made))


def _simulate(out: Path, asked: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    from model.density import density_of
    from model.scene import typical_scene
    from model.simulator import simulate_movie

    config = config_of(asked["file"], asked["given"], _named(asked))
    scene = typical_scene(config.simulation, config.data.pixel_nm, asked["density"])
    rng = np.random.default_rng(asked["seed"])
    movie = simulate_movie(scene, frames=asked["frames"], size_px=asked["size"], rng=rng)
    density = density_of(movie.emitters, movie.frames.shape, movie.pixel_nm)
    told = {
        "frames": asked["frames"],
        "size_px": asked["size"],
        "emitters": movie.emitters.rows,
        "density_per_um2": round(density.field, 4),
        "local_density_per_um2": None if np.isnan(density.local) else round(density.local, 4),
    }
    return {"movie": str(out), **_write(out, movie, config, told), **told}


def _named(asked: dict[str, Any]) -> dict[str, Scalar]:
    """Hyperparameters that have an option of their own."""
    paths = {
        "structure": ("simulation.structure",),
        "camera": ("simulation.camera",),
        "photons": ("simulation.photons",),
        "background": ("simulation.background_min", "simulation.background_max"),
        "pixel_nm": ("data.pixel_nm",),
    }
    return {path: asked[name] for name, held in paths.items() for path in held if asked[name] is not None}


def _write(out: Path, movie: LabelledMovie, config: TrainConfig, told: dict[str, Any]) -> dict[str, str]:
    from model.config import identity_fields
    from model.movies import write_movie
    from model.tables import write_picasso, write_thunderstorm

    csv, hdf5 = out.with_suffix(".csv"), out.with_suffix(".hdf5")
    write_movie(out, movie.frames, movie.pixel_nm, json.dumps({**told, **identity_fields(config)}))
    write_thunderstorm(csv, movie.emitters, movie.pixel_nm)
    write_picasso(hdf5, movie.emitters, movie.frames.shape, movie.pixel_nm, TRUTH_PRECISION_NM / movie.pixel_nm)
    return {"truth": str(csv), "truth_picasso": str(hdf5)}
