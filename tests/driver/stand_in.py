"""Builds and controls the stand-in for NVIDIA's driver.

    fleet = Fleet.create(folder, "data_centre", gpus=8)
    subprocess.run(command, env={**os.environ, **fleet.environment()})    # sees eight GPUs
    fleet.gpu[0].set_foreign(30_000)                                      # MiB that nobody of ours holds
    fleet.gpu[0].allocate(pid, 8_000)                                     # False where it does not fit
    fleet.gpu[3].lose()
    fleet.xid(1, 79)
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", gpu=2, hang=True)
    fleet.heal()
    fleet.calls("nvmlDeviceGetMemoryInfo_v2", gpu=2)

Any process may open the same fleet with `Fleet.open(os.environ)`. It needs a C compiler (`cc`).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import mmap
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.driver import layout
from tests.driver.personalities import DRIVERS, PERSONALITIES, Personality

STATE = "NVML_STAND_IN_STATE"
LIBRARY = "libnvidia-ml.so.1"
_MIB = 1 << 20
_SOURCE = Path(__file__).with_name("nvml_stand_in.c")
_XID = 0x8
_UPGRADING = 18


@functools.cache
def compiled(flags: tuple[str, ...]) -> bytes:
    """The library, compiled once in each process."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, LIBRARY)
        command = ["cc", "-O1", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}", *flags, "-o", target, _SOURCE]
        subprocess.run(command, check=True)
        return target.read_bytes()


