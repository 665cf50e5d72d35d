from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.balancer.accounting import Books, Lease, Limits, Rules
from orchestrator.balancer.decision.observation import Device
from orchestrator.balancer.readings import Reading

TOLD = Reading(
    "GPU-0", "H", 0.0, total_mib=81_000, free_mib=80_000, driver_reserved_mib=1000, processes={}, name="gpu0"
)
"""A GPU of 80,000 MiB whose driver tells the memory of each process."""
BLIND = replace(TOLD, processes=None)
RULES = Rules()
LEASE = Lease("w1", "GPU-0", 20_000, held_mib=0)


def used(mib: int, at: float, reading: Reading = TOLD) -> Reading:
    return replace(reading, free_mib=80_000 - mib, at=at)


def device(books: Books, reading: Reading, *leases: Lease) -> Device:
    return books.update([reading], leases, reading.at).devices[0]


def test_the_drivers_own_share_is_nobodys() -> None:
    seen = device(Books(RULES), used(0, 1))
    assert (seen.total_mib, seen.free_mib, seen.foreign_mib) == (80_000, 80_000, 0)


def test_what_no_worker_of_ours_holds_is_foreign() -> None:
    seen = device(Books(RULES), used(30_000, 1), replace(LEASE, held_mib=18_000))
    assert seen.foreign_mib == 12_000


def test_foreign_memory_is_remembered_in_full_for_a_while_and_then_fades() -> None:
    books = Books(RULES)
    device(books, used(30_000, 100))
    assert device(books, used(0, 159)).foreign_mib == 30_000
    assert device(books, used(0, 220)).foreign_mib == 15_000
    assert device(books, used(0, 280)).foreign_mib == 7_500


def test_a_new_balancer_takes_the_memory_of_foreigners_over_from_the_last() -> None:
    books, heir = Books(RULES), Books(RULES)
    device(books, used(30_000, 100))
    heir.load(books.dump())
    assert device(heir, used(0, 130)).foreign_mib == 30_000


def test_what_exceeds_our_leases_is_foreign_while_ours_cannot_be_told_apart() -> None:
    books, ours = Books(RULES), replace(LEASE, held_mib=None, ramping=True)
    assert device(books, used(15_000, 1, BLIND), ours).foreign_mib == 0
    assert device(books, used(32_000, 2, BLIND), ours).foreign_mib == 12_000
    assert device(books, used(15_000, 3, BLIND), ours).foreign_mib == 12_000


def test_nothing_fades_while_ours_cannot_be_told_apart() -> None:
    books, ours = Books(RULES), replace(LEASE, held_mib=None, ramping=True)
    device(books, used(30_000, 100, BLIND))
    assert device(books, used(10_000, 300, BLIND), ours).foreign_mib == 30_000
    assert device(books, used(0, 359, BLIND)).foreign_mib == 30_000
    assert device(books, used(0, 420, BLIND)).foreign_mib == 15_000


def test_what_seems_foreign_while_our_own_memory_moves_counts_once_and_is_not_remembered() -> None:
    books = Books(RULES)
    device(books, used(20_000, 1), replace(LEASE, held_mib=20_000))
    ended = replace(LEASE, held_mib=0)
    for _ in range(2):
        assert device(books, used(20_000, 2), ended).foreign_mib == 20_000
    assert device(books, used(0, 3), ended).foreign_mib == 0


def test_a_foreigner_that_comes_while_our_own_memory_moves_is_remembered_from_the_next_reading_on() -> None:
    books = Books(RULES)
    device(books, used(0, 1), LEASE)
    for at in (2, 3):
        assert device(books, used(25_000, at), replace(LEASE, held_mib=15_000)).foreign_mib == 10_000
    assert device(books, used(15_000, 4), replace(LEASE, held_mib=15_000)).foreign_mib == 10_000


def test_room_is_left_for_a_foreigner_to_grow() -> None:
    assert device(Books(RULES), used(5000, 1)).growth_mib == RULES.growth_mib
    assert device(Books(RULES), used(10, 1)).growth_mib == 0


def test_memory_that_the_driver_does_not_attribute_is_known_by_what_a_lone_ramp_has_gained() -> None:
    books = Books(RULES)
    idle, ramping = replace(LEASE, held_mib=None, quiet=True), replace(LEASE, held_mib=None, ramping=True)
    assert device(books, used(5000, 1, BLIND), idle).foreign_mib == 5000
    assert device(books, used(5000, 2, BLIND), ramping).foreign_mib == 5000
    account = books.update([used(15_000, 3, BLIND)], [ramping], 3)
    assert (account.observed_mib["w1"], account.devices[0].foreign_mib) == (0, 5000)
    account = books.update([used(22_000, 4, BLIND)], [replace(ramping, ramping=False)], 4)
    assert (account.observed_mib["w1"], account.devices[0].foreign_mib) == (17_000, 5000)


