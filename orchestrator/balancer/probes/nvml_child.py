"""The program that asks NVIDIA's driver, a poll every second, and writes what it hears: `wire.py` says how.

It is the one module that imports pynvml, and it imports little else, because it is started again whenever the driver
hangs, crashes or is replaced. It reads from its standard input, a line each, which barred GPUs to try again, and ends
when that closes: with its parent. Between two polls it waits for the driver's own reports of errors (Xid).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import threading
import time
from typing import Any

import pynvml

from orchestrator.balancer.probes.health import DRIVER_IS_GONE
from orchestrator.balancer.probes.part import Driver, RefusedError
from orchestrator.balancer.probes.survey import Survey
from orchestrator.balancer.probes.wire import Line, encode

_FUNCTION_NOT_FOUND, _UNKNOWN, _TIMEOUT = 13, 999, 10
_XID_EVENT = 0x8
_MISMATCH = getattr(pynvml, "NVMLLibraryMismatchError", UnicodeDecodeError)
"""What newer releases of pynvml raise where a function has no version that both sides know; no NVMLError."""


class DriverGoneError(Exception):
    """Nothing more is to be had in this process: NVML's code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NVML error {code}")
        self.code = code


def ask(function: str, *arguments: Any) -> Any:
    """What NVML answers.

    Raises:
        RefusedError: an error code; pynvml's own exceptions cannot be hashed, so none leaves this function.
        DriverGoneError: an error code that no later call in this process can change.
    """
    try:
        return getattr(pynvml, function)(*arguments)
    except pynvml.NVMLError as error:
        code = int(error.value)
    except (AttributeError, _MISMATCH):
        code = _FUNCTION_NOT_FOUND
    except UnicodeDecodeError:
        code = _UNKNOWN
    if code in DRIVER_IS_GONE:
        raise DriverGoneError(code)
    raise RefusedError(code)


def say(line: Line) -> None:
    """Tell the parent at once."""
    sys.stdout.write(encode(line) + "\n")
    sys.stdout.flush()


class Xids:
    """The driver's reports of errors."""

    def __init__(self) -> None:
        self._set: Any = None
        self._gpus: dict[int, str] = {}

    def listen(self, handles: dict[str, Any]) -> None:
        """Wait for those of these GPUs, by UUID, from now on; a driver or a GPU that has none to give is no error."""
        gpus = {_address(handle): gpu_id for gpu_id, handle in handles.items()}
        if self._set is not None and gpus == self._gpus:
            return
        old, self._set, self._gpus = self._set, None, gpus
        driver = Driver(ask)
        try:
            fresh = ask("nvmlEventSetCreate")
            for handle in handles.values():
                _register(handle, fresh)
            self._set = fresh
            if old is not None:
                driver.maybe("nvmlEventSetFree", old)
        except RefusedError:
            return

    def wait(self, until: float) -> None:
        """Say those that come until a moment of the monotonic clock."""
        while (left_s := until - time.monotonic()) > 0:
            if self._set is None:
                time.sleep(left_s)
            else:
                self._wait_once(left_s)

    def _wait_once(self, left_s: float) -> None:
        try:
            event = ask("nvmlEventSetWait_v2", self._set, max(1, int(left_s * 1000)))
        except RefusedError as refusal:
            if refusal.code != _TIMEOUT:
                self._set = None
            return
        if event.eventType & _XID_EVENT:
            say(Line(xid=int(event.eventData), gpu=self._gpus.get(_address(event.device), "")))


def main() -> int:
    """Ask until the parent goes or the driver does."""
    options = _options()
    say(Line(awake=True))
    survey = Survey(Driver(ask), say, slow_every_s=options.slow_every_s, barred=set(options.barred))
    threading.Thread(target=_obey, args=(survey,), daemon=True).start()
    try:
        _watch(survey, options.interval_s)
    except (DriverGoneError, RefusedError) as error:
        say(Line(failed=error.code))
    return 0


def _watch(survey: Survey, interval_s: float) -> None:
    xids = Xids()
    ask("nvmlInit")
    say(Line(hello=ask("nvmlDeviceGetCount")))
    while True:
        began = time.monotonic()
        survey.find()
        xids.listen({gpu.gpu_id: gpu.handle for gpu in survey.gpus.values()})
        survey.read()
        xids.wait(began + interval_s)


def _obey(survey: Survey) -> None:
    """Heed the parent's wishes; end with it, also while the driver hangs."""
    heard = b""
    while chunk := os.read(sys.stdin.fileno(), 4096):
        *lines, heard = (heard + chunk).split(b"\n")
        for line in lines:
            survey.admit(line.decode())
    os._exit(0)


def _register(handle: Any, event_set: Any) -> None:
    try:
        ask("nvmlDeviceRegisterEvents", handle, _XID_EVENT, event_set)
    except RefusedError:
        return


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interval-s", type=float, default=1.0)
    parser.add_argument("--slow-every-s", type=float, default=5.0, help="health and lists of processes")
    parser.add_argument("--barred", action="append", default=[], help="UUID or name of a GPU to leave alone")
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
