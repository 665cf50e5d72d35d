"""`model match`: the simulation that resembles a movie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from model.commands.messages import as_json_option, listing, refusals
from model.commands.networks import pixel_size

if TYPE_CHECKING:
    from model.microscope.match import Match


@click.command()
@click.argument("movie", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .json or .yaml file of settings.")
@click.option("--camera", default="auto", show_default=True, type=click.Choice(["auto", "emccd", "scmos"]))
@click.option("--pixel-nm", type=click.FloatRange(20, 500), help="Edge of a pixel where the file does not say, nm.")
@as_json_option
def match(
    movie: Path, out: Path | None, camera: Literal["auto", "emccd", "scmos"], pixel_nm: float | None, as_json: bool
) -> None:
    """Estimate what took MOVIE, and write the simulation settings that resemble it.

    Camera, gain and baseline come from its noise, the width of the point spread function from its spectrum, photons,
    density, ON time and background from its cumulants: no emitter needs to be told from another. Give raw camera frames
    in which emitters blink. A .json goes to `model train` and `model simulate` as --config; a .yaml is the base of a
    search space.

    \b
    Examples:
      model match movie.tif
      model match movie.tif --pixel-nm 107 --camera scmos --out mine.yaml
      model match movie.tif --out mine.json && model simulate like_mine.tif --config mine.json
    """
    with refusals(as_json):
        found = _match(movie, camera, pixel_nm)
        if out is not None:
            _write(out, movie, found)
    told: dict[str, Any] = {name: _short(value) for name, value in found._asdict().items()}
    click.echo(json.dumps(told) if as_json else listing(told))


def _match(path: Path, camera: Literal["auto", "emccd", "scmos"], pixel_nm: float | None) -> Match:
    from model.microscope.match import match_movie
    from model.movies import open_movie

    with open_movie(path) as movie:
        return match_movie(movie, pixel_size(path, pixel_nm, movie.pixel_nm), camera)


def _write(out: Path, movie: Path, found: Match) -> None:
    from model.errors import InputError
    from model.microscope.match import as_search_space, settings_of

    settings = settings_of(found)
    if out.suffix == ".json":
        out.write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    elif out.suffix in {".yaml", ".yml"}:
        out.write_text(as_search_space(settings, movie.name), "utf-8")
    else:
        raise InputError(
            f"{out} ends with neither .json nor .yaml, the two kinds of settings that are written; name it so"
        )


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
