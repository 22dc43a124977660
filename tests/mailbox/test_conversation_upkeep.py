"""Conversations of mail that was there before, and of mail that is gone."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import change, conversation_upkeep, conversations
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.conversation_upkeep import AGAIN, _Found, fill, sweep
from mpcontinuity.message.render import ADDED, DIGEST
from mpcontinuity.message.rendered import references
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.mailbox.conftest import User
from tests.mailbox.test_conversations import ENTRIES, KEYS, deliver, message, of, together

_FORGET = (Statement("DELETE FROM conversation_key"), Statement("DELETE FROM conversation_entry"))
_REMOVE = Statement("DELETE FROM entry WHERE id BETWEEN :first AND :last")
_RENDERED = Statement("SELECT id, rendered FROM entry")
_SET = Statement("UPDATE entry SET rendered = :rendered WHERE id = :id")


def as_an_older_version_left_it(user: User) -> None:
    """Without conversations, and without the digests in what is rendered."""
    for statement in _FORGET:
        user.run(lambda tx, statement=statement: tx.run(statement))
    for id_, rendered in user.sql(_RENDERED):
        without = rendered[: -ADDED.size - DIGEST * len(references(rendered))] + rendered[-ADDED.size :]
        assert references(without) == references(rendered)
        user.run(lambda tx, id_=id_, without=without: tx.run(_SET, id=id_, rendered=without))


def steps_of(monkeypatch: pytest.MonkeyPatch) -> list[_Found]:
    """What the steps of a fill find, as they are done."""
    steps: list[_Found] = []
    join = conversation_upkeep._join

    def noted(tx: Transaction, found: _Found) -> bool:
        steps.append(found)
        return join(tx, found)

    monkeypatch.setattr(conversation_upkeep, "_join", noted)
    return steps


def test_mail_of_an_older_version_is_put_together_in_steps(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_upkeep, "STEP", 2)
    last = deliver(user, message("1"), message("x"), message("2", "1"), message(""))
    sent = deliver(user, message("3", "1", "2"), name="Sent")
    as_an_older_version_left_it(user)
    assert of(user, last, sent) == [0, 0]
    result(fill(user.store))
    assert together(user, last - 3, last - 1, sent)
    assert len(set(of(user, last - 3, last - 2, last))) == 3


def test_a_fill_that_was_cut_off_goes_on_and_leaves_what_is_found_as_it_is(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_upkeep, "STEP", 2)
    last = deliver(user, *(message(str(number)) for number in range(5)))
    as_an_older_version_left_it(user)
    assert result(conversation_upkeep.step(user.store))
    found = of(user, *range(last - 4, last + 1))
    assert [bool(one) for one in found] == [True, True, False, False, False]
    result(fill(user.store))
    assert of(user, last - 4, last - 3) == found[:2]
    assert all(of(user, *range(last - 4, last + 1)))


def test_a_copy_made_behind_the_fill_is_found_too(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_upkeep, "STEP", 1)
    first = deliver(user, message("a"))
    other = deliver(user, message("b"), name="Sent")
    as_an_older_version_left_it(user)
    assert result(conversation_upkeep.step(user.store))
    user.run(change.move, source=user.mailbox("Sent"), uids=((1, 1),), target=user.mailbox())
    assert of(user, first + 1) == [0]
    result(fill(user.store))
    assert all(of(user, first, first + 1))
    assert of(user, other) == [0]


def test_what_a_node_of_the_version_before_appends_is_found_a_day_later(
    user: User, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_upkeep, "STRIDE", 2)
    monkeypatch.setattr(conversation_upkeep, "_MAILBOXES", 2)
    result(fill(user.store))
    first = deliver(user, message("0"), name="Archive")
    last = deliver(user, *(message(str(number)) for number in range(1, 6)))
    user.run(conversations.leave, ids=[first, last - 3, last])
    clock.advance(AGAIN / SECOND - 1)
    result(fill(user.store))
    assert of(user, first, last - 3, last) == [0, 0, 0]
    for _ in range(2):
        clock.advance(AGAIN / SECOND)
        result(fill(user.store))
        assert all(of(user, first, *range(last - 4, last + 1)))
        user.run(conversations.leave, ids=[last])


def test_a_round_where_nothing_lacks_reads_no_entry_and_writes_little(
    user: User, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(user, *(message(str(number)) for number in range(5)))
    result(fill(user.store))
    steps = steps_of(monkeypatch)
    monkeypatch.setattr(conversation_upkeep, "_NEXT", None)
    monkeypatch.setattr(conversation_upkeep, "_LACKING", None)
    clock.advance(AGAIN / SECOND)
    result(fill(user.store))
    assert [bool(one.last) for one in steps] == [True, False]


def test_the_first_rounds_go_in_wide_strides_where_nothing_lacks(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_upkeep, "STEP", 1)
    last = deliver(user, *(message(str(number)) for number in range(20)))
    user.run(conversations.leave, ids=[last - 9, last])
    steps = steps_of(monkeypatch)
    result(fill(user.store))
    assert [one.last and one.last - last for one in steps] == [-9, 0, 0, 0, 0]
    assert all(of(user, *range(last - 19, last + 1)))


def test_what_a_node_of_the_version_before_removes_is_forgotten(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_upkeep, "_STEP_ENTRIES", 2)
    monkeypatch.setattr(conversation_upkeep, "MOST_ENTRIES", 4)
    last = deliver(user, *(message(str(number), "top") for number in range(7)))
    user.run(lambda tx: tx.run(_REMOVE, first=last - 5, last=last))
    left = []
    for _ in range(2):
        result(sweep(user.store))
        left += user.sql(ENTRIES)
    assert left == [(4,), (1,)]
    assert not user.read(conversations.with_others, entry=last - 6)
    user.run(lambda tx: tx.run(_REMOVE, first=last - 6, last=last))
    for _ in range(2):
        result(sweep(user.store))
    assert user.sql(KEYS) == [(0,)]


def test_keys_go_with_the_last_message_of_their_conversation(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_upkeep, "_STEP_KEYS", 2)
    deliver(user, message("1"), message("2", "1", "0"), message("x", "y"))
    assert user.sql(KEYS) == [(5,)]
    user.run(change.remove, mailbox=user.mailbox(), uids=((1, 1),))
    result(sweep(user.store))
    assert user.sql(KEYS) == [(5,)]
    user.run(change.remove, mailbox=user.mailbox(), uids=((2, 2),))
    result(sweep(user.store))
    assert user.sql(KEYS) == [(2,)]
    assert user.sql(ENTRIES) == [(1,)]


def test_a_round_looks_at_so_many_keys_and_the_next_goes_on(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_upkeep, "_STEP_KEYS", 2)
    monkeypatch.setattr(conversation_upkeep, "MOST_KEYS", 2)
    last = deliver(user, *(message(str(number)) for number in range(6)))
    user.run(change.remove, mailbox=last >> UID_BITS, uids=((1, 6),))
    left = []
    for _ in range(4):
        result(sweep(user.store))
        left += user.sql(KEYS)
    assert left == [(4,), (2,), (0,), (0,)]


def test_what_goes_while_it_is_read_leaves_nothing_behind(user: User) -> None:
    entry = deliver(user, message("1"))
    as_an_older_version_left_it(user)
    found = user.read(conversation_upkeep._lacking)
    user.run(change.remove, mailbox=entry >> UID_BITS, uids=((1, 1),))
    user.run(conversation_upkeep._join, found=found)
    assert user.sql(ENTRIES) == [(0,)]
