"""APPEND, STORE, COPY, MOVE and EXPUNGE on the database."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.mailbox import change, keywords, mailboxes
from mpcontinuity.mailbox.append import MAX_UID, NewEntry, append
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.picture import read_news
from mpcontinuity.mailbox.read import rows
from mpcontinuity.model import flags
from mpcontinuity.model.events import MailboxChanged, Notice
from mpcontinuity.model.uidset import Range
from mpcontinuity.store.statement import Statement
from tests.mailbox.conftest import ACCOUNT, User

EXPUNGED = Statement("SELECT first, last FROM expunged WHERE mailbox = :mailbox ORDER BY modseq, first")
OWE = Statement(
    "INSERT INTO owed (id, domain, account, body, recipient, received, state) "
    "VALUES (:body, 1, 7, :body, '', 0, :state)"
)
ARCHIVE = Statement(
    "INSERT INTO archive (id, domain, body, time, direction, expires) VALUES (:id, 1, :body, 0, 'inbound', :expires)"
)
UIDNEXT = Statement("UPDATE mailbox SET uidnext = :uidnext WHERE id = :mailbox")
MODSEQ = Statement("UPDATE mailbox SET modseq = :modseq WHERE id = :mailbox")


def store_flags(
    user: User, uids: tuple[Range, ...], how: str, mask: int = 0, names: tuple[str, ...] = (), since: int | None = None
) -> change.Changed:
    return user.run(
        change.store_flags,
        mailbox=user.mailbox(),
        uids=uids,
        how=how,
        flags=mask,
        keywords=names,
        unchanged_since=since,
    )


def expunge(user: User, uids: tuple[Range, ...] | None = None, name: str = "INBOX") -> tuple[Range, ...]:
    return user.run(change.expunge, mailbox=user.mailbox(name), uids=uids)


def test_appended_messages_get_rising_uids_and_are_counted(user: User) -> None:
    first = user.deliver(3)
    second = user.deliver(2, flags=flags.SEEN | flags.DELETED, size=50)
    assert (first.first_uid, first.last_uid, second.first_uid, second.last_uid) == (1, 3, 4, 5)
    assert second.modseq == first.modseq + 1
    info = user.info()
    assert (info.uidnext, info.messages, info.unseen, info.octets, info.deleted) == (6, 5, 3, 400, 2)
    assert info.uidvalidity == second.uidvalidity
    user.check_counters()


def test_append_announces_the_mailbox_once(user: User) -> None:
    heard: list[Notice] = []
    user.store.listen(heard.extend)
    appended = user.deliver(3)
    assert heard == [MailboxChanged(user.mailbox(), ACCOUNT, appended.modseq)]


def test_append_to_a_mailbox_that_is_gone_or_has_no_uids_left_is_refused(user: User) -> None:
    for mailbox, code in ((99_999, "TRYCREATE"), (user.mailbox(), "LIMIT")):
        user.sql(UIDNEXT, mailbox=user.mailbox(), uidnext=MAX_UID)
        with pytest.raises(MailboxRefused) as refused:
            user.run(append, mailbox=mailbox, entries=[_entry(user)])
        assert refused.value.code == code


def _entry(user: User) -> NewEntry:
    user.deliver(name="Archive")
    return NewEntry(user.entries("Archive")[0][4], 1, 0, 0, (), b"")


def test_flags_are_added_removed_and_replaced(user: User) -> None:
    user.deliver(3)
    added = store_flags(user, ((1, 2),), "add", flags.SEEN | flags.FLAGGED)
    assert [message[:2] for message in added.messages] == [(1, 5), (2, 5)]
    store_flags(user, ((2, 3),), "remove", flags.SEEN)
    store_flags(user, ((3, 3),), "replace", flags.DELETED)
    assert [row[1] for row in user.entries()] == [5, 4, 8]
    user.check_counters()


def test_a_store_that_changes_nothing_leaves_modseqs_and_is_silent(user: User) -> None:
    user.deliver(2, flags=flags.SEEN)
    heard: list[Notice] = []
    user.store.listen(heard.extend)
    before, modseq = user.entries(), user.info("INBOX").modseq
    changed = store_flags(user, ((1, MAX_UID),), "add", flags.SEEN)
    assert [message[0] for message in changed.messages] == [1, 2]
    assert user.entries() == before
    assert heard == []
    assert changed.modseq == 0
    assert user.info("INBOX").modseq == modseq


def test_changed_flags_are_announced_with_their_uids(user: User) -> None:
    user.deliver(5)
    store_flags(user, ((2, 2),), "add", flags.SEEN)
    heard: list[Notice] = []
    user.store.listen(heard.extend)
    changed = store_flags(user, ((1, 4),), "add", flags.SEEN)
    assert heard == [MailboxChanged(user.mailbox(), ACCOUNT, changed.modseq, ((1, 1), (3, 4)))]


def test_unchanged_since_leaves_alone_what_changed_later(user: User) -> None:
    modseq = user.deliver(3).modseq
    store_flags(user, ((2, 2),), "add", flags.SEEN)
    changed = store_flags(user, ((1, 3),), "add", flags.FLAGGED, since=modseq)
    assert changed.modified == ((2, 2),)
    assert [message[0] for message in changed.messages] == [1, 3]


def test_keywords_belong_to_the_mailbox_and_are_compared_without_case(user: User) -> None:
    user.deliver(2)
    store_flags(user, ((1, 1),), "add", names=("$Work", "home"))
    store_flags(user, ((2, 2),), "add", flags.SEEN, names=("$WORK",))
    assert user.read(keywords.of, mailbox=user.mailbox()) == {8: "$Work", 9: "home"}
    assert [row[1] for row in user.entries()] == [3 << 8, 1 << 8 | flags.SEEN]
    store_flags(user, ((1, 1),), "remove", names=("Home", "never-seen"))
    assert user.entries()[0][1] == 1 << 8
    assert len(user.read(keywords.of, mailbox=user.mailbox())) == 2


def test_a_keyword_too_many_or_too_long_is_refused_and_nothing_changes(user: User) -> None:
    user.deliver()
    store_flags(user, ((1, 1),), "add", names=tuple(f"k{number}" for number in range(flags.MAX_KEYWORDS)))
    before = user.entries()
    assert 0 < before[0][1] < 1 << 63
    for name in ("one-more", "x" * (keywords.MAX_LENGTH + 1)):
        with pytest.raises(MailboxRefused) as refused:
            store_flags(user, ((1, 1),), "replace", names=(name,))
        assert refused.value.code == "LIMIT"
    assert user.entries() == before


def test_what_is_appended_keeps_the_keywords_that_fit(user: User) -> None:
    user.deliver(keywords=tuple(f"k{number}" for number in range(flags.MAX_KEYWORDS - 1)))
    user.deliver(keywords=("x" * (keywords.MAX_LENGTH + 1), "K1", "last", "one-more"))
    assert user.entries()[1][1] == 1 << 9 | 1 << flags.FIRST_KEYWORD + flags.MAX_KEYWORDS - 1


def test_a_freed_keyword_makes_room_for_another(user: User) -> None:
    user.deliver(keywords=("a", "b", "c"))
    mailbox = user.mailbox()
    modseq = user.info().modseq
    store_flags(user, ((1, 1),), "remove", names=("b",))
    assert not user.run(keywords.free, mailbox=mailbox, bits=[9], modseq=modseq)  # it has changed since
    assert user.run(keywords.free, mailbox=mailbox, bits=[9], modseq=user.info().modseq)
    assert user.read(keywords.of, mailbox=mailbox) == {8: "a", 10: "c"}
    store_flags(user, ((1, 1),), "add", names=("d",))
    assert user.read(keywords.of, mailbox=mailbox) == {8: "a", 9: "d", 10: "c"}


def test_copies_share_the_body_and_keep_flags_date_and_keywords(user: User) -> None:
    user.deliver(3, flags=flags.SEEN, keywords=("a", "b"))
    user.deliver(1, "Archive", keywords=("c", "B"))
    copied = user.run(change.copy, source=user.mailbox(), uids=((1, 1), (3, 9)), target=user.mailbox("Archive"))
    assert (copied.sources, copied.targets) == (((1, 1), (3, 3)), ((2, 3),))
    assert copied.uidvalidity == user.info("Archive").uidvalidity
    names = user.read(keywords.of, mailbox=user.mailbox("Archive"))
    assert names == {8: "c", 9: "B", 10: "a"}
    sources = [user.entries()[place] for place in (0, 2)]
    for source, target in zip(sources, user.entries("Archive")[1:], strict=True):
        assert target[3:] == source[3:]
        assert target[1] == flags.SEEN | 1 << 9 | 1 << 10
    user.check_counters()


def test_copy_leaves_out_keywords_that_do_not_fit(user: User) -> None:
    user.deliver(1, keywords=("a", "k3"))
    user.deliver(1, "Archive", keywords=tuple(f"k{number}" for number in range(flags.MAX_KEYWORDS)))
    user.run(change.copy, source=user.mailbox(), uids=((1, 1),), target=user.mailbox("Archive"))
    assert user.entries("Archive")[1][1] == 1 << (8 + 3)


def test_copy_within_one_mailbox_doubles(user: User) -> None:
    user.deliver(2, keywords=("a",))
    copied = user.run(change.copy, source=user.mailbox(), uids=((1, 2),), target=user.mailbox())
    assert copied.targets == ((3, 4),)
    assert [row[1] for row in user.entries()] == [1 << 8] * 4
    user.check_counters()


def test_copy_of_nothing_and_to_nowhere(user: User) -> None:
    user.deliver()
    assert user.run(change.copy, source=user.mailbox(), uids=((5, 9),), target=user.mailbox("Trash")).targets == ()
    assert user.run(change.copy, source=user.mailbox(), uids=(), target=user.mailbox("Trash")).targets == ()
    for work in (change.copy, change.move):
        with pytest.raises(MailboxRefused) as refused:
            user.run(work, source=user.mailbox(), uids=((1, 1),), target=99_999)
        assert refused.value.code == "TRYCREATE"


def test_move_is_copy_and_expunge_at_once(user: User) -> None:
    user.deliver(4, flags=flags.DELETED)
    bodies = [row[4] for row in user.entries()]
    heard: list[Notice] = []
    user.store.listen(heard.extend)
    moved = user.run(change.move, source=user.mailbox(), uids=((2, 3),), target=user.mailbox("Trash"))
    assert (moved.sources, moved.targets) == (((2, 3),), ((1, 2),))
    assert user.uids() == [1, 4]
    assert [row[4] for row in user.entries("Trash")] == bodies[1:3]
    assert user.sql(EXPUNGED, mailbox=user.mailbox()) == [(2, 3)]
    assert all(user.keep_until(body) == 0 for body in bodies)
    assert {notice.mailbox for notice in heard if isinstance(notice, MailboxChanged)} == {
        user.mailbox(),
        user.mailbox("Trash"),
    }
    user.check_counters()


def test_move_within_one_mailbox_gives_new_uids(user: User) -> None:
    user.deliver(2)
    user.run(change.move, source=user.mailbox(), uids=((1, 1),), target=user.mailbox())
    assert user.uids() == [2, 3]
    user.check_counters()


def test_expunge_removes_what_is_marked_of_the_named_or_of_all(user: User) -> None:
    user.deliver(2)
    user.deliver(4, flags=flags.DELETED)
    assert expunge(user, ((1, 3), (5, 5))) == ((3, 3), (5, 5))
    assert expunge(user) == ((4, 4), (6, 6))
    assert expunge(user) == ()
    assert user.uids() == [1, 2]
    assert user.sql(EXPUNGED, mailbox=user.mailbox()) == [(3, 3), (5, 5), (4, 4), (6, 6)]
    user.check_counters()


def test_uids_are_not_used_again(user: User) -> None:
    user.deliver(2, flags=flags.DELETED)
    expunge(user)
    assert user.deliver().first_uid == 3


def test_a_body_goes_when_nothing_needs_it(user: User) -> None:
    user.deliver(5, flags=flags.DELETED)
    free, archived, owed, ended, copied = (row[4] for row in user.entries())
    for id_, expires in ((1, 5000), (2, 9000)):
        user.sql(ARCHIVE, id=id_, body=archived, expires=expires)
    user.sql(OWE, body=owed, state="in_doubt")
    user.sql(OWE, body=ended, state="delivered")
    user.run(change.copy, source=user.mailbox(), uids=((5, 5),), target=user.mailbox("Archive"))
    expunge(user)
    now = user.store.clock.now()
    assert [user.keep_until(body) for body in (free, archived, owed, ended, copied)] == [now, 9000, 0, now, 0]


def test_a_body_copied_and_expunged_twice_goes_with_the_last_entry(user: User) -> None:
    user.deliver(1, flags=flags.DELETED)
    body = user.entries()[0][4]
    user.run(change.copy, source=user.mailbox(), uids=((1, 1),), target=user.mailbox())
    expunge(user, ((1, 1),))
    assert user.keep_until(body) == 0
    expunge(user)
    assert user.keep_until(body) == user.store.clock.now()


def test_sparse_sets_reach_exactly_what_they_name(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.deliver(20)
    ranges = ((1, 1), (4, 6), (9, 9), (18, 400))
    expected = [1, 4, 5, 6, 9, 18, 19, 20]
    for most in (10_000, 3):  # looked up one by one; read in a span
        monkeypatch.setattr(change, "_MOST_LISTED", most)
        changed = store_flags(user, ranges, "add", flags.SEEN)
        assert [message[0] for message in changed.messages] == expected
    assert store_flags(user, ((7, 8), (21, 900)), "add", flags.SEEN).messages[-1][0] == 8


def test_old_expunges_are_forgotten_and_the_floor_says_so(user: User) -> None:
    user.deliver(2, flags=flags.DELETED)
    expunge(user, ((1, 1),))
    user.sql(MODSEQ, mailbox=user.mailbox(), modseq=64 * 1000 - 1)
    expunge(user)
    assert user.sql(EXPUNGED, mailbox=user.mailbox()) == [(2, 2)]


def test_a_mailbox_that_is_gone_is_said_to_be(user: User) -> None:
    for work in (
        partial(change.expunge, mailbox=99_999),
        partial(change.store_flags, mailbox=99_999, uids=((1, 1),), how="add", flags=1, keywords=()),
    ):
        with pytest.raises(MailboxRefused) as refused:
            user.run(work)
        assert refused.value.code == "NONEXISTENT"


def test_rows_are_read_by_need_and_in_order(user: User) -> None:
    user.deliver(30)
    mailbox = user.mailbox()
    for uids in ([2, 3, 4], [2, 4, 5, 6], [1, 9, 28, 99], []):
        there = [uid for uid in uids if uid <= 30]
        for rendered in (False, True):
            for body in (False, True):
                found = user.read(rows, mailbox=mailbox, uids=uids, rendered=rendered, body=body)
                assert [row[0] for row in found] == there
                assert all(row[5] == (b"rendered" if rendered else None) for row in found)
                assert all((row[6] is not None) is body for row in found)
    entry = user.entries()[1]
    row = user.read(rows, mailbox=mailbox, uids=[2], body=True)[0]
    assert row[:5] == (2, entry[1], entry[2], entry[5], entry[3])
    assert row[6] is not None
    assert row[6].id == entry[4]


def test_a_user_never_reaches_another_users_messages(user: User) -> None:
    other = User(user.store, 8)
    user.deliver(2)
    other.deliver(3)
    assert user.info().messages == 2
    assert len(user.read(rows, mailbox=user.mailbox(), uids=list(range(1, 10)))) == 2
    assert user.read(mailboxes.find, account=8, name="INBOX") != user.info()


def test_what_was_expunged_long_ago_is_forgotten_however_the_changes_follow_each_other(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "_EXPUNGED_KEPT", 8)
    monkeypatch.setattr(change, "_TRIM_EVERY", 4)
    for uid in range(1, 10):  # delivered, read, deleted, expunged: never the modseq of the same place of four
        user.deliver(1)
        for mask in (flags.SEEN, flags.DELETED):
            store_flags(user, ((uid, uid),), "add", mask)
        user.run(change.expunge, mailbox=user.mailbox())
    mailbox = user.mailbox()
    kept = user.read(lambda tx: tx.all(EXPUNGED, mailbox=mailbox))
    assert len(kept) <= (8 + 4) / 4
    assert kept[-1] == (9, 9)


def test_of_what_went_here_and_there_so_many_ranges_are_kept(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "_SCATTERED", 3)
    monkeypatch.setattr(change, "_RANGES_KEPT", 8)
    mailbox = user.mailbox()
    for begin in range(1, 51, 10):
        user.deliver(10)
        user.run(change.remove, mailbox=mailbox, uids=[(uid, uid) for uid in range(begin, begin + 10, 2)])
    kept = user.read(lambda tx: tx.all(EXPUNGED, mailbox=mailbox))
    assert kept == [(uid, uid) for uid in (41, 43, 45, 47, 49)]
    news = user.read(
        read_news, mailbox=mailbox, uidvalidity=user.info("INBOX").uidvalidity, since=1, last_uid=50, changed=()
    )
    assert news is not None
    assert len(news.expunged) == 25  # by what is there
