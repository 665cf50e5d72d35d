"""Everything that the next attempt needs: weights, optimiser, the step reached and the history so far.

    checkpoints/<run id>/<token>/step-00000400/model/, progress.json

A checkpoint is written beside and renamed, so one that exists is whole. Each attempt writes under its own token, so
one that was given up can harm nobody; each reads the newest of its run, whoever wrote it. The model is a folder: Keras
builds an archive in memory where it thinks that there is enough, twice the size of weights and optimiser.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras

import model.build  # noqa: F401  registers what a saved network is made of


class EpochRecord(NamedTuple):
    """What one epoch gave."""

    epoch: int
    """From 1."""
    at_ms: int
    """When it ended, ms since 1970."""
    metrics: dict[str, float]


class Progress(NamedTuple):
    """How far a run is."""

    step: int = 0
    """Optimiser steps taken."""
    history: tuple[EpochRecord, ...] = ()


class Checkpoints:
    """The checkpoints of one run, as one attempt sees them."""

    def __init__(self, root: Path, run_id: str, token: str) -> None:
        self._run = root / run_id
        self._own = self._run / token

    def save(self, network: keras.Model, progress: Progress) -> None:
        """Write a checkpoint and drop this attempt's older one."""
        final = self._own / f"step-{progress.step:08d}"
        beside = final.with_suffix(".part")
        beside.mkdir(parents=True, exist_ok=True)
        network.save(beside / "model", zipped=False)
        (beside / "progress.json").write_text(json.dumps(progress._asdict()))
        shutil.rmtree(final, ignore_errors=True)
        beside.rename(final)
        for older in self._own.glob("step-*"):
            if older != final:
                shutil.rmtree(older)

    def load(self) -> tuple[keras.Model, Progress] | None:
        """The newest whole checkpoint of the run, or None where there is none."""
        for folder in self._newest_first():
            try:
                progress = _progress(json.loads((folder / "progress.json").read_text()))
                return keras.saving.load_model(folder / "model"), progress
            except (OSError, ValueError) as error:
                print(f"checkpoint {folder} cannot be read and is passed over: {error}")
        return None

    def _newest_first(self) -> Iterator[Path]:
        whole = (path for path in self._run.glob("*/step-*") if path.suffix != ".part")
        return iter(sorted(whole, key=lambda path: path.name, reverse=True))


def _progress(stored: dict[str, Any]) -> Progress:
    return Progress(stored["step"], tuple(EpochRecord(*record) for record in stored["history"]))
