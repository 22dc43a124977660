"""A folder by conversations."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import change, conversation_list, conversations, pages
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.mailbox.conversation_list import Conversation, Page, opened, page
from mpcontinuity.message.overview import Correspondent
from mpcontinuity.model.flags import FLAGGED, SEEN
from tests.fakes.stores import result
from tests.mailbox.conftest import User
from tests.mailbox.test_conversations import deliver, message, of


def listed(user: User, folder: str = "INBOX", limit: int = 50) -> list[Conversation]:
    """All, page by page."""
    found: list[Conversation] = []
    before = MAX_UID + 1
    while before:
        one: Page = result(page(user.store, user.info(folder), before, limit))
        found += one.rows
        before = one.before
    return found


def test_the_conversation_with_the_newest_message_is_first_and_each_is_listed_once(user: User) -> None:
    deliver(user, message("a1"), message("b1"), message("a2", "a1"), message("c1"), message("b2", "b1"))
    for limit in (1, 2, 50):
        rows = listed(user, limit=limit)
        assert [(row.newest.uid, row.uids) for row in rows] == [(5, (5, 2)), (4, (4,)), (3, (3, 1))]


def test_what_was_sent_counts_and_what_was_thrown_away_does_not(user: User) -> None:
    deliver(user, message("1"))
    deliver(user, message("2", "1"), name="Sent")
    deliver(user, message("3", "1"), name="Trash")
    (row,) = listed(user)
    assert (row.count, row.unread, row.more, row.uids) == (2, 2, False, (1,))
    user.run(change.store_flags, mailbox=user.mailbox("Sent"), uids=((1, 1),), how="add", flags=SEEN, keywords=())
    user.run(change.store_flags, mailbox=user.mailbox(), uids=((1, 1),), how="add", flags=FLAGGED, keywords=())
    (row,) = listed(user)
    assert (row.count, row.unread, row.flagged) == (2, 1, True)
    (thrown,) = listed(user, "Trash")
    assert (thrown.count, thrown.uids) == (3, (1,))


def test_a_copy_counts_once(user: User) -> None:
    deliver(user, message("1"))
    user.run(change.copy, source=user.mailbox(), uids=((1, 1),), target=user.mailbox("Archive"))
    assert listed(user)[0].count == 1
    conversation = of(user, user.mailbox() << UID_BITS | 1)[0]
    assert len(user.read(opened, account=user.account, conversation=conversation).messages) == 1


def test_messages_without_a_conversation_are_listed_on_their_own(user: User) -> None:
    user.deliver(3)
    user.run(conversations.leave, ids=[user.mailbox() << UID_BITS | uid for uid in (1, 2, 3)])
    assert [(row.id, row.count, row.newest.uid) for row in listed(user, limit=2)] == [(0, 1, 3), (0, 1, 2), (0, 1, 1)]


def test_a_conversation_of_very_many_messages_is_read_in_bounds(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(user, message("first"))
    for _ in range(4):
        deliver(user, *(message("", "long") for _ in range(300)))
    (long, first) = listed(user)
    assert (long.count, long.more, first.count) == (100, True, 1)
    monkeypatch.setattr(conversation_list, "MOST_WALKED", 500)
    one = result(page(user.store, user.info()))
    assert len(one.rows) == 1
    assert one.before
    assert [row.newest.uid for row in listed(user)] == [1201, 1]
    found = user.read(opened, account=user.account, conversation=long.id)
    assert (len(found.messages), found.more) == (1000, True)


def test_the_newest_of_a_conversation_are_those_of_all_folders(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_list, "MOST_SHOWN", 4)
    entry = deliver(user, message("first"), *(message("", "first") for _ in range(9)))
    deliver(user, *(message("", "first") for _ in range(2)), name="Sent", minutes=60)
    (conversation,) = of(user, entry)
    found = user.read(opened, account=user.account, conversation=conversation)
    sent, inbox = user.mailbox("Sent"), user.mailbox()
    assert [(one.mailbox, one.uid) for one in found.messages] == [(inbox, 9), (inbox, 10), (sent, 1), (sent, 2)]
    assert found.more


def test_another_users_conversation_is_empty(user: User) -> None:
    entry = deliver(user, message("1"))
    other = User(user.store, 8)
    (conversation,) = of(user, entry)
    assert user.read(opened, account=user.account, conversation=conversation).messages
    assert not user.read(opened, account=other.account, conversation=conversation).messages


def test_a_list_reads_the_headers_of_a_few_messages_of_each_conversation_and_of_no_copy(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def sender(head: bytes) -> Correspondent:
        read.append(head)
        return Correspondent("", str(len(read)))

    monkeypatch.setattr(pages, "sender", sender)
    written = [b"From: p%d@x.example\r\n" % number + message(f"m{number}", "m0") for number in range(10)]
    deliver(user, *written)
    (row,) = listed(user)
    assert len(read) == 3  # beside the newest, which is read for its subject
    assert len(row.people) == 4
    deliver(user, message("alone"))
    for _ in range(5):
        user.run(change.copy, source=user.mailbox(), uids=((11, 11),), target=user.mailbox())
    read.clear()
    copied = listed(user)[0]
    assert (copied.count, len(copied.uids), len(read)) == (1, 6, 3)


def test_who_wrote_last_is_named_last_and_each_once(user: User) -> None:
    names = ["ann", "bob", "eve", "bob", "dan", "fay"]
    deliver(user, *(f"From: {name}@x.example\r\n".encode() + message(f"{i}", "0") for i, name in enumerate(names)))
    assert [each.address for each in listed(user)[0].people] == [f"{name}@x.example" for name in names[2:]]
