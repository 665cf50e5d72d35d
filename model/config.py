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

SCHEMA_VERSION = 1
CLASSES = 4
"""Emitter counts told apart: 0, 1, 2 and 3 or more."""

Scalar = bool | int | float | str | None
"""What an axis can hold."""


class ModelConfig(Group):
    """The 3D-UNet."""

    frames: Annotated[Literal[1, 3, 5], Field()] = 3
    """Consecutive frames read at once, kept intact to the output."""
    depth: Annotated[int, Field(ge=1, le=6)] = 3
    """Times that the image is halved on the way down."""
    base_filters: Annotated[int, Field(ge=2, le=256)] = 16
    """Filters of the first level; each level down has twice as many."""
    convolutions_per_block: Annotated[int, Field(ge=1, le=4)] = 2
    """Convolutions of each residual block."""
    kernel: Annotated[Literal[3, 5], Field()] = 3
    """Edge of the convolution kernels, px and frames."""
    normalisation: Literal["none", "batch", "group", "layer"] = "none"
    """Normalisation after each convolution."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of channels dropped in the bottleneck during training."""


class LossConfig(Group):
    """Hybrid Tversky: λ · focal Tversky + (1 − λ) · focal cross entropy. The defaults are the `champion` preset."""

    fn_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of missed emitters in the Tversky index; false ones weigh 1 − fn_weight."""
    tversky_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """λ; 0.6 in the `reference` preset."""
    tversky_exponent: Annotated[float, Field(gt=0, le=4)] = 0.75
    """γ of the focal Tversky term."""
    focal_exponent: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Focal exponent of the cross entropy; 2 in the `reference` preset."""
    class_weight_exponent: Annotated[float, Field(ge=0, le=1)] = 0.0
    """q in the class weights min((f_0 / f_c)^q, 25); 0.5 in the `reference` preset."""
    pooling_px: Annotated[Literal[1, 3], Field()] = 3
    """Edge of the box over which expected counts are summed before the any-emitter term; 1 in `reference`."""


class OptimizerConfig(Group):
    """The optimiser."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """Algorithm."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Base learning rate, reached after the warm-up."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum; `sgd` only."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Decoupled weight decay; `adamw` only."""
    gradient_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Norm to which the whole gradient is clipped."""


class ScheduleConfig(Group):
    """WarmupCosineStepLR, as shares of all optimiser steps."""

    warmup: Annotated[float, Field(ge=0, le=1)] = 0.03
    """Share of the steps in the linear warm-up."""
    hold: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the steps in the last, stepwise part."""
    start_factor: Annotated[float, Field(gt=0, le=1)] = 0.01
    """First learning rate over the base."""
    final_factor: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Learning rate at the end of the cosine over the base."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor applied every `step_size` steps of the last part."""
    step_size: Annotated[int, Field(ge=1)] = 100
    """Steps between two such factors."""

    @model_validator(mode="after")
    def _parts_fit(self) -> ScheduleConfig:
        if self.warmup + self.hold > 1:
            raise ValueError(f"warmup ({self.warmup:g}) and hold ({self.hold:g}) together exceed all steps")
        return self


class TrainingConfig(Group):
    """How long and in which portions."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    """Passes of `steps_per_epoch` optimiser steps."""
    steps_per_epoch: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Optimiser steps between two checkpoints."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 8
    """Patches in one optimiser step."""
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Seed of weights, patches and their order."""
    early_stopping_patience: Annotated[int, Field(ge=1)] | None = None
    """Epochs without a lower validation loss after which training stops; none: never."""


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


SEED_PATH = "training.seed"

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
    """The paths that make this config another run than the default one, with their values."""
    introduced = flatten(_INTRODUCED)
    return {path: value for path, value in flatten(config).items() if value != introduced.get(path)}


def _fields(group: Any) -> dict[str, Any]:
    return dict(group.model_fields)


_INTRODUCED = TrainConfig()
