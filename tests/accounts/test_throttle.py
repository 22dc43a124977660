from __future__ import annotations

import tracemalloc

import pytest

from mpcontinuity.accounts import throttle as module
from mpcontinuity.accounts.throttle import Failures, Throttle, digest_of
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.rations import HOSTS_OF_NETWORK
from tests.fakes.clock import ManualClock

LIMIT = 4
HOST_LIMIT = 20
ANNA = digest_of("anna")


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle:
    return Throttle(LIMIT, HOST_LIMIT, clock)


def fail(throttle: Throttle, name: bytes, host: str) -> float | None:
    """A wrong password; the seconds that it had to wait."""
    wait = throttle.begin(name, host, b"wrong")
    if wait is not None:
        throttle.failed(name, host, b"wrong")
    return wait


def test_parallel_guesses_count_before_they_have_failed(throttle: Throttle) -> None:
    waits = [throttle.begin(ANNA, "host", b"%d" % guess) for guess in range(LIMIT + 3)]
    assert waits == [0, 0, 0, 0, 1, 3, 7]  # behind each other


def test_a_client_that_opens_many_connections_with_one_password_is_not_slowed_down(throttle: Throttle) -> None:
    assert {throttle.begin(ANNA, "host", b"same") for _ in range(50)} == {0}


def test_those_who_would_have_to_queue_for_long_are_refused(throttle: Throttle) -> None:
    waits = [throttle.begin(ANNA, "host", b"%d" % guess) for guess in range(100)]
    assert waits.count(None) > 85
    assert max(wait for wait in waits if wait is not None) <= 60


def test_a_host_that_fails_at_many_names_is_slowed_down_over_all_of_them(throttle: Throttle) -> None:
    waits = [fail(throttle, digest_of(str(number)), "192.0.2.1") for number in range(HOST_LIMIT + 10)]
    assert waits[:HOST_LIMIT] == [0] * HOST_LIMIT
    assert waits[HOST_LIMIT:] == [2.0 * number for number in range(1, 11)]  # one after the other
    assert throttle.begin(ANNA, "192.0.2.2", b"x") == 0


def test_who_would_have_to_wait_for_long_behind_others_is_told_to_come_again(throttle: Throttle) -> None:
    for number in range(HOST_LIMIT + 30):
        fail(throttle, digest_of(str(number)), "192.0.2.1")
    with pytest.raises(Temporary):
        throttle.begin(ANNA, "192.0.2.1", b"x")


def test_a_user_who_has_logged_in_from_a_host_does_not_wait_for_others_of_it(throttle: Throttle) -> None:
    throttle.begin(ANNA, "192.0.2.1", b"right")
    throttle.succeeded(ANNA, "192.0.2.1")
    for number in range(HOST_LIMIT + 10):
        fail(throttle, digest_of(str(number)), "192.0.2.1")
    assert throttle.begin(ANNA, "192.0.2.1", b"right") == 0
    assert throttle.begin(digest_of("ben"), "192.0.2.1", b"right")


def test_a_host_of_many_users_who_fail_now_and_then_is_not_slowed_down(throttle: Throttle, clock: ManualClock) -> None:
    for number in range(10 * HOST_LIMIT):
        assert fail(throttle, digest_of(str(number)), "192.0.2.1") == 0
        clock.advance(60)


def test_hosts_of_one_network_are_slowed_down_together(throttle: Throttle) -> None:
    addresses = [f"2001:db8:0:{number:x}::" for number in range(HOSTS_OF_NETWORK * HOST_LIMIT + 10)]
    waits = [fail(throttle, ANNA, address) for address in addresses]
    assert waits[: HOSTS_OF_NETWORK * HOST_LIMIT] == [0] * HOSTS_OF_NETWORK * HOST_LIMIT
    assert waits[HOSTS_OF_NETWORK * HOST_LIMIT :] == [0.5 * number for number in range(1, 11)]
    assert throttle.begin(ANNA, "2001:db8:1::", b"x") == 0


def test_who_is_refused_for_failures_of_their_own_takes_no_turn_of_others(throttle: Throttle) -> None:
    for number in range(HOST_LIMIT):
        fail(throttle, digest_of(str(number)), "192.0.2.1")
    for _ in range(2 * LIMIT):
        fail(throttle, ANNA, "192.0.2.1")
    before = throttle.begin(digest_of("ben"), "192.0.2.1", b"x")
    assert {throttle.begin(ANNA, "192.0.2.1", b"%d" % guess) for guess in range(100)} == {None}
    after = throttle.begin(digest_of("ben"), "192.0.2.1", b"y")
    assert before is not None
    assert after == before + 2


def test_an_office_that_is_trusted_has_no_limit_over_all_names(throttle: Throttle) -> None:
    for number in range(HOST_LIMIT + 100):
        assert throttle.begin(digest_of(str(number)), "192.0.2.1", b"wrong", exempt=True) == 0
        throttle.failed(digest_of(str(number)), "192.0.2.1", b"wrong")


def test_what_is_over_is_forgotten(throttle: Throttle, clock: ManualClock) -> None:
    for number in range(HOST_LIMIT + 5):
        fail(throttle, digest_of(str(number)), "192.0.2.1")
    clock.advance(16 * MINUTE / SECOND)
    assert fail(throttle, digest_of("0"), "192.0.2.1") == 0
    clock.advance(16 * MINUTE / SECOND)
    throttle.expire()
    assert not throttle._networks
    assert throttle._rows == 0


