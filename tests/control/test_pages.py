"""Lists are handed out in pages, each behind the cursor of the one before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mpcontinuity.accounts import web_sessions
from mpcontinuity.alerts.outages import observe
from mpcontinuity.control.client import ControlClient
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.control.socket import answer
from mpcontinuity.model.events import DELIVERED
from mpcontinuity.routing.health import State
from mpcontinuity.tracking.record import NewRow, record_all
from tests.archive.archived import archive, text
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books
from tests.queue.test_outbound import send

LISTS = [name for name, operation in OPERATIONS.items() if operation.cursor]


@pytest.fixture
def full(call: Call, books: Books) -> None:
    """Some of all that is listed; two destinations have the same number of messages, and rows of tracking one time."""
    for name in ("a.org", "b.org", "c.org"):
        call("domain add", name=name, home="home.example")
        call("user add", address=f"Post@{name}", aliases=[f"p@{name}"])
        call("alert add", domain=name, email=f"IT@{name}")
        call("webhook add", domain=name, url=f"https://{name}/hook")
        call("admin add", name=name, password="a good one")
        books.run(web_sessions.begin, kind=web_sessions.ADMINISTRATOR, secret=name, whose=name, password=1)
        call("domain plan", name=name, begin="1h", until="2h")
        call("domain tell", name=name, subject="News", text="There is some.")
    for name in ("anna", "bert", "anna", "nobody", "other", "third+tag"):
        books.redirect(name)
    for destination in ("x.example", "y.example", "z.example", "x.example", "w.example"):
        send(books, f"bob@{destination}")
    rows = [NewRow(books.domain.id, 7, "inbound", DELIVERED, recipient_key="anna@example.org") for _ in range(5)]
    rows += [NewRow(books.domain.id, time, "inbound", DELIVERED, recipient_key="anna@example.org") for time in (9, 8)]
    books.run(record_all, rows=rows)
    for number in range(3):
        call("archive hold", user=f"user{number}@example.org")
        archive(books.store, text(f"number {number}"), domain=books.domain.id)
    for name in ("a.org", "b.org", "c.org"):
        call("drill", name=name, user=[f"post@{name}"], lasts="20m")
    for minute in range(3):
        books.clock.advance(60)
        books.home_becomes(State.DOWN, f"no connection {minute}")
        books.run(observe)
        books.home_becomes(State.UP)
        books.run(observe)
    call("contain on", name="example.org")


def walk(call: Call, operation: str, limit: int, **arguments: Any) -> Iterator[list[Any]]:
    after = ""
    for _ in range(100):
        page = call(operation, after=after, limit=limit, **arguments)
        if not page:
            return
        yield page
        after = OPERATIONS[operation].after(page[-1])
    raise AssertionError("the list does not end")


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("operation", LISTS)
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_pages_of_a_list_are_the_list(call: Call, operation: str, limit: int) -> None:
    whole = call(operation)
    pages = list(walk(call, operation, limit))
    assert len(whole) >= 3
    assert [row for page in pages for row in page] == whole
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    "operation", ["domain list", "user list", "status", "status history", "queue list", "queue destinations"]
)
def test_the_pages_of_one_domain_end_too(call: Call, operation: str) -> None:
    assert [row for page in walk(call, operation, 1, domain="example.org") for row in page] == call(
        operation, domain="example.org"
    )


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_what_one_recipient_got_is_paged_by_the_time_it_came(call: Call, limit: int) -> None:
    whole = call("track", recipient="anna@example.org")
    assert len(whole) == 7
    assert [row["received"] for row in whole] == sorted((row["received"] for row in whole), reverse=True)
    pages = list(walk(call, "track", limit, recipient="anna@example.org"))
    assert [row for page in pages for row in page] == whole


@pytest.mark.usefixtures("full")
def test_a_cursor_whose_row_is_gone_still_tells_where_to_go_on(call: Call) -> None:
    first, second, *_ = call("user list")
    call("user remove", address=first["address"], force=True)
    assert call("user list", after=first["address"])[0] == second


def test_a_client_walks_all_pages(control: Control, call: Call, books: Books) -> None:
    lines = [{"number": number, "address": f"{number:04}@example.org"} for number in range(1100)]
    call("user import", lines=lines)

    class Here:
        running = False

        def ask(self, line: bytes, progress: Any) -> bytes:
            return result(answer(control, line, progress))

        def close(self) -> None: ...

    client = ControlClient(Here(), "root")
    assert [len(page) for page in client.pages("user list")] == [500, 500, 102]
    assert len(client.rows("user list", domain="example.org")) == 1102
    assert client.rows("admin list") == []
