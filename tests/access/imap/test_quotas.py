"""Quotas (RFC 9208): what a user may store, and that mail comes in all the same."""

from __future__ import annotations

import pytest

from mpcontinuity.accounts import domains
from mpcontinuity.model.settings import DomainSettings, Limits
from tests.access.imap.world import SIMPLE, Client, World, converse
from tests.fakes.stores import result


def limit(world: World, **limits: int) -> None:
    world.services.quotas.limits = Limits(**limits)


def append(client: Client, mailbox: str = "Drafts") -> bytes:
    client.send(b"x APPEND %s {%d+}\r\n%s\r\n" % (mailbox.encode(), len(SIMPLE), SIMPLE))
    return client.take()


def test_what_is_used_and_allowed_is_told(world: World) -> None:
    limit(world, user_storage=10 << 20, user_messages=1000, user_mailboxes=50)
    world.deliver()
    converse(
        world.logged_in(),
        """
        C: a GETQUOTAROOT Inbox
        S: * QUOTAROOT "INBOX" "user"
        S: * QUOTA "user" (STORAGE 1 10240 MESSAGE 1 1000 MAILBOX 6 50)
        S: a OK …
        C: b GETQUOTA user
        S: * QUOTA "user" (STORAGE 1 10240 MESSAGE 1 1000 MAILBOX 6 50)
        S: b OK …
        C: c GETQUOTA "nobody"
        S: c NO [NONEXISTENT] …
        C: d GETQUOTAROOT Nowhere
        S: d NO [NONEXISTENT] …
        C: e SETQUOTA "user" (STORAGE 512)
        S: e NO [NOPERM] …
        """,
    )


def test_a_quota_stops_what_the_user_stores_and_not_what_comes_in(world: World) -> None:
    limit(world, user_storage=3 * len(SIMPLE))
    client = world.logged_in("INBOX")
    world.deliver()
    assert b"x OK" in append(client)
    world.deliver()
    assert b"x NO [OVERQUOTA]" in append(client)
    world.deliver()
    world.deliver()
    converse(
        world.logged_in("INBOX"),
        r"""
        C: a COPY 1 Archive
        S: a NO [OVERQUOTA] …
        C: b STATUS INBOX (MESSAGES)
        S: * STATUS "INBOX" (MESSAGES 4)
        S: b OK …
        C: c MOVE 1 Archive
        S: * OK [COPYUID …] moved
        S: * 1 EXPUNGE
        S: c OK moved
        C: d STORE 1:* +FLAGS.SILENT (\Deleted)
        S: d OK …
        C: e EXPUNGE
        S: * 3 EXPUNGE
        S: * 2 EXPUNGE
        S: * 1 EXPUNGE
        S: e OK …
        """,
    )
    assert b"x OK" in append(client)


def test_an_append_beyond_the_quota_is_refused_before_it_is_sent(world: World) -> None:
    limit(world, user_storage=100)
    assert world.logged_in().ask("a APPEND Drafts {101}").startswith(b"a NO [OVERQUOTA] ")


def test_the_number_of_messages_is_bounded_too(world: World) -> None:
    limit(world, user_messages=2)
    client = world.logged_in("INBOX")
    world.deliver()
    world.deliver()
    client.ask("noop NOOP")
    assert client.ask("a COPY 1 Archive").startswith(b"a NO [OVERQUOTA]")
    assert b"x NO [OVERQUOTA]" in append(client)


def test_mailboxes_are_bounded(world: World) -> None:
    limit(world, user_mailboxes=8)
    client = world.logged_in()
    assert b"OK" in client.ask("a CREATE x/y")
    assert client.ask("b CREATE z").startswith(b"b NO [LIMIT]")
    assert client.ask("c RENAME x/y a/b").startswith(b"c NO [LIMIT]")


@pytest.mark.parametrize(("quota", "allowed"), [(0, b"10240"), (5 << 20, b"5120")])
def test_a_domain_may_have_a_quota_of_its_own(world: World, quota: int, allowed: bytes) -> None:
    limit(world, user_storage=10 << 20)
    domain = result(world.store.read(lambda tx: domains.known(tx, "example.org")))
    result(world.store.run(lambda tx: domains.change(tx, domain, DomainSettings(quota=quota, mailboxes=7))))
    assert b"STORAGE 0 %s MESSAGE" % allowed in (told := world.logged_in().ask("a GETQUOTA user"))
    assert b"MAILBOX 6 7)" in told


def test_what_an_expunge_would_free_is_told(world: World) -> None:
    for _ in range(3):
        world.deliver()
    client = world.logged_in("INBOX")
    status = "a STATUS INBOX (DELETED DELETED-STORAGE)"
    assert b"(DELETED 0 DELETED-STORAGE 0)" in client.ask(status)
    client.ask(r"b STORE 1:2 +FLAGS.SILENT (\Deleted)")
    assert b"(DELETED 2 DELETED-STORAGE %d)" % (2 * len(SIMPLE)) in client.ask(status)
    client.ask(r"c STORE 3 +FLAGS.SILENT (\Deleted)")
    assert b"(DELETED 3 DELETED-STORAGE %d)" % (3 * len(SIMPLE)) in client.ask(status)
