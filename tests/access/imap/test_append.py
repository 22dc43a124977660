"""APPEND by dialogues."""

from __future__ import annotations

from tests.access.imap.world import SIMPLE, World, converse


def test_append(world: World) -> None:
    client = world.logged_in("Drafts")
    converse(
        client,
        r"""
        C: a APPEND Drafts (\Draft $Mine) "17-Jul-1996 02:44:25 -0700" {13}
        S: + go on
        """,
    )
    client.send(b"Subject: x\r\n\xff\r\nb NOOP\r\n")
    converse(
        client,
        r"""
        S: * 1 EXISTS
        S: * 1 RECENT
        S: * FLAGS (… $Mine)
        S: * OK [PERMANENTFLAGS (… $Mine \*)] …
        S: a OK [APPENDUID … 1] appended
        S: b OK …
        C: c FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (FLAGS (\Draft \Recent $Mine) INTERNALDATE "17-Jul-1996 09:44:25 +0000" RFC822.SIZE 13)
        S: c OK …
        C: d APPEND Nowhere {13}
        S: d NO [TRYCREATE] …
        C: e APPEND Drafts {4000001}
        S: e NO [TOOBIG] …
        """,
    )
    client.send(b"f APPEND Nowhere {3+}\r\nabc\r\ng APPEND Sent {%d+}\r\n%s\r\n" % (len(SIMPLE), SIMPLE))
    converse(
        client,
        """
        S: f NO [TRYCREATE] …
        S: g OK [APPENDUID … 1] appended
        """,
    )
    assert SIMPLE in world.logged_in("Sent").ask("a FETCH 1 BODY[]")
