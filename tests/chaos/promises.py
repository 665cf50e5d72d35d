"""What must hold at the end of every test, whatever went wrong in it."""

from __future__ import annotations

from orchestrator.states import RunState
from tests.chaos.machine import Machine

TOLD_LATE_S = 1.0
"""How much older than it should be a reading may be at a start, on a machine that is busy."""


def kept_by(machine: Machine) -> None:
    """Find every promise kept.

    Raises:
        AssertionError: one is not.
    """
    assert machine.failure is None, machine.failure
    _every_start_was_right(machine)
    _no_device_was_promised_twice(machine)
    _each_result_is_of_one_attempt(machine)
    _nobody_died_of_a_neighbour(machine)


def _every_start_was_right(machine: Machine) -> None:
    newest_s = 2 * machine.rules.poll_s + 0.25 + TOLD_LATE_S
    for grant in machine.launcher.grants if machine.daemon else []:
        most = machine.usable_mib(grant.worker.device)
        assert grant.is_durable, f"launched before the lease was written: {grant}"
        assert grant.leased_mib[grant.worker.device] <= most, f"more than {most} MiB are leased: {grant}"
        assert grant.read_s_ago <= newest_s, f"started on an old reading: {grant}"


def _no_device_was_promised_twice(machine: Machine) -> None:
    for seen in machine.snapshots.seen:
        for device in seen["devices"]:
            assert device["leased_mib"] <= machine.usable_mib(device["device"]), device


def _each_result_is_of_one_attempt(machine: Machine) -> None:
    said = machine.said_finished()
    for run in machine.runs_of_all():
        if run.state is RunState.FINISHED:
            assert (run.run_id, run.accepted_token) in said, f"{run.run_id} was accepted but never finished"
            assert run.mlflow_run_id == run.accepted_token


def _nobody_died_of_a_neighbour(machine: Machine) -> None:
    """A foreigner takes what the driver lets it take; what ours hold must fit by itself."""
    for death in machine.deaths():
        ours = sum(death["held_mib"].values()) + death["asked_mib"]
        assert ours <= machine.usable_mib(death["device"]), f"a run died of a neighbour: {death}"
