"""What is rendered of a message and lacks something, or is of an older version, is rendered again when it is read."""

from __future__ import annotations

import struct

import pytest

from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.mailbox.read import Row, rows
from mpcontinuity.message import rendered
from mpcontinuity.message.render import VERSION
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.access.imap.world import World
from tests.corpus import messages
from tests.fakes.stores import result

_SET = Statement("UPDATE entry SET rendered = :blob, pop3_added = 0 WHERE id = :id")
_ADDED = Statement("SELECT pop3_added FROM entry WHERE id = :id")
ADDRESSES = b"From: a@b\r\nTo: " + b"a," * 60_000 + b"last\r\n\r\n"


def _entries(world: World) -> list[Row]:
    return result(world.store.read(lambda tx: rows(tx, mailboxes.inbox(tx, world.user.id), [1, 2, 3], rendered=True)))


def _grow_old(world: World, uid: int) -> None:
    """As if the first version had rendered it, and wrongly."""
    blob = next(row[5] for row in _entries(world) if row[0] == uid)
    assert blob is not None
    old = struct.pack("<HH", VERSION - 1, 0) + blob[4:].replace(b'"two parts"', b'"2 parts!!"')

    def work(tx: Transaction) -> None:
        tx.run(_SET, id=mailboxes.inbox(tx, world.user.id) << UID_BITS | uid, blob=old)

    result(world.store.run(work))


def test_what_takes_more_room_than_the_message_is_read_from_it(world: World) -> None:
    world.deliver()
    world.deliver(messages.parts(3_000))
    world.deliver(ADDRESSES)
    client = world.logged_in("INBOX")
    assert [rendered.lacks(row[5] or b"", rendered.ANYTHING) for row in _entries(world)] == [False, True, True]
    got = client.ask("a FETCH 1:3 (UID ENVELOPE BODYSTRUCTURE BODY.PEEK[2999])")
    assert got.count(b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL)') == 3_000
    assert got.count(b'(NIL NIL "a" "")') == 60_000
    assert b'(NIL NIL "last" "")' in got
    assert b"BODY[2999] {1}\r\nx)" in got
    assert [line.split(b" ")[1] for line in got.split(b"\r\n") if line.startswith(b"* ")] == [b"1", b"2", b"3"]
    assert b"BODY[HEADER.FIELDS (from)] {13}\r\nFrom: a@b\r\n\r\n" in client.ask(
        "a FETCH 3 BODY.PEEK[HEADER.FIELDS (from)]"
    )


@pytest.mark.parametrize("make", [messages.parts(10_000), ADDRESSES, b"To:a\r\n" * 20_000 + b"\r\n", b",", b""])
def test_what_is_stored_is_no_more_than_twice_the_message(world: World, make: bytes) -> None:
    world.deliver(make)
    (row,) = _entries(world)
    assert len(row[5] or b"") <= 2 * len(make) + 8 * 1024 + 128


def test_what_an_older_version_rendered_is_rendered_anew_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver()
    world.deliver(b"Subject: two parts\n\nbody\n")
    _grow_old(world, 2)
    client = world.logged_in("INBOX")
    read_many, asked = world.store.bodies.read_many, list[Body]()

    def read(bodies: list[Body]) -> object:
        asked.extend(bodies)
        return read_many(bodies)

    monkeypatch.setattr(world.store.bodies, "read_many", read)
    for _ in range(2):
        assert b'"two parts"' in client.ask("a FETCH 1:2 ENVELOPE")
        assert len(asked) == 1
    added = result(world.store.read(lambda tx: tx.value(_ADDED, id=mailboxes.inbox(tx, world.user.id) << UID_BITS | 2)))
    assert added == 3


def test_a_full_disk_keeps_nobody_from_reading_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(b"Subject: two parts\r\n\r\n")
    _grow_old(world, 1)
    client = world.logged_in("INBOX")

    async def full(work: object) -> None:
        raise Temporary("no room")

    monkeypatch.setattr(world.store, "run", full)
    assert b'"two parts"' in client.ask("a FETCH 1 ENVELOPE")


def test_a_damaged_message_is_told_and_the_others_are_answered(world: World) -> None:
    world.deliver(messages.parts(3_000))
    world.deliver()
    for path in world.store.packs.folder.glob("**/*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"--b\r\n\r\nx", b"--b\r\n\r\ny"))
    client = world.logged_in("INBOX")
    got = client.ask("a FETCH 1:2 BODY")
    assert b"* 2 FETCH (BODY (" in got
    assert b"* 1 FETCH" not in got
    assert b"a NO [CORRUPTION] 1 of" in got


def test_nul_is_sent_in_no_section(world: World) -> None:
    """RFC 3501 §9: a literal is of CHAR8, 1 to 255; 0x80 stands in its place, so that sizes stay."""
    large = b"Subject: l\r\n\r\n" + b"\0" * 600_000
    small = (
        b"Subject: a\0b\r\nX: \0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\0two\r\n--b--\r\n"
    )
    world.deliver(small)
    world.deliver(large)
    client = world.logged_in("INBOX")
    for section in ("", "HEADER", "HEADER.FIELDS (X)", "TEXT", "1", "1.MIME", "HEADER.FIELDS.NOT (SUBJECT)"):
        assert b"\0" not in client.ask(f"a FETCH 1 BODY.PEEK[{section}]")
    got = client.ask("a FETCH 1 (BODY.PEEK[] ENVELOPE)")
    assert b"BODY[] {%d}\r\n%b" % (len(small), small.replace(b"\0", b"\x80")) in got
    assert b'"a?b"' in got
    got = client.ask("a FETCH 2 BODY.PEEK[]")
    assert b"{%d}\r\n%b" % (len(large), large.replace(b"\0", b"\x80")) in got
