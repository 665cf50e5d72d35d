"""What every command says in the same way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from model.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])

INPUT_REFUSED = 2
"""Exit code where the input cannot be used."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
pixel_nm_option = click.option(
    "--pixel-nm", default=100.0, show_default=True, type=click.FloatRange(20, 500), help="Edge of a pixel, nm."
)

network_option = click.option(
    "--model",
    "reference",
    help="A .keras file, models:/NAME@ALIAS (or /VERSION) or runs:/ID; none: the one that ships.",
)


def results_option(default: str) -> Callable[[Command], Command]:
    """The folder into which a command writes; whether it can be one is told in a line, see `refusals`."""
    return click.option("--out", default=default, show_default=True, type=click.Path(path_type=Path), help="Folder.")


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keep what TensorFlow's libraries say as they are loaded from the terminal; what goes wrong is raised as ever."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def refusals(as_json: bool = False) -> Iterator[None]:
    """End with a sentence where input cannot be used, or a file can be neither read nor written."""
    try:
        yield
    except (InputError, OSError) as error:
        refuse(str(error), as_json)


def refuse(sentence: str, as_json: bool) -> NoReturn:
    """End with a sentence on stderr, and as an object on stdout where JSON was asked for."""
    complain(sentence, {}, as_json)
    raise SystemExit(INPUT_REFUSED)


def complain(sentence: str, about: dict[str, Any], as_json: bool) -> None:
    """Say in one line what cannot be used; with JSON also as an object, in which `about` stands before it."""
    line = " ".join(sentence.splitlines())
    if as_json:
        click.echo(json.dumps({**about, "error": line}))
    click.echo(f"Error: {line}", err=True)


def listing(values: dict[str, Any]) -> str:
    """A line for each value."""
    width = max(14, *(len(name) + 2 for name in values))
    return "\n".join(f"{name:<{width}}{_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
