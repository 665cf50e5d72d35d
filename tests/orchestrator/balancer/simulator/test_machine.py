from __future__ import annotations

import pytest

from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.driver import Memory
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.workers import Event
from orchestrator.errors import OrchestratorError
from tests.orchestrator.balancer.simulator.worlds import (
    CONTEXT_MIB,
    INIT_S,
    START_S,
    Script,
    fleet,
    group,
    played,
    scenario,
)


class Hand:
    """A clock that a test turns."""

    now = 0.0


def memory(hand: Hand, **keys: bool) -> Memory:
    return Memory(scenario(on=fleet(**keys)).devices[0], lambda: hand.now)


def endings(machine: Machine) -> list[Ending]:
    return [span.ending for span in machine.spans]


def test_memory_that_is_taken_and_given_back_is_conserved() -> None:
    device = memory(Hand())
    assert device.take(1, 12_000)
    assert not device.take(2, 9_000)
    assert (device.used_mib, device.held_mib(2)) == (12_000, 0)
    device.give(1)
    assert device.take(2, 20_000)
    assert device.free_mib == 0


def test_a_foreigner_takes_what_there_is() -> None:
    device = memory(Hand())
    device.take(1, 15_000)
    assert device.take_foreign(9, 30_000) == 5_000
    assert (device.free_mib, device.foreign_mib) == (0, 5_000)


def test_a_reading_shows_what_was_true_at_the_last_whole_second() -> None:
    hand = Hand()
    device = memory(hand)
    hand.now = 3.4
    device.take(1, 8_000)
    assert (device.reading().at, device.reading().free_mib) == (3.0, 20_000)
    hand.now = 4.1
    assert (device.reading().at, device.reading().free_mib, device.reading().processes) == (4.0, 12_000, {1: 8_000})


def test_a_frozen_reading_keeps_its_old_time() -> None:
    hand = Hand()
    device = memory(hand)
    device.freeze()
    hand.now = 20.5
    device.take(1, 8_000)
    assert (device.reading().at, device.reading().free_mib) == (0.0, 20_000)
    device.thaw()
    assert (device.reading().at, device.reading().free_mib) == (20.0, 12_000)


def test_a_driver_that_does_not_attribute_tells_no_processes() -> None:
    assert memory(Hand(), attributed=False).reading().processes is None


def test_a_run_alone_takes_its_start_its_context_and_its_duration() -> None:
    machine = played(scenario(), Script())
    assert machine.clock.now == pytest.approx(START_S + INIT_S + 600, abs=0.2)
    assert machine.spans[0].peak_mib == 4000 + CONTEXT_MIB
    assert machine.compute.busy_s == pytest.approx(0.5 * 602, abs=0.1)


def test_runs_that_share_a_device_slow_each_other_down_by_the_sum_of_their_loads() -> None:
    machine = played(scenario(group(runs=4)), Script())
    assert machine.clock.now == pytest.approx(START_S + 2 * (INIT_S + 600), abs=0.5)


def test_a_penalty_slows_down_every_co_runner() -> None:
    machine = played(scenario(group(runs=2), on=fleet(penalty=0.05)), Script())
    assert machine.clock.now == pytest.approx(START_S + (INIT_S + 600) / 0.95, abs=0.5)


def test_a_run_over_its_cap_dies_of_its_own() -> None:
    assert endings(played(scenario(), Script(cap_mib=3_900))) == [Ending.OWN_OOM]
    assert endings(played(scenario(), Script(cap_mib=4_000))) == [Ending.FINISHED]


def test_memory_that_is_promised_twice_is_our_fault() -> None:
    machine = played(scenario(group(peak_mib=12_000), group("longer", peak_mib=12_000, duration_s=6000)), Script())
    assert sorted(endings(machine)) == [Ending.FINISHED, Ending.NEIGHBOUR_OOM]


def test_memory_that_a_foreigner_took_since_is_the_foreigners_fault() -> None:
    foreigner = {"kind": "sudden", "mib": 17_000, "low_s": 5, "high_s": 3600}
    assert endings(played(scenario(foreigners=[foreigner]), Script())) == [Ending.FOREIGN_OOM]


def test_memory_that_a_foreigner_had_before_is_our_fault() -> None:
    foreigner = {"kind": "constant", "mib": 17_000}

    class Late(Script):
        def begin(self, machine: Machine) -> None:
            self.machine = machine
            machine.clock.after(5, lambda: Script.begin(self, machine))

    assert endings(played(scenario(foreigners=[foreigner]), Late())) == [Ending.NEIGHBOUR_OOM]


def test_an_attempt_that_dies_resumes_from_its_last_epoch_and_its_memory_stays_for_a_while() -> None:
    held: list[int] = []

    def again(machine: Machine, event: Event) -> None:
        device = next(iter(machine.memories.values()))
        held.append(device.used_mib)
        machine.clock.after(30, lambda: held.append(device.used_mib))
        machine.clock.after(31, lambda: machine.hand_over(event.worker_id, event.run_id))

    def kill(machine: Machine) -> None:
        attempt = machine.workers["w-net-r00"].attempt
        assert attempt
        machine._end(attempt, Ending.CRASH)

    policy = Script(ended=lambda machine, event: again(machine, event) if event.ending is Ending.CRASH else None)
    machine = Machine(scenario(), policy)
    machine.clock.at(START_S + INIT_S + 150.5, lambda: kill(machine))
    machine.run(1e6)
    assert held == [4000 + CONTEXT_MIB, 0]
    assert machine.trained_s["net-r00"] == pytest.approx(600)
    assert machine.spans[1].ended_at - machine.spans[1].began_at == pytest.approx(INIT_S + 480, abs=0.1)


def test_a_worker_that_dies_takes_its_run_with_it() -> None:
    machine = played(scenario(failures={"worker": 1.0}), Script())
    assert endings(machine) == [Ending.WORKER_LOST]
    assert [event.kind for _, event in machine.policy.events][-1] in ("ended", "gone")  # type: ignore[attr-defined]


def test_what_never_ends_is_told() -> None:
    with pytest.raises(OrchestratorError, match="1 runs are still open after 0 h, one is net-r00; look"):
        Machine(scenario(), Script(ended=lambda machine, event: None)).run(5)
