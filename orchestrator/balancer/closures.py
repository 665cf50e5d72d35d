"""Devices that get no new work: drained by a person, or quarantined because their runs keep dying.

Three losses in a row on one GPU, of more than one run and with nothing that went well between them, quarantine it;
`balancer resume` lifts that. The machine's own memory is never quarantined: its sweeps are paused instead.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from worker.spec import CPU_DEVICE, PREFIX

if TYPE_CHECKING:
    from orchestrator.redis_door import Redis

DRAINED = f"{PREFIX}:drained"
QUARANTINE = f"{PREFIX}:quarantine"
_FORGIVEN = f"{PREFIX}:forgiven"
_STRIKES = f"{PREFIX}:strikes"
_ENOUGH = 3
_RELEASE = "release"


class Closures:
    """Reads and writes which devices are closed, and why."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def drain(self, device_id: str, *, release: bool) -> None:
        """Let workers leave a device, after their present run or, with `release`, at once with a checkpoint."""
        self._redis.hset(DRAINED, device_id, _RELEASE if release else "finish")

    def resume(self, device_id: str) -> None:
        """Use a device again, whatever closed it."""
        self._redis.hdel(DRAINED, device_id)
        self._redis.hdel(QUARANTINE, device_id)
        self._redis.sadd(_FORGIVEN, device_id)
        self.went_well(device_id)

    def take_forgiven(self) -> list[str]:
        """Devices that a person wants to use again since this was asked last."""
        return [name for name in iter(lambda: self._redis.spop(_FORGIVEN), None) if name]

    def drained(self) -> dict[str, bool]:
        """Drained devices, and whether their runs are to be released at once."""
        return {name: how == _RELEASE for name, how in self._redis.hgetall(DRAINED).items()}

    def quarantined(self) -> Mapping[str, str]:
        """Quarantined devices, each with its reason."""
        found: dict[str, str] = self._redis.hgetall(QUARANTINE)
        return found

    def strike(self, device_id: str, victim: str, why: str) -> None:
        """Count a loss on a device; `victim` is the run, or the worker that had none."""
        if device_id == CPU_DEVICE:
            return
        strikes = f"{_STRIKES}:{device_id}"
        self._redis.rpush(strikes, victim)
        victims = self._redis.lrange(strikes, -_ENOUGH, -1)
        if len(victims) == _ENOUGH and len(set(victims)) > 1:
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime())
            reason = f"{_ENOUGH} losses in a row, the last at {at}: {why}; `balancer resume` uses it again"
            self._redis.hset(QUARANTINE, device_id, reason)

    def went_well(self, device_id: str) -> None:
        """Forget the losses of a device."""
        self._redis.delete(f"{_STRIKES}:{device_id}")
