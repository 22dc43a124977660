from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model import rations as module
from mpcontinuity.model.rations import HOSTS_OF_NETWORK, HOSTS_OF_WORLD, Kind, Left, Rations, Taken
from mpcontinuity.model.settings import Limits

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def seconds(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def rations(time: Time, **limits: object) -> Rations:
    return Rations(Limits(**limits), time.seconds)  # type: ignore[arg-type]


# Connections at a time


def test_a_host_gets_no_more_than_its_share_until_it_gives_one_back(time: Time) -> None:
    each = rations(time, connections=100, connections_per_host=2)
    assert [each.take(HERE) for _ in range(3)] == [True, True, False]
    assert each.take(ELSEWHERE)
    each.release(HERE)
    assert each.take(HERE)


def test_the_total_holds_for_trusted_networks_too_but_their_hosts_have_no_limit_of_their_own(time: Time) -> None:
    each = rations(time, connections=3, connections_per_host=1, trusted_networks=("192.0.2.0/24",))
    assert [each.take(HERE) for _ in range(4)] == [True, True, True, False]


def test_an_ipv6_host_is_its_64_bit_network_and_a_mapped_address_is_the_ipv4_host(time: Time) -> None:
    each = rations(time, connections=100, connections_per_host=1)
    assert each.take("2001:db8::1")
    assert not each.take("2001:db8::2")
    assert each.take("2001:db8:0:1::1")
    assert each.take("::ffff:192.0.2.1")
    assert not each.take(HERE)


def test_strangers_leave_room_for_hosts_from_which_somebody_has_logged_in(time: Time) -> None:
    each = rations(time, connections=20, connections_per_host=2)
    assert each.take(HERE)
    each.share_of(HERE).logged_in()
    strangers = [f"10.{number}.0.1" for number in range(30)]
    assert [each.take(stranger) for stranger in strangers].count(True) == 18
    assert each.take(HERE)
    assert not each.take("10.99.0.1")
    each.release(HERE)
    each.release(HERE)
    assert not each.take("10.99.0.1")  # what users leave is not for strangers
    each.release(strangers[0])
    assert each.take("10.99.0.1")


def test_a_stranger_who_logs_in_makes_room_for_another(time: Time) -> None:
    each = rations(time, connections=10, connections_per_host=1)
    for number in range(9):
        assert each.take(f"10.{number}.0.1")
    assert not each.take(HERE)
    each.share_of("10.0.0.1").logged_in()
    assert each.take(HERE)
    each.release("10.0.0.1")
    assert not each.take(ELSEWHERE)


def test_strangers_of_one_network_leave_room_for_others(time: Time) -> None:
    each = rations(time, connections=1000, connections_per_host=2)
    taken = [each.take(f"2001:db8:0:{number:x}::1") for number in range(20)]
    assert taken.count(True) == 2 * HOSTS_OF_NETWORK
    assert each.take("2001:db8:1::1")


# Rations


def spent(share: module.Share, times: int) -> int:
    return sum(share.message() for _ in range(times))


def test_a_ration_can_be_taken_at_once_and_then_comes_back_evenly(time: Time) -> None:
    share = rations(time, messages_per_minute=60).share_of(HERE)
    assert spent(share, 100) == 61
    time.now += 10
    assert spent(share, 100) == 10
    time.now += 600
    assert spent(share, 100) == 61


@given(steps=st.lists(st.tuples(st.floats(0, 30), st.integers(0, 15)), max_size=60))
def test_never_more_than_a_ration_and_what_came_back_since_and_never_less(steps: list[tuple[float, int]]) -> None:
    time = Time()
    share = rations(time, messages_per_minute=60).share_of(HERE)
    begun, taken, left = time.now, 0, 60.0
    for pause, wanted in steps:
        time.now += pause
        left = min(left + pause, 60.0)
        got = spent(share, wanted)
        assert got >= min(wanted, int(left))
        left -= got
        taken += got
    assert taken <= 60 + (time.now - begun) + 1 + 1e-6


def test_all_connections_of_a_host_have_one_ration_and_other_hosts_have_theirs(time: Time) -> None:
    each = rations(time, messages_per_minute=10)
    assert spent(each.share_of(HERE), 11) == 11
    assert spent(each.share_of(HERE), 1) == 0
    assert spent(each.share_of(ELSEWHERE), 1) == 1


def test_a_network_has_the_rations_of_some_hosts(time: Time) -> None:
    each = rations(time, messages_per_minute=10)
    taken = sum(spent(each.share_of(f"192.0.2.{number}"), 10) for number in range(100))
    assert taken == 10 * HOSTS_OF_NETWORK + 1
    assert spent(each.share_of(ELSEWHERE), 1) == 1


def test_octets_are_paid_for_before_the_next_message_begins(time: Time) -> None:
    share = rations(time, octets_per_minute=6000).share_of(HERE)
    assert share.message()
    for _ in range(12):
        share.octets(1000)
    assert not share.message()
    time.now += 61
    assert share.message()


def test_who_has_logged_in_or_is_trusted_has_no_rations_of_a_host(time: Time) -> None:
    each = rations(time, messages_per_minute=1, commands_per_minute=1, trusted_networks=("198.51.100.0/24",))
    user = each.share_of(HERE)
    user.logged_in()
    for share in (user, each.share_of(ELSEWHERE)):
        assert spent(share, 10) == 10
        assert all(share.commands(5) for _ in range(100))
    assert spent(each.share_of(HERE), 10) == 2


def test_connections_in_a_time_are_rationed(time: Time) -> None:
    each = rations(time, connections_per_minute=5)
    let_in = 0
    for _ in range(20):
        if each.take(HERE):
            let_in += 1
            each.release(HERE)
    assert let_in == 6
    assert each.over["connections"] == 14
    time.now += 12
    assert each.take(HERE)


def test_refusals_are_written_down_up_to_the_ration_of_a_host_and_of_all(time: Time) -> None:
    each = rations(time, refusals_per_minute=10)
    assert sum(each.share_of(HERE).refusal() for _ in range(100)) == 11
    assert each.counted == {HERE: 89}
    botnet = sum(each.share_of(f"10.{number}.0.1").refusal() for number in range(250) for _ in range(10))
    assert botnet <= 10 * HOSTS_OF_WORLD


def test_sessions_that_led_to_nothing_are_written_down_up_to_the_same_number_and_those_of_users_always(
    time: Time,
) -> None:
    each = rations(time, refusals_per_minute=10)
    said: list[str] = []
    each.counts = lambda: said.append("counted")
    stranger, user = each.share_of(HERE), each.share_of(HERE)
    assert sum(stranger.session() for _ in range(100)) == 11
    assert each.counted == {HERE: 89}
    assert len(said) == 89
    assert stranger.refusal()
    user.logged_in()
    assert user.session()


def test_mail_for_postmaster_is_rationed_by_host_and_by_domain(time: Time) -> None:
    each = rations(time, postmaster_octets_per_hour=1000, message_size=500)
    messages = 0
    while messages < 10 and each.kept(HERE, "example.org", 0):
        messages += 1
        assert all(each.kept(HERE, "example.org", 100) for _ in range(5))
    assert messages in (2, 3)
    assert each.kept(ELSEWHERE, "example.org", 0)
    for number in range(100):
        each.kept(f"10.{number}.0.1", "example.org", 400)
    assert not each.kept("10.200.0.1", "example.org", 0)
    assert each.kept("10.200.0.1", "other.example", 0)
    time.now += 3 * 3600
    assert each.kept(HERE, "example.org", 0)


def test_a_message_that_was_begun_within_the_ration_may_be_of_any_size_that_is_allowed(time: Time) -> None:
    each = rations(time, postmaster_octets_per_hour=1000, message_size=50_000)
    assert each.kept(HERE, "example.org", 0)
    assert all(each.kept(HERE, "example.org", 1000) for _ in range(50))
    assert not each.kept(HERE, "example.org", 0)


# Memory


def test_what_is_kept_of_hosts_is_bounded_in_octets(time: Time) -> None:
    each = rations(time)
    tracemalloc.start()
    for number in range(module.RESTING + 4_000):
        peer = f"2001:db8:{number:x}::1"
        if each.take(peer):
            each.share_of(peer).message()
            each.release(peer)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(each._hosts) <= module.RESTING
    assert len(each._networks) <= module.RESTING
    assert held < 2 * module.RESTING * 500 + 5_000_000  # names that were parsed, and a little


def test_hosts_that_rest_until_their_buckets_are_full_are_forgotten(time: Time) -> None:
    each = rations(time)
    for number in range(100):
        each.take(f"10.{number}.0.1")
        each.release(f"10.{number}.0.1")
    time.now += 61
    for _ in range(200):
        each.take(HERE)
        each.release(HERE)
    assert len(each._hosts) == len(each._networks) == 1


def test_a_network_that_was_forgotten_is_no_trouble_for_its_hosts(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTING", 3)
    each = rations(time)
    peers = [f"10.{number % 5}.{number % 3}.{number % 7}" for number in range(200)]
    for peer in peers:
        assert each.take(peer)
        each.share_of(f"{peer}").octets(10**9)
    for peer in peers:
        each.release(peer)
    assert each._held == each._strangers == 0
    assert not each._hosts._held
    assert not each._networks._held


def test_what_is_remembered_of_familiar_hosts_is_bounded_and_strangers_are_counted_right(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAMILIAR", 2)
    each = rations(time)
    for number in range(5):
        each.take(f"10.{number}.0.1")
        each.share_of(f"10.{number}.0.1").logged_in()
    assert each._strangers == 3
    for number in range(5):
        each.release(f"10.{number}.0.1")
    assert each._strangers == 0


# Processes


def test_what_a_host_takes_at_one_process_is_gone_at_the_others(time: Time) -> None:
    one, other = rations(time, messages_per_minute=100), rations(time, messages_per_minute=100)
    one.sharing = other.sharing = True
    assert spent(one.share_of(HERE), 80) == 80
    news = one.news(10)
    assert {taken for taken in news if taken.kind == Kind.MESSAGES} == {Taken(HERE, Kind.MESSAGES, 80)}
    other.heard(news)
    assert spent(other.share_of(HERE), 80) == 21
    assert [taken.amount for taken in other.news(10) if taken.kind == Kind.MESSAGES] == [21]  # its own, and not twice


def test_those_who_take_little_are_not_told_of(time: Time) -> None:
    each = rations(time, messages_per_minute=1000)
    each.sharing = True
    spent(each.share_of(HERE), 49)
    assert each.news(10) == []
    spent(each.share_of(HERE), 1)
    assert each.news(10) != []
    assert each.news(10) == []


def test_new_limits_hold_from_then_on(time: Time) -> None:
    each = rations(time, messages_per_minute=10)
    assert spent(each.share_of(HERE), 20) == 11
    time.now += 600
    each.adopt(Limits(messages_per_minute=20))
    assert spent(each.share_of(HERE), 40) == 21


def test_what_is_left_is_that_of_the_host_and_of_its_network() -> None:
    time = Time()
    kept = rations(time, commands_per_minute=60)
    share = kept.share_of("192.0.2.1")
    assert share.left() == Left(quota=60, window=60, left=60, whole=0)
    for _ in range(20):
        assert share.request()
    assert share.left() == Left(60, 60, 40, 20)
    share.commands(3)  # of a batch that is not counted yet
    assert share.left() == Left(60, 60, 37, 20)
    for number in range(2, 6):
        for _ in range(55):
            kept.share_of(f"192.0.2.{number}").request()
    assert share.left() == Left(60, 60, 0, 60)  # the network has four times as much, and that is gone
    share.logged_in()
    assert share.left() is None
