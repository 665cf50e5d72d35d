"""Whatever the fleet, the queue and the course of events: the invariants of the balancer hold after every decision."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.balancer.decision.memory import LEASE_STEP_MIB, capacity_mib, headroom_mib, lease_mib, safety_mib
from orchestrator.balancer.decision.observation import (
    Action,
    Assign,
    Demand,
    Device,
    Drain,
    Observation,
    Park,
    Reap,
    Start,
    SweepView,
    WorkerView,
)
from orchestrator.balancer.decision.policy import decide
from orchestrator.records import WorkerState

MODELS = ("A", "B")
SIGNATURES = ("s1", "s2", "s3")
_AN_HOUR_S = 3600
_PLENTY = 1.2
"""What a run is given at most beyond its need, while nothing of its signature has finished."""
SWEEPS = (SweepView("one"), SweepView("two", priority=80), SweepView("paused", starts=False))


@st.composite
def devices(draw: st.DrawFn, number: int) -> Device:
    total = draw(st.integers(8_000, 90_000))
    foreign = draw(st.sampled_from([0, 0, total // 4, total - 500]))
    return Device(
        f"GPU-{number}",
        total_mib=total,
        free_mib=total - foreign,
        slots=draw(st.integers(1, 6)),
        model=draw(st.sampled_from(MODELS)),
        reserve_mib=draw(st.sampled_from([0, 2000])),
        overhead_mib=draw(st.sampled_from([0, 1536])),
        foreign_mib=foreign,
        growth_mib=draw(st.sampled_from([0, 1024])),
        attributed=draw(st.booleans()),
        trouble=draw(st.sampled_from(["", "", "", "Xid 79"])),
        blind=draw(st.sampled_from(["", "", "", "old"])),
    )


@st.composite
def demands(draw: st.DrawFn, number: int) -> Demand:
    sweep = draw(st.sampled_from([sweep.name for sweep in SWEEPS]))
    runs = draw(st.integers(1, 5))
    return Demand(
        sweep,
        tuple(f"{number}-{run}" for run in range(runs)),
        {model: draw(st.integers(100, 60_000)) for model in MODELS},
        signature=draw(st.sampled_from(SIGNATURES)),
        rank=draw(st.integers(0, 2)),
        expected_s=draw(st.sampled_from([60.0, 3600.0, float("inf")])),
        waited_s=draw(st.sampled_from([0.0, 36_000.0])),
        exclusive=draw(st.sampled_from([False, False, True])),
        shuns=frozenset(draw(st.sampled_from([(), (), ("GPU-0",), ("GPU-0", "GPU-2")]))),
        unproven=draw(st.sampled_from([frozenset(), frozenset(MODELS)])),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Observation:
    loads = {(model, name): draw(st.floats(0.1, 1.0)) for model in MODELS for name in SIGNATURES[:2]}
    return Observation(
        devices=tuple(draw(devices(number)) for number in range(draw(st.integers(1, 3)))),
        workers=(),
        sweeps=SWEEPS,
        demands=tuple(draw(demands(number)) for number in range(draw(st.integers(0, 6)))),
        loads=loads,
        draining=draw(st.sampled_from([{}, {}, {"GPU-0": True}])),
    )


@settings(max_examples=300)
@given(world=worlds(), events=st.lists(st.integers(0, 10_000), max_size=25))
def test_the_invariants_hold_after_every_decision(world: Observation, events: list[int]) -> None:
    names = itertools.count()
    for event in (0, *events):
        world = happens(world, event)
        actions = decide(world)
        check(world, actions)
        world = enact(world, actions, names)


@settings(max_examples=200)
@given(world=worlds())
def test_an_empty_fleet_never_waits_for_nothing(world: Observation) -> None:
    able = {sweep.name for sweep in SWEEPS if sweep.starts}
    usable = [d for d in world.devices if not (d.trouble or d.blind or d.device_id in world.draining)]
    fits = [
        demand
        for demand in world.demands
        if demand.sweep in able
        and any(lease_mib(device, demand.needs_mib[device.model]) <= headroom_mib(device, ()) for device in usable)
    ]
    if fits:
        assert any(isinstance(action, Start) for action in decide(world))


def is_kept_from(world: Observation, demand: Demand, device: Device) -> bool:
    """Whether runs failed on the device, and one that they did not fail on is open and has plenty but for our runs."""
    others = (one for one in world.devices if one.device_id not in demand.shuns)
    usable = (one for one in others if not (one.trouble or one.blind or one.device_id in world.draining))
    left_mib = ((one.model, capacity_mib(one) - one.foreign_mib - one.growth_mib) for one in usable)
    plenty = any(_PLENTY * demand.needs_mib[model] + LEASE_STEP_MIB <= mib for model, mib in left_mib)
    return device.device_id in demand.shuns and demand.waited_s <= _AN_HOUR_S and plenty


def happens(world: Observation, event: int) -> Observation:
    """One worker's life goes on a step, or foreign memory changes."""
    if not world.workers or event % 7 == 0:
        return replace(world, devices=tuple(_foreigners_move(device, event) for device in world.devices))
    chosen = world.workers[event % len(world.workers)]
    moved = (_next(worker, event) if worker is chosen else worker for worker in world.workers)
    return _remeasured(replace(world, workers=tuple(filter(None, moved))))


