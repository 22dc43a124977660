"""Addresses that mail is held for without a mailbox are listed and made users of; their mail is then in INBOX."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mpcontinuity.control import adoption
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

_ENTRIES = Statement("SELECT COUNT(*) FROM entry")


def take(call: Call, *addresses: str) -> list[tuple[str, str, int]]:
    rows = call("user adopt", domain="example.org", addresses=list(addresses))
    return [(row["address"].partition("@")[0], row["result"], row["messages"]) for row in rows]


def test_who_waits_is_listed_with_counts_and_times_and_not_who_is_registered(call: Call, books: Books) -> None:
    for name in ("dora", "carl", "anna", "Carl", "carl+shop", "dora"):
        books.redirect(name)
        books.clock.advance(60)
    assert call("user adopt list", domain="example.org") == [
        {
            "address": f"{name}@example.org",
            "messages": messages,
            "oldest": f"2026-09-21T{oldest}+00:00",
            "newest": f"2026-09-21T{newest}+00:00",
        }
        for name, messages, oldest, newest in (("carl", 3, "14:14:20", "14:17:20"), ("dora", 2, "14:13:20", "14:18:20"))
    ]


def test_they_become_users_without_a_password_and_find_their_mail_in_inbox(call: Call, books: Books) -> None:
    for name in ("carl", "Carl+shop", "dora", "emil"):
        books.redirect(name)
    assert take(call, "Carl@example.org", "dora@example.org") == [("Carl", "adopted", 2), ("dora", "adopted", 1)]
    users = {row["address"]: (row["status"], row["messages"]) for row in call("user list")}
    assert users["carl@example.org"] == ("pending", 2)
    assert users["dora@example.org"] == ("pending", 1)
    assert [row["address"] for row in call("user adopt list", domain="example.org")] == ["emil@example.org"]
    report = call("report", domain="example.org")
    assert report["adds_up"]
    assert {row["user"]: row["owed"] for row in report["rows"]}["carl@example.org"] == 2


def test_what_will_not_do_is_refused_by_line_and_stops_nothing(call: Call, books: Books) -> None:
    books.redirect("carl")
    books.redirect("zoe")
    call("user add", address="zoe@example.org", inactive=True)
    call("domain add", name="other.org", home="home.other.org")
    rows = call(
        "user adopt",
        domain="example.org",
        addresses=["nobody", "dora@example.org", "carl@other.org", "zoe@example.org", "carl@example.org"],
    )
    assert [(row["result"], row["text"]) for row in rows] == [
        ("refused", "nobody: not a mail address: no @ and domain"),
        ("refused", "dora@example.org: no mail is held for it"),
        ("refused", "carl@other.org: no mail is held for it"),
        ("refused", "zoe@example.org: is inactive; activate that user first"),
        ("adopted", ""),
    ]
    assert "dora@example.org" not in {row["address"] for row in call("user list")}


def test_an_adoption_that_was_interrupted_goes_on_and_no_message_is_there_twice(
    call: Call, books: Books, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        books.redirect("carl")
    monkeypatch.setattr(adoption, "_AT_ONCE", 2)

    def crash(said: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mpcontinuity.queue.adoption.STEP", 3)
    with pytest.raises(KeyboardInterrupt):
        result(
            OPERATIONS["user adopt"](
                replace(control, progress=crash), {"domain": "example.org", "addresses": ["carl@example.org"]}
            )
        )
    assert books.read(lambda tx: tx.value(_ENTRIES)) == 3
    assert take(call, "carl@example.org") == [("carl", "adopted", 2)]
    assert books.read(lambda tx: tx.value(_ENTRIES)) == 5
    assert call("report", domain="example.org")["adds_up"]


def test_progress_is_told(call: Call, books: Books, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcontinuity.queue.adoption.STEP", 2)
    for _ in range(3):
        books.redirect("carl")
    told: list[Any] = []
    work = OPERATIONS["user adopt"](
        replace(control, progress=told.append), {"domain": "example.org", "addresses": ["carl@example.org"]}
    )
    result(work)
    assert told == [{"looked_at": 2, "adopted": 2}, {"looked_at": 3, "adopted": 3}]


@pytest.mark.parametrize("addresses", [[], ["a@example.org"] * (adoption.MOST + 1)])
def test_none_and_too_many_addresses_are_refused(call: Call, books: Books, addresses: list[str]) -> None:
    with pytest.raises(Refused, match="give 1 to"):
        call("user adopt", domain="example.org", addresses=addresses)


def test_a_page_of_many_addresses_counts_all_of_their_messages(call: Call, books: Books) -> None:
    for number in (5, 1, 9, 3, 7, 1, 9, 2, 8, 4, 6, 0, 1):
        books.redirect(f"u{number}")
    first = call("user adopt list", domain="example.org", limit=2)
    second = call("user adopt list", domain="example.org", limit=2, after=first[-1]["address"])
    assert [(row["address"][:2], row["messages"]) for row in (*first, *second)] == [
        ("u0", 1),
        ("u1", 3),
        ("u2", 1),
        ("u3", 1),
    ]


def test_large_messages_are_not_read_together(monkeypatch: pytest.MonkeyPatch, call: Call, books: Books) -> None:
    for _ in range(4):
        books.redirect("carl", text="a" * 1000)
    monkeypatch.setattr(adoption, "_OCTETS", 2500)
    read = books.store.bodies.read_many
    sizes = []

    def counted(bodies: Any) -> Any:
        sizes.append(len(bodies))
        return read(bodies)

    monkeypatch.setattr(books.store.bodies, "read_many", counted)
    assert take(call, "carl@example.org") == [("carl", "adopted", 4)]
    assert sizes == [2, 2]
