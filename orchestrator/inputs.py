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

import model
from model.config import TrainConfig
from orchestrator.errors import InputError

_CHECKOUT = Path(model.__file__).resolve().parent.parent


class InputFiles(NamedTuple):
    """A TIFF movie and its localisation table, as absolute paths."""

    movie: str
    table: str


Check = Callable[[InputFiles, float, int], str]
"""Takes files, the pixel size in nm and the frames that a network reads at once; gives the digest."""


def files_of(config: TrainConfig) -> InputFiles | None:
    """The files that a config reads; None where all its data is simulated."""
    if config.data.source == "simulated" or not (config.data.movie and config.data.table):
        return None
    return InputFiles(config.data.movie, config.data.table)


def check(files: InputFiles, pixel_nm: float, frames: int) -> str:
    """Check a movie and its table, and digest their contents.

    Raises:
        InputError: a file is missing or unreadable, or the two do not fit together.
    """
    options = {"--movie": files.movie, "--table": files.table, "--pixel-nm": pixel_nm, "--frames": frames}
    command = [sys.executable, "-m", "model", "check", *(str(word) for option in options.items() for word in option)]
    # In the folder of our own `model`, whatever stands in the user's.
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=_CHECKOUT, check=False)
    answer = _answer(done.stdout)
    if done.returncode == 0 and "digest" in answer:
        return str(answer["digest"])
    last_words = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    reason = answer.get("error") or f"the check broke off with exit code {done.returncode}: {last_words}"
    raise InputError(f"{reason} (data.movie: {files.movie}, data.table: {files.table})")


def digests(configs: Iterable[TrainConfig], check: Check = check) -> dict[InputFiles, str]:
    """Check the input of all `configs`, each pair of files once for each pixel size; raises as `check` does."""
    frames: dict[tuple[InputFiles, float], int] = {}
    for config in configs:
        if files := files_of(config):
            key = (files, config.data.pixel_nm)
            frames[key] = max(frames.get(key, 0), config.model.frames)
    return {files: check(files, pixel_nm, most) for (files, pixel_nm), most in frames.items()}


def _answer(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
