"""The `balancer` command. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json

import click

from orchestrator.addresses import mlflow_url, redis_url
from orchestrator.errors import OrchestratorError
from orchestrator.settings import from_environment

_EXAMPLES = """
\b
Examples:
  balancer status              devices, workers, and what waits
  balancer status --json       the same for scripts
  balancer run                 balance in the foreground (`orchestrator up` does it in the background)
"""


@click.group(epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hd-smlm")
def cli() -> None:
    """Gives out the memory of GPUs, or of the machine, to workers."""


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Show devices, workers and sweeps as the balancer last saw them."""
    from orchestrator.balancer.status import read, render

    seen = read(redis_url(from_environment()))
    click.echo(json.dumps(seen) if as_json else render(seen))


@cli.command()
@click.option("-v", "--verbose", is_flag=True, help="Log every decision.")
def run(verbose: bool) -> None:
    """Balance until SIGTERM; workers that run go on without it."""
    from orchestrator.balancer.service import serve

    settings = from_environment()
    serve(settings, redis_url(settings), mlflow_url(settings), verbose=verbose)


def main() -> None:
    """Entry point: errors become one line and an exit code."""
    try:
        cli(standalone_mode=True)
    except OrchestratorError as error:
        click.echo(f"balancer: {error}", err=True)
        raise SystemExit(error.exit_code) from error
