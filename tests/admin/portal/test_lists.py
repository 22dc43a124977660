"""What waits, the way back, the ledger and the audit trail, as pages: what they show, to whom, and what they do."""

from __future__ import annotations

import csv
from urllib.parse import parse_qs, urlsplit

import pytest

from mpcontinuity.accounts import domains
from mpcontinuity.model.clock import from_iso, iso
from mpcontinuity.model.events import DELIVERED
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.record import NewRow, record_all
from tests.admin.portal.browser import Browser, Portal
from tests.admin.portal.test_archive import home
from tests.archive.archived import archive, text
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result
from tests.queue.ledgers import Books
from tests.queue.test_outbound import send

__all__ = ["home"]

QUEUE, RECOVERY, REPORT, AUDIT = "/admin/queue", "/admin/recovery", "/admin/report", "/admin/audit"
TRACKING = "/admin/tracking"


@pytest.fixture
def books(portal: Portal, store: Store, clock: ManualClock, call: Call) -> Books:
    """example.org, which none of the others administer, with mail that is owed and mail to the world."""
    books = Books(store, clock)
    books.redirect("anna")
    books.redirect("anna")
    send(books)
    return books


@pytest.mark.usefixtures("books")
def test_what_waits_is_listed_and_tried_again(rita: Browser, olga: Browser, call: Call) -> None:
    page = rita.get(QUEUE).page
    rows = call("queue list")
    assert len(rows) == 3
    assert all(f'value="{row["id"]}"' in page for row in rows)
    assert "Where mail to the world waits" in page
    shown = rita.send(QUEUE, act="retry")
    assert (shown.code, "Choose messages first." in shown.page) == (400, True)
    form = {"act": "retry", "id": [rows[0]["id"], rows[1]["id"]]}
    assert rita.post(QUEUE, {**rita.get("/admin/account").hidden("/admin/account/password"), **form}).location == QUEUE
    assert "2 messages are tried again now." in rita.get(QUEUE).page
    assert "Nothing waits." in olga.get(QUEUE).page


@pytest.mark.usefixtures("books")
def test_what_is_due_waits_for_home_and_for_no_time_that_is_past(rita: Browser, clock: ManualClock) -> None:
    clock.advance(600)
    page = rita.get(QUEUE).page
    assert page.count("as soon as home takes mail") == 2
    assert page.count('<td data-label="Next attempt">now') == 2  # to the world, and its destination


@pytest.mark.usefixtures("books")
def test_what_is_of_another_domain_is_neither_tried_nor_taken_out(olga: Browser, call: Call) -> None:
    rows = call("queue list")
    token = olga.get("/admin/account").hidden("/admin/account/password")
    for act in ("retry", "remove"):
        assert olga.post(QUEUE, {**token, "act": act, "id": rows[0]["id"]}).code == 403
        assert olga.post(QUEUE, {**token, "act": act, "id": rows[0]["id"], "domain": "example.org"}).code == 403
    assert call("queue list") == rows


@pytest.mark.usefixtures("books")
def test_messages_are_taken_out_and_a_wrong_id_is_told(rita: Browser, call: Call) -> None:
    (first, *_) = call("queue list")
    token = rita.get("/admin/account").hidden("/admin/account/password")
    shown = rita.post(QUEUE, {**token, "act": "remove", "id": "no id"})
    assert (shown.code, "an id has 13 characters" in shown.page.lower()) == (400, True)
    assert rita.post(QUEUE, {**token, "act": "remove", "id": first["id"], "domain": "example.org"}).code == 303
    assert first["id"] not in rita.get(QUEUE).page


@pytest.mark.usefixtures("books")
def test_the_way_back_shows_what_is_left_and_is_tried_again(rita: Browser, olga: Browser) -> None:
    assert "example.org" in rita.get(RECOVERY).page
    assert rita.send(RECOVERY).location == RECOVERY
    assert "messages of example.org are tried again now." in rita.get(RECOVERY).page
    assert "Nothing is owed to any home server." in olga.get(RECOVERY).page


