"""The account of memory: shares of callers, of bodies that arrive, and of small requests."""

import pytest

from app.api.capacity import Capacity
from app.api.memory import SMALL_BYTES, SMALL_NEED_BYTES, Account, Lease
from app.core.paying import Kind, hold, paid_by
from app.errors import SurprisalError, TooLarge, Unavailable
from app.settings import Settings


def lease_of(account: Account, caller: str) -> Lease:
    return Lease(account, caller=caller)


def test_all_is_given_back() -> None:
    account = Account(1000)
    lease = lease_of(account, "a")
    lease.take("body", 100)
    lease.hold("decoded", 50)
    lease.hold("decoded", 200)
    lease.hold("decoded", 10)
    assert (account.n_left, account.kinds["body"], account.kinds["decoded"]) == (700, 100, 200)
    assert lease.free("body") == 100
    assert account.n_left == 800
    assert lease.free() == 200
    assert (account.n_left, lease.free()) == (1000, 0)


def test_a_request_that_could_never_fit_is_too_large() -> None:
    account = Account(1000)
    with pytest.raises(TooLarge, match="fit in 750 bytes of memory once it is decoded: send fewer rows"):
        lease_of(account, "a").take("decoded", 751)
    lease = lease_of(account, "a")
    lease.take("body", 500)
    with pytest.raises(TooLarge):
        lease.take("decoded", 251)
    assert account.n_left == 500


def test_one_caller_has_at_most_a_quarter_while_others_ask() -> None:
    account = Account(1000)
    one, other, again = lease_of(account, "a"), lease_of(account, "b"), lease_of(account, "a")
    one.take("body", 700)
    other.take("body", 250)
    for lease in (again, other):
        with pytest.raises(Unavailable, match="leave no room in memory"):
            lease.take("body", 1)
    one.free()
    again.take("body", 250)
    with pytest.raises(Unavailable):
        again.take("body", 1)
    other.free()
    again.take("body", 500)


def test_a_little_that_others_hold_is_no_competition() -> None:
    account = Account(1600)
    lease_of(account, "b").take("body", 100)
    lease_of(account, "a").take("body", 1200)


def test_requests_without_a_caller_are_callers_of_their_own() -> None:
    account = Account(1000)
    leases = [lease_of(account, "") for _ in range(4)]
    for lease in leases:
        lease.take("body", 250)
    assert account.n_left == 0


def test_bodies_that_arrive_have_half() -> None:
    account = Account(1000)
    leases = [lease_of(account, "") for _ in range(3)]
    for lease in leases[:2]:
        lease.take("arriving", 250)
    with pytest.raises(Unavailable):
        leases[2].take("arriving", 1)
    leases[0].arrived()
    leases[2].take("arriving", 250)
    assert (account.kinds["arriving"], account.kinds["body"]) == (500, 250)


def capacity_with(size: int) -> Capacity:
    capacity = Capacity(Settings())
    capacity.memory.size, capacity.small.size = size, 16 * SMALL_NEED_BYTES
    return capacity


def test_a_small_request_has_memory_that_no_other_can_take() -> None:
    capacity = capacity_with(1000)
    small, large = capacity.lease(SMALL_BYTES, "a"), capacity.lease(SMALL_BYTES + 1, "b")
    large.take("arriving", 500)
    small.take("arriving", SMALL_BYTES)
    small.hold("objects", SMALL_NEED_BYTES - SMALL_BYTES)
    with pytest.raises(TooLarge):  # what more it needs is as that of all others
        small.hold("objects", SMALL_NEED_BYTES)
    for lease in (capacity.lease(0, "c"), large):
        with pytest.raises(SurprisalError):
            lease.take("arriving", 501)
    small.free()
    assert capacity.small.n_left == 16 * SMALL_NEED_BYTES


def test_work_pays_to_the_account_of_its_thread() -> None:
    paid: list[tuple[Kind, int]] = []
    hold("body", 1)
    with paid_by(lambda kind, n_bytes: paid.append((kind, n_bytes))):
        hold("held", 2)
    hold("body", 3)
    assert paid == [("held", 2)]
