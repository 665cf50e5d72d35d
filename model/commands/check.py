"""`model check`: whether a movie and its table can be trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from model.commands.messages import as_json_option, listing, pixel_nm_option, refusals


@click.command()
@click.option(
    "--movie",
    required=True,
    type=click.Path(path_type=Path),
    help="TIFF, a folder of TIFF files, DAX, or Picasso's raw.",
)
@click.option(
    "--table",
    required=True,
    type=click.Path(path_type=Path),
    help="ThunderSTORM CSV, rapidSTORM text, Picasso's or DECODE's HDF5.",
)
@pixel_nm_option
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
@click.option(
    "--binning",
    default="none",
    show_default=True,
    type=click.Choice(["none", "bin5", "bin10"]),
    help="Frames that are summed; with --validation-fraction, refuse parts too short for it.",
)
@click.option(
    "--gap-frames", default=20, show_default=True, type=click.IntRange(1), help="Least distance between them."
)
@click.option(
    "--low-percentile",
    default=20.0,
    show_default=True,
    type=click.FloatRange(0, 50),
    help="Of the movie's pixels, which becomes −1 (data.low_percentile).",
)
@click.option(
    "--high-percentile",
    default=99.0,
    show_default=True,
    type=click.FloatRange(50, 100, min_open=True),
    help="Which becomes +1; a movie in which it is saturated or equals the low one is refused.",
)
@as_json_option
def check(movie: Path, table: Path, as_json: bool, **limits: Any) -> None:
    """Check that a movie and its localisation table can be trained on.

    Exit code 0 and what they hold, or 2 and a sentence that says what is wrong. With --json one object either way, of
    digest, frames, height, width, localisations, overlap and notes, or of error.

    \b
    Examples:
      model check --movie images.tif --table localisations.csv
      model check --movie images.tif --table rapidstorm.txt --pixel-nm 133 --frames 5 --json
    """
    from model.binning import SUMS
    from model.input_check import Use, check_inputs

    pixel_nm, binning = limits.pop("pixel_nm"), limits.pop("binning")
    with refusals(as_json):
        found = check_inputs(movie, table, pixel_nm, Use(**limits, sums=SUMS[binning]))._asdict()
    click.echo(json.dumps(found) if as_json else listing(found))
