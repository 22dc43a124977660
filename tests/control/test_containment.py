"""A home server that is cut off: what is kept, listed and released, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.accounts import declarations
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.owed import NEVER
from mpcontinuity.queue import contained, due, owed
from mpcontinuity.store.statement import Statement
from tests.archive.archived import archive, text
from tests.control.conftest import Call
from tests.queue.ledgers import Books

_BODY = Statement("UPDATE owed SET body = :body WHERE id = :id")
_UPTIME = Statement("UPDATE domain SET uptime = :time")
NAME = {"name": "example.org"}


def claimed(books: Books, *ids: int) -> list[int]:
    return [row.id for row in books.run(owed.claim, ids=ids, give_up=DAY)]


def test_it_is_shown_with_since_when_and_by_whom(call: Call, books: Books) -> None:
    books.redirect("anna")
    row = call("contain on", **NAME, note="ransomware")
    expected = {"domain": "example.org", "contained": True, "since": "2026-09-21T14:13:20+00:00", "by": "root"}
    assert row == {**expected, "note": "ransomware", "kept": 1}
    status = call("status")[0]
    assert (status["contained"], status["kept"], status["mode"]) == (row["since"], 1, "disabled")
    assert call("domain show", **NAME)["contained"] == row["since"]
    (declared,) = books.read(declarations.in_force)
    assert (declared.what, declared.by, declared.note, declared.since) == (
        "contain",
        "root",
        "ransomware",
        books.clock.now(),
    )


def test_twice_on_or_off_changes_nothing(call: Call, books: Books) -> None:
    first = call("contain on", **NAME, note="one")
    books.clock.advance(60)
    assert call("contain on", **NAME, note="two") == first
    off = call("contain off", **NAME)
    assert (off["contained"], off["since"]) == (False, None)
    assert call("contain off", **NAME) == off


@pytest.mark.parametrize("note", ["two\nlines", "x" * 501, "a\0b"])
def test_a_note_is_one_short_line(call: Call, books: Books, note: str) -> None:
    with pytest.raises(Refused, match="note: must be one line"):
        call("contain on", **NAME, note=note)
    assert call("status")[0]["contained"] is None


def test_a_domain_that_is_not_here_is_refused(call: Call) -> None:
    for action in ("on", "off", "release"):
        with pytest.raises(Refused, match="no such domain"):
            call(f"contain {action}", name="nowhere.org")


def test_while_home_is_cut_off_nothing_is_claimed(call: Call, books: Books) -> None:
    one = books.redirect("anna")
    call("contain on", **NAME)
    assert claimed(books, one) == []
    assert books.state(one) == "owed"


def test_what_was_claimed_before_does_not_send_its_final_dot(call: Call, books: Books) -> None:
    (row,) = books.run(owed.claim, ids=[books.redirect("anna")], give_up=DAY)
    call("contain on", **NAME)
    assert not books.run(owed.in_flight, owed_id=row.id, token=row.token)


def test_afterwards_new_mail_goes_home_and_what_was_kept_waits(call: Call, books: Books) -> None:
    before = books.redirect("anna")
    call("contain on", **NAME)
    meanwhile = books.redirect("bert")
    assert call("contain off", **NAME)["kept"] == 2
    after = books.redirect("anna")
    assert claimed(books, before, meanwhile, after) == [after]
    assert [row["recipient"] for row in call("contain list", domain="example.org")] == [
        "anna@example.org",
        "bert@example.org",
    ]
    status = call("status")[0]
    assert (status["kept"], status["redelivery_backlog"]) == (2, 3)
    assert call("report", domain="example.org")["adds_up"]


def test_only_its_release_makes_it_due(call: Call, books: Books) -> None:
    """Neither a recovery, nor ETRN, nor `queue retry`, nor a clock that is set, nor a lease that ends."""
    one = books.redirect("anna")
    call("contain on", **NAME)
    call("contain off", **NAME)
    assert books.run(due.make_due, domain=books.domain.id) == 0
    assert books.run(due.bring_near, longest=SECOND) == 0
    assert call("queue retry") == {"retried": 0}
    assert books.read(due.next_due, domain=books.domain.id) is None
    (row,) = call("queue list")
    assert row["next_attempt"] == ""
    with pytest.raises(Refused, match="is kept since its home server was cut off"):
        call("queue retry", ids=[row["id"]])
    books.clock.advance(3600)
    assert claimed(books, one) == []
    assert call("contain release", **NAME) == {"domain": "example.org", "released": 1, "kept": 0}
    assert claimed(books, one) == [one]


def test_an_attempt_that_was_under_way_leaves_its_row_kept(call: Call, books: Books) -> None:
    from mpcontinuity.model.events import TrackingEvent

    rows = [books.redirect("anna") for _ in range(3)]
    tokens = {row.id: row.token for row in books.run(owed.claim, ids=rows, give_up=DAY)}
    for row in rows:
        books.run(owed.in_flight, owed_id=row, token=tokens[row])
    call("contain on", **NAME)
    call("contain off", **NAME)
    event = TrackingEvent(books.clock.now(), "home:25", 451, "4.3.0 later")
    books.run(owed.try_later, owed_id=rows[0], token=tokens[rows[0]], event=event, next_attempt=0)
    books.run(owed.doubt, owed_id=rows[1], token=tokens[rows[1]], event=event, next_attempt=0, waiting=False)
    from mpcontinuity.queue import leases

    books.run(leases.sweep, all_holders_dead=True)
    assert [books.row(row).next_attempt for row in rows] == [NEVER] * 3
    assert books.states(*rows) == ["owed", "in_doubt", "in_doubt"]
    assert call("contain release", **NAME)["released"] == 3


class TestReleasing:
    @pytest.fixture
    def ids(self, call: Call, books: Books) -> list[str]:
        for name in ("anna", "bert", "anna"):
            books.redirect(name)
        call("contain on", **NAME)
        call("contain off", **NAME)
        return [row["id"] for row in call("contain list")]

    def test_singly(self, call: Call, books: Books, ids: list[str]) -> None:
        assert call("contain release", **NAME, ids=[ids[1], ids[1]])["released"] == 1
        assert [row["id"] for row in call("contain list")] == [ids[0], ids[2]]

    def test_all_in_steps_that_are_told(
        self, call: Call, books: Books, ids: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(contained, "STEP", 2)
        assert call("contain release", **NAME)["released"] == 3
        assert call("contain list") == []

    def test_tracking_says_who_did_it(self, call: Call, books: Books, ids: list[str]) -> None:
        call("contain release", **NAME)
        (event,) = [event for event in call("track")[0]["events"] if "Released" in event["text"]]
        assert event["text"] == "Released to the home server by root"

    @pytest.mark.parametrize("wrong", ["0123456789abc", "x"])
    def test_an_id_that_is_not_kept_releases_nothing(
        self, call: Call, books: Books, ids: list[str], wrong: str
    ) -> None:
        with pytest.raises(Refused):
            call("contain release", **NAME, ids=[*ids, wrong])
        assert len(call("contain list")) == 3

    def test_one_that_was_released_before_is_refused(self, call: Call, books: Books, ids: list[str]) -> None:
        call("contain release", **NAME, ids=ids[:1])
        with pytest.raises(Refused, match="is not kept"):
            call("contain release", **NAME, ids=ids[:1])

    def test_one_of_another_domain_is_refused(self, call: Call, books: Books, ids: list[str]) -> None:
        call("domain add", name="other.org", home="home.other.org")
        with pytest.raises(Refused, match="no such message of this domain"):
            call("contain release", name="other.org", ids=ids[:1])

    def test_while_home_is_cut_off_again_nothing_is_released(self, call: Call, books: Books, ids: list[str]) -> None:
        call("contain on", **NAME)
        for wanted in ({}, {"ids": ids}):
            with pytest.raises(Refused, match="is cut off"):
                call("contain release", **NAME, **wanted)

    def test_the_time_in_which_it_was_kept_does_not_count(self, call: Call, books: Books, ids: list[str]) -> None:
        books.run(lambda tx: tx.run(Statement("UPDATE owed SET attempts = 1")))
        books.run(lambda tx: tx.run(_UPTIME, time=30 * DAY))
        call("contain release", **NAME)
        rows: list[Any] = books.read(lambda tx: tx.all(Statement("SELECT id FROM owed ORDER BY id")))
        assert len(claimed(books, *[row[0] for row in rows])) == 3

    def test_what_an_administrator_takes_out_is_not_kept(self, call: Call, books: Books, ids: list[str]) -> None:
        call("queue remove", ids=ids[:1])
        assert call("status")[0]["kept"] == 2
        with pytest.raises(Refused, match="is released already"):
            call("contain release", **NAME, ids=ids)


def test_what_a_query_finds_is_released(call: Call, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the message, whatever the archive has besides; in portions."""
    monkeypatch.setattr(contained, "STEP", 2)
    call("contain on", **NAME)
    for number in range(3):
        row = books.redirect("anna")
        body = archive(books.store, text(f"invoice {number}"), domain=books.domain.id)
        books.run(lambda tx, row=row, body=body: tx.run(_BODY, id=row, body=body.id))
    other = books.redirect("bert")
    body = archive(books.store, text("advertisement"), domain=books.domain.id)
    books.run(lambda tx: tx.run(_BODY, id=other, body=body.id))
    archive(books.store, text("invoice that home has"), domain=books.domain.id)
    shown = call("contain list", domain="example.org", query="invoice")  # the same before and after
    assert [row["recipient"] for row in shown] == ["anna@example.org"] * 3
    call("contain off", **NAME)
    listed = [row["id"] for row in call("contain list", domain="example.org", query="invoice")]
    assert listed == [row["id"] for row in shown]
    paged = [call("contain list", domain="example.org", query="invoice", limit=1, after=id_) for id_ in ("", *listed)]
    assert [row["id"] for page in paged for row in page] == listed
    with pytest.raises(Refused, match="needs a domain"):
        call("contain list", query="invoice")
    assert call("contain release", **NAME, query="invoice") == {"domain": "example.org", "released": 3, "kept": 1}
    assert call("contain list", domain="example.org", query="invoice") == []
    assert call("contain release", **NAME, query="invoice")["released"] == 0
    for query in ("from:", "before:nonsense", "x " * 10_000):
        with pytest.raises(Refused):
            call("contain release", **NAME, query=query)
    with pytest.raises(Refused, match="not both"):
        call("contain release", **NAME, query="invoice", ids=[])


def test_while_the_index_is_behind_nothing_is_released_by_a_query(
    call: Call, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would leave messages out, and nobody would hear of it."""
    monkeypatch.setattr("mpcontinuity.archive.search.MOST_READ", 1)
    call("contain on", **NAME)
    for number in range(3):
        row = books.redirect("anna")
        body = archive(books.store, text(f"invoice {number}"), domain=books.domain.id)
        books.run(lambda tx, row=row, body=body: tx.run(_BODY, id=row, body=body.id))
    call("contain off", **NAME)
    with pytest.raises(Refused, match="still being indexed"):
        call("contain release", **NAME, query="invoice")
    assert call("status")[0]["kept"] == 3


def test_lifting_goes_on_where_a_crash_ended_it(call: Call, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [books.redirect("anna") for _ in range(5)]
    call("contain on", **NAME)
    monkeypatch.setattr(contained, "STEP", 2)
    assert not books.run(contained.lift, domain=books.domain.id)  # and the server dies
    assert call("status")[0]["contained"] is not None
    assert claimed(books, *rows) == []
    assert call("contain off", **NAME)["kept"] == 5
    assert claimed(books, *rows) == []
