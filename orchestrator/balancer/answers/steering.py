"""`balancer drain` and `balancer resume`: what a person closes and opens, and what that means for the runs there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.balancer.answers.status import SNAPSHOT, judged
from orchestrator.balancer.closures import Closures
from orchestrator.errors import UnknownNameError
from orchestrator.ledger import Ledger
from orchestrator.settings import starter

Device = Mapping[str, Any]
"""A device of the snapshot."""


class Steering:
    """Closes and opens devices; names are those of the last snapshot."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._closures = Closures(ledger.redis)
        self._seen = judged(ledger.redis.get(SNAPSHOT))

    def drain(self, name: str | None, *, now: bool) -> dict[str, Any]:
        """Let workers leave a device, or all; `docs/balancer-status.md` has the keys of what it gives.

        Raises:
            UnknownNameError: no device is called so, or several are.
        """
        chosen = self._chosen(name)
        for device in chosen:
            self._closures.drain(device["device"], release=now)
        self._ledger.wake()
        return self._answer([{**_named(device), "now": now, "runs": self._runs_on(device)} for device in chosen])

    def resume(self, name: str | None) -> dict[str, Any]:
        """Use a device again, or all, whatever closed it; `docs/balancer-status.md` has the keys of what it gives.

        Raises:
            UnknownNameError: no device is called so, or several are.
        """
        drained, quarantined = self._closures.drained(), self._closures.quarantined()
        closed = {*drained, *quarantined}
        chosen = self._chosen(name, also=closed)
        for device in chosen:
            self._closures.resume(device["device"])
        self._ledger.wake()
        return self._answer(
            [
                {
                    **_named(device),
                    "was_drained": device["device"] in drained,
                    "was_quarantined": quarantined.get(device["device"], ""),
                    "trouble": device["trouble"],
                }
                for device in chosen
                if name is not None or device["device"] in closed
            ]
        )

    def _answer(self, devices: list[dict[str, Any]]) -> dict[str, Any]:
        up = self._seen["up"]
        return {"up": up, "devices": devices, "lines": _in_words(devices, up=up)}

    def _chosen(self, name: str | None, also: set[str] | frozenset[str] = frozenset()) -> list[Device]:
        """The devices that are meant; `also` are some that were closed and may be gone."""
        known: dict[str, Device] = {one["device"]: one for one in self._seen["devices"]}
        gone: dict[str, Device] = {one: {"device": one, "name": one, "trouble": ""} for one in sorted(also - {*known})}
        return choose(name, [*known.values(), *gone.values()])

    def _runs_on(self, device: Device) -> int:
        there = [worker for worker in self._seen["workers"] if worker["device"] == device["device"]]
        return sum(worker["run"] is not None for worker in there)


def choose(name: str | None, devices: list[Device]) -> list[Device]:
    """The device with this name or id, or the only one whose id begins so; all where no name is given.

    Raises:
        UnknownNameError: none, or several.
    """
    if not devices:
        raise UnknownNameError(f"no device is known, since no balancer has run here; {starter()} starts one")
    if name is None:
        return devices
    wanted = name.lower()
    exact = [device for device in devices if wanted in (device["name"].lower(), device["device"].lower())]
    found = exact or [device for device in devices if _begins(device["device"], wanted)]
    if len(found) != 1:
        said = ", ".join(_described(device) for device in found) or ", ".join(device["name"] for device in devices)
        are = "they are" if found else "known"
        raise UnknownNameError(f"{len(found) or 'no'} devices are called '{name}'; {are}: {said}")
    return found


def _begins(device_id: str, wanted: str) -> bool:
    """Whether an id begins so, with or without the kind of device before it."""
    whole = device_id.lower()
    return bool(wanted) and (whole.startswith(wanted) or whole.partition("-")[2].startswith(wanted))


def _described(device: Device) -> str:
    return device["name"] if device["name"] == device["device"] else f"{device['name']} ({device['device']})"


def _in_words(devices: list[dict[str, Any]], *, up: bool) -> list[str]:
    """What was drained or resumed, a line for each device."""
    said = [_drained(device) if "runs" in device else _resumed(device) for device in devices]
    when = [] if up else [f"The balancer is down; this holds from when {starter()} has started it."]
    return [*(said or ["no device was closed"]), *when]


def _named(device: Device) -> dict[str, str]:
    return {"device": device["device"], "name": device["name"]}


def _drained(device: Device) -> str:
    runs, name = device["runs"], device["name"]
    fate = f"{runs} run{'s' * (runs != 1)} there {_fate(runs, device['now'])}" if runs else "no run is there"
    return f"{name} is drained: {fate}, and nothing starts there until `balancer resume {name}`"


def _fate(runs: int, now: bool) -> str:
    if now:
        return f"checkpoint{'s' * (runs == 1)} and go{'es' * (runs == 1)} back to the queue"
    return f"{'is' if runs == 1 else 'are'} finished first"


def _resumed(device: Device) -> str:
    lifted = []
    if device["was_drained"]:
        lifted.append("no longer drained")
    if quarantine := device["was_quarantined"]:
        lifted.append(f"no longer quarantined (it was, after {quarantine.partition(';')[0]})")
    trouble = f"; its trouble is looked at anew: {device['trouble']}" if device["trouble"] else ""
    return f"{device['name']} {'is ' + ' and '.join(lifted) if lifted else 'was not closed'}{trouble}"