@pytest.mark.usefixtures("books")
def test_the_ledger_is_shown_and_downloaded(rita: Browser, olga: Browser, call: Call) -> None:
    page = rita.get(f"{REPORT}?domain=example.org").page
    assert "adds up" in page
    assert "Of 2 messages that continuity took in" in page
    rows = call("report", domain="example.org")["rows"]
    shown = rita.get(f"{REPORT}.csv?domain=example.org&since=")
    assert b'filename="report.csv"' in shown.head
    read = list(csv.DictReader(shown.page.splitlines()))
    assert [{name: str(value) for name, value in row.items()} for row in rows] == read
    bad = rita.get(f"{REPORT}?domain=example.org&since=soon")
    assert (bad.code, 'id="since-error"' in bad.page) == (400, True)
    assert olga.get(f"{REPORT}?domain=example.org").code == 403
    assert olga.get(f"{REPORT}.csv?domain=example.org").code == 403
    assert "Report of x.org" in olga.get(REPORT).page


def test_the_audit_trail_is_paged_and_filtered(rita: Browser, olga: Browser, call: Call) -> None:
    for number in range(101):
        call("user add", address=f"user{number}@x.org")
    first = rita.get(f"{AUDIT}?by=root")
    older = first.page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert parse_qs(urlsplit(older).query)["by"] == ["root"]
    assert "user100@x.org" in first.page
    assert "user0@x.org" not in first.page
    assert "user0@x.org" in rita.get(older).page
    bad = rita.get(f"{AUDIT}?since=soon")
    assert (bad.code, 'id="since-error"' in bad.page) == (400, True)
    mine = olga.get(AUDIT).page
    assert "user100@x.org" in mine
    assert "y.org" not in mine
    assert olga.get(f"{AUDIT}?domain=y.org").code == 403


@pytest.fixture
def tracked(books: Books) -> None:
    """A message that home took, and one whose subject is a formula, to another domain."""
    rows = [
        NewRow(
            books.domain.id, 5, "inbound", DELIVERED, recipient="Anna@example.org", recipient_key="anna@example.org"
        ),
        NewRow(books.domain.id, 6, "inbound", DELIVERED, subject="=HYPERLINK(1)", recipient_key="bert@example.org"),
    ]
    books.run(record_all, rows=rows)


@pytest.mark.usefixtures("tracked")
def test_messages_are_found_by_filters_in_the_address(rita: Browser, olga: Browser) -> None:
    page = rita.get(TRACKING).page
    assert page.count('<a href="/admin/tracking/') == 4
    assert 'data-live="5"' in page
    page = rita.get(f"{TRACKING}?recipient=ANNA@example.org&status=delivered&column=recipient&column=message_id").page
    assert page.count('<a href="/admin/tracking/') == 1
    assert 'scope="col">Message-ID' in page
    assert 'scope="col">Sender' not in page
    assert rita.get(f"{TRACKING}?direction=inbound").page.count('<a href="/admin/tracking/') == 4
    assert "No message fits." in rita.get(f"{TRACKING}?direction=dsn").page
    assert "No message fits." in rita.get(f"{TRACKING}?until=2020-01-01").page
    for field, value in (("since", "soon"), ("until", "later"), ("status", "lost"), ("direction", "up")):
        shown = rita.get(f"{TRACKING}?{field}={value}")
        assert (shown.code, f'id="{field}-error"' in shown.page) == (400, True)
    assert "No message fits." in olga.get(TRACKING).page
    assert olga.get(f"{TRACKING}?domain=example.org").code == 403


@pytest.mark.usefixtures("tracked")
def test_a_message_has_its_story_and_is_tried_again_or_taken_out(rita: Browser, olga: Browser, call: Call) -> None:
    row = next(row for row in call("track", domain="example.org") if row["outcome"] == "owed")
    one = f"{TRACKING}/{row['id']}"
    shown = rita.get(one)
    assert row["id"] in shown.page
    assert olga.get(one).code == 404
    token = olga.get("/admin/account").hidden("/admin/account/password")
    assert olga.post(one, {**token, "act": "remove"}).code == 404
    token = rita.get("/admin/account").hidden("/admin/account/password")
    assert rita.post(one, {**token, "act": "retry"}).location == one
    assert "The message is tried again now." in rita.get(one).page
    assert rita.post(one, {**token, "act": "remove"}).location == one
    assert "released" in rita.get(one).page
    assert rita.post(one, {**token, "act": "remove"}).code == 409
    for wrong in ("x", "0" * 13, "z" * 13):
        assert rita.get(f"{TRACKING}/{wrong}").code in (400, 404)


