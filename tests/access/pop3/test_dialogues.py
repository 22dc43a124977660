"""Sessions as RFC 1939 shows them: C: and S:."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.logger import LogLevel

from mpcontinuity.accounts import domains, users
from mpcontinuity.door.authenticating import WRONG_PASSWORDS
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.read import rows
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.model.flags import DELETED, DOWNLOADED, SEEN
from mpcontinuity.model.settings import DomainSettings, Limits
from mpcontinuity.store.transaction import Transaction
from tests.access.imap.world import capture
from tests.access.pop3.world import World, converse
from tests.fakes.scram import ScramClient
from tests.fakes.stores import result

DOTTED = b"Subject: dots\r\n\r\n.\r\n..two\r\nthe end"


def inbox(world: World) -> dict[int, int]:
    """Flags by UID."""

    def work(tx: Transaction) -> dict[int, int]:
        found = rows(tx, mailboxes.inbox(tx, world.user.id), range(1, 100))
        return {row[0]: row[1] for row in found}

    return result(world.store.read(work))


def delete_means_delete(world: World) -> None:
    settings = DomainSettings(pop3_delete="delete")
    result(world.store.run(lambda tx: domains.change(tx, domains.known(tx, "example.org"), settings)))


def test_a_session_as_the_rfc_shows_it(world: World) -> None:
    world.deliver(b"Subject: one\r\n\r\none\r\n")
    world.deliver(DOTTED)
    converse(
        world.fetch_by_pop(),
        """
        S: +OK mx.example POP3, mpcontinuity
        C: USER joe@example.org
        S: +OK now the password
        C: PASS secret
        S: +OK 2 messages, 57 octets
        C: STAT
        S: +OK 2 57
        C: LIST
        S: +OK 2 messages, 57 octets
        S: 1 21
        S: 2 36
        S: .
        C: LIST 2
        S: +OK 2 36
        C: LIST 3
        S: -ERR no such message
        C: RETR 1
        S: +OK 21 octets
        S: Subject: one
        S:
        S: one
        S: .
        C: RETR 2
        S: +OK 36 octets
        S: Subject: dots
        S:
        S: ..
        S: ...two
        S: the end
        S: .
        C: TOP 2 1
        S: +OK 36 octets
        S: Subject: dots
        S:
        S: ..
        S: .
        C: DELE 1
        S: +OK marked
        C: DELE 1
        S: -ERR no such message
        C: RETR 1
        S: -ERR no such message
        C: STAT
        S: +OK 1 36
        C: LIST
        S: +OK 1 messages, 36 octets
        S: 2 36
        S: .
        C: RSET
        S: +OK 2 messages, 57 octets
        C: DELE 2
        S: +OK marked
        C: QUIT
        S: +OK see you
        """,
    )
    assert inbox(world) == {1: 0, 2: SEEN | DOWNLOADED}


def test_dele_means_downloaded_gone_from_the_maildrop_and_still_in_imap(world: World) -> None:
    for _ in range(3):
        world.deliver()
    client = world.at_the_maildrop()
    client.send(b"DELE 1\r\nDELE 3\r\nQUIT\r\n")
    assert client.take() == b"+OK marked\r\n+OK marked\r\n+OK see you\r\n"
    assert inbox(world) == {1: SEEN | DOWNLOADED, 2: 0, 3: SEEN | DOWNLOADED}
    again = world.at_the_maildrop()
    assert again.ask("UIDL").endswith(b".2\r\n.\r\n")
    imap = world.logged_in("INBOX")
    answer = imap.ask("a FETCH 1:* FLAGS")
    assert answer.count(b"FETCH (FLAGS (\\Seen))") == 2
    assert answer.count(b"FETCH (FLAGS ())") == 1
    imap.ask("a STORE 1 FLAGS (\\Flagged)")
    assert inbox(world)[1] == 4 | DOWNLOADED  # IMAP neither sees it nor takes it away


def test_what_was_downloaded_stays_so_when_imap_moves_it_away_and_back(world: World) -> None:
    world.deliver()
    client = world.at_the_maildrop()
    client.send(b"DELE 1\r\nQUIT\r\n")
    imap = world.logged_in("INBOX")
    imap.ask("a STORE 1 +FLAGS (keyword)")
    imap.ask("a MOVE 1 Archive")
    imap.ask("a SELECT Archive")
    imap.ask("a MOVE 1 INBOX")
    assert world.at_the_maildrop().ask("STAT") == b"+OK 0 0\r\n"


def test_with_pop3_delete_it_is_gone(world: World) -> None:
    delete_means_delete(world)
    world.deliver()
    world.deliver()
    client = world.at_the_maildrop()
    client.send(b"DELE 1\r\nQUIT\r\n")
    assert inbox(world) == {2: 0}


def test_a_connection_that_is_lost_deletes_nothing(world: World) -> None:
    world.deliver()
    client = world.at_the_maildrop()
    client.ask("DELE 1")
    client.lose()
    assert inbox(world) == {1: 0}
    assert world.at_the_maildrop().ask("STAT").startswith(b"+OK 1 ")


def test_quit_says_ok_only_after_the_deletion_is_durable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver()
    client = world.at_the_maildrop()
    client.ask("DELE 1")

    async def fails(*_: object, **__: object) -> int:
        raise Temporary("the disk is full")

    monkeypatch.setattr("mpcontinuity.access.pop3.maildrop.Maildrop.update", fails)
    assert client.ask("QUIT") == b"-ERR [SYS/TEMP] that cannot be done now, try again later\r\n"
    assert client.closed
    assert inbox(world) == {1: 0}


def test_uidls_are_the_same_in_every_session_and_at_most_70_characters(world: World) -> None:
    world.deliver()
    world.deliver()
    first = world.at_the_maildrop()
    listed = first.ask("UIDL").split(b"\r\n")[1:3]
    assert first.ask("UIDL 2") == b"+OK " + listed[1] + b"\r\n"
    first.send(b"DELE 1\r\nQUIT\r\n")
    second = world.at_the_maildrop().ask("UIDL").split(b"\r\n")[1]
    assert second.split()[1] == listed[1].split()[1]
    assert len(set(listed)) == 2
    assert all(0 < len(line.split()[1]) <= 70 for line in listed)


def test_what_can_be_done_depends_on_tls_and_on_the_login(world: World) -> None:
    plain = world.fetch_by_pop(host="192.0.2.1")
    assert {b"STLS", b"TOP", b"UIDL", b"PIPELINING", b"EXPIRE NEVER"} <= set(plain.ask("CAPA").split(b"\r\n"))
    assert b"SASL" not in plain.ask("CAPA")
    assert b"USER\r\n" not in plain.ask("CAPA").replace(b"UTF8 USER", b"")
    assert plain.ask("AUTH PLAIN AGpvZQBzZWNyZXQ=").startswith(b"-ERR [AUTH] use STLS")
    assert plain.ask("USER joe@example.org").startswith(b"-ERR [AUTH] use STLS")
    assert plain.ask("PASS secret").startswith(b"-ERR USER comes first")
    assert plain.ask("STLS") == b"+OK begin TLS now\r\n"
    assert getattr(plain.wire, "tls")  # noqa: B009
    answer = plain.ask("CAPA")
    assert b"SASL SCRAM-SHA-256 PLAIN LOGIN\r\n" in answer
    assert b"STLS" not in answer
    secure = world.fetch_by_pop(host="192.0.2.1", implicit_tls=True)
    secure.take()
    wrong = base64.b64encode(b"\0joe@example.org\0wrong").decode()
    assert (
        secure.ask(f"AUTH PLAIN {wrong}")
        == b"-ERR [AUTH] wrong name or password; with a second factor an app password is needed\r\n"
    )


def test_sasl_scram(world: World) -> None:
    world.deliver()
    client, scram = world.fetch_by_pop(), ScramClient("joe@example.org", "secret")
    first = client.ask(f"AUTH SCRAM-SHA-256 {base64.b64encode(scram.first).decode()}")
    final = client.ask(base64.b64encode(scram.final(base64.b64decode(first[2:]))).decode())
    assert scram.knows(base64.b64decode(final[2:]))
    assert client.ask("").startswith(b"+OK 1 messages")
    client, scram = world.fetch_by_pop(), ScramClient("joe@example.org", "wrong")
    first = client.ask(f"AUTH SCRAM-SHA-256 {base64.b64encode(scram.first).decode()}")
    assert client.ask(base64.b64encode(scram.final(base64.b64decode(first[2:]))).decode()).startswith(b"-ERR [AUTH]")


def test_sasl_plain_and_login(world: World) -> None:
    world.deliver()
    secret = base64.b64encode(b"\0joe@example.org\0secret").decode()
    for lines in (
        [f"AUTH PLAIN {secret}"],
        ["AUTH PLAIN", secret],
        ["AUTH LOGIN", base64.b64encode(b"joe@example.org").decode(), base64.b64encode(b"secret").decode()],
    ):
        client = world.fetch_by_pop()
        for line in lines:
            answer = client.ask(line)
        assert answer.startswith(b"+OK 1 messages")
        client.ask("QUIT")
    client = world.fetch_by_pop()
    assert client.ask("AUTH XOAUTH2") == b"-ERR mechanisms here: SCRAM-SHA-256 PLAIN LOGIN\r\n"
    assert client.ask("AUTH") == b"+OK mechanisms:\r\nSCRAM-SHA-256\r\nPLAIN\r\nLOGIN\r\n.\r\n"
    client.ask("AUTH PLAIN")
    assert client.ask("*") == b"-ERR cancelled\r\n"
    client.ask("AUTH PLAIN")
    assert client.ask("AAAA").startswith(b"-ERR no message of PLAIN")


def test_too_many_wrong_passwords_end_the_connection(world: World) -> None:
    client = world.fetch_by_pop()
    for _ in range(WRONG_PASSWORDS):
        assert not client.closed
        client.ask("USER joe@example.org")
        answer = client.ask("PASS wrong")
        assert answer.startswith(
            b"-ERR [AUTH] wrong name or password; with a second factor an app password is needed\r\n"
        )
    assert client.closed


def test_a_maildrop_in_use_is_refused_and_a_silent_holder_loses_it(world: World) -> None:
    world.deliver()
    first = world.at_the_maildrop()
    second = world.fetch_by_pop()
    second.ask("USER joe@example.org")
    assert second.ask("PASS secret") == b""  # it waits
    for _ in range(20):
        world.clock.advance(0.5)
        first.ask("NOOP")
    world.clock.advance(0.5)
    assert second.take() == b"-ERR [IN-USE] another session has the maildrop\r\n"
    world.clock.advance(3)
    second.ask("USER joe@example.org")
    assert second.ask("PASS secret").startswith(b"+OK 1 messages")
    assert first.take().startswith(b"-ERR [SYS/TEMP] another session took the maildrop")
    assert first.closed


def test_a_lost_connection_frees_the_maildrop_at_once(world: World) -> None:
    world.at_the_maildrop().lose()
    world.at_the_maildrop().ask("QUIT")
    world.at_the_maildrop()


def test_mail_that_comes_meanwhile_is_the_next_sessions(world: World) -> None:
    world.deliver()
    client = world.at_the_maildrop()
    world.deliver()
    assert client.ask("STAT").startswith(b"+OK 1 ")
    client.ask("QUIT")
    assert world.at_the_maildrop().ask("STAT").startswith(b"+OK 2 ")


def test_what_imap_expunges_meanwhile_cannot_be_fetched_and_costs_nothing_at_quit(world: World) -> None:
    world.deliver()
    world.deliver()
    client = world.at_the_maildrop()
    imap = world.logged_in("INBOX")
    imap.ask("a STORE 1 +FLAGS (\\Deleted)")
    imap.ask("a EXPUNGE")
    assert client.ask("RETR 1") == b"-ERR the message was expunged meanwhile\r\n"
    client.send(b"DELE 1\r\nDELE 2\r\nQUIT\r\n")
    assert client.take().endswith(b"+OK see you\r\n")
    assert inbox(world) == {2: SEEN | DOWNLOADED}


def test_messages_flagged_deleted_by_imap_are_still_in_the_maildrop(world: World) -> None:
    world.deliver(flags=DELETED)
    assert world.at_the_maildrop().ask("STAT").startswith(b"+OK 1 ")


def test_a_large_message_goes_in_pieces_as_the_client_reads(world: World) -> None:
    lines = [b".%d" % number for number in range(60_000)]
    content = b"Subject: large\r\n\r\n" + b"\r\n".join(lines) + b"\r\n"
    world.deliver(content)
    client = world.at_the_maildrop()
    got = client.ask("RETR 1").split(b"\r\n")
    assert got[0] == b"+OK %d octets" % len(content)
    assert got[3:-2] == [b"." + line for line in lines]
    assert got[-2:] == [b".", b""]
    assert client.ask("TOP 1 2").split(b"\r\n")[3:] == [b"..0", b"..1", b".", b""]
    assert client.ask("NOOP") == b"+OK\r\n"


def test_a_client_that_does_not_read_stops_us(world: World) -> None:
    world.deliver(b"Subject: large\r\n\r\n" + b"x" * 2_000_000)
    client = world.at_the_maildrop()
    client.wire.full = True
    client.say("RETR 1")
    assert 0 < len(client.wire.value()) < 200_000
    client.wire.full = False
    producer = client.wire.producer
    assert producer is not None
    producer.resumeProducing()
    assert len(client.wire.value()) > 2_000_000


def test_who_sends_too_much_ahead_of_a_large_message_is_let_go_behind_it(world: World) -> None:
    world.deliver(b"Subject: large\r\n\r\n" + b"x" * 2_000_000)
    client = world.at_the_maildrop()
    with capture() as events:
        client.wire.full = True
        client.say("RETR 1")
        client.send(b"NOOP\r\n" * 50_000)
        client.wire.full = False
        producer = client.wire.producer
        assert producer is not None
        producer.resumeProducing()
    assert client.take().endswith(b"x\r\n.\r\n-ERR too much was sent without waiting for answers\r\n")
    assert client.closed
    assert not [event for event in events if event["log_level"] in (LogLevel.error, LogLevel.critical)]


def test_a_damaged_message_is_said_to_be_and_the_session_goes_on(world: World) -> None:
    world.deliver()
    world.deliver()
    _flip_a_bit(world)
    client = world.at_the_maildrop()
    assert client.ask("RETR 1") == b"-ERR [SYS/PERM] the message is damaged on disk\r\n"
    assert client.ask("RETR 2").startswith(b"+OK ")


def test_a_client_that_takes_all_in_order_has_them_read_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(50):
        world.deliver()
    reads: list[int] = []
    original = world.store.bodies.read_many

    def counted(bodies: Sequence[Body]) -> Deferred[list[bytes | Corrupt]]:
        reads.append(len(bodies))
        return original(bodies)

    monkeypatch.setattr(world.store.bodies, "read_many", counted)
    client = world.at_the_maildrop()
    for number in range(1, 51):
        assert client.ask(f"RETR {number}").startswith(b"+OK ")
    assert reads == [50]


def test_what_is_read_ahead_is_what_each_number_stands_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order through many portions, with jumps, marks and failures on the way."""
    contents = [b"Subject: %d\r\n\r\n" % number + b"%d\r\n" % number * 10_000 for number in range(40)]
    for content in contents:
        world.deliver(content)
    client = world.at_the_maildrop()

    def whole(number: int) -> bool:
        content = contents[number - 1]
        return client.ask(f"RETR {number}") == b"+OK %d octets\r\n" % len(content) + content + b".\r\n"

    failing = iter([False, False, True, True])
    original = world.store.bodies.read_many

    def read_many(bodies: Sequence[Body]) -> Deferred[list[bytes | Corrupt]]:
        return fail(Temporary("not now")) if next(failing, False) else original(bodies)

    monkeypatch.setattr(world.store.bodies, "read_many", read_many)
    answers = [whole(number) for number in range(1, 21)]
    assert answers.count(False) == 1  # the one of whom the portion failed, when it was asked for as well
    assert whole(answers.index(False) + 1)
    client.ask("DELE 21")
    assert all(whole(number) for number in range(22, 30))
    assert client.ask("RETR 21") == b"-ERR no such message\r\n"
    assert whole(35)
    assert whole(30)
    assert all(whole(number) for number in range(31, 41))
    assert all(whole(number) for number in [1, *range(2, 12)])


