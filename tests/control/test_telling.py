"""What administrators tell all users of their domain: checked, rationed, listed, and with its progress."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.telling import MOST_A_DAY
from mpcontinuity.message.announcement import LONGEST_SUBJECT, LONGEST_TEXT
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

pytestmark = pytest.mark.parametrize("database", DATABASES, indirect=True)

_ENTRIES = Statement("SELECT COUNT(*) FROM entry")


def tell(call: Call, subject: str = "News", text: str = "There is some.\n") -> Any:
    return call("domain tell", name="example.org", subject=subject, text=text)


def test_all_users_have_it_in_inbox_and_it_is_listed_and_its_progress_is_said(
    call: Call, control: Control, books: Books
) -> None:
    call("user set", address="anna@example.org", alternate="anna@elsewhere.example")
    told: list[Any] = []
    arguments = {"name": "Example.org", "subject": " Work \n until noon", "text": "Really.\n\n"}
    result(OPERATIONS["domain tell"](replace(control, progress=told.append), arguments))
    assert [row["messages"] for row in call("user list")] == [1, 1]
    (row,) = call("domain tell list", domain="example.org")
    assert (row["subject"], row["by"], row["users"], row["mails"]) == ("Work until noon", "root", 2, 1)
    assert row["ended"] is not None
    assert [now["users"] for now in told] == [0, 2]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("", "x"),
        (" \n ", "x"),
        ("x" * (LONGEST_SUBJECT + 1), "x"),
        ("x", ""),
        ("x", " \r\n "),
        ("x", "x" * LONGEST_TEXT),
        ("x\0", "x"),
        ("x", "x\0"),
    ],
)
def test_what_nobody_should_be_told_is_refused_and_nobody_is(call: Call, books: Books, subject: str, text: str) -> None:
    with pytest.raises(Refused):
        tell(call, subject, text)
    assert books.read(lambda tx: tx.value(_ENTRIES)) == 0
    assert call("domain tell list") == []


def test_it_is_rationed_by_the_day(call: Call, books: Books) -> None:
    for _ in range(MOST_A_DAY):
        tell(call)
    with pytest.raises(Refused, match="times in a day"):
        tell(call)
    books.clock.advance(DAY / SECOND + 1)
    assert tell(call)["users"] == 2
