"""WarmupCosineStepLR: the learning rate of every optimiser step.

    base ┤      ╭──╮
         │    ╱      ╲
         │  ╱          ╲
     eta ┤╱              ╲▁▁▁▔▔ × gamma every `step_size` steps
         └┬─────┬────────┬─────┬
          0     W       T−K    T

The rate depends on the step alone, which Keras stores with the optimiser: a resumed run goes on exactly where it was.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from model.config import OptimizerConfig, ScheduleConfig


def warmup_cosine_step(optimizer: OptimizerConfig, schedule: ScheduleConfig, total_steps: int) -> WarmupCosineStepLR:
    """The schedule that these groups describe, its shares turned into steps.

    Raises:
        ValueError: `total_steps` is not positive.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps must be at least 1, found {total_steps}: epochs × steps_per_epoch")
    warmup_steps = round(schedule.warmup * total_steps)
    return WarmupCosineStepLR(
        base=optimizer.learning_rate,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        hold_steps=min(round(schedule.hold * total_steps), total_steps - warmup_steps),
        start_factor=schedule.start_factor,
        final_factor=schedule.final_factor,
        gamma=schedule.gamma,
        step_size=schedule.step_size,
    )


@keras.saving.register_keras_serializable(package="hdsmlm")
class WarmupCosineStepLR(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, cosine (Loshchilov & Hutter 2017), then steps, over t = 0 … T.

    - t < W: `base (start_factor + (1 − start_factor) t / W)`
    - W ≤ t < T − K: `eta + (base − eta) (1 + cos(π (t − W) / (T − K − W))) / 2`, eta = `final_factor · base`
    - from T − K on: `eta · gamma^floor((t − (T − K)) / step_size)`
    """

    def __init__(  # noqa: PLR0913 (Keras rebuilds it from plain keywords)
        self,
        *,
        base: float,
        total_steps: int,
        warmup_steps: int,
        hold_steps: int,
        start_factor: float = 0.01,
        final_factor: float = 0.01,
        gamma: float = 1.0,
        step_size: int = 100,
    ) -> None:
        if warmup_steps + hold_steps > total_steps:
            raise ValueError(
                f"warm-up ({warmup_steps} steps) and last part ({hold_steps}) exceed all {total_steps} steps: "
                "lower schedule.warmup or schedule.hold"
            )
        self.base = base
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.hold_steps = hold_steps
        self.start_factor = start_factor
        self.final_factor = final_factor
        self.gamma = gamma
        self.step_size = step_size

    def __call__(self, step: Any) -> Any:
        """The learning rate of one step, a float32 scalar."""
        t = ops.cast(step, "float32")
        held_from = float(self.total_steps - self.hold_steps)
        later = ops.where(t < held_from, self._cosine(t, held_from), self._held(t - held_from))
        return ops.where(t < float(self.warmup_steps), self._warmup(t), later)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return dict(vars(self))

    def _warmup(self, t: Any) -> Any:
        return self.base * (self.start_factor + (1 - self.start_factor) * t / max(self.warmup_steps, 1))

    def _cosine(self, t: Any, held_from: float) -> Any:
        eta = self.final_factor * self.base
        progress = (t - self.warmup_steps) / max(held_from - self.warmup_steps, 1.0)
        return eta + (self.base - eta) * (1 + ops.cos(math.pi * progress)) / 2

    def _held(self, since: Any) -> Any:
        return self.final_factor * self.base * self.gamma ** ops.floor(ops.relu(since) / self.step_size)
