"""What every command says in the same way."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import click

INPUT_REFUSED = 2
"""Exit code where the input cannot be used."""


def refuse(sentence: str, as_json: bool) -> NoReturn:
    """End with a sentence on stderr, and as an object on stdout where JSON was asked for."""
    if as_json:
        click.echo(json.dumps({"error": sentence}))
    click.echo(f"Error: {sentence}", err=True)
    raise SystemExit(INPUT_REFUSED)


def listing(values: dict[str, Any]) -> str:
    """A line for each value."""
    return "\n".join(f"{name:<14}{_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
