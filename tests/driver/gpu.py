"""One device of the stand-in: what it holds, and what ails it."""

from __future__ import annotations

from tests.driver import layout
from tests.driver.shared import Shared

_MIB = 1 << 20


class Gpu:
    """One GPU, or one MIG instance; memory in MiB."""

    def __init__(self, shared: Shared, place: int) -> None:
        self._shared = shared
        self.place = place
        self.row = shared.rows.devices[place]
        self.uuid: str = self.row.uuid.decode()
        places = enumerate(shared.rows.devices)
        self.instances = [Gpu(shared, at) for at, found in places if found.uuid and found.parent == place]

    @property
    def total_mib(self) -> int:
        return int(self.row.total // _MIB)

    @property
    def used_mib(self) -> int:
        """Memory of processes and foreigners, without what the driver keeps for itself."""
        return int((self.row.now.foreign + sum(found.bytes for found in self._running())) // _MIB)

    @property
    def free_mib(self) -> int:
        return max(0, int((self.row.total - self.row.reserved) // _MIB) - self.used_mib)

    def processes(self) -> dict[int, int]:
        """Memory of each process by its pid."""
        return {found.pid: found.bytes // _MIB for found in self._running()}

    def set_foreign(self, mib: int) -> None:
        """Memory that no listed process accounts for."""
        with self._shared.writing():
            self.row.now.foreign = mib * _MIB

    def set_process(self, pid: int, mib: int, lists: int = layout.COMPUTE) -> None:
        """Let a process hold so much, whether it fits or not, and stand in these lists of the driver."""
        with self._shared.writing():
            self._put(pid, mib, lists)

    def allocate(self, pid: int, mib: int) -> bool:
        """Let a process hold so much more; False, and no change, where that is more than there is."""
        with self._shared.writing():
            if mib > self.free_mib:
                return False
            self._put(pid, self.processes().get(pid, 0) + mib)
            return True

    def release(self, pid: int) -> None:
        """Give back all that a process holds."""
        with self._shared.writing():
            for found in self._running():
                if found.pid == pid:
                    found.pid = 0

    def lose(self, code: int = 15) -> None:
        """Let every call fail from now on: it has fallen off the bus (15), or answers nonsense (999)."""
        self._shared.add(layout.Fault(b"*", self.place, code, layout.RETURN_CODE, 1, 0, 0, 0, 0.0))

    def recover(self) -> None:
        """End all faults of this device."""
        for fault in self._shared.rows.faults:
            if fault.device == self.place:
                fault.enabled = 0

    def set_present(self, present: bool) -> None:
        """Whether the driver lists it; the indices of those after it move."""
        self.row.present = present

    def freeze(self) -> None:
        """Let the driver go on answering what it answers now."""
        with self._shared.writing():
            self.row.frozen = self.row.now
            self.row.is_frozen = 1

    def thaw(self) -> None:
        """Let the driver tell the truth again."""
        self.row.is_frozen = 0

    def set_health(self, **values: int) -> None:
        """Set fields of `layout.Device`, such as temperature=99, compute_mode=3, rows_pending=1, mig_mode=1."""
        for name, value in values.items():
            assert hasattr(self.row, name), name
            setattr(self.row, name, value)

    def _running(self) -> list[layout.Process]:
        return [found for found in self.row.now.processes if found.pid]

    def _put(self, pid: int, mib: int, lists: int = layout.COMPUTE) -> None:
        rows = self.row.now.processes
        row = next((found for found in rows if found.pid == pid), None) or next(row for row in rows if not row.pid)
        row.bytes, row.lists = mib * _MIB, lists
        row.pid = pid
