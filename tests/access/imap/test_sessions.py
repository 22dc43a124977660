"""Several sessions of one mailbox, IDLE, time, limits, large and damaged messages, the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from twisted.internet.defer import Deferred, fail

from mpcontinuity.access.imap import services
from mpcontinuity.access.imap.connection import ImapConnection
from mpcontinuity.accounts import users
from mpcontinuity.door.authenticating import WRONG_PASSWORDS
from mpcontinuity.door.connection import TURN
from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.model.errors import Full, Stopping, Temporary
from mpcontinuity.model.flags import SEEN
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.access.imap.test_large_messages import drain
from tests.access.imap.world import MESSAGE_SIZE, SIMPLE, World, capture, converse
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

BODY_OF = Statement(
    'SELECT body.pack, body."offset", body.length FROM entry JOIN body ON body.id = entry.body WHERE entry.id = :id'
)


def test_every_session_of_a_mailbox_hears_what_another_does(world: World) -> None:
    for _ in range(3):
        world.deliver()
    first, second = world.logged_in("INBOX"), world.logged_in("INBOX")
    assert first.ask(r"a STORE 2 +FLAGS (\Deleted)") == b"* 2 FETCH (FLAGS (\\Deleted))\r\na OK stored\r\n"
    assert second.ask("b NOOP") == b"* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\nb OK nothing done\r\n"
    first.ask("c EXPUNGE")
    world.deliver()
    assert second.ask("d NOOP") == b"* 2 EXPUNGE\r\n* 3 EXISTS\r\n* 1 RECENT\r\nd OK nothing done\r\n"
    assert first.ask("e NOOP") == b"* 3 EXISTS\r\ne OK nothing done\r\n"
    assert second.ask("f NOOP") == b"f OK nothing done\r\n"


def test_numbers_do_not_shift_while_they_are_in_use(world: World) -> None:
    for _ in range(3):
        world.deliver()
    first, second = world.logged_in("INBOX"), world.logged_in("INBOX")
    first.ask(r"a STORE 1 +FLAGS.SILENT (\Deleted)")
    first.ask("b EXPUNGE")
    for number, line in enumerate(("FETCH 2 UID", r"STORE 3 +FLAGS.SILENT (\Seen)", "SEARCH ALL"), 1):
        assert b"EXPUNGE\r\n" not in second.ask(f"c{number} {line}")
    assert second.ask("d FETCH 1:3 UID") == (
        b"* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\nd OK [EXPUNGEISSUED] 1 of the messages are expunged\r\n"
    )
    assert second.ask("e UID FETCH 2 UID") == b"* 2 FETCH (UID 2)\r\n* 1 EXPUNGE\r\ne OK fetched\r\n"
    assert second.ask("f FETCH 2 UID") == b"* 2 FETCH (UID 3)\r\nf OK fetched\r\n"


def test_a_flag_set_silently_is_told_to_the_others_only(world: World) -> None:
    world.deliver()
    first, second = world.logged_in("INBOX"), world.logged_in("INBOX")
    assert first.ask(r"a STORE 1 +FLAGS.SILENT (\Answered)") == b"a OK stored\r\n"
    assert first.ask("b NOOP") == b"b OK nothing done\r\n"
    assert b"Answered" in second.ask("c NOOP")


def test_reading_a_body_sets_seen_for_all_but_not_in_examine(world: World) -> None:
    world.deliver()
    reader, other = world.logged_in(), world.logged_in("INBOX")
    reader.ask("a EXAMINE INBOX")
    assert b"\\Seen" not in reader.ask("b FETCH 1 BODY[]")
    reader.ask("c SELECT INBOX")
    assert b"FLAGS (\\Seen) BODY[]" in reader.ask("d FETCH 1 BODY[]")
    assert b"\\Seen" not in reader.ask("e FETCH 1 BODY[]")
    assert other.ask("f NOOP") == b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\nf OK nothing done\r\n"
    assert reader.ask("g NOOP") == b"g OK nothing done\r\n"


def test_idle_pushes_after_each_commit(world: World) -> None:
    client = world.logged_in("INBOX")
    assert client.ask("a IDLE") == b"+ idling\r\n"
    world.deliver()
    assert client.take() == b"* 1 EXISTS\r\n* 1 RECENT\r\n"
    other = world.logged_in("INBOX")
    other.ask(r"x STORE 1 +FLAGS (\Deleted)")
    assert client.take() == b"* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))\r\n"
    other.ask("y EXPUNGE")
    assert client.take() == b"* 1 EXPUNGE\r\n"
    client.send(b"DONE\r\nb NOOP\r\nc FETCH 1:* FLAGS\r\n")
    assert client.take() == b"a OK done\r\nb OK nothing done\r\nc BAD there are 0 messages\r\n"
    world.deliver()
    assert client.take() == b""
    assert client.ask("d NOOP") == b"* 1 EXISTS\r\nd OK nothing done\r\n"


def test_idle_shows_that_it_lives_and_ends_after_half_an_hour_of_silence(world: World, clock: ManualClock) -> None:
    client = world.logged_in("INBOX")
    client.ask("a IDLE")
    clock.advance(services.KEEPALIVE)
    assert client.take() == b"* OK still here\r\n"
    for _ in range(13):
        clock.advance(services.KEEPALIVE)
    assert [client.closed] == [False]
    client.send(b"DONE\r\nb IDLE\r\n")
    for _ in range(14):
        clock.advance(services.KEEPALIVE)
    before = client.closed
    clock.advance(services.KEEPALIVE)
    assert (before, client.closed) == (False, True)
    assert client.take().endswith(b"* BYE [UNAVAILABLE] nothing was heard for too long\r\n")
    client.lose()
    assert not clock.getDelayedCalls()


def test_idle_sends_nothing_to_a_client_that_does_not_read_and_all_later(world: World) -> None:
    client = world.logged_in("INBOX")
    client.ask("a IDLE")
    client.wire.producer.pauseProducing()
    for _ in range(50):
        world.deliver()
    assert client.take() == b""
    client.wire.producer.resumeProducing()
    assert client.take() == b"* 50 EXISTS\r\n* 50 RECENT\r\n"


def test_a_stranger_has_three_minutes_whatever_he_says(world: World, clock: ManualClock) -> None:
    client = world.connect()
    for number in range(18):
        assert not client.closed
        client.say(f"{number} NOOP")
        clock.advance(10)
    assert client.closed


def test_a_user_who_is_silent_for_half_an_hour_is_sent_away(world: World, clock: ManualClock) -> None:
    client = world.logged_in("INBOX")
    clock.advance(1700)
    client.ask("a NOOP")
    clock.advance(1700)
    assert not client.closed
    clock.advance(101)
    assert client.closed


def test_all_sessions_hear_bye_at_shutdown_and_a_running_command_ends_first(world: World) -> None:
    world.deliver(SIMPLE + b"x" * 600_000)
    idle, idling, busy = world.logged_in("INBOX"), world.logged_in("INBOX"), world.logged_in("INBOX")
    idling.ask("a IDLE")
    busy.wire.full = True
    busy.ask("a FETCH 1 BODY[]")
    idling.take()
    world.factory.stop()
    for client in (idle, idling):
        assert client.take() == b"* BYE [UNAVAILABLE] the server stops\r\n"
        assert client.closed
    assert not busy.closed
    drain(busy)
    assert busy.take().endswith(b"a OK fetched\r\n* BYE [UNAVAILABLE] the server stops\r\n")
    assert busy.closed


def test_a_client_that_leaves_amid_an_answer_leaves_nothing_behind(world: World, clock: ManualClock) -> None:
    world.deliver(SIMPLE + b"x" * 600_000)
    client = world.logged_in("INBOX")
    client.wire.full = True
    client.say("a FETCH 1 BODY[]")
    client.lose()
    assert not clock.getDelayedCalls()
    assert not world.factory.connections


def test_a_client_that_sends_ahead_is_read_no_further_while_a_command_runs(world: World) -> None:
    world.deliver(SIMPLE + b"x" * 600_000)
    client = world.logged_in("INBOX")
    client.wire.full = True
    client.say("a FETCH 1 BODY[]")
    client.send(b"b NOOP\r\n" * 10_000)
    assert client.wire.producerState == "paused"
    client.wire.full = False
    client.wire.clear()
    client.wire.producer.resumeProducing()
    world.clock.advance(0)
    assert client.take().count(b"b OK nothing done\r\n") == 10_000
    assert client.wire.producerState == "producing"


def test_a_client_with_many_commands_takes_turns_with_the_others(world: World, clock: ManualClock) -> None:
    client = world.logged_in("INBOX")
    client.send(b"b NOOP\r\n" * 250)
    assert client.take().count(b"b OK") == TURN
    clock.advance(0)
    assert client.take().count(b"b OK") == 150


def test_a_message_whose_header_is_above_the_limit_is_not_appended(world: World) -> None:
    client = world.logged_in()
    message = b"X: x\r\n" * (LONGEST // 6 + 1) + b"\r\nhello\r\n"
    client.send(b"a APPEND Sent {%d+}\r\n" % len(message) + message + b"\r\nb NOOP\r\n")
    assert (
        client.take() == b"a NO [TOOBIG] a header has 1048576 octets and 2000 fields at most\r\nb OK nothing done\r\n"
    )
    assert world.store.bodies.spooled == 0
    assert client.ask("c STATUS Sent (MESSAGES)").startswith(b'* STATUS "Sent" (MESSAGES 0)')


def test_a_full_disk_refuses_a_message_and_the_session_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = world.logged_in()
    draft = type(world.store.bodies.draft("draft"))

    def full(self: object, data: bytes) -> None:
        raise Full("no room")

    monkeypatch.setattr(draft, "write", full)
    client.send(b"a APPEND Sent {10}\r\n12345")
    assert client.take() == b"+ go on\r\n"
    client.send(b"67890\r\nb NOOP\r\n")
    assert client.take() == b"a NO [UNAVAILABLE] no room\r\nb OK nothing done\r\n"


def test_reading_goes_on_where_seen_cannot_be_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver()
    client = world.logged_in("INBOX")

    def full(*args: object, **more: object) -> None:
        raise Full("no room")

    monkeypatch.setattr("mpcontinuity.access.imap.fetch.change.store_flags", full)
    assert SIMPLE in client.ask("a FETCH 1 BODY[]")


@pytest.mark.parametrize("error", [Full("no room"), Stopping()])
def test_a_command_that_was_done_is_answered_though_what_is_new_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.deliver()
    client = world.logged_in("INBOX")

    def fails(*args: object, **more: object) -> None:
        raise error

    with capture() as events:
        monkeypatch.setattr("mpcontinuity.mailbox.selected.read_news", fails)
        assert client.ask(r"a STORE 1 +FLAGS.SILENT (\Flagged)") == b"a OK stored\r\n"
    assert not [event for event in events if "failed" in event["log_format"]]


def damage(world: World, uid: int) -> None:
    """Flips a byte in the pack, where the message ends."""
    packs = world.store.packs
    row = result(world.store.read(lambda tx: tx.all(BODY_OF, id=mailboxes.inbox(tx, world.user.id) << 32 | uid)))[0]
    path = packs.path(row[0])
    data = bytearray(path.read_bytes())
    data[row[1] + row[2] - 3] ^= 0xFF
    path.write_bytes(data)


def test_a_damaged_message_stops_no_other(world: World) -> None:
    for _ in range(3):
        world.deliver()
    client = world.logged_in("INBOX")
    damage(world, 2)
    answer = client.ask("a FETCH 1:3 BODY[]")
    assert answer.count(SIMPLE) == 2
    assert answer.endswith(b"a NO [CORRUPTION] 1 of the messages cannot be read: damaged on disk\r\n")
    assert b"* 2 FETCH" not in answer
    assert client.ask("b FETCH 2 FLAGS") == b"* 2 FETCH (FLAGS ())\r\nb OK fetched\r\n"


def test_a_large_damaged_message_ends_the_connection_and_not_as_a_message(world: World) -> None:
    world.deliver(SIMPLE + b"x" * 600_000)
    client = world.logged_in("INBOX")
    damage(world, 1)
    answer = client.ask("a FETCH 1 BODY[]")
    assert b"a OK" not in answer
    assert not answer.endswith(b")\r\n")
    assert client.closed


def test_a_deleted_mailbox_ends_the_sessions_that_have_it_selected(world: World) -> None:
    first, second = world.logged_in(), world.logged_in()
    first.ask("a CREATE Work")
    second.ask("b SELECT Work")
    first.ask("c SELECT Work")
    assert first.ask("d DELETE Work") == b"d OK deleted\r\n"
    assert first.ask("e NOOP") == b"e OK nothing done\r\n"
    assert second.ask("f NOOP") == b"* BYE the mailbox was deleted\r\n"
    assert second.closed


def test_a_renamed_mailbox_stays_selected(world: World) -> None:
    first, second = world.logged_in(), world.logged_in()
    first.ask("a CREATE Work")
    second.ask("b SELECT Work")
    first.ask("c RENAME Work Play")
    world.deliver(mailbox="Play")
    assert second.ask("d NOOP") == b"* 1 EXISTS\r\n* 1 RECENT\r\nd OK nothing done\r\n"


def test_a_deactivated_user_is_sent_away(world: World) -> None:
    client = world.logged_in("INBOX")
    result(world.store.run(lambda tx: users.deactivate(tx, world.user)))
    assert client.closed


def test_a_deactivated_user_is_sent_away_once_the_store_can_say_so(
    world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = world.logged_in("INBOX"), world.logged_in("INBOX")
    errors: list[Exception] = [Full("no room"), Stopping()]

    async def fails(*args: object) -> None:
        raise errors.pop(0)

    with capture() as events, monkeypatch.context() as patched:
        patched.setattr(world.services.directory, "user", fails)
        result(world.store.run(lambda tx: users.deactivate(tx, world.user)))
        assert not errors  # one session has the one, one the other
        assert [client.closed, other.closed] == [False, False]
    assert not [event for event in events if "log_failure" in event]
    clock.advance(5)
    assert [client.closed, other.closed].count(True) == 1  # who heard that the server stops is closed by that


def test_plain_text_behind_starttls_drops_the_connection(world: World) -> None:
    client = world.connect()
    client.take()
    client.send(b"a STARTTLS\r\nb LOGIN joe@example.org secret\r\n")
    assert client.take() == b"a OK begin TLS now\r\n"
    assert not client.wire.tls
    assert client.wire.disconnected


def test_under_implicit_tls_a_password_is_welcome_at_once(world: World) -> None:
    client = world.connect(implicit_tls=True, host="192.0.2.1")
    greeting = client.take()
    assert b"AUTH=PLAIN" in greeting
    assert b"STARTTLS" not in greeting


def test_too_many_wrong_passwords_end_the_connection(world: World) -> None:
    client = world.connect()
    for _ in range(WRONG_PASSWORDS):
        assert not client.closed
        client.say("a LOGIN joe@example.org wrong")
    assert client.closed


def test_a_literal_of_terabytes_is_refused_before_it_is_asked_for(world: World) -> None:
    client = world.connect()
    client.take()
    converse(
        client,
        """
        C: a LOGIN joe {10000000000000}
        S: a BAD a literal here has 4096 octets at most
        C: b LOGIN joe@example.org secret
        S: b OK …
        C: c APPEND Sent {10000000000000}
        S: c NO [TOOBIG] …
        """,
    )
    client.send(b"d APPEND Sent {%d+}\r\n" % (MESSAGE_SIZE + 1) + b"x" * (MESSAGE_SIZE + 1) + b"\r\ne NOOP\r\n")
    assert re.match(rb"d NO \[TOOBIG\] .*\r\ne OK nothing done\r\n", client.take())


def test_mailboxes_of_others_are_out_of_reach(world: World) -> None:
    world.add_user("ann@example.org")
    world.deliver(flags=SEEN)
    ann = world.connect()
    ann.say("a LOGIN ann@example.org secret")
    ann.take()
    assert b"* 0 EXISTS" in ann.ask("b SELECT INBOX")
    assert ann.ask("c FETCH 1 BODY[]") == b"c BAD there are 0 messages\r\n"


def test_what_a_stranger_sends_ahead_is_bounded(world: World) -> None:
    client = world.connect()
    never: Deferred[None] = Deferred()

    async def check(name: str, password: str, peer: str, *, by_device: bool = False) -> None:
        await never

    world.login.check = check  # type: ignore[method-assign]
    client.say("a LOGIN joe@example.org secret")
    for _ in range(100):
        if client.wire.producerState == "producing":
            client.send(b"b NOOP\r\n" * 1000)
    assert client.wire.producerState == "paused"
    assert client.connection.engine.waiting < ImapConnection.READ_AHEAD + 8000


def test_a_client_that_leaves_amid_a_command_is_no_error(world: World) -> None:
    world.deliver()
    client = world.logged_in("INBOX")
    later: Deferred[None] = Deferred()
    read = world.store.read

    def slow(work: Callable[[Transaction], object]) -> Deferred[object]:
        return later.addCallback(lambda _: read(work))

    world.store.read = slow  # type: ignore[method-assign, assignment]
    with capture() as events:
        client.say("a MOVE 1 Trash")
        client.lose()
        later.callback(None)
    assert not [event for event in events if "failed" in event["log_format"]]


@pytest.mark.parametrize("command", ["EXPUNGE", "UID EXPUNGE 1", "CLOSE"])
def test_what_was_marked_goes_although_the_store_was_away_when_the_marks_were_to_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Found by scripts/crash on PostgreSQL: OK was said, and nothing had been expunged."""
    world.deliver()
    client = world.logged_in("INBOX")
    read = world.store.read

    def away(work: object) -> Deferred[object]:
        return fail(Temporary("the database is away"))

    monkeypatch.setattr(world.store, "read", away)
    assert client.ask("a UID STORE 1 +FLAGS.SILENT (\\Deleted)").startswith(b"a ")
    assert client.ask(f"b {command}").startswith(b"b NO [UNAVAILABLE]")
    monkeypatch.setattr(world.store, "read", read)
    assert b"c OK" in client.ask(f"c {command}")
    assert b"EXISTS" in client.ask("d SELECT INBOX")
    assert b"* 0 EXISTS" in client.ask("e SELECT INBOX")


