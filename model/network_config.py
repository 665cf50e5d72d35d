"""Hyperparameters of the network: its shape, its loss, its optimiser, and how long and in which portions it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from model.group import Group


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

    preset: Literal["champion", "reference"] = "champion"
    """Where the other fields of this group come from if they are not given."""
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
    tversky_from: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the epochs that cross entropy trains alone, before λ holds; rounded to whole epochs."""

    @model_validator(mode="before")
    @classmethod
    def _preset_fills_what_is_not_given(cls, given: Any) -> Any:
        is_reference = isinstance(given, Mapping) and given.get("preset") == "reference"
        return {**REFERENCE_LOSS, **given} if is_reference else given

    @model_validator(mode="after")
    def _there_is_a_term_to_begin_late(self) -> LossConfig:
        if self.tversky_from and not self.tversky_share:
            raise ValueError(
                f"tversky_from ({self.tversky_from:g}) says when the Tversky term begins, but tversky_share is 0: "
                "give it a share, or leave tversky_from out"
            )
        return self


REFERENCE_LOSS: dict[str, Any] = {
    "tversky_share": 0.6,
    "focal_exponent": 2.0,
    "class_weight_exponent": 0.5,
    "pooling_px": 1,
}
"""What the `reference` preset gives: the mixture that the reference model was trained with."""


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
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the running mean of the weights that each step keeps; the mean is what is judged and handed out. 0: the
    weights themselves."""

    @model_validator(mode="after")
    def _decay_has_its_optimiser(self) -> OptimizerConfig:
        if self.weight_decay and self.name != "adamw":
            raise ValueError(
                f"weight_decay ({self.weight_decay:g}) is of adamw alone, and name is {self.name}: "
                "choose adamw, or leave weight_decay out"
            )
        return self


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
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Kind of number in which the network computes; weights, softmax and loss stay float32, and so does what is judged
    and handed out."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Whether XLA compiles the steps; `auto`: where there is an accelerator."""
    init_from: str | None = None
    """Network whose weights are the first ones: a `.keras` file, or `runs:/ID` for the model of an MLflow run."""
