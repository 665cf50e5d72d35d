"""The `model` command: look at real input before a sweep, simulate movies, train one network, find emitters.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.commands.evaluate import evaluate
from model.commands.fit import fit
from model.commands.messages import listing, refuse
from model.commands.predict import predict
from model.train_command import train

if TYPE_CHECKING:
    from model.data_config import SimulationConfig

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_pixel_nm = click.option(
    "--pixel-nm", default=100.0, show_default=True, type=click.FloatRange(20, 500), help="Edge of a pixel, nm."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The science of HD-SMLM: look at movies, simulate them, train one network, and find emitters.

    \b
    Examples:
      model check --movie images.tif --table localisations.csv --pixel-nm 133
      model simulate dense.tif --density 4 --structure filaments
      model train --out wide --set model.base_filters=32
      model predict movie.tif --pixel-nm 100
      model fit movie.tif --pixel-nm 100
      model evaluate movie.tif truth.csv --pixel-nm 100
    """


for each in (evaluate, fit, predict, train):
    main.add_command(each)


@main.command()
@click.option("--movie", required=True, type=click.Path(path_type=Path), help="A TIFF movie.")
@click.option("--table", required=True, type=click.Path(path_type=Path), help="ThunderSTORM CSV or rapidSTORM text.")
@_pixel_nm
@click.option(
    "--frames",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Consecutive frames that the network reads (model.frames).",
)
@click.option(
    "--validation-fraction",
    type=click.FloatRange(0.05, 0.5),
    help="Also split so, and refuse a part without localisations.",
)
@_as_json
def check(movie: Path, table: Path, as_json: bool, **limits: Any) -> None:
    """Check that a movie and its localisation table can be trained on.

    Exit code 0 and what they hold, or 2 and a sentence that says what is wrong. With --json one object either way, of
    digest, frames, height, width, localisations, overlap and notes, or of error.

    \b
    Examples:
      model check --movie images.tif --table localisations.csv
      model check --movie images.tif --table rapidstorm.txt --pixel-nm 133 --frames 5 --json
    """
    from model.errors import InputError
    from model.inspection import check_inputs

    try:
        found = check_inputs(movie, table, **limits)._asdict()
    except InputError as error:
        refuse(str(error), as_json)
    click.echo(json.dumps(found) if as_json else listing(found))


@main.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--frames", default=100, show_default=True, type=click.IntRange(1), help="Frames.")
@click.option("--size", default=64, show_default=True, type=click.IntRange(1), help="Edge of the field, px.")
@click.option("--density", default=1.0, show_default=True, type=click.FloatRange(0, 20), help="Emitters per um².")
@click.option("--structure", default="uniform", show_default=True, type=click.Choice(["uniform", "filaments"]))
@click.option("--camera", default="emccd", show_default=True, type=click.Choice(["emccd", "scmos"]))
@click.option(
    "--photons",
    default=5000.0,
    show_default=True,
    type=click.FloatRange(50, 100_000),
    help="Mean photons of an emitter in a whole frame.",
)
@click.option(
    "--background", default=100.0, show_default=True, type=click.FloatRange(0, 1000), help="Photons per px and frame."
)
@_pixel_nm
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed, the same bytes.")
@_as_json
def simulate(out: Path, frames: int, size: int, seed: int, as_json: bool, **physics: Any) -> None:
    """Simulate a movie into OUT, an ImageJ TIFF, and its true emitters beside it as ThunderSTORM CSV.

    \b
    Examples:
      model simulate dense.tif --density 4
      model simulate lines.tif --structure filaments --camera scmos --frames 500 --seed 7
    """
    import numpy as np

    from model.errors import InputError
    from model.movies import write_movie
    from model.scene import typical_scene
    from model.simulator import simulate_movie
    from model.tables import write_thunderstorm

    density, pixel_nm = physics.pop("density"), physics.pop("pixel_nm")
    truth = out.with_suffix(".csv")
    if out.suffix not in {".tif", ".tiff"}:
        refuse(f"{out} does not end with .tif, which is what a movie is written as; name it so", as_json)
    try:
        scene = typical_scene(_simulation(**physics), pixel_nm, density)
        movie = simulate_movie(scene, frames=frames, size_px=size, rng=np.random.default_rng(seed))
        write_movie(out, movie.frames, pixel_nm)
        write_thunderstorm(truth, movie.emitters, pixel_nm)
    except (InputError, OSError) as error:
        refuse(str(error), as_json)
    made = {"movie": str(out), "truth": str(truth), "frames": frames, "size_px": size, "emitters": movie.emitters.rows}
    click.echo(json.dumps(made) if as_json else listing(made))


def _simulation(structure: Any, camera: Any, photons: float, background: float) -> SimulationConfig:
    from model.data_config import SimulationConfig

    return SimulationConfig(
        structure=structure, camera=camera, photons=photons, background_min=background, background_max=background
    )
