"""Asks the driver about all GPUs, poll by poll; runs in the child.

GPUs are remembered by UUID: indices move when one is lost, and may have holes. Before anything is asked about a GPU
that is said, so that whoever has to end this process knows which one it was.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from orchestrator.balancer.probes.gpu import Gpu
from orchestrator.balancer.probes.part import Driver, RefusedError
from orchestrator.balancer.probes.wire import Line

_INVALID_ARGUMENT = 2
_MOST_GPUS = 64
_RELIST_S, _RELIST_IN_TROUBLE_S = 60.0, 10.0


class Survey:
    """All GPUs of this machine that are not barred."""

    def __init__(self, driver: Driver, say: Callable[[Line], None], *, slow_every_s: float, barred: set[str]) -> None:
        """`barred` are UUIDs, and names such as gpu3, that are to be left alone."""
        self._driver = driver
        self._say = say
        self._slow_every_s = slow_every_s
        self._barred = barred
        self._count = -1
        self._list_again_at = 0.0
        self.gpus: dict[str, Gpu] = {}

    def find(self) -> None:
        """Find out which GPUs there are, if that was long ago or their number has changed."""
        count = self._counted()
        if count != self._count or time.monotonic() >= self._list_again_at:
            self._enumerate(count)

    def read(self) -> None:
        """Read every device once and say so."""
        for gpu in self._open():
            self._say(Line(about=gpu.gpu_id))
            for facts in gpu.read(self._driver, slow_every_s=self._slow_every_s):
                self._say(Line(device=facts))
        if any(gpu.error for gpu in self.gpus.values()):
            self._list_again_at = min(self._list_again_at, time.monotonic() + _RELIST_IN_TROUBLE_S)
        self._say(Line(polled=tuple(part.device_id for gpu in self.gpus.values() for part in gpu.parts)))

    def admit(self, key: str) -> None:
        """Try a barred GPU again with the next poll; may be called from another thread."""
        self._barred.discard(key)
        self._list_again_at = 0.0

    def _open(self) -> list[Gpu]:
        return [gpu for gpu in self.gpus.values() if not {gpu.gpu_id, gpu.name} & self._barred]

    def _enumerate(self, count: int) -> None:
        self._count = count
        self._list_again_at = time.monotonic() + _RELIST_S
        met = {gpu.gpu_id for gpu in self._by_index(count)}
        for gpu in self._open():
            if gpu.gpu_id not in met:
                self._find_again(gpu)
        if len(met) < count:
            self._list_again_at = time.monotonic() + _RELIST_IN_TROUBLE_S

    def _by_index(self, count: int) -> Iterator[Gpu]:
        found = 0
        for index in range(_MOST_GPUS):
            if found == count:
                return
            try:
                gpu = self._at(index)
            except RefusedError as refusal:
                if refusal.code == _INVALID_ARGUMENT and index >= count:
                    return
                continue
            found += 1
            if gpu:
                yield gpu

    def _at(self, index: int) -> Gpu | None:
        name = f"gpu{index}"
        if name in self._barred:
            return None
        self._say(Line(about=name))
        handle = self._driver.ask("nvmlDeviceGetHandleByIndex", index)
        gpu_id = self._driver.ask("nvmlDeviceGetUUID", handle)
        if gpu_id in self._barred:
            return None
        self._say(Line(about=gpu_id))
        gpu = self.gpus.setdefault(gpu_id, Gpu(gpu_id, name, handle))
        gpu.name, gpu.handle = name, handle
        gpu.find_parts(self._driver)
        return gpu

    def _find_again(self, gpu: Gpu) -> None:
        self._say(Line(about=gpu.gpu_id))
        with contextlib.suppress(RefusedError):
            gpu.handle = self._driver.ask("nvmlDeviceGetHandleByUUID", gpu.gpu_id)
            gpu.find_parts(self._driver)

    def _counted(self) -> int:
        try:
            return int(self._driver.ask("nvmlDeviceGetCount"))
        except RefusedError:
            return max(0, self._count)
