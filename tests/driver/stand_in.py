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

import functools
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.driver import layout
from tests.driver.gpu import Gpu
from tests.driver.personalities import DRIVERS, PERSONALITIES, blank
from tests.driver.shared import Shared

STATE = "NVML_STAND_IN_STATE"
LIBRARY = "libnvidia-ml.so.1"
_SOURCE = Path(__file__).with_name("nvml_stand_in.c")
_XID = 0x8
_UPGRADING = 18


@functools.cache
def compiled(flags: tuple[str, ...]) -> bytes:
    """The library, compiled once in each process."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, LIBRARY)
        command = ["cc", "-O1", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}", *flags, "-o", str(target), str(_SOURCE)]
        subprocess.run(command, check=True)
        return target.read_bytes()


class Fleet:
    """The GPUs of a machine that is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shared = Shared(folder / "state")
        self._rows = self._shared.rows
        devices = [Gpu(self._shared, place) for place, found in enumerate(self._rows.devices) if found.uuid]
        self.gpu = [device for device in devices if device.row.parent < 0]
        self.devices = [device for device in devices if not device.instances]
        """What workers can be given: GPUs without instances, and the instances of the others."""

    @classmethod
    def create(cls, folder: Path, personality: str = "data_centre", *, gpus: int = 0, driver: str = "current") -> Fleet:
        """A machine of a kind of `personalities.py` in an empty folder; `gpus` 0 for as many as that kind has."""
        kind = PERSONALITIES[personality]
        version, flags = DRIVERS[driver]
        state = blank(kind, gpus or kind.gpus, version)
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
        return {
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(self.folder), others))),
            STATE: str(self._shared.path),
        }

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
        self._shared.add(layout.Fault(function.encode(), place, code, action, 1, after, times, 0, latency_s))

    def heal(self, function: str | None = None, *, gpu: int | None = None) -> None:
        """End the faults of a function, of a GPU, or all; also those that the machine's kind brought along."""
        for fault in self._rows.faults:
            ours = gpu is None or fault.device == self.gpu[gpu].place
            if ours and function in (None, fault.function.decode()):
                fault.enabled = 0

    def xid(self, gpu: int, number: int) -> None:
        """Let the driver report an error of a GPU to all who listen."""
        with self._shared.writing():
            written = self._rows.events_written
            self._rows.events[written % layout.MAX_EVENTS] = layout.Event(self.gpu[gpu].place, 0, _XID, number)
            self._rows.events_written = written + 1

    def calls(self, function: str, *, gpu: int | None = None) -> int:
        """How often a function (`*`: all together) was called, for one GPU or over all."""
        rows = [row for row in self._rows.functions if function in ("*", row.name.decode()) and row.named]
        return sum(sum(row.calls) if gpu is None else row.calls[self.gpu[gpu].place] for row in rows)

    def forget_calls(self) -> None:
        """Begin to count anew."""
        for row in self._rows.functions:
            row.calls = type(row.calls)()

    def set_count(self, count: int | None) -> None:
        """How many GPUs the driver says there are; None for the truth."""
        self._rows.count_override = -1 if count is None else count

    def begin_upgrade(self, *, after: int = 0) -> None:
        """Replace the driver: after some calls, all fail, in old processes and in new ones."""
        self.fault("*", code=_UPGRADING, after=after)

    def finish_upgrade(self) -> None:
        """The new driver is there: processes that start from now on can use it, older ones never."""
        self._rows.generation += 1
        for fault in self._rows.faults:
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
