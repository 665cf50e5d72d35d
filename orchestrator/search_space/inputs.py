"""Experimental input: is every movie with its table fit for training, and what do the two contain?

The check runs in a process of its own, `python -m model check`, so that the control plane loads no image library. It
gives a digest of the contents, which stands in a run's identity where the paths do not: a moved file retrains nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from model import config as model_config
from model.config import TrainConfig
from orchestrator.errors import InputError

_CHECKOUT = Path(model_config.__file__).resolve().parents[1]


class InputFiles(NamedTuple):
    """A movie and its localisation table, as absolute paths."""

    movie: str
    table: str


class Demand(NamedTuple):
    """What the cells of a sweep ask of a pair of files."""

    files: InputFiles
    pixel_nm: float
    validation_fraction: float
    binning: str = "none"
    gap_frames: int = 0
    """Least distance between frames that are summed; 0 where none are."""
    percentiles: tuple[float, float] = (20.0, 99.0)
    """Of the movie's pixels, what becomes −1 and +1."""


Check = Callable[[Demand, int], str]
"""Takes a demand and the frames that a network reads at once; gives the digest of the files' contents."""


def files_of(config: TrainConfig) -> InputFiles | None:
    """The files that a config reads; None where all its data is simulated."""
    if config.data.source == "simulated" or not (config.data.movie and config.data.table):
        return None
    return InputFiles(config.data.movie, config.data.table)


def check(demand: Demand, frames: int) -> str:
    """Check a movie and its table, and digest their contents.

    Raises:
        InputError: a file is missing or unreadable, or the two do not fit together.
    """
    options = {
        "--movie": demand.files.movie,
        "--table": demand.files.table,
        "--pixel-nm": demand.pixel_nm,
        "--frames": frames,
        "--validation-fraction": demand.validation_fraction,
    }
    if demand.binning != "none":
        options |= {"--binning": demand.binning, "--gap-frames": demand.gap_frames}
    options |= dict(zip(("--low-percentile", "--high-percentile"), demand.percentiles, strict=True))
    words = (str(word) for option in options.items() for word in option)
    command = [sys.executable, "-m", "model", "check", *words, "--json"]
    # In the folder of our own `model`, whatever stands in the user's.
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=_CHECKOUT, check=False)
    answer = _answer(done.stdout)
    if done.returncode == 0 and "digest" in answer:
        return str(answer["digest"])
    raise InputError(str(answer.get("error") or _broken_off(demand, done)))


def digests(configs: Iterable[TrainConfig], check: Check = check) -> dict[InputFiles, str]:
    """Check the input of all `configs`, each distinct demand once; raises as `check` does."""
    frames: dict[Demand, int] = {}
    for config in configs:
        if files := files_of(config):
            data = config.data
            percentiles = (data.low_percentile, data.high_percentile)
            gap = data.bin_gap_frames if data.binning != "none" else 0
            demand = Demand(files, data.pixel_nm, data.validation_fraction, data.binning, gap, percentiles)
            frames[demand] = max(frames.get(demand, 0), config.model.frames)
    return {demand.files: check(demand, most) for demand, most in frames.items()}


def _broken_off(demand: Demand, done: subprocess.CompletedProcess[str]) -> str:
    last_words = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    return f"the check of {demand.files.movie} broke off with exit code {done.returncode}: {last_words}"


def _answer(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