class Fleet:
    """The GPUs of a machine that is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "state"
        with self._path.open("r+b") as file:
            self.state = layout.State.from_buffer(mmap.mmap(file.fileno(), 0))
        devices = [Gpu(self, place) for place, found in enumerate(self.state.devices) if found.uuid]
        self.gpu = [device for device in devices if device.row.parent < 0]
        self.devices = [device for device in devices if not device.instances]
        """What workers can be given: GPUs without instances, and the instances of the others."""

    @classmethod
    def create(cls, folder: Path, personality: str = "data_centre", *, gpus: int = 0, driver: str = "current") -> Fleet:
        """A machine of a kind of `personalities.py` in an empty folder; `gpus` 0 for as many as that kind has."""
        kind = PERSONALITIES[personality]
        version, flags = DRIVERS[driver]
        state = _blank(kind, gpus or kind.gpus, version)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state").write_bytes(bytes(state))
        (folder / LIBRARY).write_bytes(compiled(flags))
        fleet = cls(folder)
        for function, code in kind.refuses.items():
            fleet.fault(function, code=code)
        return fleet

    @classmethod
    def open(cls, environment: Mapping[str, str]) -> Fleet:
        """The fleet that an environment names."""
        return cls(Path(environment[STATE]).parent)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to see the fleet."""
        others = os.environ.get("LD_LIBRARY_PATH")
        return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(self.folder), others))), STATE: str(self._path)}

    def device(self, device_id: str) -> Gpu:
        """The GPU or the MIG instance of a UUID."""
        return next(device for device in (*self.gpu, *self.devices) if device.uuid == device_id)

    def fault(
        self,
        function: str = "*",
        *,
        gpu: int | None = None,
        code: int = 0,
        latency_s: float = 0.0,
        hang: bool = False,
        crash: bool = False,
        after: int = 0,
        times: int = 0,
    ) -> None:
        """Make a function (`*`: every one) of a GPU (None: of any, and of none) misbehave.

        It first waits for `latency_s`; then it hangs until healed, dies of SIGSEGV, or returns NVML's `code`.
        The first `after` calls go well, and so do those after `times` bad ones (0: all are bad).
        """
        action = layout.CRASH if crash else layout.HANG if hang else layout.RETURN_CODE
        place = -1 if gpu is None else self.gpu[gpu].place
        self._add(layout.Fault(function.encode(), place, code, action, 1, after, times, 0, latency_s))

    def heal(self, function: str | None = None, *, gpu: int | None = None) -> None:
        """End the faults of a function, of a GPU, or all; also those that the machine's kind brought along."""
        for fault in self.state.faults:
            ours = gpu is None or fault.device == self.gpu[gpu].place
            if ours and function in (None, fault.function.decode()):
                fault.enabled = 0

    def xid(self, gpu: int, number: int) -> None:
        """Let the driver report an error of a GPU to all who listen."""
        with self.writing():
            written = self.state.events_written
            self.state.events[written % layout.MAX_EVENTS] = layout.Event(self.gpu[gpu].place, 0, _XID, number)
            self.state.events_written = written + 1

    def calls(self, function: str, *, gpu: int | None = None) -> int:
        """How often a function (`*`: all together) was called, for one GPU or over all."""
        rows = [row for row in self.state.functions if function in ("*", row.name.decode()) and row.named]
        return sum(sum(row.calls) if gpu is None else row.calls[self.gpu[gpu].place] for row in rows)

    def forget_calls(self) -> None:
        """Begin to count anew."""
        for row in self.state.functions:
            row.calls = type(row.calls)()

    def set_count(self, count: int | None) -> None:
        """How many GPUs the driver says there are; None for the truth."""
        self.state.count_override = -1 if count is None else count

    def begin_upgrade(self, *, after: int = 0) -> None:
        """Replace the driver: after some calls, all fail, in old processes and in new ones."""
        self.fault("*", code=_UPGRADING, after=after)

    def finish_upgrade(self) -> None:
        """The new driver is there: processes that start from now on can use it, older ones never."""
        self.state.generation += 1
        for fault in self.state.faults:
            fault.enabled = fault.enabled and fault.code != _UPGRADING

    def remove_library(self) -> None:
        """Uninstall the driver; processes that have loaded it keep it."""
        (self.folder / LIBRARY).unlink()

    def restore_library(self, *, driver: str = "current") -> None:
        """Install a driver."""
        (self.folder / LIBRARY).write_bytes(compiled(DRIVERS[driver][1]))

    def release_the_dead(self) -> None:
        """Give back the memory of processes that have ended, as the real driver does by itself."""
        for device in self.devices:
            for pid in device.processes():
                if not Path(f"/proc/{pid}").exists():
                    device.release(pid)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time, whole changes only."""
        with self._path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.state.sequence |= 1
            try:
                yield
            finally:
                self.state.sequence += 1

    def _add(self, fault: layout.Fault) -> None:
        with self.writing():
            free = next(place for place, found in enumerate(self.state.faults) if not found.enabled)
            self.state.faults[free] = fault


class Gpu:
    """One GPU, or one MIG instance; memory in MiB."""

    def __init__(self, fleet: Fleet, place: int) -> None:
        self._fleet = fleet
        self.place = place
        self.row = fleet.state.devices[place]
        self.uuid: str = self.row.uuid.decode()
        places = enumerate(fleet.state.devices)
        self.instances = [Gpu(fleet, at) for at, found in places if found.uuid and found.parent == place]

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
        with self._fleet.writing():
            self.row.now.foreign = mib * _MIB

    def set_process(self, pid: int, mib: int, lists: int = layout.COMPUTE) -> None:
        """Let a process hold so much, whether it fits or not, and stand in these lists of the driver."""
        with self._fleet.writing():
            self._put(pid, mib, lists)

    def allocate(self, pid: int, mib: int) -> bool:
        """Let a process hold so much more; False, and no change, where that is more than there is."""
        with self._fleet.writing():
            if mib > self.free_mib:
                return False
            self._put(pid, self.processes().get(pid, 0) + mib)
            return True

    def release(self, pid: int) -> None:
        """Give back all that a process holds."""
        with self._fleet.writing():
            for found in self._running():
                if found.pid == pid:
                    found.pid = 0

    def lose(self, code: int = 15) -> None:
        """Let every call fail from now on: it has fallen off the bus (15), or answers nonsense (999)."""
        self._fleet._add(layout.Fault(b"*", self.place, code, layout.RETURN_CODE, 1, 0, 0, 0, 0.0))

    def recover(self) -> None:
        """End all faults of this device."""
        for fault in self._fleet.state.faults:
            if fault.device == self.place:
                fault.enabled = 0

    def set_present(self, present: bool) -> None:
        """Whether the driver lists it; the indices of those after it move."""
        self.row.present = present

    def freeze(self) -> None:
        """Let the driver go on answering what it answers now."""
        with self._fleet.writing():
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


def _blank(kind: Personality, gpus: int, version: str) -> layout.State:
    state = layout.State(layout.MAGIC, 0, 0, 1, -1, 0, version.encode())
    state.size = len(bytes(state))
    place = 0
    for _ in range(gpus):
        parent = place
        state.devices[place] = _gpu(kind, place)
        for number, (profile, mib) in enumerate(kind.instances, start=1):
            place += 1
            state.devices[place] = _instance(kind, place, parent, number, profile, mib)
        place += 1
    return state


def _gpu(kind: Personality, place: int) -> layout.Device:
    device = _device(_uuid("GPU", place), kind.model, kind.total_mib, kind)
    device.reserved = kind.reserved_mib * _MIB
    device.mig_mode = bool(kind.instances)
    device.parent = -1
    return device


def _instance(kind: Personality, place: int, parent: int, number: int, profile: str, total_mib: int) -> layout.Device:
    device = _device(_uuid("MIG", place), f"{kind.model} MIG {profile}", total_mib, kind)
    device.instance = number
    device.parent = parent
    return device


def _device(device_id: str, name: str, total_mib: int, kind: Personality) -> layout.Device:
    device = layout.Device(device_id.encode(), name.encode(), total_mib * _MIB)
    device.present = device.persistence = 1
    device.temperature = 40
    device.has_ecc = kind.has_ecc
    device.hides_process_memory = kind.hides_process_memory
    return device


def _uuid(prefix: str, place: int) -> str:
    return f"{prefix}-{uuid.uuid5(uuid.NAMESPACE_OID, f'stand-in {place}')}"
