"""Files that people name."""

from __future__ import annotations

from pathlib import Path

from model.errors import InputError


def present(path: str | Path, what: str) -> Path:
    """The path of a file that exists and holds something; else an InputError that says what is missing."""
    file = Path(path)
    if not file.exists():
        raise InputError(f"the {what} {file} does not exist; check the path")
    if not file.is_file():
        raise InputError(f"the {what} {file} is not a file; give the path of one file")
    if file.stat().st_size == 0:
        raise InputError(f"the {what} {file} is empty (0 bytes); copy or export it again")
    return file
