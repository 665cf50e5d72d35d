from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.config import METRICS
from orchestrator.search_space.policy import Limits, Metric, Policy, Resources
from worker.spec import Goal


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5min", 90), ("6h", 21_600), ("2 d", 172_800), (None, None)]
)
def test_a_timeout_is_a_number_with_its_unit(text: str | None, seconds: float | None) -> None:
    assert Policy(timeout=text).timeout_s == seconds


@pytest.mark.parametrize(("text", "mib"), [("6GiB", 6144), ("0.5 GiB", 512), ("700MiB", 700), ("auto", None)])
def test_gpu_memory_is_a_number_with_its_unit_or_auto(text: str, mib: int | None) -> None:
    assert Resources(gpu_memory=text).gpu_memory_mib == mib


@pytest.mark.parametrize("text", ["6", "6 hours", "-1h", "0h", "h", "6h ", "1e3s", "1.2345h", "٣h"])
def test_a_timeout_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="expected a number above 0 with its unit, such as 6h"):
        Policy(timeout=text)


@pytest.mark.parametrize("name", [name for name in METRICS if name.startswith("val_")])
def test_the_goal_follows_from_the_metric(name: str) -> None:
    assert Metric(name=name).direction == Goal(METRICS[name])
    assert Metric(name=name, goal=METRICS[name]).direction == Goal(METRICS[name])


@pytest.mark.parametrize("name", [name for name in METRICS if name.startswith("test_")])
def test_no_metric_of_the_test_set_ranks_a_sweep(name: str) -> None:
    with pytest.raises(ValidationError, match="the test set must not select"):
        Metric(name=name)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (Policy, {"priority": 101}),
        (Policy, {"priority": True}),
        (Policy, {"order": "random"}),
        (Policy, {"retries": {"infra": -1}}),
        (Policy, {"retries": {"network": 1}}),
        (Policy, {"pause_after": {"failed_fraction": 0}}),
        (Policy, {"pause_after": {"same_failure": 0}}),
        (Limits, {"max_runs": 0}),
        (Limits, {"max_runs": 20_001}),
    ],
)
def test_a_policy_beyond_its_bounds_is_refused(section: type[Any], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section.model_validate(values)
