"""Who hears of a domain: added, listed, removed, and no more than may be."""

from __future__ import annotations

import pytest

from mpcontinuity.alerts.subscribers import MOST
from mpcontinuity.model.errors import Refused
from mpcontinuity.tracking.record import NewRow
from mpcontinuity.tracking.record import record_all as record
from tests.control.conftest import Call
from tests.queue.ledgers import Books


def test_subscribers_anywhere_are_added_listed_and_removed(call: Call, books: Books) -> None:
    for email in ("it@far.example", "Anna@example.org"):
        assert call("alert add", domain="Example.org", email=email)["email"] == email
    assert [row["email"] for row in call("alert list", domain="example.org")] == ["Anna@example.org", "it@far.example"]
    assert call("status")[0]["subscribers"] == 2
    call("alert remove", domain="example.org", email="IT@far.example")
    assert [row["email"] for row in call("alert list", domain="example.org")] == ["Anna@example.org"]


def test_a_list_goes_on_behind_its_last_row(call: Call, books: Books) -> None:
    Books(books.store, books.clock, "other.org")
    for domain in ("example.org", "other.org"):
        for name in "abc":
            call("alert add", domain=domain, email=f"{name}@far.example")
    first = call("alert list", limit=4)
    rest = call("alert list", after=f"{first[-1]['domain']} {first[-1]['email']}")
    assert [(row["domain"], row["email"][0]) for row in first + rest] == [
        (domain, name) for domain in ("example.org", "other.org") for name in "abc"
    ]


@pytest.mark.parametrize("email", ["", "it", "it@", "a%b@far.example", f"x@{'a' * 64}.example", "a@b\n@far.example"])
def test_what_no_mail_can_be_sent_to_is_refused(call: Call, books: Books, email: str) -> None:
    with pytest.raises(Refused) as refused:
        call("alert add", domain="example.org", email=email)
    assert refused.value.kind == "invalid"
    assert not call("alert list")


def test_nobody_is_added_twice_and_nobody_removed_who_is_not_there(call: Call, books: Books) -> None:
    call("alert add", domain="example.org", email="it@far.example")
    with pytest.raises(Refused, match="already"):
        call("alert add", domain="example.org", email="IT@FAR.example")
    with pytest.raises(Refused, match="does not hear"):
        call("alert remove", domain="example.org", email="other@far.example")
    with pytest.raises(Refused, match="no such domain"):
        call("alert add", domain="nowhere.example", email="it@far.example")


def test_a_domain_has_so_many_and_no_more(call: Call, books: Books) -> None:
    for number in range(MOST):
        call("alert add", domain="example.org", email=f"r{number}@far.example")
    with pytest.raises(Refused, match="distribution list"):
        call("alert add", domain="example.org", email="one@more.example")


def test_who_might_hear_nothing_is_told_so(call: Call, books: Books) -> None:
    assert "no user here" in call("alert add", domain="example.org", email="nobody@example.org")["note"]
    assert "continuity mailbox" in call("alert add", domain="example.org", email="anna@example.org")["note"]
    assert call("alert add", domain="example.org", email="it@far.example")["note"] == ""


def test_what_became_of_the_last_alert_is_shown(call: Call, books: Books) -> None:
    call("alert add", domain="example.org", email="it@far.example")
    for time, status in ((1, "delivered"), (2, "failed")):
        to = "it@far.example"
        row = NewRow(books.domain.id, time, "alert", status, recipient=to, recipient_key=to, text="5.1.1 Unknown")
        books.run(record, rows=[row])
    (row,) = call("alert list")
    assert (row["last_status"], row["last_text"]) == ("failed", "5.1.1 Unknown")


def test_subscribers_go_with_their_domain(call: Call, books: Books) -> None:
    call("alert add", domain="example.org", email="it@far.example")
    call("domain remove", name="example.org", force=True)
    call("domain add", name="example.org", home="home.example")
    assert not call("alert list")
