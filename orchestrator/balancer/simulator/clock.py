"""A virtual clock: actions happen in the order of their times, and no time passes between them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Clock:
    """Time, and what is to happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self._number = itertools.count()
        self._actions: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, when_s: float, action: Callable[[], None]) -> None:
        """Do something at a time; what is past is done next."""
        heapq.heappush(self._actions, (max(when_s, self.now), next(self._number), action))

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something later."""
        self.at(self.now + delay_s, action)

    def step(self) -> bool:
        """Do what is next; False where nothing is left."""
        if not self._actions:
            return False
        self.now, _, action = heapq.heappop(self._actions)
        action()
        return True
