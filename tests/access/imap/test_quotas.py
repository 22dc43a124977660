"""Quotas (RFC 9208): what a user may store, and that mail comes in all the same."""

from __future__ import annotations

import msgspec
import pytest

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.domain_storage import REMEMBERED
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.settings import DomainSettings, Limits
from tests.access.imap.world import SIMPLE, Client, World, converse
from tests.fakes.stores import result


def limit(world: World, **limits: int) -> None:
    world.services.quotas.limits = msgspec.structs.replace(Limits(), **limits)


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


def together(world: World, octets: int) -> None:
    domain = result(world.store.read(lambda tx: domains.known(tx, "example.org")))
    result(world.store.run(lambda tx: domains.change(tx, domain, DomainSettings(total_quota=octets))))


def other_user(world: World) -> Client:
    world.add_user("ann@example.org")
    client = world.connect()
    client.say("login LOGIN ann@example.org secret")
    client.take()
    return client


def later(world: World) -> None:
    world.clock.advance(REMEMBERED / SECOND)


def test_the_quota_of_all_users_of_a_domain_is_a_root_of_its_own(world: World) -> None:
    limit(world, user_storage=10 << 20, user_messages=1000, user_mailboxes=50)
    together(world, 1 << 20)
    assert b"x OK" in append(other_user(world))
    world.deliver()
    world.deliver()
    converse(
        world.logged_in(),
        """
        C: a GETQUOTAROOT Inbox
        S: * QUOTAROOT "INBOX" "user" "domain"
        S: * QUOTA "user" (STORAGE 1 10240 MESSAGE 2 1000 MAILBOX 6 50)
        S: * QUOTA "domain" (STORAGE 1 1024)
        S: a OK …
        C: b GETQUOTA "domain"
        S: * QUOTA "domain" (STORAGE 1 1024)
        S: b OK …
        """,
    )


def test_a_domain_without_such_a_quota_has_no_such_root(world: World) -> None:
    assert world.logged_in().ask("a GETQUOTA domain").startswith(b"a NO [NONEXISTENT]")


def test_what_all_users_of_a_domain_store_is_bounded_and_not_what_comes_in(world: World) -> None:
    together(world, 3 * len(SIMPLE))
    ann, joe = other_user(world), world.logged_in("INBOX")
    world.deliver()
    assert b"x OK" in append(ann)
    assert b"x OK" in append(joe)
    full = b"NO [OVERQUOTA] that is more than %d octets in all mailboxes of example.org together" % (3 * len(SIMPLE))
    assert full in append(joe)
    assert full in append(ann)
    world.deliver()
    later(world)
    joe.ask("noop NOOP")
    assert full in joe.ask("a COPY 1 Archive")
    assert b"a OK" in joe.ask("a MOVE 1:2 Archive")
    assert b"MESSAGES 2)" in joe.ask("b STATUS Archive (MESSAGES)")


def test_a_copy_of_a_few_messages_has_to_fit_as_a_whole(world: World) -> None:
    together(world, 4 * len(SIMPLE))
    joe = world.logged_in("INBOX")
    world.deliver()
    world.deliver()
    joe.ask("noop NOOP")
    assert b"a OK" in joe.ask("a COPY 1:2 Archive")
    assert b"b NO [OVERQUOTA]" in joe.ask("b COPY 1 Archive")


def test_room_that_was_made_in_a_domain_is_there_within_seconds(world: World) -> None:
    together(world, len(SIMPLE))
    ann, joe = other_user(world), world.logged_in("Drafts")
    assert b"x OK" in append(joe)
    assert b"x NO" in append(ann)
    joe.ask(r"a STORE 1 +FLAGS.SILENT (\Deleted)")
    joe.ask("b EXPUNGE")
    later(world)
    assert b"x OK" in append(ann)


def test_an_append_beyond_what_the_domain_may_is_refused_before_it_is_sent(world: World) -> None:
    together(world, 100)
    assert world.logged_in().ask("a APPEND Drafts {101}").startswith(b"a NO [OVERQUOTA] ")


def test_messages_that_are_sent_at_once_are_counted_when_they_are_stored(world: World) -> None:
    together(world, len(SIMPLE))
    ann, joe = other_user(world), world.logged_in()
    for client in (ann, joe):
        assert client.ask(f"x APPEND Drafts {{{len(SIMPLE)}}}").startswith(b"+ ")
    told = []
    for client in (ann, joe):
        client.send(SIMPLE + b"\r\n")
        told.append(client.take())
    assert b"x OK" in told[0]
    assert b"x NO [OVERQUOTA]" in told[1]


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
