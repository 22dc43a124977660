"""What clients get wrong, and what is borne with."""

from __future__ import annotations

from tests.access.imap.world import World, converse


def test_a_name_that_no_mailbox_can_have_is_one_that_is_not_there(world: World) -> None:
    converse(
        world.logged_in(),
        r"""
        C: a SELECT &
        S: a NO [NONEXISTENT] …
        C: b STATUS "a&b" (MESSAGES)
        S: b NO [NONEXISTENT] …
        C: c CREATE &AAk-
        S: c NO [CANNOT] …
        C: d LIST "" a&*
        S: d OK …
        C: e CREATE Entwürfe
        S: e BAD …
        C: f CREATE "Entwürfe"
        S: f OK [MAILBOXID (F…)] created
        C: g LIST "" "Entwürfe"
        S: * LIST (\HasNoChildren) "/" "Entw&APw-rfe"
        S: g OK …
        C: h STATUS "Entwürfe" (MESSAGES APPENDLIMIT)
        S: * STATUS "Entw&APw-rfe" (MESSAGES 0 APPENDLIMIT 4000000)
        S: h OK …
        C: i CREATE "Ma~rz"
        S: i OK [MAILBOXID (F…)] created
        C: j LIST "" "Ma~rz"
        S: * LIST (\HasNoChildren) "/" "M&AOQ-rz"
        S: j OK …
        C: k LIST "Ma" "~*"
        S: * LIST (\HasNoChildren) "/" "M&AOQ-rz"
        S: k OK …
        C: l SUBSCRIBE "Ma~rz"
        S: l OK …
        C: m LSUB "" "Ma~rz"
        S: * LSUB () "/" "M&AOQ-rz"
        S: m OK …
        """.replace("~", "\u0308"),
    )


def test_clients_may_be_sloppy_with_blanks(world: World) -> None:
    world.deliver()
    converse(
        world.logged_in("INBOX"),
        r"""
        C: a  NOOP
        S: a OK …
        C: b FETCH  1  (  FLAGS   UID  )
        S: * 1 FETCH (FLAGS () UID 1)
        S: b OK …
        C: c  STORE  1  +FLAGS  ( \Seen  )
        S: * 1 FETCH (FLAGS (\Seen))
        S: c OK …
        C: d SEARCH  RETURN  ( COUNT )   (  SEEN   UNDELETED )
        S: * ESEARCH (TAG "d") COUNT 1
        S: d OK …
        C: e STATUS  INBOX  (  MESSAGES )
        S: * STATUS "INBOX" (MESSAGES 1)
        S: e OK …
        C: f FETCH 1 BODY.PEEK[HEADER.FIELDS  (  Subject  )]
        S: * 1 FETCH (BODY[HEADER.FIELDS (Subject)] {15}
        S: Subject: hi
        S:
        S: )
        S: f OK …
        """,
    )


def test_what_outlook_asks_for_in_the_words_of_rfc_1730(world: World) -> None:
    world.deliver()
    converse(
        world.logged_in("INBOX"),
        """
        C: a UID FETCH 1 (UID RFC822.SIZE RFC822.peek)
        S: * 1 FETCH (UID 1 RFC822.SIZE 41 RFC822 {41}
        S: From: a@x.example
        S: Subject: hi
        S:
        S: hello
        S: )
        S: a OK …
        C: b FETCH 1 (RFC822.TEXT.PEEK FLAGS)
        S: * 1 FETCH (FLAGS () RFC822.TEXT {7}
        S: hello
        S: )
        S: b OK …
        """,
    )


def test_bad_input_leaves_the_session_usable(world: World) -> None:
    client = world.logged_in("INBOX")
    for junk in (
        b"a \x00\xff\r\n",
        b"\r\n",
        b"(\r\n",
        b"a UID\r\n",
        b"a FETCH 1 BODY[\r\n",
        b'a LOGIN "\r\n',
        b"a APPEND\r\n",
    ):
        client.send(junk)
        assert b" BAD " in client.take()
    assert client.ask("b NOOP") == b"b OK nothing done\r\n"
    for _ in range(20):
        client.send(b"GET / HTTP/1.1\r\n")
    assert client.take().endswith(b"* BYE too many commands that make no sense\r\n")
    assert client.closed
