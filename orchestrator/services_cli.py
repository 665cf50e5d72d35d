"""Commands about the services of this machine, and about the machine itself; `orchestrator.cli` has the others."""

from __future__ import annotations

import json
from pathlib import Path

import click

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
def up() -> None:
    """Start Redis, MLflow and the balancer in the background, where they do not run already."""
    _only_here("up")
    from orchestrator.commands.session import open_up

    session = open_up()
    click.echo(f"started: {', '.join(session.started) or 'nothing, all was up'}")
    click.echo(f"MLflow: {session.mlflow} (takes some 20 s to answer after a start)")


@click.command()
def down() -> None:
    """Let runs checkpoint and go back to the queue, then stop the services."""
    _only_here("down")
    from orchestrator.commands.session import close_down
    from orchestrator.settings import from_environment

    stopped = close_down(from_environment())
    click.echo(f"stopped: {', '.join(stopped) or 'nothing was up'}")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8642, show_default=True, type=click.IntRange(0, 65535))
def serve(host: str, port: int) -> None:
    """Answer other machines over HTTP until SIGTERM: what these commands do, metrics, events as they happen.

    Callers show a token: ORCHESTRATOR_TOKEN, or what is in ORCHESTRATOR_TOKEN_FILE, or one that is made here and kept
    in the home folder. The connection is not encrypted; off this machine, put an SSH tunnel or a TLS proxy before it.

    \b
      ssh -L 8642:127.0.0.1:8642 server
      ORCHESTRATOR_URL=http://127.0.0.1:8642 ORCHESTRATOR_TOKEN_FILE=token orchestrator status
    """
    from orchestrator.api.service import serve as answer
    from orchestrator.settings import from_environment

    answer(from_environment(), host, port)


@click.command()
@click.argument("checks", nargs=-1)
@_json
def doctor(checks: tuple[str, ...], as_json: bool) -> None:
    """Look the installation over, or only the parts named, and say what to do about what is wrong."""
    _only_here("doctor")
    from orchestrator.deployment.doctor import examine
    from orchestrator.settings import from_environment

    found = list(examine(from_environment(), checks))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in found]))
    else:
        click.echo("\n".join(f"{'well ' if one.is_well else 'WRONG'}  {one.name:<9} {one.message}" for one in found))
    raise SystemExit(not all(finding.is_well for finding in found))


@click.command(hidden=True)
@click.argument("control", type=click.Path(path_type=Path))
@click.argument("workers", type=click.Path(path_type=Path))
@click.argument("database", type=click.Path(path_type=Path))
def make_secrets(control: Path, workers: Path, database: Path) -> None:
    """Make the passwords of an installation in containers, where there are none yet, in three folders."""
    from orchestrator.deployment.passwords import make_secrets as make

    click.echo(f"made: {', '.join(make(control, workers, database)) or 'nothing, all was there'}")


def _only_here(command: str) -> None:
    from orchestrator.backends.choice import only_here
    from orchestrator.settings import from_environment

    only_here(from_environment(), command)