@pytest.mark.usefixtures("tracked")
def test_what_is_chosen_of_tracking_is_tried_again_and_taken_out(rita: Browser, olga: Browser, call: Call) -> None:
    ids = [row["id"] for row in call("track", domain="example.org") if row["outcome"] == "owed"]
    assert len(ids) == 2
    filters = {"domain": "example.org", "column": ["received", "subject"]}
    form = {**rita.get(TRACKING).hidden(TRACKING), **filters, "id": ids}
    back = f"{TRACKING}?domain=example.org&column=received&column=subject"
    assert rita.post(TRACKING, {**form, "act": "retry"}).location == back
    assert "2 messages are tried again now." in rita.get(back).page
    theirs = {**olga.get("/admin/account").hidden("/admin/account/password"), "id": ids, "act": "remove"}
    assert olga.post(TRACKING, theirs).code == 403
    assert rita.post(TRACKING, {**form, "act": "remove"}).location == back
    assert {row["outcome"] for row in call("track") if row["id"] in ids} == {"released"}
    for wrong, said in (({"id": []}, "Choose messages first."), ({"act": "remove"}, "has ended")):
        shown = rita.post(TRACKING, {**form, **wrong})
        assert shown.code == 400, said
        assert "notice error" in shown.page
        assert "data-live" not in shown.page  # it would take away what is said and chosen
    assert f'value="{ids[0]}" checked' in shown.page


@pytest.fixture
def passed(portal: Portal, store: Store, call: Call, clock: ManualClock) -> list[str]:
    """Tracking's ids of a message to anna and bert of x.org, and of one that the archive does not have."""
    ids = []
    domain = int(result(store.read(lambda tx: domains.known(tx, "x.org"))).id)
    for name in ("anna", "bert"):
        call("user add", address=f"{name}@x.org")
    archive(store, text("two"), recipients=["anna@x.org", "bert@x.org"], domain=domain)
    (message,) = call("archive search")
    for recipient, received in (("anna", message["time"]), ("bert", message["time"]), ("anna", iso(clock.now() + 5))):
        row = NewRow(
            domain,
            from_iso(received),
            "inbound",
            DELIVERED,
            recipient=f"{recipient}@x.org",
            recipient_key=f"{recipient}@x.org",
            message_id=message["message_id"],
        )
        result(store.run(lambda tx, row=row: record_all(tx, [row])))  # type: ignore[misc]
        ids.append(call("track", limit=1)[0]["id"])
    return ids


def test_what_is_chosen_of_tracking_is_released_to_the_recipient_of_its_row(
    olga: Browser, passed: list[str], home: list[str], call: Call
) -> None:
    token = olga.get(TRACKING).hidden(TRACKING)
    sent = olga.post(TRACKING, {**token, "act": "release", "id": [passed[1], passed[2]]})
    shown = olga.get(sent.location)
    assert home == ["bert@x.org"]
    assert "no &lt;b&gt;such&lt;/b&gt; user" in shown.page
    assert "this message is not in the archive" in shown.page
    one = f"{TRACKING}/{passed[0]}"
    assert "queued as 4711" in olga.get(olga.send(one, act="release").location).page
    assert home == ["bert@x.org", "anna@x.org"]
    assert [row["by"] for row in call("audit") if row["operation"] == "archive release"] == ["olga", "olga"]


@pytest.mark.usefixtures("tracked")
def test_what_is_found_is_downloaded_and_no_spreadsheet_computes_it(rita: Browser, call: Call) -> None:
    shown = rita.get(f"{TRACKING}.csv?status=delivered")
    read = list(csv.DictReader(shown.page.splitlines()))
    assert [row["id"] for row in read] == [row["id"] for row in call("track", status="delivered")]
    assert sorted(row["subject"] for row in read) == ["", "'=HYPERLINK(1)"]
