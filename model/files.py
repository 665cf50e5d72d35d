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


def make_folder(folder: Path) -> None:
    """Make a folder where there is none; else an InputError that says why it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file has this name" if folder.is_file() else error.strerror
        raise InputError(f"the folder {folder} cannot be made ({reason}); choose another one with --out") from error