def test_an_attempt_that_came_to_nothing_leaves_nothing(throttle: Throttle) -> None:
    throttle.begin(ANNA, "192.0.2.1", b"x")
    throttle.abandoned(ANNA, "192.0.2.1", b"x")
    throttle.begin(ANNA, "192.0.2.1", b"x")
    throttle.succeeded(ANNA, "192.0.2.1")
    assert not throttle._networks
    assert throttle._rows == 0


def rows(throttle: Throttle) -> int:
    return sum(1 + len(host.rows) for network in throttle._networks.values() for host in network.hosts.values())


@pytest.mark.parametrize("hosts", [1, 300, 7000])
def test_memory_is_bounded_in_octets_however_many_names_and_hosts_there_are(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, hosts: int
) -> None:
    monkeypatch.setattr(module, "ROWS", 5000)  # a tenth
    throttle = Throttle(LIMIT, 10**9, clock)
    tracemalloc.start()
    for number in range(7000):
        host = number % hosts
        address = f"2001:db8:{host >> 16:x}:{host & 0xFFFF:x}::" if hosts > 256 else f"192.0.2.{host}"
        fail(throttle, digest_of(f"{number}" + "x" * 6000), address)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert rows(throttle) == throttle._rows <= module.ROWS
    assert held < 500 * module.ROWS + 2_000_000  # and as much for what others are still to be told, and for names


@pytest.mark.parametrize("attackers", ["192.0.2.77", "2001:db8:1:{:x}::"])
def test_who_fills_the_memory_pushes_out_nobody_elses_counters(
    throttle: Throttle, monkeypatch: pytest.MonkeyPatch, attackers: str
) -> None:
    monkeypatch.setattr(module, "ROWS", 500)
    monkeypatch.setattr(throttle, "_host_limit", 10**9)
    for _ in range(2 * LIMIT):
        fail(throttle, ANNA, "198.51.100.1")
    for number in range(2000):
        fail(throttle, digest_of(str(number)), attackers.format(number))
    assert throttle.begin(ANNA, "198.51.100.1", b"another guess") is None


def test_who_fails_at_many_names_keeps_the_counter_at_each_of_them(throttle: Throttle, clock: ManualClock) -> None:
    """The pace of a host keeps its names within what is remembered of it."""
    for _ in range(2 * LIMIT):
        fail(throttle, ANNA, "192.0.2.1")
    begun = clock.now()
    number = 0
    while clock.now() - begun < 14 * MINUTE:
        number += 1
        wait = fail(throttle, digest_of(str(number)), "192.0.2.1")
        clock.advance(wait or 0)
    assert number > 100
    assert throttle.begin(ANNA, "192.0.2.1", b"another guess") is None


def told(one: Throttle, *others: Throttle) -> None:
    """As through the store: what all counted together."""
    totals: dict[tuple[str, bytes], int] = {}
    news = [row for each in (one, *others) for row in each.news(1000)]
    for row in news:
        totals[row.host, row.name] = totals.get((row.host, row.name), 0) + row.failures
    for each in (one, *others):
        each.heard(Failures(host, name, count, news[0].last) for (host, name), count in totals.items())


def test_processes_that_tell_each_other_count_together(throttle: Throttle, clock: ManualClock) -> None:
    other = Throttle(LIMIT, HOST_LIMIT, clock)
    for each in (throttle, other):
        for _ in range(LIMIT):
            fail(each, ANNA, "192.0.2.1")
    told(throttle, other)
    for each in (throttle, other):
        assert each.begin(ANNA, "192.0.2.1", b"guess") is None
        assert each._networks["192.0.2.0/24"].hosts["192.0.2.1"].all.count == 2 * LIMIT
    assert throttle.news(10) == []


def test_a_right_password_at_one_process_is_forgiven_at_the_others(throttle: Throttle, clock: ManualClock) -> None:
    other = Throttle(LIMIT, HOST_LIMIT, clock)
    for _ in range(LIMIT + 1):
        fail(throttle, ANNA, "192.0.2.1")
    told(throttle, other)
    assert other.begin(ANNA, "192.0.2.1", b"right")
    other.succeeded(ANNA, "192.0.2.1")
    assert other.news(10) == [Failures("192.0.2.1", ANNA, -1, clock.now())]
    throttle.heard([Failures("192.0.2.1", ANNA, 0, clock.now())])
    assert throttle.begin(ANNA, "192.0.2.1", b"right") == 0


def test_what_could_not_be_told_is_told_later(throttle: Throttle, clock: ManualClock) -> None:
    fail(throttle, ANNA, "192.0.2.1")
    news = throttle.news(10)
    fail(throttle, ANNA, "192.0.2.1")
    throttle.untold(news)
    window = module._window(clock.now())
    assert set(throttle.news(10)) == {
        Failures("192.0.2.1", ANNA, 2, clock.now()),
        Failures("192.0.2.1", window, 2, clock.now()),
        Failures("192.0.2.0/24", window, 2, clock.now()),
    }
