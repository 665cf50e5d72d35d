from __future__ import annotations

import random

import pytest

from orchestrator.balancer.decision.footprints import Learned, cap_mib, margin_unknown
from orchestrator.balancer.experience import Experience
from orchestrator.ledger import Ledger
from orchestrator.records import Group


def finished(error: float) -> Learned:
    """A signature whose peak was so many times what had been predicted."""
    return Learned().has_finished(round(10_000 * error), predicted_mib=10_000)


def group(signature: str, **fields: bool) -> Group:
    return Group(name=signature, signature=signature, footprint_mib=10_000, gpu_footprint_mib=10_000, **fields)


def test_predictions_have_three_tenths_to_spare_before_anything_has_finished() -> None:
    assert margin_unknown([]) == 1.3
    assert cap_mib(10_000, Learned()) == 13_000


def test_predictions_that_were_good_need_less_and_those_that_were_bad_more() -> None:
    good = [finished(error) for error in (0.97, 1.0, 1.03) * 30]
    bad = [finished(error) for error in (0.8, 1.0, 1.25) * 30]
    assert margin_unknown(good) < 1.2
    assert margin_unknown(bad) == 1.5


def test_predictions_that_were_all_too_low_are_raised() -> None:
    assert margin_unknown([finished(1.2)] * 60) > 1.25


def test_two_lucky_predictions_change_little() -> None:
    assert margin_unknown([finished(1.0)] * 2) > 1.27


def test_one_in_three_hundred_goes_over_once_errors_are_known() -> None:
    chance = random.Random(1)
    margin = margin_unknown(finished(chance.lognormvariate(0, 0.1)) for _ in range(400))
    over = sum(chance.lognormvariate(0, 0.1) > margin for _ in range(20_000))
    assert 0.0015 < over / 20_000 < 0.005


@pytest.mark.parametrize("error", [0.3, 3.0])
def test_however_wrong_predictions_were_the_margin_stays_between_its_ends(error: float) -> None:
    assert 1.1 <= margin_unknown([finished(error)] * 500) <= 1.5


def test_what_a_person_has_said_and_what_was_never_predicted_say_nothing_of_predictions(ledger: Ledger) -> None:
    experience = Experience(ledger.redis)
    for number in range(50):
        experience.finished(group(f"said-{number}", fixed=True), "H100", 100, 0.0)
    assert experience.margin("H100") == margin_unknown([Learned(peak_mib=100, finished=1)]) == 1.3


def test_a_margin_is_learned_for_each_model_of_device_and_outlives_the_balancer(ledger: Ledger) -> None:
    experience = Experience(ledger.redis)
    for number in range(50):
        experience.finished(group(f"net-{number}"), "H100", 10_100, 0.0)
    again = Experience(ledger.redis)
    assert again.margin("H100") == experience.margin("H100") < 1.2
    assert again.cap_mib(group("new"), "H100", 80_000) == round(10_000 * again.margin("H100"))
    assert again.cap_mib(group("new"), "CPU", 80_000) == 13_000


def test_a_margin_asks_for_no_more_than_a_whole_device_unless_less_was_too_little(ledger: Ledger) -> None:
    experience = Experience(ledger.redis)
    assert experience.cap_mib(group("new"), "H100", 11_000) == 11_000
    assert experience.cap_mib(group("new"), "H100", 9_000) == 13_000
    assert experience.cap_mib(group("said", fixed=True), "H100", 9_000) == 10_000
    experience.went_over("new", "H100", 10_500)
    assert experience.cap_mib(group("new"), "H100", 11_000) == 11_000
    experience.went_over("new", "H100", 11_000)
    assert experience.cap_mib(group("new"), "H100", 11_000) == 16_500
