"""What lies in Sent is known by its Message-ID, and is there once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from mpcontinuity.mailbox import mailboxes, sent
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.mailbox.conftest import User

_ID = "<1@pc.example>"
_REMOVE = Statement("UPDATE account SET status = 'removed' WHERE id = :id")
_RENAME = Statement("UPDATE mailbox SET name = 'Gesendet' WHERE account = :account AND name = 'Sent'")


def put(user: User, name: str = "Sent", *, own: bool = False, message_id: str = _ID) -> int:
    """A copy; its body."""
    user.deliver(1, name)
    body = user.entries(name)[-1][4]
    act = sent.appended if own else partial(sent.note, own=False)
    result(user.store.run(lambda tx: act(tx, user.account, message_id, body)))
    return body


def known(user: User, message_id: str = _ID) -> tuple[int, bool] | None:
    return user.read(sent.find, account=user.account, message_id=message_id)


def test_the_clients_own_copy_takes_the_place_of_ours(user: User) -> None:
    ours = put(user)
    assert known(user) == (ours, False)
    theirs = put(user, own=True)
    assert known(user) == (theirs, True)
    assert [row[4] for row in user.entries("Sent")] == [theirs]
    user.check_counters()


def test_a_second_copy_of_the_clients_own_stays(user: User) -> None:
    put(user, own=True)
    put(user, own=True)
    assert len(user.entries("Sent")) == 2


def test_ours_that_was_moved_elsewhere_is_left_there(user: User) -> None:
    ours = put(user, "Archive")
    put(user, own=True)
    assert [row[4] for row in user.entries("Archive")] == [ours]


def test_a_copy_that_the_user_has_deleted_is_not_there(user: User) -> None:
    put(user)
    result(user.store.run(lambda tx: tx.run(Statement("DELETE FROM entry"))))
    assert known(user) is None


def test_a_message_id_of_any_length_and_writing_is_remembered(user: User) -> None:
    long = f"<{'ü' * 5000}@pc.example>"
    body = put(user, message_id=long)
    assert known(user, long) == (body, False)
    assert known(user) is None


def test_copies_are_forgotten_after_a_week(user: User, clock: ManualClock) -> None:
    put(user)
    clock.advance((sent.REMEMBERED - DAY) / SECOND)
    put(user, message_id="<2@pc.example>")
    clock.advance(2 * DAY / SECOND)
    result(sent.sweep(user.store))
    assert known(user) is None
    assert known(user, "<2@pc.example>") is not None


def test_our_copies_go_where_sent_is_whatever_it_is_called(user: User) -> None:
    def folder(tx: Transaction) -> int:
        return sent.folder(tx, user.account)

    there = user.mailbox("Sent")
    assert result(user.store.run(folder)) == there
    result(user.store.run(lambda tx: tx.run(_RENAME, account=user.account)))
    assert result(user.store.run(folder)) == there


def test_a_user_who_was_removed_gets_no_folder_again(user: User) -> None:
    def work(tx: Transaction) -> None:
        tx.run(_REMOVE, id=user.account)
        mailboxes.delete_all(tx, user.account)
        sent.folder(tx, user.account)

    with pytest.raises(Temporary, match="removed"):
        result(user.store.run(work))


@pytest.mark.parametrize(
    ("name", "use", "takes"),
    [
        ("Sent", "\\Sent", True),
        ("Gesendet", "\\Sent", True),
        ("Sent Items", "", True),
        ("Work/Sent", "", True),
        ("Drafts", "\\Drafts", False),
        ("INBOX", "", False),
        ("Unsent", "", False),
    ],
)
def test_where_clients_put_what_they_sent(user: User, name: str, use: str, takes: bool) -> None:
    assert sent.takes(replace(user.info(), name=name, use=use)) is takes
