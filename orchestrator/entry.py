"""How a command ends: errors that people can do something about become a line and an exit code."""

from __future__ import annotations

from collections.abc import Callable

import click

from orchestrator.errors import OrchestratorError


def run(command: Callable[[], object], prefix: str = "") -> None:
    """Run a command of the command line."""
    try:
        command()
    except OrchestratorError as error:
        _leave(f"{prefix}{error}", error.exit_code, error)
    except Exception as error:
        from orchestrator.redis_door import RedisError, lost

        if not isinstance(error, RedisError | ConnectionError):
            raise
        told = lost(error)
        _leave(f"{prefix}{told}", told.exit_code, error)


def _leave(message: str, code: int, cause: Exception) -> None:
    click.echo(message, err=True)
    raise SystemExit(code) from cause
