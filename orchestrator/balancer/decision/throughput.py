"""How busy several runs keep a device together, and whether one more is worth adding.

A run of a signature keeps a share of its device busy, its load. While the loads sum to 1 or less, runs do not feel
each other; beyond that the device is busy all the time, and each run is slowed down by the sum. So a device does
min(1, Σ load) of what it can; adding one is worth it while that grows by 3 % or more. Plain rates, a run's steps per
second over its best, would let light runs in beside heavy ones for ever: they make more steps, and finish nothing
sooner.

Loads are learned from the steps per second that workers report: a run's best rate is what it does undisturbed, so
n / Σ (rate / best rate) is the sum of the loads as it was felt. What is not known yet is tried, one run at a time; and
so is one more where loads say that a device is busy, and nobody there is slowed down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MIN_GAIN = 1.03
_LEARNING_RATE = 0.5
_FIRST_GUESS = 0.5
_PRICE = 0.05
"""Each co-runner may cost so much although the device is not busy; or it is chance."""
_NOT_QUITE_BUSY = 0.9


def worth_adding(loads: Sequence[float | None], load: float | None, *, settled: bool) -> bool:
    """Whether a device with runs of these loads does at least 3 % more with one more.

    A load that is not known counts as half a device until all runs there are `settled`, so that their rates can be
    told; then one more is tried, and shows what they are.
    """
    before = believed(loads, settled=settled)
    return not loads or busy([before, _FIRST_GUESS if load is None else load]) >= MIN_GAIN * before


def is_saturated(loads: Sequence[float | None], *, settled: bool) -> bool:
    """Whether no run, whatever its load, is worth adding."""
    return bool(loads) and MIN_GAIN * believed(loads, settled=settled) > 1.0


def believed(loads: Sequence[float | None], *, settled: bool) -> float:
    """How busy runs of these loads are taken to keep their device."""
    unknown = 0.0 if settled else _FIRST_GUESS
    return busy([unknown if one is None else one for one in loads])


def busy(loads: Sequence[float]) -> float:
    """Share of the time that the device computes."""
    return min(1.0, sum(loads))


def learn(
    loads: Mapping[str, float], rates: Sequence[tuple[str, float]], best: Mapping[str, float]
) -> dict[str, float]:
    """New loads of the signatures that share a device, from the rates (signature, steps/s) that they reach together.

    `best` are the highest rates ever seen. A run that is alone teaches nothing, nor do runs that nothing slows down and
    of which nothing else was thought. Where something else was thought, they are taken to leave room for one more.
    """
    shares = [rate / best[signature] for signature, rate in rates if best.get(signature)]
    if len(shares) < 2 or len(shares) < len(rates) or not sum(shares):
        return {}
    felt = len(shares) / sum(shares)
    guessed = [loads.get(signature, _FIRST_GUESS) for signature, _ in rates]
    is_felt = felt > 1 + _PRICE * (len(shares) - 1)
    if not is_felt and not (loads and sum(guessed) > _NOT_QUITE_BUSY):
        return {}
    factor = ((felt if is_felt else _NOT_QUITE_BUSY) / sum(guessed)) ** _LEARNING_RATE
    return {signature: min(1.0, guess * factor) for (signature, _), guess in zip(rates, guessed, strict=True)}
