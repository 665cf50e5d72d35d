"""What is known of a prediction, in one JSON file beside its outputs: enough to go on after an interruption.

`identity` says of what and by what: a file whose identity differs is from another prediction and is begun anew. It is
replaced as a whole, after the outputs of a block of frames are written, so what it claims is there.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.movies import Movie


@dataclass
class Journal:
    """How far a prediction is, and what it found."""

    identity: dict[str, Any]
    frames: int
    low: float
    """Counts that became −1, and +1."""
    high: float
    frames_done: int = 0
    localisations: int = 0
    csv_bytes: int = 0
    sums: list[float] = field(default_factory=list)
    """What the traits of the movie are made of, see `model.domain`."""
    domain: dict[str, Any] | None = None
    """The verdict, when all frames are done and the network knows its domain."""

    @property
    def is_complete(self) -> bool:
        """Whether all frames are done."""
        return self.frames_done == self.frames

    def save(self, path: Path) -> None:
        """Replace the file."""
        beside = path.with_name(path.name + ".part")
        beside.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
        os.replace(beside, path)


def read_journal(path: Path, identity: dict[str, Any]) -> Journal | None:
    """The journal of a prediction with this identity; None where there is none, or one of another."""
    try:
        journal = Journal(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return journal if journal.identity == json.loads(json.dumps(identity)) else None


def movie_identity(movie: Movie) -> dict[str, Any]:
    """What tells a movie from another one, without reading it whole: its shape, its kind and its first frame."""
    first = hashlib.sha256(movie.read(0, 1).tobytes()).hexdigest()
    return {"shape": list(movie.shape), "dtype": str(movie.dtype), "first_frame": first[:16]}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, the first 16 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
