"""The `balancer` command. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.addresses import mlflow_url, redis_url
from orchestrator.entry import run as run_command
from orchestrator.settings import from_environment

if TYPE_CHECKING:
    from orchestrator.backends.port import Backend

_EXAMPLES = """
\b
Examples:
  balancer status                  devices, workers, and what waits
  balancer status --watch          the same, drawn anew each second
  balancer status --json           the same for scripts; docs/balancer-status.md has the keys
  balancer explain d3-f3-adam      why a run waits, in numbers, or what it is doing
  balancer drain gpu0              let gpu0 finish its runs, and start nothing there
  balancer drain gpu0 --now        let its runs checkpoint and go back to the queue at once
  balancer resume gpu0             use it again, whatever closed it
  balancer simulate FLEET WORKLOAD what a machine would make of a workload, on a virtual clock
  balancer run                     balance in the foreground (`orchestrator up` does it in the background)

\b
Exit codes: 0 done, 1 failed, 2 wrong input, 3 a service is out of reach.
"""

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_device = click.argument("device", required=False)
_POLICIES = (
    *("ours", "one", "two", "four", "free-1s", "free-30s", "tried", "told"),
    *("no-ledger", "no-cap-overhead", "no-ramp-rule", "no-release-rule", "no-foreign-maximum"),
)
"""Those of the simulator, which takes a while to import."""
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="hd-smlm")
def cli() -> None:
    """Gives out the memory of GPUs, or of the machine, to workers."""


@cli.command()
@click.option("-w", "--watch", "follow", is_flag=True, help="Draw it anew each second, until Ctrl-C.")
@_json
def status(follow: bool, as_json: bool) -> None:
    """Show devices, workers and sweeps as the balancer last saw them.

    It answers from Redis alone, also where no GPU is and while the balancer is down. With --watch --json, one object
    a line and second.

    \b
      balancer status --json | jq '.devices[] | {name, headroom_mib, health}'
    """
    from orchestrator.balancer.answers.status import render
    from orchestrator.balancer.answers.watching import size, watch

    backend = _backend()

    def draw(columns: int, lines: int | None = None) -> str:
        seen = backend.balancer()
        return json.dumps(seen) if as_json else render(seen, width=columns, height=lines, colour=_in_colour())

    if follow:
        watch(draw)
    else:
        _print(draw(size()[0]))


@cli.command()
@click.argument("run")
@_json
def explain(run: str, as_json: bool) -> None:
    """Say why a run waits, in numbers, or what it is doing. RUN is an id, a slug, or the beginning of an id.

    For a queued run: on each device, the lease that it needs, where that number comes from, the headroom, and what
    stands in the way; its place in the queue, and the place that is kept for it. For others: worker, device, and the
    memory that was predicted, learned and measured.

    \b
      balancer explain 3fa9c1
      balancer explain d4-f3-adam-lr1e-3-s11-3fa9c1 --json
    """
    from orchestrator.balancer.answers.page import render_answer
    from orchestrator.balancer.answers.watching import size

    answer = _backend().explain(run)
    _print(json.dumps(answer) if as_json else render_answer(answer, width=size()[0], colour=_in_colour()))


@cli.command()
@_device
@click.option("--now", is_flag=True, help="Let runs checkpoint and go back to the queue, instead of finishing them.")
@_json
def drain(device: str | None, now: bool, as_json: bool) -> None:
    """Let workers leave a device, or all: nothing starts there until `balancer resume`.

    DEVICE is a name as in `balancer status`, a UUID, or the beginning of one; none means all. Runs that are there are
    finished first; with --now they checkpoint and go on elsewhere.

    \b
      balancer drain gpu0
      balancer drain GPU-8f3a --now
      balancer drain
    """
    answer = _backend().drain(device, now=now)
    _print(json.dumps(answer) if as_json else "\n".join(answer["lines"]))


@cli.command()
@_device
@_json
def resume(device: str | None, as_json: bool) -> None:
    """Use a device again, or all, whether it was drained or is quarantined because its runs kept dying.

    \b
      balancer resume gpu0
      balancer resume
    """
    answer = _backend().reopen(device)
    _print(json.dumps(answer) if as_json else "\n".join(answer["lines"]))


@cli.command()
@click.argument("fleet", type=_file)
@click.argument("workload", type=_file)
@click.option("--seed", default=0, show_default=True, help="Of everything that varies.")
@click.option(
    "--policy",
    type=click.Choice(_POLICIES),
    default="ours",
    show_default=True,
    help="Who gives out the memory; benchmarks/balancer/README.md says what each does.",
)
@click.option("--timeline", type=click.Path(dir_okay=False, path_type=Path), help="Draw every attempt into this SVG.")
@_json
def simulate(  # noqa: PLR0913, PLR0917 (click passes each option)
    fleet: Path, workload: Path, seed: int, policy: str, timeline: Path | None, as_json: bool
) -> None:
    """Say what a machine would make of a workload, by this balancer's own decisions on a virtual clock.

    FLEET and WORKLOAD are YAML files; benchmarks/balancer has some. No GPU and no Redis is needed.

    \b
      balancer simulate benchmarks/balancer/fleets/h100x8.yaml benchmarks/balancer/workloads/unet_grid.yaml
      balancer simulate FLEET WORKLOAD --policy one --timeline one.svg
    """
    from orchestrator.balancer.answers.watching import size
    from orchestrator.balancer.simulator import picture, render
    from orchestrator.balancer.simulator import simulate as play

    result = play(fleet, workload, seed=seed, policy=policy)
    if timeline:
        timeline.write_text(picture(result), encoding="utf-8")
    _print(json.dumps(result.as_json()) if as_json else render(result, size()[0]))


@cli.command()
@click.option("-v", "--verbose", is_flag=True, help="Log every decision.")
def run(verbose: bool) -> None:
    """Balance until SIGTERM; workers that run go on without it."""
    from orchestrator.balancer.service import serve

    settings = from_environment()
    serve(settings, redis_url(settings), mlflow_url(settings), verbose=verbose)


def main() -> None:
    """Entry point."""
    run_command(cli, "balancer: ")


def _backend() -> Backend:
    from orchestrator.backends.choice import backend_of

    backend = backend_of(from_environment())
    click.get_current_context().call_on_close(backend.close)
    return backend


def _in_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _print(text: str) -> None:
    from orchestrator.balancer.answers.painting import writable

    click.echo(writable(text, sys.stdout.encoding))