def test_a_keyword_that_another_session_has_just_made_is_named_before_flags_that_use_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver()
    client = world.logged_in("INBOX")
    store_flags = partial(
        change.store_flags,
        mailbox=result(world.store.read(lambda tx: mailboxes.inbox(tx, world.user.id))),
        uids=((1, 1),),
        how="add",
        flags=0,
    )
    world.store._listeners[:] = [
        one for one in world.store._listeners if getattr(one, "__self__", None) is not world.services.views
    ]
    for item, keyword in (("FLAGS", "$first"), ("BODY[TEXT]", "$second")):
        result(world.store.run(partial(store_flags, keywords=(keyword,))))
        named = client.ask(f"a FETCH 1 {item}")
        assert named.index(b"* FLAGS (") < named.index(b"PERMANENTFLAGS") < named.index(b"* 1 FETCH")
        assert named.count(keyword.encode()) == 3


def test_a_stranger_who_is_over_the_ration_of_commands_is_let_go_and_a_user_is_not(world: World) -> None:
    world.services.rations.adopt(Limits(commands_per_minute=5))
    stranger, user = world.connect(), world.logged_in()
    said = b"".join(stranger.ask(f"a{number} NOOP") for number in range(50) if not stranger.closed)
    assert b"* BYE [UNAVAILABLE] too many commands from your host, try again later\r\n" in said
    assert stranger.closed
    for number in range(100):
        assert user.ask(f"a{number} NOOP").endswith(b"OK nothing done\r\n")


