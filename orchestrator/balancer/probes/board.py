"""What is known of every GPU that was ever seen: the child's lines folded into readings.

A device keeps its last numbers, and their age, when it cannot be read. It is in trouble while it cannot be read, while
it is not listed, while it is unwell, after a serious Xid, and while it is barred: whoever hangs or crashes the child
is left alone for a while, for the sake of the others. A Xid weighs until `forgive`, or until this board is given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.balancer.probes.cpu import machine_memory
from orchestrator.balancer.probes.health import code_words, slots, trouble, xid_words
from orchestrator.balancer.probes.wire import Facts, Line
from orchestrator.balancer.readings import Reading

_LONGEST_BAR_S = 3600.0
_NOT_LISTED = 6
_NO_LIBRARY = 12


@dataclass(frozen=True)
class Bar:
    """Why a GPU is left alone, and until when of the board's clock."""

    why: str
    until: float
    span_s: float


class Board:
    """All devices, whatever became of them."""

    def __init__(
        self,
        *,
        retry_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        machine: Callable[[], tuple[int, int]] = machine_memory,
    ) -> None:
        """A GPU is barred for `retry_s`, then twice as long each time; `machine` gives total and free memory in MiB."""
        self._retry_s = retry_s
        self._clock = clock
        self._machine = machine
        self._facts: dict[str, Facts] = {}
        self._unlisted: set[str] = set()
        self._xids: dict[str, str] = {}
        self._bars: dict[str, Bar] = {}
        self._about = ""
        self.listed: int | None = None
        """How many GPUs the driver lists; None before it has answered."""
        self.driver_trouble = ""
        """Why the driver does not answer, or did not the last time."""
        self.driver_is_missing = False
        self.polls = 0

    def take(self, line: Line) -> None:
        """Fold in what the child said."""
        if line.about:
            self._about = line.about
        if line.hello is not None:
            self.listed = line.hello
        if line.device:
            self._take_device(line.device)
        if line.xid and (words := xid_words(line.xid)):
            self._xids.setdefault(line.gpu, words)
        if line.polled is not None:
            self._take_poll(line.polled)
        if line.failed:
            self._about = ""
            self.driver_trouble = code_words(line.failed)
            self.driver_is_missing = line.failed == _NO_LIBRARY

    def died(self, how: str) -> None:
        """The child ended without a word; the GPU that it was about is barred, else the driver is at fault."""
        if not self._about:
            self.driver_trouble = f"the driver's library {how}; try nvidia-smi, and look at dmesg"
            return
        span_s = self._span_s(self._about)
        self._bars[self._about] = Bar(f"the driver's library {how} when asked about it", self._clock() + span_s, span_s)
        self._about = ""

    def barred(self) -> tuple[str, ...]:
        """UUIDs and names of the GPUs to leave alone."""
        return tuple(self._bars)

    def due(self) -> tuple[str, ...]:
        """The barred ones whose time has come to be tried again; each is due once, until it has failed again."""
        now = self._clock()
        keys = tuple(key for key, bar in self._bars.items() if bar.until <= now)
        for key in keys:
            self._bars[key] = replace(self._bars[key], until=now + self._span_s(key))
        return keys

    def forgive(self, device_id: str) -> None:
        """Forget the Xid of a device's GPU: it was reset, or the operator knows better."""
        facts = self._facts.get(device_id)
        self._xids.pop(facts.gpu_id if facts else device_id, None)

    def readings(self) -> tuple[Reading, ...]:
        """The newest of every device."""
        names = self._names()
        return tuple(self._reading(facts, names[facts.device_id]) for facts in self._facts.values())

    def troubles(self) -> dict[str, str]:
        """Words for the log: of every device by its name, of barred GPUs that were never seen, and of the driver."""
        names = self._names()
        seen = {names[facts.device_id] or facts.device_id: self._trouble(facts) for facts in self._facts.values()}
        unseen = {key: bar.why for key, bar in self._bars.items()}
        return {**unseen, **seen, "driver": self.driver_trouble}

    def _take_device(self, facts: Facts) -> None:
        for key in [key for key in self._bars if _is(facts, key)]:
            del self._bars[key]
        if facts.unified:
            total_mib, free_mib = self._machine()
            facts = replace(facts, total_mib=total_mib, free_mib=free_mib)
        before = self._facts.get(facts.device_id)
        if facts.error and before:
            facts = replace(before, error=facts.error, name=facts.name)
        self._facts[facts.device_id] = facts

    def _take_poll(self, device_ids: tuple[str, ...]) -> None:
        self._about = ""
        self._unlisted = set(self._facts) - set(device_ids)
        self.driver_trouble = ""
        self.driver_is_missing = False
        self.polls += 1

    def _span_s(self, key: str) -> float:
        bar = self._bars.get(key)
        return min(2 * bar.span_s, _LONGEST_BAR_S) if bar else self._retry_s

    def _names(self) -> dict[str, str]:
        """By their ids; one that has vanished loses its name to the one that moved to its index."""
        taken = {facts.name for facts in self._facts.values() if self._answers(facts)}
        return {
            device_id: facts.name if self._answers(facts) or facts.name not in taken else ""
            for device_id, facts in self._facts.items()
        }

    def _answers(self, facts: Facts) -> bool:
        return not facts.error and facts.device_id not in self._unlisted

    def _reading(self, facts: Facts, name: str) -> Reading:
        return Reading(
            facts.device_id,
            facts.model,
            facts.at,
            facts.total_mib,
            facts.free_mib,
            slots(facts),
            facts.driver_reserved_mib,
            facts.processes,
            facts.utilisation,
            facts.temperature_c,
            self._trouble(facts),
            facts.unified,
            name,
            facts.gpu_id,
        )

    def _trouble(self, facts: Facts) -> str:
        bars = [bar.why for key, bar in self._bars.items() if _is(facts, key)]
        if bars:
            return f"{bars[0]}; it is left alone for a while; look at dmesg, and restart the machine if this repeats"
        unlisted = code_words(_NOT_LISTED) if facts.device_id in self._unlisted else ""
        return self._xids.get(facts.gpu_id) or unlisted or trouble(facts) or self.driver_trouble


def _is(facts: Facts, key: str) -> bool:
    return key in (facts.gpu_id, facts.name.partition("/")[0])
