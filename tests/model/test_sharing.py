"""What holds for all processes keeps the promises of model/sharing.py, whatever it counts, holds or tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mpcontinuity.access.pop3.lock import Holder, Locks
from mpcontinuity.accounts.throttle import Failures, Throttle
from mpcontinuity.model.events import DomainsChanged, Notice
from mpcontinuity.model.rations import Rations, Taken
from mpcontinuity.model.recipients import Recipients
from mpcontinuity.model.settings import Limits
from mpcontinuity.model.sharing import Counting, Holding, Telling
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"

Kept = tuple[Counting[Any], Callable[[], object], Sequence[Any]]


def failures(clock: ManualClock) -> Kept:
    throttle = Throttle(3, 100, clock)

    def fail() -> None:
        for host in (HERE, ELSEWHERE):
            throttle.begin(b"anna", host, b"wrong")
            throttle.failed(b"anna", host, b"wrong")

    return throttle, fail, [Failures(HERE, b"unknown", 0, 0)]


def rations(clock: ManualClock) -> Kept:
    kept = Rations(Limits(), clock.seconds)
    kept.sharing = True

    def take() -> None:
        for host in (HERE, ELSEWHERE):
            for _ in range(2000):
                kept.share_of(host).message()

    return kept, take, [Taken(HERE, 99, 1), Taken(HERE, -1, 1)]


def recipients(clock: ManualClock) -> Kept:
    kept = Recipients(10, clock)
    kept.sharing = True
    return kept, lambda: [kept.take(account) for account in (1, 2)], [Taken(HERE, 0, 1)]


@pytest.mark.parametrize("make", [failures, rations, recipients])
def test_what_was_counted_is_told_once_in_portions_and_what_could_not_be_told_again(
    make: Callable[[ManualClock], Kept], clock: ManualClock
) -> None:
    kept, count, unknown = make(clock)
    assert list(kept.news(100)) == []
    count()
    first = list(kept.news(1))
    assert first
    rest = list(kept.news(100))
    assert rest
    assert not {row[:2] for row in first} & {row[:2] for row in rest}
    assert list(kept.news(100)) == []
    kept.untold(first)
    assert list(kept.news(100)) == first
    kept.heard(unknown)
    kept.heard(rest)
    assert list(kept.news(100)) == []  # what was heard is not told on


def test_a_maildrop_is_held_by_one_at_a_time(clock: ManualClock) -> None:
    locks: Holding[Holder] = Locks(clock)
    evicted: list[str] = []
    one = Holder(lambda: 0.0, lambda: evicted.append("one"))
    other = Holder(lambda: 0.0, lambda: evicted.append("other"))
    assert result(locks.take(1, one))
    assert result(locks.take(2, other))
    locks.release(2, one)  # it is not theirs: nothing happens
    locks.release(1, one)
    assert result(locks.take(1, other))
    assert evicted == []


def test_the_store_tells_all_who_listen_what_was_done(store: Store) -> None:
    telling: Telling = store
    heard: list[list[Notice]] = [[], []]
    for each in heard:
        telling.listen(each.extend)
    result(store.run(lambda tx: tx.announce(DomainsChanged())))
    assert heard == [[DomainsChanged()], [DomainsChanged()]]
