"""The chain of pages of a TIFF file, walked before anything is believed of it.

A truncated file's chain leads beyond its end, and a damaged one's may lead back to where it was; readers pass over the
first and follow the second for long.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from model.errors import InputError


class _Layout(NamedTuple):
    """How a TIFF or BigTIFF file writes numbers."""

    order: str
    entries: str
    entry_bytes: int
    offset: str


def check_chain(path: Path, file: BinaryIO) -> None:
    """Refuse a chain that leaves the file or comes back; what is no TIFF at all is left to others.

    Raises:
        InputError: it does.
    """
    layout, page = _header(file)
    length, seen = path.stat().st_size, set[int]()
    while page:
        if page in seen:
            raise InputError(f"{path}: it is damaged, its list of pages leads in a circle; copy or export it again")
        seen.add(page)
        following = _next(file, layout, page) if page < length else None
        if following is None:
            raise InputError(
                f"{path}: it is truncated, its list of pages leads beyond its end; copy or export it again"
            )
        page = following
    file.seek(0)


def _header(file: BinaryIO) -> tuple[_Layout, int]:
    """The layout and the place of the first page; 0 if it is no TIFF."""
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    version = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) >= 8 else 0
    if version == 43 and len(head) == 16:
        return _Layout(order, "Q", 20, "Q"), struct.unpack(f"{order}Q", head[8:])[0]
    layout = _Layout(order or "<", "H", 12, "I")
    return layout, struct.unpack(f"{order}I", head[4:8])[0] if version == 42 else 0


def _next(file: BinaryIO, layout: _Layout, page: int) -> int | None:
    """Place of the page after that at `page`, 0 after the last; none if the file ends before."""
    entries = _number(file, layout, page, layout.entries)
    if entries is None:
        return None
    behind = page + struct.calcsize(layout.order + layout.entries) + entries * layout.entry_bytes
    return _number(file, layout, behind, layout.offset)


def _number(file: BinaryIO, layout: _Layout, place: int, kind: str) -> int | None:
    file.seek(place)
    size = struct.calcsize(layout.order + kind)
    content = file.read(size)
    return int(struct.unpack(layout.order + kind, content)[0]) if len(content) == size else None
