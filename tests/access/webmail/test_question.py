"""What people type to find messages."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcontinuity.access.webmail.question import LONGEST, MOST_WORDS, NotUnderstood, parse
from mpcontinuity.archive.query import Contains, Field, HasAttachment, IsAddress
from mpcontinuity.model import search
from mpcontinuity.model.clock import SECOND
from mpcontinuity.protocols.imap.cursor import Cursor
from mpcontinuity.protocols.imap.searching import parse_search
from mpcontinuity.web.languages import ENGLISH

TODAY = date(2026, 11, 30)

# What is typed, and what an IMAP client would ask.
SAME = [
    ("hello", b'TEXT "hello"'),
    ('"two words"', b'TEXT "two words"'),
    ("-hello", b'NOT TEXT "hello"'),
    ("from:ann", b"FROM ann"),
    ('From:"Ann Smith"', b'FROM "Ann Smith"'),
    ("to:ben", b"OR TO ben OR CC ben BCC ben"),
    ("subject:offer body:price", b"SUBJECT offer BODY price"),
    ("is:unread", b"UNSEEN"),
    ("-is:unread", b"NOT UNSEEN"),
    ("is:flagged is:answered", b"FLAGGED ANSWERED"),
    ("before:2026-02-03", b"BEFORE 3-Feb-2026"),
    ("after:03.02.2026", b"SINCE 3-Feb-2026"),
    ("on:2026/2/3", b"ON 3-Feb-2026"),
    ("since:2026-02", b"SINCE 1-Feb-2026"),
    ("on:yesterday", b"ON 29-Nov-2026"),
    ("after:7d", b"SINCE 23-Nov-2026"),
    ("larger:10k smaller:2M", b"LARGER 10240 SMALLER 2097152"),
    ("10:30", b'TEXT "10:30"'),
]


@pytest.mark.parametrize(("typed", "imap"), SAME)
def test_a_question_is_what_imap_would_ask(typed: str, imap: bytes) -> None:
    assert parse(typed, TODAY).key() == parse_search(Cursor(imap))


def test_has_attachment_is_asked_of_folders_and_of_the_archive() -> None:
    question = parse("has:attachment", TODAY)
    assert question.key() == search.HasAttachment()
    assert question.query().all_of == (HasAttachment(),)


def test_the_archive_is_asked_the_same_by_words() -> None:
    query = parse('"Two words" from:ann to:ben@example.org -subject:spam after:2026-02-03 smaller:1k', TODAY).query()
    assert query.all_of == (
        Contains(Field.ANY, frozenset({"two", "words"})),
        Contains(Field.FROM, frozenset({"ann"})),
        IsAddress(Field.TO, "ben@example.org"),
    )
    assert query.none_of == (Contains(Field.SUBJECT, frozenset({"spam"})),)
    assert query.since == int(datetime(2026, 2, 3, tzinfo=UTC).timestamp()) * SECOND
    assert query.smaller == 1024


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('say "hello', "quotation mark"),
        ("fron:ann", '"fron:ann" is not understood'),
        ("from:", 'missing behind "from:"'),
        ('""', "missing"),
        ("-", "missing"),
        ("before:soon", "has no date"),
        ("on:2026-02-31", "has no date"),
        ("larger:big", "has no size"),
        ("has:fun", "not understood"),
        ("is:great", "not understood"),
        ("x" * (LONGEST + 1), "too long"),
        ("a " * (MOST_WORDS + 1), "too many"),
    ],
)
def test_what_is_not_understood_is_said_in_words(typed: str, said: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        parse(typed, TODAY)
    assert said in ENGLISH.said(caught.value.text, **caught.value.values)


@pytest.mark.parametrize("typed", ["is:unread", "-before:2026-01-01", "!!!"])
def test_what_the_archive_cannot_know_is_said(typed: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(typed, TODAY).query()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r'(-?[a-z]{0,8}:?"?[a-z0-9.@-]{0,9}"? ){0,6}', fullmatch=True))
def test_anything_is_read_or_refused_in_words(typed: str) -> None:
    said = ""
    try:
        question = parse(typed, TODAY)
    except NotUnderstood as error:
        said = ENGLISH.said(error.text, **error.values)
    assert said or question.key()
