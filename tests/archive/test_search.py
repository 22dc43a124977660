"""What a search finds, before and after messages are indexed, and whose mail it shows."""

from __future__ import annotations

import pytest

from mpcontinuity.archive import index
from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.model.clock import HOUR
from mpcontinuity.store.store import Store
from tests.archive.archived import archive, bring_up, find, join, subjects, text
from tests.fakes.clock import START
from tests.fakes.stores import result

ATTACHED = (
    b"From: a@x.example\r\nSubject: with a file\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>Please <b>re</b>ad<style>hidden</style> &auml;hnlich</p>\r\n"
    b'--b\r\nContent-Type: application/pdf; name="=?utf-8?q?B=C3=BCcher?= 2026.pdf"\r\n'
    b"Content-Disposition: attachment\r\n\r\nJVBERi0=\r\n--b--\r\n"
)


@pytest.fixture(params=["fresh", "indexed", "joined"])
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settle(store: Store, stage: str) -> None:
    if stage != "fresh":
        bring_up(store)
    if stage == "joined":
        join(store)


@pytest.fixture
def some(store: Store, stage: str) -> Store:
    """Ten messages, an hour between each."""
    for number in range(8):
        archive(store, text(f"report {number}", f"body{number} common"), time=START + number * HOUR)
        if stage == "joined":
            bring_up(store)
    archive(store, ATTACHED, sender="carol@y.example", time=START + 8 * HOUR)
    archive(
        store, text("sent", "outward"), direction=OUTBOUND, sender="bert@example.org", recipients=["dora@z.example"]
    )
    settle(store, stage)
    return store


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("body3", ["report 3"]),
        ("COMMON body3", ["report 3"]),
        ("report -common", []),
        ("body3 body4", []),
        ("subject:report subject:3", ["report 3"]),
        ("subject:common", []),
        ("body:body3", ["report 3"]),
        ("from:carol@y.example", ["with a file"]),
        ("from:carol", ["with a file"]),
        ("from:berg body1", ["report 1"]),
        ("to:dora", ["sent"]),
        ("to:dora@z.example", ["sent"]),
        ("dora", ["sent"]),
        ("has:attachment", ["with a file"]),
        ("attachment:bücher", ["with a file"]),
        ("attachment:pdf", ["with a file"]),
        ("read ähnlich", ["with a file"]),
        ("hidden", []),
        ("direction:outbound", ["sent"]),
        ("message-id:<report.3@x.example>", ["report 3"]),
        ("message-id:report.3@X.example", []),
        ("larger:100M", []),
        ("report larger:100 smaller:1k body3", ["report 3"]),
    ],
)
def test_a_query_finds(some: Store, query: str, found: list[str]) -> None:
    assert subjects(some, query) == found


def test_all_is_found_newest_first_in_pages(some: Store) -> None:
    everything = find(some, "")
    assert [row.subject for row in everything.rows] == [
        "with a file",
        *(f"report {number}" for number in range(7, -1, -1)),
        "sent",
    ] or everything.rows[-1].subject == "report 0"
    assert len(everything.rows) == 10
    assert not everything.more
    page = find(some, "common", limit=3)
    assert ([row.subject for row in page.rows], page.more) == (["report 7", "report 6", "report 5"], True)


@pytest.mark.parametrize("query", ["common", "common since:5h"])
def test_a_search_begins_anew_where_segments_are_joined_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    for number in range(8):
        archive(store, text(f"one {number}", "common"), time=START - HOUR * number)
        bring_up(store)
    before = subjects(store, query)
    old = result(store.read(index.all_segments))
    join(store)
    lists = iter([old])
    listing = index.all_segments
    monkeypatch.setattr(index, "all_segments", lambda tx: next(lists, None) or listing(tx))
    assert subjects(store, query) == before
    assert next(lists, None) is None
    assert len(before) == (6 if "since" in query else 8)


def test_who_has_no_address_finds_nothing(some: Store) -> None:
    assert subjects(some, "", Whose(0, frozenset())) == []


@pytest.mark.parametrize(("query", "fresh", "indexed"), [("", 10, 10), ("direction:outbound", 1, 1), ("report", 0, 8)])
def test_what_asks_for_no_words_is_answered_from_rows_however_far_the_index_is(
    some: Store, monkeypatch: pytest.MonkeyPatch, query: str, fresh: int, indexed: int, stage: str
) -> None:
    monkeypatch.setattr("mpcontinuity.archive.search.MOST_READ", 2)
    answer = find(some, query)
    behind = stage == "fresh" and query == "report"
    assert bool(answer.unsearched) is behind
    assert len(answer.rows) == (fresh if stage == "fresh" else indexed)