def test_two_ramps_at_once_are_attributed_to_nobody_and_foreign_memory_stays_as_it_was() -> None:
    books = Books(RULES)
    one = replace(LEASE, held_mib=None, ramping=True)
    two = replace(one, worker_id="w2")
    device(books, used(4000, 1, BLIND))
    books.update([used(4000, 2, BLIND)], [one, two], 2)
    account = books.update([used(34_000, 3, BLIND)], [replace(one, ramping=False), replace(two, ramping=False)], 3)
    assert (account.observed_mib, account.devices[0].foreign_mib) == ({"w1": 0, "w2": 0}, 4000)


def test_no_lone_ramp_is_credited_with_more_than_its_lease() -> None:
    books = Books(RULES)
    ramping = replace(LEASE, held_mib=None, ramping=True)
    books.update([used(0, 1, BLIND)], [ramping], 1)
    account = books.update([used(50_000, 2, BLIND)], [replace(ramping, ramping=False)], 2)
    assert (account.observed_mib["w1"], account.devices[0].foreign_mib) == (20_000, 30_000)


def test_the_lease_of_a_worker_that_is_gone_ends_when_a_newer_reading_shows_its_memory_free() -> None:
    books = Books(RULES)
    gone = replace(LEASE, gone_at=10.0)
    assert books.update([used(0, 9.5)], [gone], 10.1).released == frozenset()
    assert books.update([used(18_000, 10.5)], [replace(gone, held_mib=18_000)], 10.6).released == frozenset()
    assert books.update([used(0, 11.5)], [gone], 11.6).released == {"w1"}


def test_without_attribution_the_lease_ends_when_nine_tenths_of_its_memory_are_back() -> None:
    books = Books(RULES)
    blind = replace(LEASE, held_mib=None)
    books.update([used(0, 1, BLIND)], [replace(blind, ramping=True)], 1)
    books.update([used(18_000, 2, BLIND)], [blind], 2)
    gone = replace(blind, gone_at=3.0)
    assert books.update([used(18_000, 3.5, BLIND)], [gone], 3.5).released == frozenset()
    assert books.update([used(2_000, 4.5, BLIND)], [gone], 4.5).released == frozenset()
    assert books.update([used(1_000, 5.5, BLIND)], [gone], 5.5).released == {"w1"}


def test_memory_that_never_comes_back_counts_as_foreign_after_a_while() -> None:
    books = Books(RULES)
    gone = replace(LEASE, held_mib=18_000, gone_at=10.0)
    account = books.update([used(18_000, 41)], [gone], 41.0)
    assert account.released == {"w1"}
    assert device(books, used(18_000, 42)).foreign_mib == 18_000


@pytest.mark.parametrize("quiet", [True, False])
def test_a_worker_that_left_without_a_run_leaves_nothing_of_a_gpu_behind(quiet: bool) -> None:
    gone = replace(LEASE, held_mib=None, quiet=quiet, gone_at=10.0)
    assert (books := Books(RULES)).update([used(500, 11, BLIND)], [gone], 11).released == ({"w1"} if quiet else set())
    assert books.update([used(500, 41, BLIND)], [gone], 41).released == {"w1"}


def test_nothing_is_leased_on_a_reading_older_than_two_polls() -> None:
    books = Books(RULES)
    assert books.update([used(0, 100.0)], [], 102.0).devices[0].blind == ""
    assert books.update([used(0, 100.0)], [], 103.0).devices[0].blind == "its last reading is 3 s old"


@pytest.mark.parametrize(
    ("policy", "blind", "avoided"), [("share", False, False), ("avoid", False, True), ("never", True, False)]
)
def test_what_a_foreign_process_means_is_for_the_settings_to_say(policy: str, blind: bool, avoided: bool) -> None:
    seen = device(Books(replace(RULES, foreign=policy)), used(5000, 1))  # type: ignore[arg-type]
    assert (bool(seen.blind), seen.avoided) == (blind, avoided)


def test_limits_are_those_of_the_device_by_name_or_id_else_those_of_all() -> None:
    rules = replace(RULES, limits={"gpu0": Limits(4096, 2), "*": Limits(0, 6)})
    assert (device(Books(rules), used(0, 1)).slots, device(Books(rules), used(0, 1)).reserve_mib) == (2, 4096)
    assert device(Books(rules), replace(used(0, 1), name="gpu1")).slots == 6
    assert device(Books(rules), replace(used(0, 1), name="gpu1", slots=1)).slots == 1


def test_more_is_left_alone_where_the_driver_hides_processes_and_where_memory_is_the_machines() -> None:
    assert device(Books(RULES), used(0, 1)).safety_mib == 810
    assert device(Books(RULES), used(0, 1, BLIND)).safety_mib == 2560
    assert device(Books(RULES), replace(used(0, 1), unified=True)).safety_mib == 12_150


def test_a_driver_is_known_to_tell_processes_apart_only_when_it_has_told_one() -> None:
    books = Books(RULES)
    assert not device(books, used(0, 1)).attributed
    assert device(books, used(500, 2, replace(TOLD, processes={7: 500}))).attributed
    assert device(books, used(0, 3)).attributed
    assert not device(books, used(0, 4, BLIND)).attributed
