"""A worker's processes as the operating system shows them: its supervisor, the run in its child, and their helpers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import psutil

_MIB = 1 << 20


def families_of(pids: Sequence[int]) -> dict[int, list[int]]:
    """Each process with its descendants, from one look at the process table."""
    if not pids:
        return {}
    children: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process.pid)
    return {pid: list(_descendants(pid, children)) for pid in pids}


def memory_mib(pids: Sequence[int]) -> int:
    """Of the supervisor and its run, which share pages, the larger one: a lower bound of what both hold."""
    sizes = [0]
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            sizes.append(psutil.Process(pid).memory_info().rss)
    return max(sizes) // _MIB


def _descendants(pid: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, []):
        yield from _descendants(child, children)
