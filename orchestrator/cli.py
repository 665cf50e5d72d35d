"""The `orchestrator` command. What a command needs is imported when it runs, so `--help` answers at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator import services_cli
from orchestrator.entry import run as run_command

if TYPE_CHECKING:
    from orchestrator.backends.port import Backend, Steer
    from orchestrator.search_space.text_source import Source

_EXAMPLES = """
\b
Examples:
  orchestrator run search_spaces/quickstart.yaml     train a small grid here, from nothing to the leaderboard
  orchestrator plan search_spaces/wolf.yaml          what would be trained, and what is known already
  orchestrator up; orchestrator submit FILE          the same in the background
  orchestrator status wolf --json                    counts by state, for scripts
  orchestrator report wolf --promote                 the leaderboard; its best model becomes models:/wolf@champion
  orchestrator logs d3-f3-adam -f                    what a run prints, as it prints it
  orchestrator down                                  checkpoint, put runs back in the queue, stop the services
  orchestrator serve                                 let other machines ask for all this, with a token

\b
Where ORCHESTRATOR_URL is set (and ORCHESTRATOR_TOKEN or ORCHESTRATOR_TOKEN_FILE), commands ask the API there.

\b
Exit codes: 0 done, 1 failed, 2 wrong input, 3 a service is out of reach, 130 interrupted.
"""

_file = click.argument("file", type=click.Path(path_type=Path))
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="hd-smlm")
def cli() -> None:
    """Train every combination of a search space, as many at a time as memory really allows."""


@cli.command()
@_file
def run(file: Path) -> None:
    """Train a search space to its end: start what is needed, submit, follow, report.

    Calling it again goes on where it stopped; what is finished is never trained again. Ctrl-C checkpoints. Through an
    API nothing is started, and Ctrl-C ends the following only.
    """
    source = _source(file)
    from orchestrator.commands.run import run_here, run_there
    from orchestrator.settings import from_environment

    raise SystemExit(run_there(_backend(), source) if from_environment().api.url else run_here(source))


@cli.command()
@_file
@_json
def plan(file: Path, as_json: bool) -> None:
    """Say what a search space would train, cell by rule, and what of it is known already. Changes nothing."""
    seen = _backend().plan(_source(file))
    from orchestrator.commands.planning import render_plan

    _show(seen if as_json else render_plan(seen), as_json)


@cli.command()
@_file
@_json
def submit(file: Path, as_json: bool) -> None:
    """Queue a search space; runs that are known already are not queued again."""
    seen = _backend().submit(_source(file))
    from orchestrator.commands.submission import describe

    _show(seen if as_json else f"{seen['sweep']}: {describe(seen)}", as_json)


@cli.command()
@click.argument("sweep", required=False)
@click.option("--runs", "with_runs", is_flag=True, help="List every run.")
@_json
def status(sweep: str | None, with_runs: bool, as_json: bool) -> None:
    """Count the runs of a sweep, or of all, by state."""
    from orchestrator.commands.status import render_status

    seen = _backend().status(sweep, with_runs=with_runs)
    _show(seen if as_json else render_status(seen), as_json)


@cli.command()
@click.argument("sweep")
@click.option("--promote", is_flag=True, help="Register the best model in MLflow as models:/SWEEP@champion.")
@_json
def report(sweep: str, promote: bool, as_json: bool) -> None:
    """Rank the cells of a sweep, seeds averaged, and say whether every run has its result."""
    from orchestrator.commands.report import render_report

    backend = _backend()
    seen = backend.report(sweep)
    promoted = {"promoted": backend.promote(sweep)} if promote else {}
    _show({**seen, **promoted} if as_json else render_report(seen), as_json)
    if promoted and not as_json:
        from orchestrator.commands.promotion import render_promotion

        click.echo(render_promotion(promoted["promoted"]))


@cli.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on as it prints, until the run is over.")
def logs(run: str, follow: bool) -> None:
    """Print what a run's latest attempt printed. RUN is an id, a slug, or the beginning of an id."""
    from orchestrator.commands.logs import follow_log, print_log

    (follow_log if follow else print_log)(_backend(), run)


@cli.command()
@click.argument("sweep")
def pause(sweep: str) -> None:
    """Start no more runs of a sweep; those that run go on."""
    _steer("pause", sweep)


@cli.command()
@click.argument("sweep")
def resume(sweep: str) -> None:
    """Lift a pause, whoever made it."""
    _steer("resume", sweep)


@cli.command()
@click.argument("sweep")
@click.argument("runs", nargs=-1)
def cancel(sweep: str, runs: tuple[str, ...]) -> None:
    """Cancel runs that are not over, or the whole sweep; `retry` queues them again."""
    _steer("cancel", sweep, runs)


@cli.command()
@click.argument("sweep")
@click.argument("runs", nargs=-1)
def retry(sweep: str, runs: tuple[str, ...]) -> None:
    """Queue failed, infeasible and cancelled runs again, or only those named, with fresh budgets."""
    _steer("retry", sweep, runs)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of search spaces, for editors."""
    from orchestrator.search_space.loading import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: `orchestrator completion bash >> ~/.bashrc`."""
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    if maker is not None:
        click.echo(maker(cli, {}, "orchestrator", "_ORCHESTRATOR_COMPLETE").source())


for command in (services_cli.up, services_cli.down, services_cli.serve, services_cli.doctor, services_cli.make_secrets):
    cli.add_command(command)


def main() -> None:
    """Entry point."""
    run_command(cli)


def _source(file: Path) -> Source:
    from orchestrator.search_space.text_source import read_source

    return read_source(file)


def _backend() -> Backend:
    from orchestrator.backends.choice import backend_of
    from orchestrator.settings import from_environment

    backend = backend_of(from_environment())
    click.get_current_context().call_on_close(backend.close)
    return backend


def _steer(action: Steer, sweep: str, runs: tuple[str, ...] = ()) -> None:
    click.echo(_backend().steer(action, sweep, runs)["message"])


def _show(value: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(value))
    elif isinstance(value, str):
        click.echo(value)
    else:
        from rich.console import Console

        Console(file=sys.stdout, soft_wrap=not sys.stdout.isatty()).print(value)
