"""The training loop: what it begins with, under which loss it trains, and when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.build import build_compiled
from model.checkpoint import Checkpoints, EpochRecord
from model.config import resolve
from model.errors import DivergedError, StoppedError
from model.training import Listener, Trained, train
from tests.model.samples import TINY


def trained(folder: Path, records: list[EpochRecord] | None = None, **changes: Any) -> Trained:
    listener = Listener(lambda _: None, lambda *_: None, (records if records is not None else []).append)
    values = {**TINY, **{path.replace("__", "."): value for path, value in changes.items()}}
    return train(resolve(values), Checkpoints(folder, "run", "t"), lambda: None, listener)


def test_a_training_begins_with_its_parents_weights(tmp_path: Path) -> None:
    parent = build_compiled(resolve({**TINY, "training.seed": 5}), (0.9, 0.08, 0.015, 0.005), 4)
    parent.save(tmp_path / "parent.keras")
    child = trained(
        tmp_path, training__init_from=str(tmp_path / "parent.keras"), optimizer__learning_rate=1e-9, training__epochs=1
    )
    *ours, head, _ = child.network.get_weights()
    *theirs, parents_head, _ = parent.get_weights()
    for mine, inherited in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, inherited, atol=1e-7)
    slope = head.sum() / parents_head.sum()  # calibration scales the last layer, and moves its bias
    np.testing.assert_allclose(head, slope * parents_head, atol=1e-6)


def test_a_parent_is_fetched_by_whoever_knows_where_it_is(tmp_path: Path) -> None:
    asked: list[str] = []

    def find(source: str) -> Path:
        asked.append(source)
        raise StoppedError

    with pytest.raises(StoppedError):
        train(
            resolve({**TINY, "training.init_from": "runs:/0af3"}),
            Checkpoints(tmp_path, "run", "t"),
            lambda: None,
            Listener(lambda _: None, lambda *_: None, lambda _: None),
            find,
        )
    assert asked == ["runs:/0af3"]


def test_the_validation_loss_means_something_else_once_the_tversky_term_has_begun(
    tmp_path: Path,
) -> None:
    def losses(name: str, **changes: Any) -> list[float]:
        records: list[EpochRecord] = []
        trained(tmp_path / name, records, optimizer__learning_rate=1e-9, loss__tversky_share=0.9, **changes)
        return [record.metrics["val_loss"] for record in records]

    late, throughout = losses("late", loss__tversky_from=0.5), losses("throughout")
    assert late[1] == pytest.approx(throughout[1], rel=1e-4)
    assert late[0] < 0.7 * late[1], "cross entropy alone is another number"


def test_patience_counts_anew_when_the_loss_changes(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "training__epochs": 6,
        "training__early_stopping_patience": 1,
        "optimizer__learning_rate": 1e-9,
        "loss__tversky_share": 0.9,
        "loss__tversky_from": 0.2,
    }
    found = trained(tmp_path, **changes)
    losses = [record.metrics["val_loss"] for record in found.progress.history]
    assert losses[1] > 1.2 * losses[0], "the second epoch is the first one with the Tversky term"
    assert len(losses) == 3, "one epoch without progress under the same loss is one too many"


def test_validation_judges_the_mean_of_the_weights_and_training_goes_on_with_the_weights(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"optimizer__learning_rate": 0.05, "schedule__start_factor": 1.0}
    plain, averaged = trained(tmp_path / "a", **changes), trained(tmp_path / "b", **changes, optimizer__ema=0.7)
    losses = [[record.metrics["loss"] for record in each.progress.history] for each in (plain, averaged)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    judged = [each.progress.history[-1].metrics["val_loss"] for each in (plain, averaged)]
    assert judged[0] != pytest.approx(judged[1], rel=1e-3)


def test_a_training_that_is_over_is_judged_without_a_further_step(tmp_path: Path) -> None:
    first = trained(tmp_path)
    records: list[EpochRecord] = []
    again = trained(tmp_path, records)
    assert records == []
    assert again.evaluation.scores == pytest.approx(first.evaluation.scores, nan_ok=True)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    broken = build_compiled(resolve(TINY), (0.9, 0.08, 0.015, 0.005), 4)
    broken.set_weights([np.full(weight.shape, np.nan) for weight in broken.get_weights()])
    broken.save(tmp_path / "broken.keras")
    with pytest.raises(DivergedError, match="the loss is nan in epoch 1; a lower learning rate may help"):
        trained(tmp_path, training__init_from=str(tmp_path / "broken.keras"))