def _next(worker: WorkerView, event: int) -> WorkerView | None:
    match worker.state:
        case WorkerState.STARTING:
            return replace(worker, state=WorkerState.IDLE)
        case WorkerState.BUSY if worker.ramping:
            return replace(worker, ramping=False, observed_mib=worker.lease_mib * (event % 10) // 10, ends_in_s=60.0)
        case WorkerState.BUSY:
            return replace(worker, state=WorkerState.IDLE, run_id="", observed_mib=0, settling=event % 3 == 0)
        case WorkerState.IDLE:
            return replace(worker, settling=False)
        case WorkerState.DRAINING:
            return replace(worker, state=WorkerState.RELEASING, run_id="", ramping=False)
        case _:
            return None


def _foreigners_move(device: Device, event: int) -> Device:
    foreign = min(device.total_mib, event * 7)
    return replace(
        device, foreign_mib=max(foreign, device.foreign_mib // 2), free_mib=max(0, device.free_mib - foreign // 8)
    )


def _remeasured(world: Observation) -> Observation:
    def free(device: Device) -> int:
        held = sum(worker.observed_mib for worker in world.workers if worker.device_id == device.device_id)
        return max(0, device.total_mib - held - device.foreign_mib // 2)

    return replace(world, devices=tuple(replace(device, free_mib=free(device)) for device in world.devices))


def enact(world: Observation, actions: tuple[Action, ...], names: itertools.count[int]) -> Observation:
    workers, runs = {worker.worker_id: worker for worker in world.workers}, set()
    for action in actions:
        if isinstance(action, Start):
            name = f"w{next(names)}"
            state = WorkerState.STARTING
            workers[name] = WorkerView(name, action.sweep, action.device_id, action.lease_mib, 0, state)
            workers[name] = replace(workers[name], signature=action.signature, exclusive=action.exclusive)
        elif isinstance(action, Assign):
            runs.add(action.run_id)
            signature = next(d.signature for d in world.demands if action.run_id in d.run_ids)
            busy = {
                "state": WorkerState.BUSY,
                "run_id": action.run_id,
                "ramping": True,
                "lease_mib": action.lease_mib,
                "exclusive": action.exclusive,
            }
            workers[action.worker_id] = replace(workers[action.worker_id], signature=signature, **busy)  # type: ignore[arg-type]
        elif isinstance(action, Park):
            workers[action.worker_id] = replace(workers[action.worker_id], lease_mib=action.lease_mib)
        elif isinstance(action, Drain | Reap):
            workers[action.worker_id] = replace(workers[action.worker_id], state=WorkerState.DRAINING)
        else:
            runs.add(action.run_id)
    left = (replace(d, run_ids=tuple(run for run in d.run_ids if run not in runs)) for d in world.demands)
    return replace(world, workers=tuple(workers.values()), demands=tuple(d for d in left if d.run_ids))


def check(world: Observation, actions: tuple[Action, ...]) -> None:
    starts = [action for action in actions if isinstance(action, Start)]
    assigns = [action for action in actions if isinstance(action, Assign)]
    for device in world.devices:
        check_device(device, world, actions)
    assert len({action.run_id for action in assigns}) == len(assigns)
    assert len({action.worker_id for action in assigns}) == len(assigns)
    for action in assigns:
        check_assignment(world, action)
    may_start = {sweep.name for sweep in SWEEPS if sweep.starts}
    assert {start.sweep for start in starts} <= may_start
    ended = {action.worker_id for action in actions if isinstance(action, Drain | Reap)}
    assert not ended & {action.worker_id for action in assigns}
    for park in (action for action in actions if isinstance(action, Park)):
        worker = next(worker for worker in world.workers if worker.worker_id == park.worker_id)
        assert worker.state is WorkerState.IDLE
        assert not worker.settling
        assert park.lease_mib < worker.lease_mib


def check_device(device: Device, world: Observation, actions: tuple[Action, ...]) -> None:
    """What was given out on the device, by starts and to idle workers, keeps to its memory and its rules."""
    before = {worker.worker_id: worker for worker in world.workers if worker.device_id == device.device_id}
    starts = [action for action in actions if isinstance(action, Start) and action.device_id == device.device_id]
    given = [*starts, *(action for action in actions if isinstance(action, Assign) and action.worker_id in before)]
    if not given:
        return
    after = enact(world, actions, itertools.count(10_000))
    here = [worker for worker in after.workers if worker.device_id == device.device_id]
    promised = sum(worker.lease_mib for worker in here)
    outstanding = sum(max(0, worker.lease_mib - worker.observed_mib) for worker in here)
    assert promised + device.foreign_mib + safety_mib(device) <= device.total_mib - device.reserve_mib
    assert outstanding + device.growth_mib + safety_mib(device) <= device.free_mib
    assert not device.trouble
    assert not device.blind
    assert device.device_id not in world.draining
    assert len(here) <= max(device.slots, len(before))
    at_work = [w for w in here if w.run_id or w.settling or w.state is WorkerState.STARTING]
    if not device.attributed:
        assert len(given) == 1
        assert not any(worker.ramping or worker.state is WorkerState.STARTING for worker in before.values())
    if any(worker.exclusive for worker in at_work):
        assert len(at_work) == 1
    for action in given:
        assert action.lease_mib == action.cap_mib + device.overhead_mib
        assert action.cap_mib <= capacity_mib(device)
    for start in starts:
        needed = [
            d.needs_mib[device.model] for d in world.demands if (d.sweep, d.signature) == (start.sweep, start.signature)
        ]
        assert start.cap_mib >= min(needed)


def check_assignment(world: Observation, action: Assign) -> None:
    worker = next(worker for worker in world.workers if worker.worker_id == action.worker_id)
    demand = next(demand for demand in world.demands if action.run_id in demand.run_ids)
    device = next(device for device in world.devices if device.device_id == worker.device_id)
    assert worker.state is WorkerState.IDLE
    assert not worker.settling
    assert worker.sweep == demand.sweep
    assert demand.needs_mib[device.model] <= action.cap_mib
    assert action.exclusive == demand.exclusive
    assert not is_kept_from(world, demand, device)
