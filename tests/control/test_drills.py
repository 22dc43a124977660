"""Drills: what is refused, which mail waits, and what the report says."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import drills, users
from mpcontinuity.app.commands.drill_page import page
from mpcontinuity.control import drill_report
from mpcontinuity.control.operation import Control
from mpcontinuity.model import address, events
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import DELIVERED
from mpcontinuity.queue import due, owed
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.tracking.record import NewRow, record_all
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.queue.ledgers import Books

ANNA, BERT = "anna@example.org", "bert@example.org"


def drill(call: Call, *addresses: str, lasts: str = "20m") -> Any:
    return call("drill", name="example.org", user=list(addresses or (ANNA,)), lasts=lasts)


def claimed(books: Books, *ids: int, **more: Any) -> list[int]:
    return [row.id for row in books.run(owed.claim, ids=ids, give_up=DAY, **more)]


def test_a_drill_ends_by_itself(call: Call, books: Books) -> None:
    made = drill(call)
    assert made == {
        "id": made["id"],
        "domain": "example.org",
        "from": "2026-09-21T14:13:20+00:00",
        "until": "2026-09-21T14:33:20+00:00",
        "by": "root",
        "state": "under way",
        "users": [ANNA],
    }
    assert call("status")[0]["drill"] == made
    books.clock.advance(1200)
    assert call("status")[0]["drill"] is None
    assert call("drill list", domain="example.org") == [{**made, "state": "ended"}]
    drill(call, BERT)


@pytest.mark.parametrize(
    ("addresses", "lasts", "words"),
    [
        ([], "20m", "name at least one user"),
        (["nobody@example.org"], "20m", "no such user of example.org"),
        ([ANNA, "anna@other.org"], "20m", "no such user of example.org"),
        (["not an address"], "20m", "not a mail address"),
        ([ANNA] * 101, "20m", "at most 100 at a time"),
        ([ANNA], "0s", "must be 1s to 1d"),
        ([ANNA], "25h", "must be 1s to 1d"),
        ([ANNA], "999999999d", "must be 1s to 1d"),
        ([ANNA], "tomorrow", "for: .* not a duration"),
        ([ANNA], "-5m", "for: .* not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Call, books: Books, addresses: list[str], lasts: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        call("drill", name="example.org", user=addresses, lasts=lasts)
    assert call("drill list") == []


def test_an_inactive_user_is_refused(call: Call, books: Books) -> None:
    call("user deactivate", address=BERT)
    with pytest.raises(Refused, match="is inactive"):
        drill(call, ANNA, BERT)


def test_one_at_a_time(call: Call, books: Books) -> None:
    drill(call)
    with pytest.raises(Refused, match="is under way until"):
        drill(call, BERT)
    call("drill end", name="example.org")
    with pytest.raises(Refused, match="no drill of this domain is under way"):
        call("drill end", name="example.org")
    drill(call, BERT)


def test_none_in_a_real_outage(call: Call, books: Books) -> None:
    declare = [
        lambda: call("contain on", name="example.org"),
        lambda: call("domain set", name="example.org", settings={"mode": "enabled"}),
        lambda: call("domain plan", name="example.org", begin="0s", until="1h"),
        lambda: books.home_becomes(State.DOWN, "no connection"),
    ]
    undo = [
        lambda: call("contain off", name="example.org"),
        lambda: call("domain set", name="example.org", settings={"mode": "disabled"}),
        lambda: call("domain plan end", name="example.org"),
        lambda: books.home_becomes(State.UP),
    ]
    for begin, end in zip(declare, undo, strict=True):
        begin()
        with pytest.raises(Refused, match="is in a real outage"):
            drill(call)
        end()
    call("domain set", name="example.org", settings={"continuity": "off"})
    with pytest.raises(Refused, match="continuity is off"):
        drill(call)


def test_an_alias_names_its_user_and_a_user_counts_once(call: Call, books: Books) -> None:
    call("user alias add", address=ANNA, alias="a@example.org")
    assert drill(call, "a@example.org", ANNA.upper())["users"] == [ANNA]


def test_what_the_users_are_owed_waits_and_others_mail_goes(call: Call, books: Books) -> None:
    ids = [books.redirect(name) for name in ("anna", "bert", "nobody")]
    spared = {books.accounts["anna"]}
    found = books.read(due.due, domain=books.domain.id, after=due.START, spared=spared)
    assert [row.id for row in found] == ids[1:]
    assert claimed(books, *ids, spared=spared) == ids[1:]
    assert books.read(due.next_due, domain=books.domain.id, spared=spared) is None
    assert books.read(due.next_due, domain=books.domain.id) is not None
    assert claimed(books, *ids) == ids[:1]


def receive(books: Books, name: str, subject: str, *, readable: float = 0.25, home: float | None = None) -> int:
    """As `redirect` does, with the events that delivery and redelivery write."""
    owed_id = books.redirect(name)
    begin = books.clock.now()
    happened = [(begin + round(readable * SECOND), events.REDIRECTED_HOST, 444, events.redirect_text(events.DRILLED))]
    if home is not None:
        happened.append((begin + round(home * SECOND), "home:25", 250, "2.0.0 ok"))
        (row,) = books.run(owed.claim, ids=[owed_id], give_up=DAY)
        event = TrackingEvent(books.clock.now(), "home:25", 250, "2.0.0 ok")
        books.run(owed.finish, owed_id=row.id, token=row.token, outcome=DELIVERED, event=event)
    import msgspec

    text = msgspec.json.encode(happened).decode()
    change = Statement("UPDATE tracking SET events = :events, subject = :subject, sender = 's@x.org' WHERE owed = :id")
    books.run(lambda tx: tx.run(change, events=text, subject=subject, id=owed_id))
    return owed_id


def send(books: Books, sender: str, subject: str, *, delivered: float | None) -> None:
    begin = books.clock.now()
    happened = [TrackingEvent(begin, "", 250, "2.0.0 Message accepted")]
    if delivered is not None:
        happened.append(TrackingEvent(begin + round(delivered * SECOND), "mx.x.org", 250, "2.0.0 ok"))
    row = NewRow(
        domain=books.domain.id,
        received=begin,
        direction="outbound",
        status=events.QUEUED if delivered is None else events.DELIVERED,
        sender=sender,
        recipient="eve@x.org",
        subject=subject,
        events=happened,
    )
    books.run(record_all, rows=[row])


class TestReport:
    def test_it_has_each_message_of_its_users_with_its_times(self, call: Call, books: Books) -> None:
        call("user alias add", address=ANNA, alias="a@example.org")
        receive(books, "anna", "before")
        books.clock.advance(1)
        made = drill(call)
        books.clock.advance(1)
        receive(books, "anna", "one", home=90.5)
        receive(books, "bert", "not in the drill")
        books.clock.advance(1)
        receive(books, "anna", "two", readable=1.5)
        send(books, "A@example.org", "out", delivered=2.0)
        send(books, BERT, "not in the drill", delivered=2.0)
        books.clock.advance(1)
        for times in (1, 2):
            login = drills.Login(books.accounts["anna"], "IMAP", books.clock.now(), books.clock.now(), times)
            books.run(drills.note_logins, drill=drill_id(made), logins=[login])
        call("drill end", name="example.org")
        books.clock.advance(1)
        receive(books, "anna", "after")
        report = call("drill report", id=made["id"])
        assert report["state"] == "flowing back"
        assert [(row["subject"], row["readable"], row["home"], row["outcome"]) for row in report["received"]] == [
            ("one", 0.25, 90.5, "delivered"),
            ("two", 1.5, None, "owed"),
        ]
        assert [(row["subject"], row["user"], row["delivered"]) for row in report["sent"]] == [("out", ANNA, 2.0)]
        (user,) = report["users"]
        assert (user["received"], user["sent"]) == (2, 1)
        assert [(login["door"], login["times"]) for login in user["logins"]] == [("IMAP", 3)]
        assert report["sums"] == {
            "users": 1,
            "logged_in": 1,
            "received": 2,
            "readable": 2,
            "longest_until_readable": 1.5,
            "home": 1,
            "longest_until_home": 90.5,
            "owed": 1,
            "sent": 1,
            "delivered": 1,
            "longest_until_delivered": 2.0,
            "left_out": 0,
        }
        assert report["outages"] == []

    def test_it_is_kept_when_all_is_home_and_changes_no_more(self, control: Control, call: Call, books: Books) -> None:
        made = drill(call)
        books.clock.advance(1)
        receive(books, "anna", "one", home=3.0)
        books.clock.advance(1200)
        books.run(drills.turn)
        result_of(drill_report.keep(books.store))
        books.clock.advance(200 * 86400)
        books.run(lambda tx: tx.run(Statement("DELETE FROM tracking")))
        report = call("drill report", id=made["id"])
        assert (report["state"], report["sums"]["home"]) == ("complete", 1)
        assert report["made"] == "2026-09-21T14:33:21+00:00"

    def test_what_is_owed_for_another_reason_holds_it_up_for_a_week(self, call: Call, books: Books) -> None:
        made = drill(call)
        books.clock.advance(1)
        receive(books, "anna", "stays")
        books.clock.advance(1200)
        assert call("drill report", id=made["id"])["state"] == "flowing back"
        books.clock.advance(8 * 86400)
        assert call("drill report", id=made["id"])["state"] == "complete"

    def test_it_is_walked_in_steps_and_shows_so_many(
        self, call: Call, books: Books, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drill_report, "SCAN", 2)
        monkeypatch.setattr(drill_report, "MOST", 3)
        made = drill(call)
        for number in range(5):
            books.clock.advance(1)
            receive(books, "anna", f"message {number}")
        report = call("drill report", id=made["id"])
        assert (report["sums"]["received"], report["sums"]["left_out"], len(report["received"])) == (5, 2, 3)

    def test_a_real_outage_meanwhile_is_told(self, call: Call, books: Books) -> None:
        made = drill(call)
        books.clock.advance(60)
        begin = Statement(
            "INSERT INTO outage (id, domain, began, causes, reason) VALUES (:id, :domain, :began, :causes, 'no answer')"
        )
        books.run(
            lambda tx: tx.run(
                begin, id=tx.identifier(), domain=books.domain.id, began=tx.now, causes=f'{{"down": {tx.now}}}'
            )
        )
        (outage,) = call("drill report", id=made["id"])["outages"]
        assert (outage["causes"], outage["reason"], outage["ended"]) == (["down"], "no answer", None)

    @pytest.mark.parametrize("wrong", ["0123456789abc", "x"])
    def test_an_unknown_id_is_refused(self, call: Call, books: Books, wrong: str) -> None:
        with pytest.raises(Refused):
            call("drill report", id=wrong)

    def test_one_of_another_domain_is_not_found(self, call: Call, books: Books) -> None:
        made = drill(call)
        call("domain add", name="other.org", home="home.other.org")
        with pytest.raises(Refused, match="no such drill"):
            call("drill report", id=made["id"], domain="other.org")

    def test_the_page_runs_nothing_that_a_message_says(self, call: Call, books: Books) -> None:
        made = drill(call)
        books.clock.advance(1)
        receive(books, "anna", "<script>alert(1)</script>\x1b[31m")
        send(books, ANNA, '"><img src=x onerror=alert(1)>', delivered=None)
        books.clock.advance(1)
        text = page(call("drill report", id=made["id"]))
        assert "<script" not in text
        assert "<img" not in text
        assert "\x1b" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "default-src 'none'" in text
        assert text.count("<h2>") == 4
        assert not re.search(r"\d-\d\dT\d", text)  # times are as people read them


def drill_id(made: Any) -> int:
    from mpcontinuity.model.identifier import parse

    return parse(made["id"])


def result_of(work: Any) -> Any:
    return result(work)


def test_a_user_who_is_removed_in_a_drill_does_not_break_it(call: Call, books: Books) -> None:
    made = drill(call)
    books.run(partial(users.forget, account=books.accounts["anna"], domain=books.domain.id))
    assert books.read(users.find_exactly, address=address.parse(ANNA)) is None
    assert call("drill report", id=made["id"])["users"][0]["address"] == ANNA
    assert call("drill end", name="example.org")["users"] == [ANNA]


def test_only_so_many_are_remembered(call: Call, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "MOST_KEPT", 2)
    for _ in range(4):
        drill(call)
        call("drill end", name="example.org")
        books.clock.advance(1)
    assert len(call("drill list")) == 3
