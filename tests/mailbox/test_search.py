"""SEARCH over stored messages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcontinuity.mailbox import change, mailboxes, search
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.mailbox.view import View, Views
from mpcontinuity.message.render import render
from mpcontinuity.model import flags
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.search import (
    All,
    And,
    BodyContains,
    HasFlag,
    HeaderContains,
    InternalDate,
    Key,
    Not,
    Numbers,
    Or,
    SentDate,
    Size,
    When,
)
from mpcontinuity.model.uidset import STAR
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.mailbox.conftest import ACCOUNT, User

DAY = date(2026, 9, 20)
NOON = int(datetime(2026, 9, 20, 12, tzinfo=UTC).timestamp()) * SECOND


def keep(user: User, content: bytes, *, mask: int = 0, keywords: tuple[str, ...] = (), days: int = 0) -> int:
    """The UID of a message with content, internal date ``days`` after noon of DAY."""
    draft = user.store.bodies.draft()
    draft.write(content)

    def work(tx: Transaction, body: Body) -> int:
        entry = NewEntry(body.id, len(content), NOON + days * 86400 * SECOND, mask, keywords, render(content))
        return append(tx, mailboxes.inbox(tx, ACCOUNT), [entry]).first_uid

    head = Head(id=user.store.identifiers.next(), time=NOON, direction="inbound")
    return result(user.store.keep(draft, head, work))


@pytest.fixture(autouse=True)
def stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So short that these few messages make several."""
    monkeypatch.setattr(search, "_AT_A_STRETCH", 2)


@pytest.fixture
def seen(user: User) -> View:
    """Five messages, UIDs 2 to 6."""
    keep(user, b"Subject: gone\r\n\r\n")
    keep(
        user,
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Anna <anna@example.org>\r\n"
        b"Date: Sun, 20 Sep 2026 23:59:00 -0700\r\n\r\nGood morning\r\n",
        mask=flags.SEEN,
    )
    keep(user, b"Subject: plain\r\nDate: Mon, 21 Sep 2026 01:00:00 +0000\r\n\r\n" + b"x" * 500, days=1)
    keep(
        user,
        b"Subject: coded\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"U3RyYcOfZQ==\r\n",
        mask=flags.SEEN | flags.FLAGGED,
        keywords=("$Work",),
        days=-1,
    )
    keep(user, b"X-Long: " + b"y" * 20_000 + b"\r\nSubject: behind a long field\r\n\r\nno\r\n", keywords=("home",))
    keep(user, b"")
    user.run(change.remove, mailbox=user.mailbox(), uids=((1, 1),))
    return result(Views(user.store).open(user.info()))


CASES: list[tuple[Key, list[int]]] = [
    (All(), [2, 3, 4, 5, 6]),
    (HasFlag(flags.SEEN), [2, 4]),
    (Not(HasFlag(flags.SEEN)), [3, 5, 6]),
    (HasFlag(0, "$WORK"), [4]),
    (HasFlag(0, "never"), []),
    (Numbers(((1, 2), (4, STAR)), False), [2, 3, 5, 6]),
    (Numbers(((1, 3), (6, 6)), True), [2, 3, 6]),
    (Numbers(((900, STAR),), True), [6]),
    (Size(True, 500), [3, 5]),
    (Size(False, 1), [6]),
    (InternalDate(When.ON, DAY), [2, 5, 6]),
    (InternalDate(When.BEFORE, DAY), [4]),
    (InternalDate(When.SINCE, DAY), [2, 3, 5, 6]),
    (SentDate(When.ON, DAY), [2]),
    (SentDate(When.SINCE, date(2026, 9, 21)), [3]),
    (SentDate(When.BEFORE, date(2026, 9, 21)), [2]),
    (HeaderContains("subject", "GRÜSSE"), [2]),
    (HeaderContains("subject", ""), [2, 3, 4, 5]),
    (HeaderContains("subject", "long"), [5]),
    (HeaderContains("from", "anna@"), [2]),
    (BodyContains("strasse", False), [4]),
    (BodyContains("morning", False), [2]),
    (BodyContains("plain", False), []),
    (BodyContains("plain", True), [3, 4]),
    (And(()), [2, 3, 4, 5, 6]),
    (And((BodyContains("o", True), HasFlag(flags.SEEN), Size(False, 150))), [2, 4]),
    (Or(HeaderContains("subject", "plain"), HasFlag(flags.FLAGGED)), [3, 4]),
    (Or(HasFlag(flags.SEEN), HasFlag(flags.FLAGGED)), [2, 4]),
    (Not(Or(All(), BodyContains("x", True))), []),
]


