"""\\Recent, and keywords that come and go, by dialogues."""

from __future__ import annotations

from mpcontinuity.model.flags import MAX_KEYWORDS
from tests.access.imap.world import SIMPLE, World, converse


def test_recent_is_of_the_first_session_that_is_told(world: World) -> None:
    world.deliver()
    converse(
        world.logged_in(),
        r"""
        C: a STATUS INBOX (MESSAGES RECENT UNSEEN)
        S: * STATUS "INBOX" (MESSAGES 1 RECENT 1 UNSEEN 1)
        S: a OK …
        C: b EXAMINE INBOX
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS ()] …
        S: * 1 EXISTS
        S: * 1 RECENT
        S: * OK [UNSEEN 1] …
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 2] …
        S: * OK [MAILBOXID (F…)] its id
        S: b OK [READ-ONLY] …
        C: c LIST "" INBOX RETURN (STATUS (RECENT))
        S: * LIST (\HasNoChildren) "/" "INBOX"
        S: * STATUS "INBOX" (RECENT 1)
        S: c OK …
        C: d SELECT INBOX
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS (…)] …
        S: * 1 EXISTS
        S: * 1 RECENT
        S: * OK [UNSEEN 1] …
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 2] …
        S: * OK [MAILBOXID (F…)] its id
        S: d OK …
        C: e FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS (\Recent))
        S: e OK …
        C: f SEARCH NEW
        S: * SEARCH 1
        S: f OK …
        C: g STORE 1 +FLAGS (\Seen)
        S: * 1 FETCH (FLAGS (\Seen \Recent))
        S: g OK …
        C: h SEARCH RETURN (COUNT) OR NEW OLD
        S: * ESEARCH (TAG "h") COUNT 0
        S: h OK …
        C: i SEARCH RECENT
        S: * SEARCH 1
        S: i OK …
        C: j STATUS INBOX (RECENT)
        S: * STATUS "INBOX" (RECENT 0)
        S: j OK …
        """,
    )
    assert b"* 0 RECENT" in world.logged_in().ask("k SELECT INBOX")


def test_keywords_are_used_up_and_come_free(world: World) -> None:
    world.deliver()
    world.deliver()
    client = world.logged_in("INBOX")
    for number in range(MAX_KEYWORDS):
        assert b"a OK" in client.ask(f"a STORE 1 +FLAGS.SILENT (tag{number})")
    assert b"b NO [LIMIT]" in client.ask("b STORE 2 +FLAGS (another)")
    assert b"\\*" not in client.ask("c SELECT INBOX")
    client.send(b"d APPEND INBOX (\\Flagged tag7 another) {%d+}\r\n%s\r\n" % (len(SIMPLE), SIMPLE))
    assert b"d OK [APPENDUID" in client.take()
    assert client.ask("e FETCH 3 FLAGS") == b"* 3 FETCH (FLAGS (\\Flagged \\Recent tag7))\r\ne OK fetched\r\n"
    client.ask("f STORE 1,3 -FLAGS.SILENT (tag7)")
    client.ask("f STORE 1:3 -FLAGS (tag7)")  # nothing is left to change: that must not hide what is unused
    converse(
        client,
        r"""
        C: g STORE 2 +FLAGS (another)
        S: * FLAGS (… tag6 another tag8 …)
        S: * OK [PERMANENTFLAGS (… another …)] …
        S: * 2 FETCH (FLAGS (another))
        S: g OK …
        """,
    )
    client.ask("h STORE 2 -FLAGS.SILENT (another)")
    assert b"\\*" in client.ask("i SELECT INBOX")  # it went, since nothing has it
    client.ask("j STORE 1 +FLAGS.SILENT (again)")
    client.ask("k STORE 1 -FLAGS.SILENT (again)")
    client.ask("l UNSELECT")
    client.send(b"m APPEND INBOX (fits) {%d+}\r\n%s\r\n" % (len(SIMPLE), SIMPLE))
    assert b"fits" in client.ask("n SELECT INBOX")
