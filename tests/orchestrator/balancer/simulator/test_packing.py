from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from orchestrator.balancer.simulator import oracle, play
from orchestrator.balancer.simulator.learner import granted
from orchestrator.balancer.simulator.packing import Item, best
from orchestrator.balancer.simulator.scenario import Scenario
from tests.orchestrator.balancer.simulator.worlds import group, scenario


def many(sigma: float, signatures: int = 100, runs: int = 2) -> Scenario:
    return scenario(group("net", signatures=signatures, runs=runs), prediction_sigma=sigma)


def test_the_best_packing_fills_a_device_with_what_fits_together() -> None:
    items = [Item(mib, mib - 100) for mib in (12_032, 9_984, 7_936, 5_120)]
    assert {item.lease_mib for item in best(items, 20_224, 8)} == {12_032, 7_936}
    assert [item.lease_mib for item in best(items, 20_224, 1)] == [12_032]


def test_equal_runs_that_wait_for_memory_are_packed_as_well_as_can_be() -> None:
    result = play(scenario(group(runs=60, load=0.1, peak_mib=4000)))
    assert result.packing is not None
    assert 0.9 < result.packing <= 1.05


def test_first_runs_must_be_granted_what_leaves_one_death_in_two_hundred_runs() -> None:
    given, must = many(0.1), granted(many(0.1))
    margins = [
        one.peak_mib / one.predicted_mib
        for one, before in zip(must.runs, given.runs, strict=True)
        if one.peak_mib != before.peak_mib
    ]
    assert len(margins) == 100
    assert all(margin > 1.1 for margin in margins)
    deaths = sum(1 - NormalDist(sigma=0.1).cdf(math.log(margin)) for margin in margins)
    assert deaths == pytest.approx(200 / 200, abs=0.02)


def test_who_must_learn_peaks_is_no_faster_than_who_knows_them_and_equal_where_predictions_are_exact() -> None:
    given = many(0.1, signatures=30, runs=1)
    assert oracle.makespan_s(granted(given)) >= oracle.makespan_s(given)
    exact = replace(given, prediction_sigma=0.0)
    assert granted(exact) == exact
