"""Places for what stays open: none of a client host, nor of a network, may take those of all others."""

from __future__ import annotations

from mpcontinuity.model.places import Places
from mpcontinuity.model.rations import HOSTS_OF_NETWORK, Rations
from mpcontinuity.model.settings import Limits

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


def places(most: int = 1_000, *, per_host: int = 10, trusted: tuple[str, ...] = ()) -> Places:
    return Places(most, Rations(Limits(connections_per_host=per_host, trusted_networks=trusted), lambda: 0.0))


def take(of: Places, peer: str, times: int = 2_000) -> int:
    return sum(of.take(peer) for _ in range(times))


def test_a_host_has_as_many_as_it_may_have_connections_and_gets_back_what_it_returns() -> None:
    of = places()
    assert take(of, HERE) == 10
    assert take(of, ELSEWHERE) == 10
    of.release(HERE)
    assert take(of, HERE) == 1
    assert len(of) == 20


def test_hosts_of_one_network_have_those_of_some() -> None:
    of = places()
    assert sum(take(of, f"192.0.2.{number}") for number in range(1, 100)) == 10 * HOSTS_OF_NETWORK
    assert take(of, ELSEWHERE) == 10


def test_an_ipv6_network_of_64_bits_is_one_host() -> None:
    of = places()
    assert sum(take(of, f"2001:db8::{number:x}") for number in range(1, 100)) == 10


def test_whatever_the_limits_say_there_is_room_for_others() -> None:
    of = places(100, per_host=1_000_000)
    assert take(of, HERE) == 25
    assert take(of, "192.0.2.2") == 25
    assert take(of, "192.0.2.3") == 0
    assert take(of, ELSEWHERE) == 25


def test_a_trusted_network_has_all_that_there_are() -> None:
    of = places(100, trusted=("192.0.2.0/24",))
    assert take(of, HERE) == 100
    assert take(of, ELSEWHERE) == 0


def test_what_is_remembered_goes_with_the_places() -> None:
    of = places()
    for number in range(200):
        peer = f"10.{number}.0.1"
        assert of.take(peer)
        of.release(peer)
    assert len(of) == 0
    assert not of._hosts
    assert not of._networks