def test_a_user_who_is_deactivated_is_thrown_out(world: World) -> None:
    client = world.at_the_maildrop()
    result(world.store.run(partial(users.deactivate, user=world.user)))
    assert client.take().startswith(b"-ERR [SYS/TEMP] the account was closed")
    assert client.closed


def test_another_password_ends_the_sessions_of_the_old_one_and_of_nobody_else(world: World) -> None:
    other = world.add_user("other@example.org")
    client = world.at_the_maildrop()
    result(world.store.run(partial(users.set_password, user=other, password_hash="$new")))
    result(world.store.run(partial(users.set_opt_in, user=world.user, opt_in=True)))
    before = client.closed
    result(world.store.run(partial(users.set_password, user=world.user, password_hash="$new")))
    assert client.take().startswith(b"-ERR [SYS/TEMP] the password was changed")
    assert (before, client.closed) == (False, True)
    again = world.at_the_maildrop()
    result(world.store.run(partial(users.set_opt_in, user=world.user, opt_in=False)))
    assert not again.closed


def test_at_shutdown_nothing_that_was_marked_goes(world: World) -> None:
    world.deliver()
    client = world.at_the_maildrop()
    client.ask("DELE 1")
    world.pop_factory.stop()
    assert client.take() == b"-ERR [SYS/TEMP] the server stops\r\n"
    assert inbox(world) == {1: 0}