def test_a_silent_store_tells_what_others_have_changed_meanwhile(world: World) -> None:
    world.deliver()
    world.deliver()
    first, second = world.logged_in("INBOX"), world.logged_in("INBOX")
    first.ask(r"a STORE 1 +FLAGS (\Flagged)")
    assert second.ask(r"b STORE 1:2 +FLAGS.SILENT (\Seen)") == (
        b"* 1 FETCH (FLAGS (\\Seen \\Flagged))\r\nb OK stored\r\n"
    )
    assert second.ask(r"c STORE 1:2 +FLAGS.SILENT (\Draft)") == b"c OK stored\r\n"


def test_no_older_flags_are_shown_behind_newer_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver()
    first, second = world.logged_in("INBOX"), world.logged_in("INBOX")
    view = first.connection.session.selected.view
    refresh = view.refresh

    def late(modseq: int = 0) -> Deferred[None]:
        monkeypatch.undo()
        second.ask(r"x STORE 1 +FLAGS (\Flagged)")
        return refresh(modseq)

    monkeypatch.setattr(view, "refresh", late)  # between the own change and what is told of it
    told = first.ask(r"a STORE 1 +FLAGS (\Seen)").split(b"\r\n")
    assert told[-3] == b"* 1 FETCH (FLAGS (\\Seen \\Flagged))"
