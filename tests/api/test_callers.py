"""The address of a caller: behind proxies that are named, proxies that are not, and callers who lie."""

import pytest

from app.api.callers import address
from app.settings import Settings
from tests.api.clients import exchange_with

PROXIES = "10.0.0.0/8,fd00::/8"


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "192.0.2.1", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "192.0.2.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "192.0.2.1,203.0.113.7,10.9.9.9", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "", ""),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", ""),
        ("10.0.0.1", "203.0.113.7, unknown", ""),
        ("10.0.0.1", "203.0.113.7, ", ""),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("fd00::1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fd00::1", "[2001:db8:1:2:3::4]:80", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", "203.0.113.7", "2001:db8:1:2::/64"),
        ("", "203.0.113.7", ""),
    ],
)
def test_the_last_address_that_no_named_proxy_has_is_the_caller(peer: str, forwarded: str, caller: str) -> None:
    assert address(peer, forwarded, PROXIES) == caller


def test_a_request_knows_its_caller() -> None:
    told = ((b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"203.0.113.7"))
    exchange = exchange_with(*told, client=("10.0.0.1", 4711))
    assert exchange.caller == "10.0.0.1"
    exchange = exchange_with(*told, client=("10.0.0.1", 4711))
    exchange.settings = Settings(trusted_proxies="10.0.0.0/8")
    assert exchange.caller == "203.0.113.7"
    exchange = exchange_with(*told, client=("10.0.0.1", 4711))
    exchange.key = "ci"
    assert exchange.caller == "key ci"
    assert exchange_with().caller == ""


@pytest.mark.parametrize(("n_proxies", "caller"), [(50, "203.0.113.7"), (5_000, "")])
def test_the_end_of_a_long_list_is_read(n_proxies: int, caller: str) -> None:
    told = b"203.0.113.7" + b", 10.0.0.2" * n_proxies
    exchange = exchange_with((b"x-forwarded-for", told), client=("10.0.0.1", 4711))
    exchange.settings = Settings(trusted_proxies="10.0.0.0/8")
    assert exchange.caller == caller
