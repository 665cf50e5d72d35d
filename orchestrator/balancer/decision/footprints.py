"""How much memory a run is given: predicted by arithmetic first, then learned from the runs of its signature.

none has finished       margin × predicted, or 1.1 × the highest peak so far
one has finished        1.04 × the highest peak + 64 MiB
one went over its cap   at least 1.5 × that cap, until one finishes

The margin is 1.3 at first, and follows the peaks of the signatures that have finished: it holds for 997 of 1,000
signatures if measured / predicted is log-normal with the mean and variance seen, together with those of twenty
signatures that are taken to have been within 1.3. No margin asks for more than a whole device, if what is known without
it would fit there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

MARGIN_UNKNOWN = 1.3
MARGIN_UNFINISHED = 1.1
MARGIN_FINISHED = 1.04
GROWTH_AFTER_OOM = 1.5
MARGIN_MOST = 1.5
MARGIN_MIB = 64
_QUANTILE = 2.748
"""Of the normal distribution, at 99.7 %."""
_TAKEN_FOR_SEEN = 20


@dataclass(frozen=True)
class Learned:
    """What the runs of one memory signature have shown on one model of device."""

    peak_mib: int = 0
    """Highest peak of finished runs."""
    predicted_mib: int = 0
    """What had been predicted for them; 0: nothing, as a person had said it."""
    finished: int = 0
    provisional_mib: int = 0
    """Highest peak of runs that have passed their first epoch."""
    floor_mib: int = 0
    """What a run that went over its cap asks for."""
    ooms: int = 0
    best_rate: float = 0.0
    """Highest steps per second ever seen."""
    pace_s: float = 0.0
    """Time for each unit of a run's work, s; smoothed."""
    load: float | None = None
    """Share of the device that one run keeps busy."""

    @property
    def is_proven(self) -> bool:
        """Whether a run has finished, so that its highest peak is known."""
        return bool(self.finished)

    def passed_epoch(self, peak_mib: int) -> Learned:
        """A run has passed an epoch with this peak so far."""
        return replace(self, provisional_mib=max(self.provisional_mib, peak_mib))

    def has_finished(self, peak_mib: int, pace_s: float = 0.0, predicted_mib: int = 0) -> Learned:
        """A run has finished with this peak, at this pace."""
        smoothed = 0.7 * self.pace_s + 0.3 * pace_s if self.pace_s else pace_s
        return replace(
            self,
            peak_mib=max(self.peak_mib, peak_mib),
            predicted_mib=predicted_mib or self.predicted_mib,
            finished=self.finished + 1,
            floor_mib=0,
            pace_s=smoothed if pace_s else self.pace_s,
        )

    def went_over(self, cap_mib: int) -> Learned:
        """A run has gone over its cap."""
        return replace(self, floor_mib=max(self.floor_mib, round(cap_mib * GROWTH_AFTER_OOM)), ooms=self.ooms + 1)

    def as_json(self) -> dict[str, Any]:
        """Fields that tell something."""
        return {name: value for name, value in asdict(self).items() if value not in (0, None)}


def margin_unknown(finished: Iterable[Learned]) -> float:
    """What to multiply a prediction by, from signatures that have finished."""
    errors = [math.log(one.peak_mib / one.predicted_mib) for one in finished if one.predicted_mib and one.peak_mib]
    number = _TAKEN_FOR_SEEN + len(errors)
    mean = sum(errors) / number
    taken = _TAKEN_FOR_SEEN * (math.log(MARGIN_UNKNOWN) / _QUANTILE) ** 2
    variance = (taken + sum(error**2 for error in errors)) / number - mean**2
    margin = math.exp(mean + _QUANTILE * math.sqrt(variance))
    return round(min(MARGIN_MOST, max(MARGIN_UNFINISHED, margin)), 3)


def cap_mib(predicted_mib: int, learned: Learned, *, margin: float = MARGIN_UNKNOWN, fixed: bool = False) -> int:
    """What one run may use; `fixed`: the user has said it, and only a run that went over it changes it."""
    if fixed:
        return max(predicted_mib, learned.floor_mib)
    if learned.finished:
        return max(round(learned.peak_mib * MARGIN_FINISHED) + MARGIN_MIB, learned.floor_mib)
    so_far = round(learned.provisional_mib * MARGIN_UNFINISHED)
    return max(round(predicted_mib * margin), so_far, learned.floor_mib)


def least_mib(predicted_mib: int, learned: Learned) -> int:
    """What one run needs by all that is known, without any margin."""
    known = learned.peak_mib if learned.finished else max(predicted_mib, learned.provisional_mib)
    return max(known, round(learned.floor_mib / GROWTH_AFTER_OOM))
