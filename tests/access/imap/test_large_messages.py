"""Messages, and many of them, that pass in pieces."""

from __future__ import annotations

from mpcontinuity.door.connection import PIECE
from tests.access.imap.world import SIMPLE, Client, World
from tests.fakes.clock import ManualClock


def drain(client: Client) -> int:
    """Reads as a slow client does; the most that was ever waiting."""
    most = 0
    kept = []
    while client.wire.producer is not None:
        piece = client.take()
        most = max(most, len(piece))
        kept.append(piece)
        client.wire.producer.resumeProducing()
        if not client.wire.value():
            break
    kept.append(client.take())
    client.wire.io.write(b"".join(kept))
    return most


def test_a_large_message_passes_in_pieces_beside_a_quick_session(world: World) -> None:
    content = SIMPLE + b"0123456789abcde\n" * 200_000
    world.deliver(content)
    slow, quick = world.logged_in("INBOX"), world.logged_in("INBOX")
    slow.wire.full = True
    slow.say("a FETCH 1 (UID BODY[] BODY[TEXT]<0.5>)")
    assert len(slow.wire.value()) < 2 * PIECE
    assert quick.ask("b NOOP") == b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\nb OK nothing done\r\n"
    assert drain(slow) < 2 * PIECE
    whole = slow.take()
    start = b"* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {%d}\r\n" % len(content)
    assert whole == start + content + b" BODY[TEXT]<0> {5}\r\nhello)\r\na OK fetched\r\n"


def test_many_messages_pass_in_pieces_too(world: World) -> None:
    for _ in range(40):
        world.deliver(SIMPLE + b"x" * 30_000)
    client = world.logged_in("INBOX")
    client.wire.full = True
    client.say("a FETCH 1:* (ENVELOPE BODY.PEEK[])")
    assert drain(client) < 2 * PIECE
    whole = client.take()
    assert whole.count(b"} \r\n".strip()) == 40
    assert whole.endswith(b"a OK fetched\r\n")


def test_headers_too_long_to_be_rendered_are_read_from_the_message(world: World) -> None:
    header = b"Subject: long\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 500) for n in range(100)) + b"\r\n"
    world.deliver()
    world.deliver(header + b"hello\r\n")
    client = world.logged_in("INBOX")
    answer = client.ask("a FETCH 1:2 (UID BODY.PEEK[HEADER] BODY.PEEK[HEADER.FIELDS (subject)])")
    assert (
        b" BODY[HEADER] {%d}\r\n%s BODY[HEADER.FIELDS (subject)] {17}\r\nSubject: long\r\n\r\n)"
        % (
            len(header),
            header,
        )
        in answer
    )
    assert answer.count(b" FETCH (UID ") == 2
    assert b"\\Seen" in client.ask("b FETCH 2 BODY[HEADER]")


def test_every_item_of_a_large_message(world: World) -> None:
    content = SIMPLE + b"x" * 600_000
    world.deliver(content)
    client = world.logged_in("INBOX")
    answer = client.ask(
        "a FETCH 1 (BODY.PEEK[1] BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[2] BODY.PEEK[]<500000.5>)"
    )
    body = content[content.index(b"hello") :]
    assert answer == (
        b"* 1 FETCH (BODY[1] {%d}\r\n%s BODY[HEADER.FIELDS (Subject)] {15}\r\nSubject: hi\r\n\r\n BODY[2] NIL "
        b"BODY[]<500000> {5}\r\nxxxxx)\r\na OK fetched\r\n" % (len(body), body)
    )


def test_a_client_that_reads_slowly_is_no_silent_one(world: World, clock: ManualClock) -> None:
    world.deliver(SIMPLE + b"x" * 600_000)
    slow, stuck = world.logged_in("INBOX"), world.logged_in("INBOX")
    for client in (slow, stuck):
        client.wire.full = True
        client.say("a FETCH 1 BODY.PEEK[]")
    for _ in range(4):
        clock.advance(1000)
        slow.wire.producer.resumeProducing()
    assert not slow.closed
    assert stuck.wire.disconnected


def test_appended_messages_are_spooled_as_they_come_and_dropped_with_the_connection(world: World) -> None:
    client = world.logged_in()
    client.send(b"a APPEND Sent {3000000}\r\n")
    for number in range(20):
        client.send(b"x" * 100_000 if number else b"\r\n" + b"x" * 99_998)
        assert client.connection.engine.waiting == 0
    assert world.store.bodies.spooled == 2_000_000
    client.lose()
    assert world.store.bodies.spooled == 0
    assert world.logged_in().ask("a STATUS Sent (MESSAGES)").startswith(b'* STATUS "Sent" (MESSAGES 0)')
