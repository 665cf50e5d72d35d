"""Text that is hostile until shown otherwise: a path or a text comes in, bounded UTF-8 text goes out.

The kind and the size of a file are looked at before it is read.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NamedTuple, Self

from orchestrator.search_space.document import Place, refusal

MAX_BYTES = 128 * 1024
MAX_LINE = 8_000
BEGIN = "a search space begins with a line such as 'name: wolf'"


class Source(NamedTuple):
    """The text of a search space, and where it comes from."""

    name: str
    """As mistakes are told."""
    text: str
    folder: Path | None = None
    """From which the paths of input files start; None: it has none, and may not name any."""
    confined: bool = False
    """Whether those paths must stay in the folder."""

    def within(self, data: Path | None) -> Self:
        """The same text, with its input files in the data folder, where there is one."""
        return self._replace(folder=data, confined=True) if data else self


def read_source(path: Path) -> Source:
    """Read a file whose input files are beside it.

    Raises:
        SearchSpaceError: the file is missing, empty, no regular file, too large, not UTF-8, or has an endless line.
    """
    try:
        _check_kind(path)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refusal(path, f"cannot be read ({error.strerror}); check its path and permissions") from error
    _check_size(len(content), path)
    return Source(str(path), _decoded(content.removeprefix(codecs.BOM_UTF8), path), path.absolute().parent)


def check_text(text: str, name: str) -> None:
    """Check the text of a file, wherever it comes from; raises as `read_source` does."""
    _check_size(len(text.encode()), name)
    if not text.strip():
        raise refusal(name, f"the file is empty; {BEGIN}", Place(1, 1))
    _check_lines(text, name)


def place_after(before: str) -> Place:
    """Where the character after `before` stands."""
    return Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise refusal(path, "is a folder; name the YAML file in it")
    if not path.exists():
        raise refusal(path, "there is no such file; check the path")
    if not path.is_file():
        raise refusal(path, "is not a regular file; name a YAML file")
    _check_size(path.stat().st_size, path)


def _check_size(size: int, path: Path | str) -> None:
    if size > MAX_BYTES:
        raise refusal(path, f"the file has {size:,} bytes, more than {MAX_BYTES:,}; name a search space")


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        place = place_after(content[: error.start].decode())
        message = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file with the encoding UTF-8"
        raise refusal(path, message, place) from error


def _check_lines(text: str, path: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE:
            message = f"the line has {len(line):,} characters, more than {MAX_LINE:,}; break it"
            raise refusal(path, message, Place(number, MAX_LINE + 1))
