"""A control group for one run, in which the kernel enforces the cap and says so.

Version 2 (`memory.max`, `memory.events`) and version 1 (`memory.limit_in_bytes`, `memory.oom_control`). A group is only
made below one that was delegated: named in `HDSMLM_CGROUP`, or marked so by systemd (`Delegate=yes` with a
`DelegateSubgroup=`). Any other has an owner who counts on nobody else's making groups in it.

A group is charged with the pages that the run touches first, not with those that it shares with its supervisor since
the fork; so it is granted the cap less what the run holds when it joins. The file pages that the run reads later and
the supervisor's pages that it copies, 95 and 85 MiB by `smaps_rollup`, nearly cancel out, and caps mean resident memory
here too. That a kernel enforces it in a group of this making is unproven: none was delegated where this was written.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from model.units import MIB

ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_MARKS = ("user.delegate", "trusted.delegate")


class Group:
    """A group below `parent` that holds one process at a time."""

    name = "a control group"

    def __init__(self, parent: Path, name: str) -> None:
        self._folder = parent / f"hdsmlm-{name}"
        self._is_v2 = (parent / "cgroup.controllers").exists()
        self._cap_mib = self._shared_mib = 0

    def enclose(self, pid: int, cap_mib: int) -> None:
        """Make the group and move the process into it.

        Raises:
            OSError: the kernel refuses, or there is no such process.
        """
        self._remove()
        self._cap_mib = cap_mib
        try:
            self._shared_mib = psutil.Process(pid).memory_info().rss // MIB
            self._make()
            (self._folder / "cgroup.procs").write_text(str(pid))
        except psutil.Error as error:
            raise ProcessLookupError(str(error)) from error
        except OSError:
            self._remove()
            raise

    def release(self) -> int | None:
        """Remove the group: what the process held at most, MiB, if the kernel killed it for its cap."""
        held_mib = self._shared_mib + self._peak_mib() if self._was_over() else None
        self._remove()
        return held_mib

    def _make(self) -> None:
        granted = str(max(self._cap_mib - self._shared_mib, 1) * MIB)
        if self._is_v2:
            (self._folder.parent / "cgroup.subtree_control").write_text("+memory")
        self._folder.mkdir()
        if self._is_v2:
            (self._folder / "memory.max").write_text(granted)
            _write_where_offered(self._folder / "memory.swap.max", "0")
        else:
            (self._folder / "memory.limit_in_bytes").write_text(granted)
            _write_where_offered(self._folder / "memory.memsw.limit_in_bytes", granted)

    def _was_over(self) -> bool:
        """`oom_kill` alone also counts what the kernel kills when the whole machine is out of memory."""
        counts = _counts(self._folder / ("memory.events" if self._is_v2 else "memory.oom_control"))
        reached = counts.get("oom", 0) if self._is_v2 else _number(self._folder / "memory.failcnt")
        return bool(reached and counts.get("oom_kill", 0))

    def _peak_mib(self) -> int:
        """Absent before Linux 5.19 in version 2: it was the grant, then."""
        peak = _number(self._folder / ("memory.peak" if self._is_v2 else "memory.max_usage_in_bytes"))
        return peak // MIB if peak else self._cap_mib - self._shared_mib

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def delegated_group(root: Path = ROOT, membership: Path = _MEMBERSHIP) -> Path | None:
    """The nearest group around this process that was delegated and counts memory, or None."""
    own = _own_group(root, _read(membership))
    if own is None:
        return None
    return next((group for group in (own, own.parent) if group != root.parent and _is_delegated(group)), None)


def _own_group(root: Path, membership: str) -> Path | None:
    """The group of this process in the hierarchy that counts memory: version 1 where it is mounted so."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return root / "memory" / path.lstrip("/")
    paths = [line.split(":", 2)[2] for line in membership.splitlines() if line.startswith("0::")]
    return root / paths[0].lstrip("/") if paths else None


def _is_delegated(group: Path) -> bool:
    for mark in _MARKS:
        with contextlib.suppress(OSError, AttributeError):
            if os.getxattr(group, mark) == b"1":
                return True
    return False


def _write_where_offered(path: Path, value: str) -> None:
    """Without swap accounting the file is not there."""
    if path.exists():
        path.write_text(value)


def _counts(path: Path) -> dict[str, int]:
    return {name: int(count) for name, count in (line.split() for line in _read(path).splitlines())}


def _number(path: Path) -> int:
    return int(_read(path).strip() or 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
