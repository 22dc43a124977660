"""A message is filed into a mailbox of its user, as a draft is that webmail saves, or nothing of it remains."""

from __future__ import annotations

from functools import partial

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.delivery import filing
from mpcontinuity.delivery.filing import Filing
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.model.address import parse
from mpcontinuity.model.flags import DRAFT, SEEN
from mpcontinuity.model.settings import Limits
from tests.delivery.conftest import CONTENT, Post
from tests.fakes.stores import result

ANN = "ann@example.org"


def begin(post: Post, name: str, size: int = len(CONTENT), limits: Limits | None = None) -> Filing:
    directory = Directory(post.store)
    user = result(Deferred.fromCoroutine(directory.user(parse(ANN))))
    assert user is not None
    info = result(post.store.read(partial(mailboxes.find, account=user.id, name=name)))
    assert info is not None
    quotas = Quotas(post.store, directory, limits or Limits())
    begun = filing.begin(post.store, quotas, "mx.example.org", user, info, size)
    return result(Deferred.fromCoroutine(begun))


def entries(post: Post) -> list[tuple[object, ...]]:
    return post.rows(
        "SELECT mailbox.name, entry.flags, entry.size, entry.internaldate FROM entry"
        " JOIN mailbox ON mailbox.id = entry.id / 4294967296"
    )


def test_a_draft_is_in_its_mailbox_with_its_flags_and_the_time_it_was_filed(post: Post) -> None:
    draft = begin(post, "Drafts")
    for piece in (CONTENT[:20], CONTENT[20:]):
        draft.write(piece)
    appended = result(Deferred.fromCoroutine(draft.end(flags=DRAFT | SEEN, keywords=(), date=None)))
    assert appended.first_uid == appended.last_uid == 1
    assert entries(post) == [("Drafts", DRAFT | SEEN, len(CONTENT), post.store.clock.now())]


def test_a_message_with_an_overlong_header_is_refused_and_gone(post: Post) -> None:
    draft = begin(post, "Drafts")
    with pytest.raises(MailboxRefused, match="a header has"):
        draft.write(b"Subject: " + b"x" * LONGEST)
    assert entries(post) == []


def test_a_message_beyond_the_quota_is_refused_before_it_is_sent(post: Post) -> None:
    with pytest.raises(MailboxRefused):
        begin(post, "Drafts", size=1000, limits=Limits(user_storage=999))


def test_a_message_that_grew_beyond_the_quota_meanwhile_is_not_filed(post: Post) -> None:
    limits = Limits(user_storage=1000)
    first, second = (begin(post, "Drafts", size=600, limits=limits) for _ in range(2))
    for draft in (first, second):
        draft.write(b"Subject: x\r\n\r\n".ljust(600, b"x"))
    result(Deferred.fromCoroutine(first.end(flags=DRAFT, keywords=(), date=None)))
    with pytest.raises(MailboxRefused):
        result(Deferred.fromCoroutine(second.end(flags=DRAFT, keywords=(), date=None)))
    assert len(entries(post)) == 1
