"""Long changes go in transactions of bounded size."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import portions as long
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.portions import Portion
from mpcontinuity.model import uidset
from mpcontinuity.model.body import Body
from mpcontinuity.store.bodies import references
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.mailbox.conftest import User


def portions(user: User, uids: list[int]) -> list[Portion]:
    async def gathered() -> list[Portion]:
        return [one async for one in long.portions(user.store, user.mailbox(), uids)]

    return result(gathered())


def deliver(user: User, *rendered: int) -> None:
    """Messages of 100 octets that are rendered in so many."""

    def work(tx: Transaction) -> None:
        entries = []
        for octets in rendered:
            body = Body(tx.identifier(), 1, 0, 100, 0, 0)
            references.insert_body(tx, body, 0)
            entries.append(NewEntry(body.id, 100, tx.now, 0, (), bytes(octets)))
        append(tx, user.mailbox(), entries)

    mailbox = user.mailbox()
    user.mailbox = lambda name="INBOX": mailbox  # type: ignore[method-assign]
    result(user.store.run(work))


def test_a_few_messages_are_changed_at_once_without_a_look_at_them(user: User) -> None:
    assert portions(user, [7, 8, 10]) == [Portion(((7, 8), (10, 10)), 0)]
    assert portions(user, []) == []


def test_many_messages_go_in_portions_of_so_many_rows(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "ROWS", 10)
    user.deliver(25)
    parts = portions(user, list(range(1, 26)))
    assert [part.uids for part in parts] == [((1, 10),), ((11, 20),), ((21, 25),)]
    assert [part.octets for part in parts] == [1000, 1000, 500]


def test_rows_with_much_that_is_rendered_go_in_smaller_portions(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "OCTETS", 1000)
    deliver(user, 400, 400, 400, 5000, 10, 10)
    assert [part.uids for part in portions(user, [1, 2, 3, 4, 5, 6])] == [((1, 2),), ((3, 3),), ((4, 4),), ((5, 6),)]


def test_what_is_not_there_is_in_a_portion_all_the_same_and_weighs_nothing(user: User) -> None:
    user.deliver(3)
    parts = portions(user, [1, 3, 500, 1000, 4_000_000_000])
    assert [uid for part in parts for uid in uidset.numbers(part.uids)] == [1, 3, 500, 1000, 4_000_000_000]
    assert sum(part.octets for part in parts) == 200