@pytest.mark.parametrize(("key", "uids"), CASES)
def test_a_key_finds_what_the_rfc_says(user: User, seen: View, key: Key, uids: list[int]) -> None:
    assert result(search.search(user.store, seen, key)) == uids


@pytest.mark.parametrize(("key", "uids"), CASES)
def test_small_steps_find_the_same(
    user: User, seen: View, key: Key, uids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_ROWS", "_RENDERED_ROWS", "_BODIES", "_BODY_OCTETS"):
        monkeypatch.setattr(search, limit, 2)
    assert result(search.search(user.store, seen, key)) == uids


LEAVES = [key for key, _ in CASES if not isinstance(key, And | Or | Not)]


def combined(keys: st.SearchStrategy[Key]) -> st.SearchStrategy[Key]:
    several = st.lists(keys, max_size=3).map(lambda parts: And(tuple(parts)))
    return st.builds(Not, keys) | st.builds(Or, keys, keys) | several


@settings(max_examples=60)
@given(st.recursive(st.sampled_from(LEAVES), combined, max_leaves=8))
def test_combined_keys_are_set_algebra(user: User, seen: View, key: Key) -> None:
    plain = {repr(leaf): set(uids) for leaf, uids in CASES}

    def expected(key: Key) -> set[int]:
        match key:
            case Not(inner):
                return {2, 3, 4, 5, 6} - expected(inner)
            case Or(left, right):
                return expected(left) | expected(right)
            case And(parts):
                found = {2, 3, 4, 5, 6}
                for part in parts:
                    found &= expected(part)
                return found
        return plain[repr(key)]

    assert result(search.search(user.store, seen, key)) == sorted(expected(key))


def test_a_number_that_is_not_there_does_not_match(user: User, seen: View) -> None:
    assert result(search.search(user.store, seen, Numbers(((6, 6), (5, 9)), False))) == [6]


def test_a_dear_key_is_not_asked_where_a_cheap_one_said_no(
    user: User, seen: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_many = user.store.bodies.read_many
    asked: list[int] = []

    def read(bodies: list[Body]) -> Any:
        asked.append(len(bodies))
        return read_many(bodies)

    monkeypatch.setattr(user.store.bodies, "read_many", read)
    find = partial(search.search, user.store, seen)
    assert result(find(And((BodyContains("o", False), HasFlag(flags.FLAGGED | flags.SEEN), Size(True, 9999))))) == []
    assert asked == []
    result(find(Or(BodyContains("o", False), Not(HasFlag(flags.SEEN)))))
    assert asked == [2]


def test_messages_expunged_meanwhile_and_not_yet_told_keep_the_answer_whole(user: User, seen: View) -> None:
    user.run(change.remove, mailbox=user.mailbox(), uids=((2, 2),))
    assert result(search.search(user.store, seen, HasFlag(flags.SEEN))) == [2, 4]
    assert result(search.search(user.store, seen, Numbers(((2, 3),), False))) == [3, 4]
    assert result(search.search(user.store, seen, Size(True, 0))) == [3, 4, 5]
    keep(user, b"Subject: new\r\n\r\n")
    assert result(search.search(user.store, seen, All())) == [2, 3, 4, 5, 6]


def test_a_damaged_body_does_not_stop_the_search(user: User, seen: View) -> None:
    packs = list(user.store.packs.folder.glob("**/*"))
    for path in packs:
        if path.is_file():
            content = path.read_bytes()
            path.write_bytes(content.replace(b"Good morning", b"Bad* morning"))
    assert result(search.search(user.store, seen, BodyContains("o", True))) == [3, 4, 5]
