"""A user who waits for a password becomes one with another: every message and every row of the ledger, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.control.merging import finish_merges
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.removal import finish_removals
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused
from mpcontinuity.queue import merging, owed
from mpcontinuity.store.statement import Statement
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

_ENTRIES = Statement("SELECT body FROM entry ORDER BY body")
_ACCOUNTS = Statement("SELECT COUNT(*) FROM account")


class Crash(BaseException):
    """The process ends."""


@pytest.fixture
def pending(call: Call, books: Books) -> list[int]:
    """Mail of anna2, who waits for a password, and of anna; the ids of its rows."""
    books.add_user("anna2")
    call("user alias add", address="anna2@example.org", alias="a2@example.org")
    return [books.redirect(name) for name in ("anna2", "anna", "anna2", "anna2")]


def merge(call: Call) -> Any:
    return call("user alias add", address="anna@example.org", alias="anna2@example.org")


def ledger(call: Call) -> dict[str, tuple[int, int, int]]:
    report = call("report", domain="example.org")
    assert report["adds_up"]
    return {row["user"].partition("@")[0]: (row["taken_in"], row["delivered"], row["owed"]) for row in report["rows"]}


def test_their_mail_is_in_inbox_and_owed_by_the_other_and_their_addresses_are_aliases(
    call: Call, books: Books, pending: list[int]
) -> None:
    (claimed,) = books.run(owed.claim, ids=pending[:1], give_up=DAY)
    bodies = books.read(lambda tx: tx.all(_ENTRIES))
    row = merge(call)
    assert (row["aliases"], row["messages"]) == (["a2@example.org", "anna2@example.org"], 4)
    assert books.read(lambda tx: tx.all(_ENTRIES)) == bodies
    assert [each["address"] for each in call("user list")] == ["anna@example.org", "bert@example.org"]
    assert ledger(call)["anna"] == (4, 0, 4)
    assert ledger(call)["total"] == (4, 0, 4)
    assert books.read(lambda tx: tx.value(_ACCOUNTS)) == 2
    assert books.state(pending[0]) == "claimed"
    assert len(books.run(owed.claim, ids=pending, give_up=DAY)) == 3
    assert claimed.token


def test_new_mail_for_them_is_the_others_at_once(call: Call, books: Books, pending: list[int]) -> None:
    merge(call)
    books.accounts["anna2"] = books.accounts["anna"]
    books.redirect("anna2")
    assert ledger(call)["anna"] == (5, 0, 5)


def test_a_message_that_came_for_both_is_in_inbox_once_and_owed_for_each(call: Call, books: Books) -> None:
    books.add_user("anna2")
    first = books.redirect("anna")
    both = books.redirect("anna2")
    body = books.bodies[first]
    old = books.bodies[both]
    # as delivery does it: one body for both
    books.run(lambda tx: tx.run(Statement("UPDATE entry SET body = :body WHERE body = :old"), body=body, old=old))
    books.run(lambda tx: tx.run(Statement("UPDATE owed SET body = :body WHERE body = :old"), body=body, old=old))
    assert merge(call)["messages"] == 1
    assert ledger(call)["anna"] == (2, 0, 2)
    assert len(books.run(owed.claim, ids=[first, both], give_up=DAY)) == 2


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_merge_that_a_crash_interrupted_is_gone_on_with_and_nothing_counts_as_deleted(
    call: Call, books: Books, control: Control, pending: list[int], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(merging, "STEP", 1)

    def crash(said: Any) -> None:
        if said["moved"] == at:
            raise Crash

    arguments = {"address": "anna@example.org", "alias": "anna2@example.org"}
    with pytest.raises(Crash):
        result(OPERATIONS["user alias add"](replace(control, progress=crash), arguments))
    result(finish_removals(control))
    assert ledger(call)["total"] == (4, 0, 4)
    claimed = books.run(owed.claim, ids=pending, give_up=DAY)
    assert len(claimed) == 4
    result(finish_merges(control))
    assert ledger(call)["anna"] == (4, 0, 4)
    assert call("user show", address="anna2@example.org")["messages"] == 4
    assert books.read(lambda tx: tx.value(_ACCOUNTS)) == 2


def test_who_absorbed_them_may_be_absorbed_before_the_mail_has_come(
    call: Call, books: Books, control: Control, pending: list[int]
) -> None:
    anna, anna2 = (books.read(users.by_id, account=books.accounts[name]) for name in ("anna", "anna2"))
    books.run(users.absorb, user=anna, pending=anna2)
    call("user alias add", address="bert@example.org", alias="anna@example.org")
    result(finish_merges(control))
    assert ledger(call)["bert"] == (4, 0, 4)
    assert call("user show", address="a2@example.org")["messages"] == 4


def test_where_the_other_is_removed_before_the_mail_has_come_it_is_released_as_theirs(
    call: Call, books: Books, control: Control, pending: list[int]
) -> None:
    anna, anna2 = (books.read(users.by_id, account=books.accounts[name]) for name in ("anna", "anna2"))
    books.run(users.absorb, user=anna, pending=anna2)
    call("user remove", address="anna@example.org", force=True)
    result(finish_merges(control))
    result(finish_removals(control))
    report = call("report", domain="example.org")
    assert report["adds_up"]
    assert (report["rows"][-1]["released"], report["rows"][-1]["owed"]) == (4, 0)
    assert books.read(lambda tx: tx.all(_ENTRIES)) == []


@pytest.mark.parametrize("status", ["active", "inactive"])
def test_a_user_who_is_not_pending_is_not_absorbed(call: Call, books: Books, pending: list[int], status: str) -> None:
    if status == "active":
        call("user password", address="anna2@example.org", password="a good one")
    else:
        call("user deactivate", address="anna2@example.org")
    with pytest.raises(Refused, match="is a user already"):
        merge(call)
    with pytest.raises(Refused, match="is an alias of anna2"):
        call("user alias add", address="anna@example.org", alias="a2@example.org")
    with pytest.raises(Refused, match="is a user already"):
        call("user alias add", address="anna2@example.org", alias="anna2@example.org")
    assert ledger(call)["anna2"] == (3, 0, 3)
