"""Other people's memory on each device: the highest of late, which fades.

What one reading shows is what is in use less what is ours. Memory and processes of one reading may be of two moments,
so while ours was moving, what seems foreign may be ours: it counts for that reading, and is not remembered. While ours
cannot be told from theirs, theirs is what exceeds all that ours may take, and nothing fades.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOVED_MIB = 64


@dataclass(frozen=True)
class _Peak:
    """The highest foreign memory of late, and when it was seen."""

    mib: int = 0
    at: float = 0.0


@dataclass(frozen=True)
class _Own:
    """What was ours in the newest reading."""

    read_at: float
    mib: int
    moved: bool = False
    """Whether that is another amount than before."""


class Foreign:
    """Remembers the memory of foreigners, by device."""

    def __init__(self, hold_s: float, half_life_s: float) -> None:
        """A peak is remembered in full for `hold_s`; then it halves every `half_life_s`."""
        self._hold_s, self._half_life_s = hold_s, half_life_s
        self._peaks: dict[str, _Peak] = {}
        self._own: dict[str, _Own] = {}

    def hidden_mib(self, device_id: str, used_mib: int, leased_mib: int, now: float) -> int:
        """What counts as foreign while ours cannot be told from it: the highest of late, or what exceeds our leases."""
        least = max(self._peaks.get(device_id, _Peak()).mib, used_mib - leased_mib)
        self._peaks[device_id] = _Peak(least, now)
        return least

    def now_mib(self, device_id: str, used_mib: int, own_mib: int, read_at: float, now: float) -> int:
        """What counts as foreign now, by a reading with so much in use, of which so much is ours."""
        seen_mib, peak = max(0, used_mib - own_mib), self._peaks.get(device_id, _Peak())
        overdue_s = max(0.0, now - peak.at - self._hold_s)
        remembered = round(peak.mib * math.exp2(-overdue_s / self._half_life_s))
        if not self._has_moved(device_id, own_mib, read_at) and seen_mib >= remembered:
            self._peaks[device_id] = _Peak(seen_mib, now)
        return max(seen_mib, remembered)

    def dump(self) -> dict[str, Any]:
        """What the next balancer must know, as JSON values."""
        return {name: [peak.mib, peak.at] for name, peak in self._peaks.items()}

    def load(self, dumped: Mapping[str, Sequence[float]]) -> None:
        """Take over from an earlier balancer."""
        self._peaks = {name: _Peak(int(mib), at) for name, (mib, at) in dumped.items()}

    def _has_moved(self, device_id: str, own_mib: int, read_at: float) -> bool:
        before = self._own.get(device_id, _Own(read_at, own_mib))
        moved = abs(own_mib - before.mib) > _MOVED_MIB or (before.read_at == read_at and before.moved)
        self._own[device_id] = _Own(read_at, own_mib, moved)
        return moved
