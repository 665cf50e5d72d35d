"""`model inspect`: what is in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from model.commands.messages import as_json_option, listing, refusals


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@as_json_option
def inspect(file: Path, as_json: bool) -> None:
    """Tell what is in FILE, a movie or a localisation table.

    Of a movie: axes as they are tagged, size, kind of pixels, percentiles, and the pixel size if the file knows it.
    Of a table: rows, frames, field, and what is known of the emitters.

    \b
    Examples:
      model inspect movie.tif
      model inspect frames/
      model inspect localisations.csv --json
    """
    from model.file_contents import contents_of

    with refusals(as_json):
        told: dict[str, Any] = contents_of(file)
    click.echo(json.dumps(told) if as_json else listing(told))
