"""What is wrong with a device, in words that say what to do.

Which Xid errors an application can cause, and which take the GPU out of service, follows NVIDIA's catalogue of Xid
errors and the list that its Kubernetes device plugin ignores (13, 31, 43, 45, 68, 109). Two more are judged by what
they leave behind: 63 (a row was remapped) and 94 (an error was contained, its application ended) matter when the
driver's counters say so. Any other Xid, known or not, takes the GPU out of service: what cannot be read is not free.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.balancer.probes.wire import Facts

TEMPERATURE_LIMIT_C = 95
"""Where GPUs slow down or shut off by themselves, or are about to."""
DRIVER_IS_GONE = frozenset({1, 9, 12, 18})
"""NVML's codes after which only a new process can hope for an answer."""

_EXCLUSIVE_THREAD, _PROHIBITED, _EXCLUSIVE_PROCESS = 1, 2, 3
_HARMLESS_XIDS = frozenset({13, 31, 43, 45, 68, 109, 63, 94})
_RESET = "end what runs on it and reset it (nvidia-smi --gpu-reset), or restart the machine"

_XIDS: Mapping[int, str] = {
    48: "an uncorrectable error of its memory",
    64: "a row of its memory could not be remapped",
    74: "an error of NVLink",
    79: "it has fallen off the bus",
    95: "an error of its memory that could not be contained",
    119: "its system processor (GSP) does not answer",
    120: "its system processor (GSP) failed",
    154: "the driver asks for its recovery",
}

_CODES: Mapping[int, str] = {
    1: "the driver was shut down meanwhile",
    4: "this user may not ask the driver; check the rights on /dev/nvidia*",
    6: "the driver does not list it any more; see dmesg, and restart the machine if it does not come back",
    9: "the NVIDIA driver is not loaded; try nvidia-smi, and modprobe nvidia",
    12: "there is no libnvidia-ml.so.1; install the NVIDIA driver, or give the container its GPUs (--gpus all)",
    15: "it is lost, probably fallen off the bus; restart the machine, and look for Xid in dmesg",
    16: f"it asks for a reset; {_RESET}",
    18: "the NVIDIA driver was upgraded and its kernel module was not; reload the module, or restart the machine",
    999: f"the driver answers `unknown error`; look at dmesg, {_RESET}",
}


def code_words(code: int) -> str:
    """What a code of NVML means and asks for."""
    return _CODES.get(code, f"the driver answers with NVML's error {code}; try nvidia-smi, and look at dmesg")


def xid_words(xid: int) -> str:
    """Why a GPU with this Xid is out of service; empty for one that an application causes."""
    if xid in _HARMLESS_XIDS:
        return ""
    meaning = _XIDS.get(xid, "an error that is not known to be an application's")
    return f"Xid {xid}, {meaning}; {_RESET}, then restart the balancer"


def trouble(facts: Facts) -> str:
    """Why no worker may start on a device; empty while it is well."""
    if facts.error:
        return code_words(facts.error)
    if facts.repair_failed:
        return "a row of its memory could not be remapped; have the GPU replaced"
    if facts.repair_pending:
        return f"its memory waits for a repair at the next reset; {_RESET}"
    if facts.uncorrected_errors:
        return f"{facts.uncorrected_errors} uncorrectable errors of its memory (ECC) since the driver started; {_RESET}"
    return _heat(facts.temperature_c) or _closed(facts.compute_mode)


def slots(facts: Facts) -> int:
    """Most workers that it bears at once; 0: as many as fit."""
    alone = facts.unified or facts.compute_mode in (_EXCLUSIVE_THREAD, _EXCLUSIVE_PROCESS)
    return 1 if alone else 0


def _heat(temperature_c: int | None) -> str:
    if temperature_c is None or temperature_c < TEMPERATURE_LIMIT_C:
        return ""
    return f"it is at {TEMPERATURE_LIMIT_C} °C or above; look at its fans and the air around it"


def _closed(compute_mode: int) -> str:
    if compute_mode != _PROHIBITED:
        return ""
    return "its compute mode is PROHIBITED; allow work with nvidia-smi --compute-mode=DEFAULT"
