"""What Twisted's own IMAP server does not do right (docs and tests/protocols/defects.tsv): ours does."""

from __future__ import annotations

from tests.access.imap.world import World

MESSAGE = (
    b"Received: from c\r\nReceived: from b\r\nReceived: from a\r\nSubject: many\r\nX-Same: 1\r\nx-same: 2\r\n\r\n"
    b"0123456789\r\n"
)


def test_a_partial_fetch_answers_that_part_and_no_more(world: World) -> None:
    world.deliver(MESSAGE)
    client = world.logged_in()
    client.ask("a SELECT INBOX")
    assert client.ask("b FETCH 1 BODY.PEEK[TEXT]<2.3>") == b"* 1 FETCH (BODY[TEXT]<2> {3}\r\n234)\r\nb OK fetched\r\n"
    assert b"BODY[TEXT]<11> {1}\r\n\n)" in client.ask("c FETCH 1 BODY.PEEK[TEXT]<11.100>")
    assert b"BODY[TEXT]<99> {0}\r\n)" in client.ask("d FETCH 1 BODY.PEEK[TEXT]<99.1>")


def test_fields_that_are_repeated_come_each_and_in_their_order(world: World) -> None:
    world.deliver(MESSAGE)
    client = world.logged_in()
    client.ask("a SELECT INBOX")
    header = MESSAGE[: MESSAGE.index(b"0123")]
    assert header in client.ask("b FETCH 1 BODY.PEEK[HEADER]")
    fields = b"Received: from c\r\nReceived: from b\r\nReceived: from a\r\nX-Same: 1\r\nx-same: 2\r\n\r\n"
    assert fields in client.ask("c FETCH 1 BODY.PEEK[HEADER.FIELDS (RECEIVED X-SAME)]")
