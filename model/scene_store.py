"""Simulated scenes on disk, shared by every run that would simulate the same: a sweep simulates each block once.

A file is named by the digest of all that its content depends on: physics, size, seed, number, the simulator's own
source and the libraries below it. It is written beside its place and moved there, so that no reader sees half of one,
and it begins with a digest of what follows, so that a damaged one is found and made again. While one run makes a block,
others that want it wait. The least recently used files go when the folder grows beyond its bound.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy

from model.emitters import Emitters, LabelledMovie

GIB = 2**30
_SOURCES = ("background", "camera", "curation", "optics", "photophysics", "psf", "scene", "simulator", "structures")
_LOCKS = 64
_WRITING_S = 3600.0
_log = logging.getLogger(__name__)


class SceneStore(NamedTuple):
    """A folder of scenes with a bound."""

    folder: Path
    most_bytes: int = 20 * GIB
    """The newest file stays, however large."""

    def get(self, key: str, make: Callable[[], list[LabelledMovie]]) -> list[LabelledMovie]:
        """The scenes of a key, read or made; scenes of one key have one shape and pixel size."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{key}.scenes"
        with _alone(self.folder / f"lock-{int(key, 16) % _LOCKS}"):
            scenes = _read(path)
            if scenes is None:
                scenes = make()
                _write(path, scenes)
                self._trim(path)
        return scenes

    def _trim(self, kept: Path) -> None:
        found = sorted(_stats(self.folder), key=lambda each: each[1].st_mtime_ns)
        excess = sum(stat.st_size for _, stat in found) - self.most_bytes
        for path, stat in found:
            if excess > 0 and path != kept:
                path.unlink(missing_ok=True)
                excess -= stat.st_size


def from_environment(environment: Mapping[str, str] = os.environ) -> SceneStore:
    """HDSMLM_CACHE, else the folder `cache` in HDSMLM_HOME; at most HDSMLM_CACHE_GIB (20)."""
    home = Path(environment.get("HDSMLM_HOME", ".hdsmlm"))
    folder = Path(environment.get("HDSMLM_CACHE") or home / "cache").absolute()
    return SceneStore(folder, int(float(environment.get("HDSMLM_CACHE_GIB", "20")) * GIB))


def key_of(*parts: Any) -> str:
    """Digest of JSON values, of the simulator's source and of the versions of NumPy and SciPy, hexadecimal."""
    content = json.dumps([*parts, simulator_digest()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


@cache
def simulator_digest() -> str:
    """Digest of what turns a seed into a scene."""
    whole = hashlib.sha256(f"{np.__version__} {scipy.__version__}".encode())
    for name in _SOURCES:
        whole.update(Path(importlib.import_module(f"model.{name}").__file__ or "").read_bytes())
    return whole.hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that the system frees when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> list[LabelledMovie] | None:
    """What a file holds; None where there is none or it is damaged."""
    try:
        digest, content = (whole := path.read_bytes())[:32], whole[32:]
    except FileNotFoundError:
        return None
    if hashlib.sha256(content).digest() != digest:
        path.unlink(missing_ok=True)
        return None
    os.utime(path)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return _unpacked(arrays)


def _write(path: Path, scenes: list[LabelledMovie]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **_packed(scenes))
    content = buffer.getvalue()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem[:16], suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        _log.warning("scenes cannot be kept in %s (%s); they are simulated anew where they are needed", path, error)


def _packed(scenes: list[LabelledMovie]) -> dict[str, Any]:
    rows: Sequence[Emitters] = [scene.emitters for scene in scenes]
    columns = {name: np.concatenate([getattr(each, name) for each in rows]) for name in Emitters._fields}
    return {
        "frames": np.stack([scene.frames for scene in scenes]),  # (S, T, Y, X)
        "rows": np.array([each.rows for each in rows]),  # (S,)
        "pixel_nm": np.array(scenes[0].pixel_nm),
        **{f"emitters_{name}": column for name, column in columns.items()},
    }


def _unpacked(arrays: Any) -> list[LabelledMovie]:
    ends = np.cumsum(arrays["rows"])
    whole = Emitters(*(arrays[f"emitters_{name}"] for name in Emitters._fields))
    rows = (whole.select(slice(end - held, end)) for end, held in zip(ends, arrays["rows"], strict=True))
    frames, pixel_nm = arrays["frames"], float(arrays["pixel_nm"])
    return [LabelledMovie(movie, emitters, pixel_nm) for movie, emitters in zip(frames, rows, strict=True)]


def _stats(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files and their sizes; leftovers of writers that died are among them."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            stat = path.stat()
            if path.suffix == ".scenes" or (path.suffix == ".part" and time.time() - stat.st_mtime > _WRITING_S):
                yield path, stat
