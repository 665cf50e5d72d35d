"""How much work a device does for several runs at once, and whether one more is worth adding.

A run of a signature keeps a share of its device busy, its load. While the loads sum to 1 or less, runs do not feel
each other; beyond that each is slowed down by the sum. So n runs do n / max(1, Σ load) times the work of one; adding
one is worth it while that grows by 3 % or more. Loads are learned from the steps per second that workers report: a
run's best rate is what it does undisturbed, so n / Σ (rate / best rate) is the sum of the loads as it was felt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MIN_GAIN = 1.03
_LEARNING_RATE = 0.5
_FIRST_GUESS = 0.5


def worth_adding(loads: Sequence[float | None], load: float | None) -> bool:
    """Whether a device with runs of these loads does at least 3 % more with one more; what is not known is tried."""
    if not loads or load is None or None in loads:
        return True
    known = [one for one in loads if one is not None]
    return total([*known, load]) >= MIN_GAIN * total(known)


def total(loads: Sequence[float]) -> float:
    """Work that is done at once, in undisturbed runs."""
    return len(loads) / max(1.0, sum(loads))


def learn(
    loads: Mapping[str, float], rates: Sequence[tuple[str, float]], best: Mapping[str, float]
) -> dict[str, float]:
    """New loads of the signatures that share a device, from the rates (signature, steps/s) that they reach together.

    `best` are the highest rates ever seen. A run that is alone teaches nothing.
    """
    shares = [rate / best[signature] for signature, rate in rates if best.get(signature)]
    if len(shares) < 2 or len(shares) < len(rates) or not sum(shares):
        return {}
    felt = len(shares) / sum(shares)
    guessed = [loads.get(signature, _FIRST_GUESS) for signature, _ in rates]
    if felt <= MIN_GAIN and sum(guessed) <= 1.0:
        return {}
    factor = (max(felt, 1.0) / sum(guessed)) ** _LEARNING_RATE
    return {signature: min(1.0, guess * factor) for (signature, _), guess in zip(rates, guessed, strict=True)}
