"""What can be trained: every hyperparameter with its bounds, unit and default.

`TrainConfig` is a frozen tree of groups. People address a field by its dotted path, `optimizer.learning_rate`;
`resolve` builds a config from such paths and `flatten` takes one apart. Unknown paths are errors.

`identity_fields` names what makes two configs different runs: every field that differs from the default with
which the field was introduced. A release that adds a field with a default therefore changes no run id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from model.data_config import DataConfig, SimulationConfig
from model.group import Group
from model.network_config import LossConfig, ModelConfig, OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = [
    "DataConfig",
    "Group",
    "LossConfig",
    "ModelConfig",
    "OptimizerConfig",
    "ScheduleConfig",
    "SimulationConfig",
    "TrainingConfig",
]

CLASSES = 4
"""Emitter counts told apart: 0, 1, 2 and 3 or more."""

Scalar = bool | int | float | str | None
"""What an axis can hold."""


class EvaluationConfig(Group):
    """How a trained model is scored."""

    radius_nm: Annotated[float, Field(gt=0, le=1000)] = 100.0
    """Distance within which a prediction can match a truth, nm."""
    density_per_um2: Annotated[float, Field(gt=0, le=20)] = 1.0
    """Density of the held-out simulated movie, emitters per frame and um²."""
    frames: Annotated[int, Field(ge=5, le=10_000)] = 40
    """Frames of the held-out simulated movie."""
    size_px: Annotated[int, Field(ge=16, le=2048)] = 64
    """Edge of the held-out simulated movie, px."""
    symmetries: Annotated[Literal[1, 4, 8], Field()] = 1
    """Views whose probabilities are averaged: 1: the movie as it is; 4: also turned; 8: also turned and mirrored."""


class TrainConfig(Group):
    """Everything that decides what is trained; the leaves are what axes may vary."""

    data: DataConfig = DataConfig()
    simulation: SimulationConfig = SimulationConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _patch_survives_the_way_down(self) -> TrainConfig:
        smallest = 2**self.model.depth
        if self.data.patch_px < smallest:
            raise ValueError(
                f"data.patch_px ({self.data.patch_px}) is smaller than 2^model.depth ({smallest}): "
                "nothing would be left at the bottom of the network"
            )
        return self

    @model_validator(mode="after")
    def _mean_of_weights_forgets_the_first_ones(self) -> TrainConfig:
        steps = self.training.epochs * self.training.steps_per_epoch
        if steps * (1 - self.optimizer.ema) < 1:
            raise ValueError(
                f"optimizer.ema ({self.optimizer.ema:g}) averages over {1 / (1 - self.optimizer.ema):.0f} steps, but "
                f"training.epochs × training.steps_per_epoch are {steps}: lower it, or train longer"
            )
        return self


SEED_PATH = "training.seed"
PRESET_PATH = "loss.preset"
PARENT_PATH = "training.init_from"
RUNS = "runs:/"
"""What a parent that is an MLflow run's model begins with; its id follows."""
MODEL_FILE = "model/model.keras"
"""Where a finished run's network lies among its artifacts in MLflow."""

METRICS: dict[str, Literal["maximize", "minimize"]] = {
    "val_loss": "minimize",
    "val_f1": "maximize",
    "val_precision": "maximize",
    "val_recall": "maximize",
    "val_jaccard": "maximize",
    "val_rmse_nm": "minimize",
    "test_f1": "maximize",
    "test_precision": "maximize",
    "test_recall": "maximize",
    "test_jaccard": "maximize",
    "test_rmse_nm": "minimize",
}
"""Metrics that every simulated run reports, with the direction in which they improve.

`val_*` come from the data that selects (threshold, best epoch), `test_*` from the held-out simulated movie,
which an experimental run has not. F1, precision, recall and Jaccard are `knn_matched` at `evaluation.radius_nm`.
"""


def field_paths() -> Iterator[str]:
    """Every path that `base`, an axis or a rule may name, in the order of declaration."""
    for group, field in TrainConfig.model_fields.items():
        for name in _fields(field.annotation):
            yield f"{group}.{name}"


def resolve(values: Mapping[str, Scalar]) -> TrainConfig:
    """Build a config from dotted paths.

    Raises:
        pydantic.ValidationError: a path is unknown, a value is out of bounds or two values contradict each other;
            its `loc` is the path, split at the dot.
    """
    tree: dict[str, Any] = {}
    for path, value in values.items():
        group, _, name = path.partition(".")
        tree.setdefault(group, {})[name] = value
    return TrainConfig.model_validate(tree)


def flatten(config: TrainConfig) -> dict[str, Scalar]:
    """Every path of `config` with its value."""
    return {f"{group}.{name}": value for group, fields in config.model_dump().items() for name, value in fields.items()}


def identity_fields(config: TrainConfig) -> dict[str, Scalar]:
    """The paths that make this config another run than the default one, with their values.

    A preset is told by the fields that it fills.
    """
    introduced = flatten(_INTRODUCED)
    fields = {path: value for path, value in flatten(config).items() if value != introduced.get(path)}
    fields.pop(PRESET_PATH, None)
    return fields


def _fields(group: Any) -> dict[str, Any]:
    return dict(group.model_fields)


_INTRODUCED = TrainConfig()