def test_strangers_are_not_kept_for_long(world: World) -> None:
    client = world.fetch_by_pop()
    for _ in range(70):
        world.clock.advance(1)
        client.ask("CAPA")
    assert client.closed
    user = world.at_the_maildrop()
    world.clock.advance(599)
    assert not user.closed
    user.ask("NOOP")
    world.clock.advance(599)
    assert not user.closed
    world.clock.advance(2)
    assert user.closed


def test_a_stranger_who_is_over_the_ration_of_commands_is_let_go_and_a_user_is_not(world: World) -> None:
    world.services.rations.adopt(Limits(commands_per_minute=5))
    stranger, user = world.fetch_by_pop(), world.at_the_maildrop()
    said = b"".join(stranger.ask("CAPA") for _ in range(50) if not stranger.closed)
    assert b"-ERR [SYS/TEMP] too many commands from your host, try again later\r\n" in said
    assert stranger.closed
    for _ in range(100):
        assert user.ask("NOOP").startswith(b"+OK")


def _flip_a_bit(world: World) -> None:
    (path,) = world.store.packs.folder.glob("*.pack")
    content = bytearray(path.read_bytes())
    content[content.index(b"hello")] ^= 1
    path.write_bytes(content)


def test_octets_are_those_that_are_sent(world: World) -> None:
    """RFC 1939 §11: fetchmail and others count what comes, and are out of step with a count of anything else."""
    contents = [
        b"Subject: header only\r\n",
        b"Subject: bare\n\none\n.two\n",
        b"",
        b"a: b\r\r\n\n.",
        b"x: y\n\n" + b"z\n" * 200_000,
    ]
    for content in contents:
        world.deliver(content)
    client = world.at_the_maildrop()
    sizes = [int(line.split()[1]) for line in client.ask("LIST").split(b"\r\n")[1:-2]]
    for number, size in enumerate(sizes, 1):
        first, got = client.ask(f"RETR {number}").split(b"\r\n", 1)
        lines = got.removesuffix(b".\r\n").splitlines(keepends=True)
        assert sum(len(line) - line.startswith(b".") for line in lines) == size
        assert first == b"+OK %d octets" % size
    assert client.ask("STAT") == b"+OK %d %d\r\n" % (len(contents), sum(sizes))
    assert client.ask("RETR 1").endswith(b"Subject: header only\r\n\r\n.\r\n")
    assert client.ask("TOP 1 5").endswith(b"Subject: header only\r\n\r\n.\r\n")
