"""The `worker` command, which launchers start."""

from __future__ import annotations

import os

import click

from worker.settings import from_environment


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--installation", help="Home folder; marks the worker as this installation's own.")
@click.option("--id", "worker_id", required=True, help="Id of the lease that this worker holds.")
def main(installation: str | None, worker_id: str) -> None:
    """Train runs one at a time, as RQ hands them out. Started by the balancer; not by hand.

    \b
    Needs in the environment:
      HDSMLM_REDIS_URL    the ledger's Redis
      HDSMLM_HOME         folder for checkpoints and logs
    and may have there:
      HDSMLM_REDIS_PASSWORD_FILE
                          file with the password for Redis
      HDSMLM_DEVICE       cpu, or the UUID of a GPU or MIG instance
      HDSMLM_CGROUP       a control group delegated to workers, which holds runs to their memory
      HDSMLM_CACHE        folder for simulated scenes that runs share
      HDSMLM_CACHE_GIB    how large it may become
    """
    os.environ["HDSMLM_WORKER_ID"] = worker_id
    if installation:
        os.environ["HDSMLM_HOME"] = installation
    try:
        settings = from_environment(worker_id)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    from worker.supervisor import serve

    serve(settings)
