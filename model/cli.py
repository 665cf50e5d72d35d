"""The `model` command: look at real input before a sweep, simulate movies, train one network, find emitters.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import click

from model.commands.check import check
from model.commands.evaluate import evaluate
from model.commands.fit import fit
from model.commands.inspect import inspect
from model.commands.match import match
from model.commands.predict import predict
from model.commands.simulate import simulate
from model.commands.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The science of HD-SMLM: look at movies, simulate them, train one network, and find emitters.

    \b
    Examples:
      model inspect movie.tif
      model match movie.tif --pixel-nm 100 --out mine.json
      model check --movie images.tif --table localisations.csv --pixel-nm 133
      model simulate dense.tif --density 4 --structure filaments
      model train --out wide --set model.base_filters=32
      model predict movie.tif --pixel-nm 100
      model fit movie.tif --pixel-nm 100
      model evaluate movie.tif truth.csv --pixel-nm 100
    """


for each in (check, evaluate, fit, inspect, match, predict, simulate, train):
    main.add_command(each)
