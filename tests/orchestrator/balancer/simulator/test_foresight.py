"""What the balancer would do if it knew more: as an upper end for what learning can bring."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.balancer.simulator import FORESIGHT, play
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.scenario import Scenario
from tests.orchestrator.balancer.simulator.test_peers import most_at_once
from tests.orchestrator.balancer.simulator.worlds import group, scenario


def predicted(given: Scenario, mib: int) -> Scenario:
    return replace(given, runs=tuple(replace(run, predicted_mib=mib) for run in given.runs))


def four_at_a_time(predicted_mib: int, late_share: float = 0.0) -> Scenario:
    """Eight signatures of one run of 2,600 MiB: with a context, four fit on the device of 20,000 MiB."""
    different = group(signatures=8, peak_mib=2600, load=0.1)
    return predicted(scenario(different, late_share=late_share), predicted_mib)


@pytest.mark.parametrize("policy", FORESIGHT)
def test_who_knows_peaks_gives_no_more_than_they_are_whatever_was_predicted(policy: str) -> None:
    high, low = (play(four_at_a_time(mib), policy) for mib in (2800, 1500))
    assert most_at_once(high.spans, "GPU-0") == 4
    assert most_at_once(play(four_at_a_time(2800)).spans, "GPU-0") == 3
    assert high.endings[Ending.FINISHED] == low.endings[Ending.FINISHED] == 8
    assert low.endings.get(Ending.OWN_OOM, 0) == 0
    assert play(four_at_a_time(1500)).endings[Ending.OWN_OOM] > 0


def test_a_trial_does_not_show_a_peak_that_comes_late() -> None:
    late = four_at_a_time(2650, late_share=1.0)
    told, tried, ours = (play(late, policy) for policy in ("told", "tried", "ours"))
    assert most_at_once(told.spans, "GPU-0") == 4
    assert most_at_once(tried.spans, "GPU-0") == most_at_once(ours.spans, "GPU-0") == 3
    assert tried.endings.get(Ending.OWN_OOM, 0) == 0
