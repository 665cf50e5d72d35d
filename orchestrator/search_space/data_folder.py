"""The data folder: where an installation keeps experimental movies, and what a search space may name of it.

Where HDSMLM_DATA is set, paths of input files start from that folder and must not lead out of it, so that nobody who
may submit a search space can have other files of the machine read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from model.config import PARENT_PATH, RUNS, TrainConfig
from orchestrator.errors import InputError
from orchestrator.search_space.document import Problem
from orchestrator.search_space.grid import FILES
from orchestrator.search_space.inputs import files_of
from orchestrator.search_space.mentions import mentions
from orchestrator.search_space.text_source import Source
from orchestrator.search_space.wording import shown

_READ = ("base", "parameters", "zip", "include")
"""Where a value is used, not only compared with."""


def problems(space: Mapping[str, Any], source: Source) -> Iterator[Problem]:
    """Paths of input files that cannot be in the folder, by their words alone."""
    for mention in mentions(space):
        if mention.path in (*FILES, PARENT_PATH) and mention.role in _READ:
            for location, value in mention.values:
                if isinstance(value, str) and not value.startswith(RUNS) and (why := _trespass(value, source)):
                    yield Problem(location, why)


def confine(configs: Iterable[TrainConfig], folder: Path) -> None:
    """Check that no link leads out of the folder.

    Raises:
        InputError: one does.
    """
    root = os.path.realpath(folder)
    for path in {path for config in configs for path in _files(config)}:
        if not Path(os.path.realpath(path)).is_relative_to(root):
            raise InputError(f"{path} leads out of the data folder through a link; copy the file into the folder")


def _files(config: TrainConfig) -> Iterator[str]:
    yield from files_of(config) or ()
    parent = config.training.init_from
    if parent and not parent.startswith(RUNS):
        yield parent


def _trespass(path: str, source: Source) -> str:
    if source.folder is None:
        return f"found {shown(path)}, but no data folder is set where it would be read; set HDSMLM_DATA there"
    pure = PurePosixPath(path)
    if source.confined and (pure.is_absolute() or ".." in pure.parts):
        return f"found {shown(path)}; expected a path inside the data folder, without '..' or a '/' at its beginning"
    return ""
