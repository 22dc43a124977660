"""Which messages of a user belong together."""

from __future__ import annotations

from functools import partial
from itertools import islice, permutations

import pytest

from mpcontinuity.mailbox import change, conversations, mailboxes
from mpcontinuity.mailbox.append import UID_BITS, Appended, NewEntry, append, append_all
from mpcontinuity.message.render import render
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.bodies import references
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result
from tests.mailbox.conftest import User

KEYS = Statement("SELECT COUNT(*) FROM conversation_key")
ENTRIES = Statement("SELECT COUNT(*) FROM conversation_entry")


def message(name: str, *answered: str, field: str = "References") -> bytes:
    """A message with that Message-ID, empty for none."""
    lines = [f"Message-ID: <{name}@example.org>"] if name else []
    if answered:
        lines.append(f"{field}: {' '.join(f'<{one}@example.org>' for one in answered)}")
    return "\r\n".join(["Subject: a", *lines, "", "text"]).encode()


def deliver(user: User, *contents: bytes, name: str = "INBOX", body: int = 0, minutes: int = 0) -> int:
    """The id of the last of these messages, which come at once, ``minutes`` from now."""

    def work(tx: Transaction) -> Appended:
        entries = []
        for content in contents:
            id_ = body or tx.identifier()
            if not body:
                references.insert_body(tx, Body(id_, 1, 0, len(content), 0, 0), 0)
            entries.append(NewEntry(id_, len(content), tx.now + minutes * 60 * SECOND, 0, (), render(content)))
        return append(tx, mailboxes.get(tx, user.account, name).id, entries)

    return user.mailbox(name) << UID_BITS | result(user.store.run(work)).last_uid


def of(user: User, *entries: int) -> list[int]:
    """Their conversations, 0 for none."""
    found = user.read(conversations.of, ids=sorted(entries))
    return [found.get(entry, 0) for entry in entries]


def together(user: User, *entries: int) -> bool:
    found = of(user, *entries)
    assert all(found)
    return len(set(found)) == 1


def test_an_answer_is_in_the_conversation_of_what_it_answers_in_any_folder(user: User) -> None:
    first = deliver(user, message("1"))
    answer = deliver(user, message("2", "1"), name="Sent")
    again = deliver(user, message("3", "1", "2", field="In-Reply-To"))
    other = deliver(user, message("4"))
    assert together(user, first, answer, again)
    assert not together(user, first, other)


def test_what_comes_at_once_is_put_together_as_what_comes_one_by_one(user: User) -> None:
    last = deliver(user, message("1"), message("2", "1"), message("3", "1", "2"))
    assert together(user, last - 2, last - 1, last)


def test_messages_find_each_other_in_any_order_and_by_one_that_never_came(user: User) -> None:
    third = deliver(user, message("3", "1", "2"))
    other = deliver(user, message("x", "1"))
    first = deliver(user, message("1"))
    assert together(user, third, other, first)


def test_a_message_that_names_two_conversations_changes_neither(user: User) -> None:
    one, two = deliver(user, message("1")), deliver(user, message("2"))
    before = of(user, one, two)
    both = deliver(user, message("3", "1", "2"))
    assert of(user, one, two) == before
    assert together(user, both, two)


def test_the_same_message_has_the_same_conversation_whatever_else_it_names(user: User) -> None:
    deliver(user, message("1"))
    child = deliver(user, message("3", "2"))
    assert together(user, deliver(user, message("2", "1")), child)
    nameless = deliver(user, message(""))
    body = next(row[4] for row in user.entries() if row[0] == nameless & 0xFFFFFFFF)
    assert together(user, nameless, deliver(user, message(""), name="Archive", body=body))
    assert not together(user, nameless, deliver(user, message("")))


def test_copies_and_moves_stay_in_the_conversation(user: User) -> None:
    last = deliver(user, message("1"), message("2"), message("3", "1"))
    inbox, trash = user.mailbox(), user.mailbox("Trash")
    before = of(user, last - 2, last - 1, last)
    user.run(change.copy, source=inbox, uids=((1, 1), (3, 3)), target=trash)
    user.run(change.move, source=inbox, uids=((2, 2),), target=trash)
    base = trash << UID_BITS
    assert of(user, base + 1, base + 2, base + 3) == [before[0], before[2], before[1]]
    assert of(user, last - 1) == [0]


def test_a_copy_of_a_message_that_has_none_yet_has_none(user: User) -> None:
    last = deliver(user, message("1"), message("2"))
    user.run(conversations.leave, ids=[last - 1])
    user.run(change.copy, source=user.mailbox(), uids=((1, 2),), target=user.mailbox("Trash"))
    base = user.mailbox("Trash") << UID_BITS
    assert of(user, base + 1, base + 2) == [0, of(user, last)[0]]


def test_nothing_is_left_of_removed_entries(user: User) -> None:
    deliver(user, message("1"), message("2", "1"))
    user.run(mailboxes.create, account=user.account, name="Work")
    deliver(user, message("3", "1"), name="Work")
    user.run(change.remove, mailbox=user.mailbox(), uids=((1, 2),))
    assert user.sql(ENTRIES) == [(1,)]
    user.run(mailboxes.delete, account=user.account, name="Work")
    assert user.sql(ENTRIES) == [(0,)]


def test_another_users_message_of_the_same_id_is_another_conversation(user: User) -> None:
    other = User(user.store, 8)
    result(user.store.run(partial(_to_both, user=user, other=other)))
    (mine,), (theirs,) = of(user, user.mailbox() << UID_BITS | 1), of(other, other.mailbox() << UID_BITS | 1)
    assert mine
    assert theirs
    assert mine != theirs


def _to_both(tx: Transaction, user: User, other: User) -> None:
    entries = {}
    for one in (user, other):
        body = Body(tx.identifier(), 1, 0, 10, 0, 0)
        references.insert_body(tx, body, 0)
        entries[mailboxes.inbox(tx, one.account)] = [NewEntry(body.id, 10, tx.now, 0, (), render(message("1")))]
    append_all(tx, entries)


def test_a_thousand_forged_references_are_as_many_rows_as_five(user: User) -> None:
    deliver(user, message("evil", *(str(number) for number in range(1000))))
    assert user.sql(KEYS) == [(6,)]


def test_an_answer_far_down_a_chain_is_in_the_conversation_of_the_first(user: User) -> None:
    first = deliver(user, message("0"))
    far = deliver(user, message("100", *(str(number) for number in range(100))))
    assert together(user, first, far, deliver(user, message("99")))


@pytest.mark.parametrize(
    "header",
    [
        b"Message-ID: <1@a>\r\nReferences: <1@a>",
        b"Message-ID: <\r\nReferences: > < <>",
        b"References: <<<a@b>>>>\r\nIn-Reply-To: nobody",
        b"Message-ID: <" + b"x" * 100_000 + b">\r\nReferences: " + b"<" * 100_000,
    ],
)
def test_broken_references_are_a_conversation_all_the_same(user: User, header: bytes) -> None:
    assert all(of(user, deliver(user, header + b"\r\n\r\n")))


def test_a_chain_is_one_conversation_whichever_comes_first(user: User) -> None:
    for order in islice(permutations(range(5)), 0, None, 7):
        named = ["".join(map(str, order)) + f"-{number}" for number in range(5)]
        entries = [deliver(user, message(named[number], *named[:number])) for number in order]
        assert together(user, *entries), order
