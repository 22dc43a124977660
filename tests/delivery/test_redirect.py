"""Messages that are redirected by one transaction: each as if it were alone, whatever stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.delivery import redirect
from mpcontinuity.delivery.envelope import Message, Taken
from mpcontinuity.delivery.redirect import Redirect
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.queue.ledger import report
from mpcontinuity.routing.decision import Decision
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.delivery.conftest import Post
from tests.fakes.stores import result

PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail') ON CONFLICT DO NOTHING")
NO_INBOX = Statement("DELETE FROM mailbox WHERE name = 'INBOX' AND account = :account")
ANN, BOB = "ann@example.org", "bob@example.org"

Item = tuple[Body, Redirect]


def item(post: Post, body: int, *recipients: str, content: str = "") -> Item:
    """A message with that body id; the same ``content`` to the same recipient is the same message again."""
    taken = []
    (domain,) = post.rows("SELECT id FROM domain WHERE name = 'example.org'")[0]
    for text in recipients:
        address = parse(text)
        user = result(post.store.read(partial(users.find, address=address)))
        fingerprint = f"{content or body}{address.key}".encode()
        owed = post.store.identifiers.next()
        decision = Decision.REDIRECT if user is not None else Decision.HOLD
        taken.append(
            Taken(
                address,
                decision,
                domain=int(str(domain)),
                user=user,
                because="away",
                owed=owed,
                fingerprint=fingerprint,
            )
        )
    message = Message(
        id=body,
        received=post.clock.now(),
        reverse_path="eve@example.net",
        parameters=MailParameters(),
        retention_days=90,
        subject=f"Message {body}",
        message_id="",
        size=10 * body,
        taken=tuple(taken),
    )
    return Body(body, 1, 0, 10 * body, 0, 0), Redirect(message, b"rendered")


def commit(post: Post, items: Sequence[Item]) -> list[bool]:
    def work(tx: Transaction) -> list[bool]:
        tx.run(PACK)
        return redirect.commit(tx, items)

    return result(post.store.run(work))


def counters(post: Post, address: str) -> tuple[object, ...]:
    (row,) = post.rows(
        "SELECT uidnext, messages, unseen, octets FROM mailbox JOIN address ON address.account = mailbox.account"
        " WHERE key = :key AND name = 'INBOX'",
        key=address,
    )
    return row


def test_messages_for_one_mailbox_get_their_uids_in_the_order_of_arrival(post: Post) -> None:
    assert commit(post, [item(post, body, ANN) for body in (3, 1, 2)]) == [True] * 3
    assert post.inbox(ANN) == [(3, 30), (1, 10), (2, 20)]
    assert counters(post, ANN) == (4, 3, 3, 60)


def test_any_number_of_messages_and_mailboxes_is_counted_rightly(post: Post) -> None:
    """Rows go in pieces of 32, 16, … 1: 47 of them have one of each."""
    for first, number in ((1, 47), (100, 33), (200, 1)):
        recipients = [ANN if body % 3 else BOB for body in range(first, first + number)]
        items = [item(post, body, recipient) for body, recipient in enumerate(recipients, first)]
        assert all(commit(post, items))
    assert post.count("entry") == post.count("archive") == post.count("tracking") == post.count("body") == 81
    for address in (ANN, BOB):
        entries = post.inbox(address)
        octets = sum(int(str(size)) for _, size in entries)
        assert counters(post, address) == (len(entries) + 1, len(entries), len(entries), octets)
    assert sum(int(str(row[0])) for row in post.rows("SELECT taken_in FROM account")) == 81


def test_a_message_to_two_addresses_of_a_user_is_once_in_inbox_and_owed_twice(post: Post) -> None:
    alias = "anna@example.org"
    post.user("annette@example.org", aliases=(alias,))
    items = [item(post, 1, "annette@example.org", alias), item(post, 2, alias)]
    assert commit(post, items) == [True, True]
    assert post.inbox("annette@example.org") == [(1, 10), (2, 20)]
    assert len(post.owed()) == 3


def test_what_was_answered_before_is_not_stored_again(post: Post) -> None:
    assert commit(post, [item(post, 1, ANN, BOB, content="same")]) == [True]
    assert commit(post, [item(post, 2, ANN, content="same"), item(post, 3, ANN)]) == [False, True]
    assert post.inbox(ANN) == [(1, 10), (3, 30)]
    assert post.count("body") == post.count("archive") == 2


def test_the_same_message_twice_at_a_time_is_taken_once(post: Post) -> None:
    items = [item(post, 1, ANN, content="same"), item(post, 2, ANN, content="same")]
    assert commit(post, items) == [True, False]
    assert post.inbox(ANN) == [(1, 10)]
    assert len(post.owed()) == 1


def test_of_a_message_that_was_answered_for_some_only_the_others_are_taken(post: Post) -> None:
    items = [item(post, 1, ANN, content="same"), item(post, 2, ANN, BOB, content="same")]
    assert commit(post, items) == [True, True]
    assert (post.inbox(ANN), post.inbox(BOB)) == ([(1, 10)], [(2, 20)])
    assert post.rows("SELECT body, recipients FROM archive ORDER BY body") == [(1, f'["{ANN}"]'), (2, f'["{BOB}"]')]


def test_mail_for_unregistered_addresses_is_counted_for_their_domain(post: Post) -> None:
    items = [item(post, 1, "x@example.org", "y@example.org", ANN), item(post, 2, "x@example.org")]
    assert commit(post, items) == [True, True]
    assert post.rows("SELECT value FROM meta WHERE key LIKE 'owed unregistered %'") == [("3",)]
    *_, total = result(post.store.read(partial(report, domain=items[0][1].message.taken[0].domain)))
    assert (total.taken_in, total.owed) == (4, 4)


def test_nothing_of_a_group_is_stored_when_one_message_cannot_be_which_each_alone_then_shows(post: Post) -> None:
    bob = result(post.store.read(partial(users.find, address=parse(BOB))))
    assert bob is not None
    result(post.store.run(lambda tx: (tx.run(PACK), tx.run(NO_INBOX, account=bob.id))))
    with pytest.raises(Temporary):
        commit(post, [item(post, 1, ANN), item(post, 2, BOB)])
    assert (post.inbox(ANN), post.count("body"), post.count("answered")) == ([], 0, 0)
    assert result(post.store.run_grouped(redirect.commit, item(post, 3, ANN)))
    with pytest.raises(Temporary):
        result(post.store.run_grouped(redirect.commit, item(post, 4, BOB)))
    assert post.inbox(ANN) == [(3, 30)]
