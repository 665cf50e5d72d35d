from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from model.config import Scalar, resolve
from orchestrator.commands.standings import best, champion, completeness, standings
from orchestrator.records import Run
from orchestrator.states import RunState
from worker.spec import Goal, Metric, RunSpec

F1 = Metric(name="val_f1", goal=Goal.MAXIMIZE)
LOSS = Metric(name="val_loss", goal=Goal.MINIMIZE)
RATE, SIZE = "optimizer.learning_rate", "training.batch_size"


def finished(cell: int, seed: int, metrics: Mapping[str, float], **values: Scalar) -> Run:
    fields = {name.replace("__", "."): value for name, value in values.items()}
    spec = RunSpec(
        run_id=f"{cell}-{seed}-{values}",
        sweep="s",
        slug="",
        cell=cell,
        seed=seed,
        axes=fields,
        config=resolve({**fields, "training.seed": seed}),
        metric=F1,
        footprint_mib=1,
    )
    run = Run.from_hash(
        {"sweep": "s", "state": "finished", "position": "0", "footprint_mib": "1", "spec": spec.model_dump_json()},
        run_id=spec.run_id,
    )
    return run.model_copy(update={"metrics": dict(metrics), "accepted_token": "t", "attempts": 1})


def test_seeds_are_averaged_and_cells_ranked_by_the_metrics_direction() -> None:
    runs = [
        finished(0, 1, {"val_f1": 0.5, "val_loss": 0.2}, optimizer__learning_rate=1e-3),
        finished(0, 2, {"val_f1": 0.7, "val_loss": 0.4}, optimizer__learning_rate=1e-3),
        finished(1, 1, {"val_f1": 0.65, "val_loss": 0.35}, optimizer__learning_rate=1e-2),
    ]
    first, second = standings(runs, F1, [RATE])
    assert (first.rank, first.axes, first.mean, first.seeds) == (1, {RATE: 1e-2}, 0.65, 1)
    assert second.mean == pytest.approx(0.6)
    assert second.spread == pytest.approx(0.1 * math.sqrt(2))
    assert [row.axes[RATE] for row in standings(runs, LOSS, [RATE])] == [1e-3, 1e-2]


def test_cells_of_an_extended_sweep_are_told_apart_by_their_values_not_by_their_numbers() -> None:
    before = finished(2, 1, {"val_f1": 0.3}, optimizer__learning_rate=2e-3, training__batch_size=4)
    after = finished(2, 1, {"val_f1": 0.9}, optimizer__learning_rate=1e-3, training__batch_size=16)
    rows = standings([before, after], F1, [RATE, SIZE])
    assert [(row.axes[SIZE], row.mean, row.seeds) for row in rows] == [(16, 0.9, 1), (4, 0.3, 1)]


def test_a_run_from_before_an_axis_was_added_shows_the_value_that_it_had() -> None:
    (row,) = standings([finished(0, 1, {"val_f1": 0.3}, optimizer__learning_rate=2e-3)], F1, [RATE, SIZE])
    assert row.axes == {RATE: 2e-3, SIZE: 8}


def test_a_cell_without_the_metric_comes_last() -> None:
    rows = standings(
        [finished(0, 1, {}, training__batch_size=4), finished(1, 1, {"val_f1": 0.1}, training__batch_size=2)],
        F1,
        [SIZE],
    )
    assert [row.axes[SIZE] for row in rows] == [2, 4]
    assert math.isnan(rows[1].mean)


def test_completeness_counts_accepted_results_and_what_was_given_up() -> None:
    done = finished(0, 1, {})
    waiting = done.model_copy(update={"state": RunState.QUEUED, "accepted_token": ""})
    assert str(completeness([done, waiting])) == "1 of 2 runs have one accepted result"
    retried = done.model_copy(update={"attempts": 3})
    assert "2 further attempts were given up" in str(completeness([retried]))


def test_the_best_run_is_a_finished_one() -> None:
    good = finished(0, 1, {"val_f1": 0.4})
    running = good.model_copy(update={"state": RunState.RUNNING, "metrics": {"val_f1": 0.9}})
    assert best([running, good], F1) == good
    assert best([running], F1) is None


def test_the_champion_is_the_best_accepted_run_of_the_cell_that_ranks_first() -> None:
    runs = [
        finished(0, 1, {"val_f1": 0.9, "val_loss": 0.9}, training__batch_size=4),
        finished(0, 2, {"val_f1": 0.1, "val_loss": 0.1}, training__batch_size=4),
        finished(1, 1, {"val_f1": 0.6, "val_loss": 0.6}, training__batch_size=2),
        finished(1, 2, {"val_f1": 0.7, "val_loss": 0.7}, training__batch_size=2),
    ]
    known = [run.model_copy(update={"mlflow_run_id": f"of {run.run_id}"}) for run in runs]
    assert champion(known, standings(known, F1, [SIZE]), F1) == known[3]
    assert champion(known, standings(known, LOSS, [SIZE]), LOSS) == known[1]
    *others, top = known
    unaccepted = [*others, top.model_copy(update={"accepted_token": ""})]
    assert champion(unaccepted, standings(unaccepted, F1, [SIZE]), F1) == known[2]


@pytest.mark.parametrize("metrics", [{}, {"val_loss": 0.5}])
def test_without_the_metric_there_is_no_champion(metrics: dict[str, float]) -> None:
    run = finished(0, 1, metrics).model_copy(update={"mlflow_run_id": "m"})
    assert champion([run], standings([run], F1, []), F1) is None
    assert champion([], [], F1) is None
