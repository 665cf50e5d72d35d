"""Hyperparameters, as commands are given them: a file, and single ones that come before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model.errors import InputError

if TYPE_CHECKING:
    from model.config import Scalar, TrainConfig

config_file = click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON object of hyperparameters: {"model.depth": 2}.',
)
settings = click.option(
    "--set", "given", multiple=True, metavar="PATH=VALUE", help="One hyperparameter; comes before --config."
)


def config_of(
    file: Path | None, given: tuple[str, ...] = (), before: Mapping[str, Scalar] | None = None
) -> TrainConfig:
    """A config of a file and single settings, over which those of `before` stand.

    Raises:
        InputError: the file is no JSON object, or a hyperparameter is unknown or out of bounds.
    """
    return _config({**_read(file), **dict(map(_pair, given)), **(before or {})})


def _config(values: Mapping[str, Scalar]) -> TrainConfig:
    from pydantic import ValidationError

    from model.config import resolve

    try:
        return resolve(values)
    except ValidationError as error:
        found = (f"{'.'.join(map(str, record['loc']))}: {record['msg']}" for record in error.errors())
        raise InputError("; ".join(found)) from error


def _read(file: Path | None) -> dict[str, Scalar]:
    try:
        values = json.loads(file.read_text()) if file else {}
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f'{file} holds no object of hyperparameters; expected {{"model.depth": 2, …}}')
    return values


def _pair(text: str) -> tuple[str, Scalar]:
    """The path and the value of `PATH=VALUE`; a value that is no JSON is text."""
    path, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected PATH=VALUE, such as model.depth=2")
    try:
        return path, json.loads(value)
    except ValueError:
        return path, value
