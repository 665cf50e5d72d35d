"""What every command says in the same way."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import click

INPUT_REFUSED = 2
"""Exit code where the input cannot be used."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
pixel_nm_option = click.option(
    "--pixel-nm", default=100.0, show_default=True, type=click.FloatRange(20, 500), help="Edge of a pixel, nm."
)


def refuse(sentence: str, as_json: bool) -> NoReturn:
    """End with a sentence on stderr, and as an object on stdout where JSON was asked for."""
    if as_json:
        click.echo(json.dumps({"error": sentence}))
    click.echo(f"Error: {sentence}", err=True)
    raise SystemExit(INPUT_REFUSED)


def listing(values: dict[str, Any]) -> str:
    """A line for each value."""
    width = max(14, *(len(name) + 2 for name in values))
    return "\n".join(f"{name:<{width}}{_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
