from __future__ import annotations

import pytest

from orchestrator.balancer.decision.throughput import learn, worth_adding


def taught(load: float, penalty: float, rounds: int = 200) -> int:
    """How many runs of one signature share a device in the end, where each keeps it busy by `load`."""
    loads: dict[str, float] = {}
    count, most = 1, 0
    for _ in range(rounds):
        if count < 12 and worth_adding([loads.get("a")] * count, loads.get("a"), settled=True):
            count += 1
        most = max(most, count)
        rate = min(1.0, 1 / (load * count)) * (1 - penalty * (count - 1))
        loads |= learn(loads, [("a", rate)] * count, {"a": 1.0})
    return most


@pytest.mark.parametrize(("load", "least", "most"), [(0.05, 12, 12), (0.2, 5, 7), (0.5, 2, 3), (0.9, 2, 2)])
def test_a_device_is_filled_until_it_is_busy_whatever_sharing_costs(load: float, least: int, most: int) -> None:
    assert least <= taught(load, penalty=0.0) <= most
    assert least <= taught(load, penalty=0.02) <= most


def test_light_runs_that_were_taken_for_heavy_ones_are_found_out() -> None:
    loads = {"a": 0.52}
    assert not worth_adding([0.52, 0.52], 0.52, settled=True)
    for _ in range(10):
        loads |= learn(loads, [("a", 0.98), ("a", 0.98)], {"a": 1.0})
    assert worth_adding([loads["a"]] * 2, loads["a"], settled=True)


def test_runs_that_slow_each_other_down_keep_others_out() -> None:
    loads: dict[str, float] = {}
    for _ in range(10):
        loads |= learn(loads, [("a", 0.5), ("a", 0.5), ("a", 0.5)], {"a": 1.0})
    assert loads["a"] == pytest.approx(2 / 3, abs=0.01)
    assert not worth_adding([loads["a"]] * 2, loads["a"], settled=True)


def test_a_run_that_is_alone_and_runs_that_nothing_slows_down_teach_nothing() -> None:
    assert learn({}, [("a", 1.0)], {"a": 1.0}) == {}
    assert learn({}, [("a", 0.97), ("b", 0.97)], {"a": 1.0, "b": 1.0}) == {}
