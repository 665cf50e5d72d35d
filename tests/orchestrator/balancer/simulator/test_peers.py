from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.balancer.simulator import oracle, play
from orchestrator.balancer.simulator.bounds import bounds
from orchestrator.balancer.simulator.workers import Span
from tests.orchestrator.balancer.simulator.worlds import INIT_S, START_S, fleet, group, scenario


def most_at_once(spans: Sequence[Span], device: str) -> int:
    here = [span for span in spans if span.device_id == device]
    return max(sum(one.began_at <= span.began_at < one.ended_at for one in here) for span in here)


@pytest.mark.parametrize(("policy", "most"), [("one", 1), ("two", 2), ("four", 4)])
def test_counting_policies_run_so_many_on_each_device(policy: str, most: int) -> None:
    result = play(scenario(group(runs=12), on=fleet(gpus=2)), policy)
    assert {most_at_once(result.spans, device) for device in result.devices} == {most}
    assert result.given_up == 0


def test_one_at_a_time_takes_the_sum_of_all_starts_and_runs() -> None:
    result = play(scenario(group(runs=3)), "one")
    assert result.makespan_s == pytest.approx(3 * (START_S + INIT_S + 600), abs=6)


def test_polling_starts_one_run_on_each_device_at_every_poll_while_memory_is_free() -> None:
    result = play(scenario(group(runs=6, peak_mib=6000, load=0.1)), "free-30s")
    began = sorted(span.began_at for span in result.spans)
    assert began[:3] == pytest.approx([30 + START_S + 0.07, 60 + START_S + 0.07, 90 + START_S + 0.07], abs=0.1)
    assert most_at_once(result.spans, "GPU-0") == 3


def test_fast_polling_without_books_starts_too_many() -> None:
    result = play(scenario(group(runs=8, peak_mib=6000, load=0.1)), "free-1s")
    assert result.endings["neighbour"] > 0  # type: ignore[index]
    assert result.given_up == 0


def test_the_bound_is_the_highest_of_the_three() -> None:
    memory_bound = bounds(scenario(group(runs=10, peak_mib=10_000, load=0.1)))
    assert memory_bound.memory_s == pytest.approx(10 * 10_000 * 600 / 20_000) == memory_bound.bound_s
    compute_bound = bounds(scenario(group(runs=10, load=0.5)))
    assert compute_bound.compute_s == pytest.approx(10 * 300) == compute_bound.bound_s
    assert bounds(scenario(group(load=0.1))).bound_s == 600


def test_foreigners_make_the_bound_longer() -> None:
    foreigner = {"kind": "constant", "mib": 10_000}
    bound = bounds(scenario(group(runs=10, peak_mib=10_000, load=0.1), foreigners=[foreigner]))
    assert bound.memory_s == pytest.approx(10 * 600)


def test_the_oracle_keeps_its_bound_and_beats_one_at_a_time() -> None:
    given = scenario(group(runs=6), group("large", runs=3, peak_mib=12_000, duration_s=900), on=fleet(gpus=2))
    bound_s = bounds(given).bound_s
    assert bound_s <= oracle.makespan_s(given) <= 1.2 * bound_s < play(given, "one").makespan_s
