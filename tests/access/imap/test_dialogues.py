"""Commands as RFC 3501 shows them: C: and S:."""

from __future__ import annotations

from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.flags import DELETED, SEEN
from tests.access.imap.world import World, converse

MIME = b"""Return-Path: <a@x.example>
From: =?utf-8?q?J=C3=B6rg?= <j@x.example>
To: joe@example.org
Subject: two parts
Message-ID: <m@x.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8

first part
--b
Content-Type: application/pdf; name=x.pdf
Content-Transfer-Encoding: base64

AAAA
--b--
""".replace(b"\n", b"\r\n")


def test_greeting_and_login(world: World) -> None:
    converse(
        world.connect(),
        """
        S: * OK [CAPABILITY … LITERAL- STARTTLS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN] mx.example IMAP, mpcontinuity
        C: a CAPABILITY
        S: * CAPABILITY IMAP4rev1 SASL-IR ID ENABLE LITERAL- STARTTLS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN
        S: a OK …
        C: b ID ("name" "test")
        S: * ID ("name" "mpcontinuity" "version" "…")
        S: b OK …
        C: c SELECT INBOX
        S: c BAD log in first
        C: d LOGIN joe@example.org wrong
        S: d NO [AUTHENTICATIONFAILED] wrong name or password; with a second factor an app password is needed
        C: e LOGIN joe@example.org secret
        S: e OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE LITERAL+ IDLE NAMESPACE … APPENDLIMIT=4000000] logged in
        C: f LOGIN joe@example.org secret
        S: f BAD you are logged in already
        C: g NAMESPACE
        S: * NAMESPACE (("" "/")) NIL NIL
        S: g OK …
        C: h ENABLE CONDSTORE
        S: * ENABLED
        S: h OK …
        C: i LOGOUT
        S: * BYE …
        S: i OK logged out
        """,
    )


def test_authenticate_plain_with_and_without_an_initial_response(world: World) -> None:
    converse(
        world.connect(),
        """
        S: * OK …
        C: a AUTHENTICATE CRAM-MD5
        S: a NO [CANNOT] …
        C: b AUTHENTICATE PLAIN
        S: +…
        C: *
        S: b BAD cancelled
        C: c AUTHENTICATE PLAIN bm9udWxz
        S: c BAD no message of PLAIN
        C: d AUTHENTICATE PLAIN AGpvZUBleGFtcGxlLm9yZwB3cm9uZw==
        S: d NO [AUTHENTICATIONFAILED] …
        C: e AUTHENTICATE PLAIN
        S: +…
        C: AGpvZUBleGFtcGxlLm9yZwBzZWNyZXQ=
        S: e OK [CAPABILITY …] logged in
        """,
    )
    converse(
        world.connect(),
        """
        S: * OK …
        C: a AUTHENTICATE PLAIN AGpvZUBleGFtcGxlLm9yZwBzZWNyZXQ=
        S: a OK [CAPABILITY …] logged in
        """,
    )


def test_no_password_in_plain_text_outside_the_networks_for_that(world: World) -> None:
    client = world.connect(host="192.0.2.1")
    converse(
        client,
        """
        S: * OK [CAPABILITY … STARTTLS LOGINDISABLED] …
        C: a LOGIN joe@example.org secret
        S: a NO [PRIVACYREQUIRED] use STARTTLS before you send a password
        C: b AUTHENTICATE PLAIN AGpvZUBleGFtcGxlLm9yZwBzZWNyZXQ=
        S: b NO [PRIVACYREQUIRED] …
        C: c STARTTLS
        S: c OK begin TLS now
        """,
    )
    assert client.wire.tls
    converse(
        client,
        """
        C: d CAPABILITY
        S: * CAPABILITY IMAP4rev1 SASL-IR ID ENABLE LITERAL- AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN
        S: d OK …
        C: e STARTTLS
        S: e BAD TLS is on already
        C: f LOGIN joe@example.org secret
        S: f OK …
        """,
    )


def test_a_store_that_cannot_answer_is_no_wrong_password(world: World) -> None:
    client = world.connect()
    client.take()
    world.login.error = Temporary("too many wait")
    assert (
        client.ask("a LOGIN joe@example.org secret")
        == b"a NO [UNAVAILABLE] that cannot be done now, try again later\r\n"
    )


def test_folders(world: World) -> None:
    converse(
        world.logged_in(),
        r"""
        C: a LIST "" ""
        S: * LIST (\Noselect) "/" ""
        S: a OK …
        C: b LIST "" *
        S: * LIST (\HasNoChildren \Archive) "/" "Archive"
        S: * LIST (\HasNoChildren \Drafts) "/" "Drafts"
        S: * LIST (\HasNoChildren) "/" "INBOX"
        S: * LIST (\HasNoChildren \Junk) "/" "Junk"
        S: * LIST (\HasNoChildren \Sent) "/" "Sent"
        S: * LIST (\HasNoChildren \Trash) "/" "Trash"
        S: b OK …
        C: c CREATE Work/Entw&APw-rfe
        S: c OK [MAILBOXID (F…)] created
        C: d CREATE inbox
        S: d NO [ALREADYEXISTS] …
        C: e LIST "" W%
        S: * LIST (\HasChildren) "/" "Work"
        S: e OK …
        C: f LIST Work/ %
        S: * LIST (\HasNoChildren) "/" "Work/Entw&APw-rfe"
        S: f OK …
        C: g SUBSCRIBE Work/Entw&APw-rfe
        S: g OK …
        C: h LSUB "" W%
        S: * LSUB (\Noselect) "/" "Work"
        S: h OK …
        C: i LSUB "" Work*
        S: * LSUB () "/" "Work/Entw&APw-rfe"
        S: i OK …
        C: j LIST (SUBSCRIBED) "" W* RETURN (CHILDREN)
        S: * LIST (\HasNoChildren \Subscribed) "/" "Work/Entw&APw-rfe"
        S: j OK …
        C: k LIST (SUBSCRIBED RECURSIVEMATCH) "" W%
        S: * LIST (\HasChildren) "/" "Work" ("CHILDINFO" ("SUBSCRIBED"))
        S: k OK …
        C: l LIST (SPECIAL-USE) "" (T% S%) RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN))
        S: * LIST (\HasNoChildren \Sent \Subscribed) "/" "Sent"
        S: * STATUS "Sent" (MESSAGES 0 UNSEEN 0)
        S: * LIST (\HasNoChildren \Trash \Subscribed) "/" "Trash"
        S: * STATUS "Trash" (MESSAGES 0 UNSEEN 0)
        S: l OK …
        C: m RENAME Work Play
        S: m OK …
        C: n LIST "" P*
        S: * LIST (\HasChildren) "/" "Play"
        S: * LIST (\HasNoChildren) "/" "Play/Entw&APw-rfe"
        S: n OK …
        C: o DELETE Play
        S: o OK deleted
        C: u LIST "" P*
        S: * LIST (\Noselect \HasChildren) "/" "Play"
        S: * LIST (\HasNoChildren) "/" "Play/Entw&APw-rfe"
        S: u OK …
        C: v SELECT Play
        S: v NO [NONEXISTENT] …
        C: w DELETE Play
        S: w NO [NONEXISTENT] …
        C: p DELETE Play/Entw&APw-rfe
        S: p OK …
        C: q DELETE Nowhere
        S: q NO [NONEXISTENT] …
        C: r DELETE INBOX
        S: r NO [CANNOT] …
        C: s UNSUBSCRIBE Work/Entw&APw-rfe
        S: s OK …
        C: t LSUB "" W*
        S: t OK …
        C: u CREATE a//b
        S: u NO [CANNOT] …
        """,
    )


def test_select_and_status(world: World) -> None:
    world.deliver(flags=SEEN)
    world.deliver()
    converse(
        world.logged_in(),
        r"""
        C: a SELECT INBOX
        S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft)
        S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] …
        S: * 2 EXISTS
        S: * 2 RECENT
        S: * OK [UNSEEN 2] …
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 3] …
        S: * OK [MAILBOXID (F…)] its id
        S: a OK [READ-WRITE] selected
        C: b STATUS inbox (MESSAGES RECENT UIDNEXT UNSEEN SIZE DELETED)
        S: * STATUS "INBOX" (MESSAGES 2 RECENT 0 UIDNEXT 3 UNSEEN 1 SIZE 82 DELETED 0)
        S: b OK …
        C: c SELECT Nowhere
        S: c NO [NONEXISTENT] …
        C: d FETCH 1 FLAGS
        S: d BAD select a mailbox first
        C: e EXAMINE INBOX
        S: * FLAGS …
        S: * OK [PERMANENTFLAGS ()] …
        S: * 2 EXISTS
        S: * 0 RECENT
        S: * OK [UNSEEN 2] …
        S: * OK [UIDVALIDITY …] …
        S: * OK [UIDNEXT 3] …
        S: * OK [MAILBOXID (F…)] its id
        S: e OK [READ-ONLY] selected
        C: f STORE 1 FLAGS (\Deleted)
        S: f NO [READ-ONLY] …
        C: g EXPUNGE
        S: g NO [READ-ONLY] …
        C: h MOVE 1 Trash
        S: h NO [READ-ONLY] …
        C: i FETCH 2 BODY[TEXT]
        S: * 2 FETCH (BODY[TEXT] {7}
        S: hello
        S: )
        S: i OK …
        C: j CHECK
        S: j OK …
        C: k CLOSE
        S: k OK …
        C: l UNSELECT
        S: l BAD select a mailbox first
        """,
    )


def test_fetch_of_the_index(world: World) -> None:
    world.deliver(MIME)
    converse(
        world.logged_in("INBOX"),
        r"""
        C: a FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)
        S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE "21-Sep-2026 14:13:20 …" RFC822.SIZE 371 ENVELOPE (NIL "two parts" …
        S: a OK …
        C: b FETCH 1:* FAST
        S: * 1 FETCH (FLAGS () INTERNALDATE "…" RFC822.SIZE 371)
        S: b OK …
        C: c UID FETCH 1 BODYSTRUCTURE
        S: * 1 FETCH (UID 1 BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 10 0 … "mixed" …
        S: c OK …
        C: d FETCH 1 FULL
        S: * 1 FETCH (FLAGS () … BODY ((…) "mixed"))
        S: d OK …
        C: e UID FETCH 7:9 FLAGS
        S: e OK …
        C: f FETCH 2 FLAGS
        S: f BAD there are 1 messages
        """,
    )


def test_fetch_of_sections(world: World) -> None:
    world.deliver(MIME)
    client = world.logged_in("INBOX")
    converse(
        client,
        r"""
        C: a FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT To)]
        S: * 1 FETCH (BODY[HEADER.FIELDS (SUBJECT To)] {43}
        S: To: joe@example.org
        S: Subject: two parts
        S:
        S: )
        S: a OK …
        C: b FETCH 1 (BODY.PEEK[1] BODY.PEEK[2.MIME] BODY.PEEK[3])
        S: * 1 FETCH (BODY[1] {10}
        S: first part BODY[2.MIME] {80}
        S: Content-Type: application/pdf; name=x.pdf
        S: Content-Transfer-Encoding: base64
        S:
        S:  BODY[3] NIL)
        S: b OK …
        C: c FETCH 1 BODY.PEEK[1]<6.100>
        S: * 1 FETCH (BODY[1]<6> {4}
        S: part)
        S: c OK …
        C: d FETCH 1 BODY.PEEK[]<1000.10>
        S: * 1 FETCH (BODY[]<1000> {0}
        S: )
        S: d OK …
        C: e FETCH 1 FLAGS
        S: * 1 FETCH (FLAGS ())
        S: e OK …
        C: f FETCH 1 BODY[1]
        S: * 1 FETCH (FLAGS (\Seen) BODY[1] {10}
        S: first part)
        S: f OK …
        C: g FETCH 1 RFC822.TEXT
        S: * 1 FETCH (RFC822.TEXT {…
        S: preamble
        S: --b
        S: Content-Type: text/plain; charset=utf-8
        S:
        S: first part
        S: --b
        S: Content-Type: application/pdf; name=x.pdf
        S: Content-Transfer-Encoding: base64
        S:
        S: AAAA
        S: --b--
        S: )
        S: g OK …
        """,
    )
    whole = client.ask("h FETCH 1 (RFC822 FLAGS)")
    assert whole == b"* 1 FETCH (FLAGS (\\Seen) RFC822 {%d}\r\n%s)\r\nh OK fetched\r\n" % (len(MIME), MIME)
    header = MIME[: MIME.index(b"\r\n\r\n") + 4]
    assert client.ask("i FETCH 1 RFC822.HEADER").startswith(
        b"* 1 FETCH (RFC822.HEADER {%d}\r\n%s)" % (len(header), header)
    )
    rest = client.ask("j FETCH 1 BODY[HEADER.FIELDS.NOT (From To Subject Return-Path Message-ID MIME-Version)]")
    assert b"] {45}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n)" in rest


def test_store(world: World) -> None:
    world.deliver()
    world.deliver()
    converse(
        world.logged_in("INBOX"),
        r"""
        C: a STORE 1:2 +FLAGS (\Flagged)
        S: * 1 FETCH (FLAGS (\Flagged))
        S: * 2 FETCH (FLAGS (\Flagged))
        S: a OK …
        C: b STORE 1 FLAGS.SILENT (\Seen)
        S: b OK …
        C: c UID STORE 1 +FLAGS ($Work)
        S: * FLAGS (\Seen \Answered \Flagged \Deleted \Draft $Work)
        S: * OK [PERMANENTFLAGS (… $Work \*)] …
        S: * 1 FETCH (FLAGS (\Seen $Work) UID 1)
        S: c OK …
        C: d STORE 1:* -FLAGS (\Seen $work)
        S: * 1 FETCH (FLAGS ())
        S: * 2 FETCH (FLAGS (\Flagged))
        S: d OK …
        C: e STORE 1 FLAGS (\Recent)
        S: * 1 FETCH (FLAGS ())
        S: e OK …
        C: f STORE 3 FLAGS ()
        S: f BAD there are 2 messages
        C: g UID STORE 3 FLAGS ()
        S: g OK …
        """,
    )


def test_copy_move_and_expunge(world: World) -> None:
    for _ in range(4):
        world.deliver()
    converse(
        world.logged_in("INBOX"),
        r"""
        C: a COPY 1:2 Archive
        S: a OK [COPYUID … 1:2 1:2] copied
        C: b COPY 1 Nowhere
        S: b NO [TRYCREATE] …
        C: c UID COPY 99 Archive
        S: c OK copied
        C: d MOVE 2 Trash
        S: * OK [COPYUID … 2 1] moved
        S: * 2 EXPUNGE
        S: d OK moved
        C: e STORE 1,3 +FLAGS.SILENT (\Deleted)
        S: e OK …
        C: f UID EXPUNGE 4:*
        S: * 3 EXPUNGE
        S: f OK …
        C: g EXPUNGE
        S: * 1 EXPUNGE
        S: g OK …
        C: h UID SEARCH ALL
        S: * SEARCH 3
        S: h OK …
        C: i STORE 1 +FLAGS.SILENT (\Deleted)
        S: i OK …
        C: j CLOSE
        S: j OK closed
        C: k STATUS INBOX (MESSAGES DELETED)
        S: * STATUS "INBOX" (MESSAGES 0 DELETED 0)
        S: k OK …
        """,
    )


def test_unselect_does_not_expunge(world: World) -> None:
    world.deliver(flags=DELETED)
    converse(
        world.logged_in("INBOX"),
        """
        C: a UNSELECT
        S: a OK …
        C: b STATUS INBOX (MESSAGES)
        S: * STATUS "INBOX" (MESSAGES 1)
        S: b OK …
        """,
    )


def test_search(world: World) -> None:
    world.deliver(flags=SEEN)
    world.deliver(MIME)
    converse(
        world.logged_in("INBOX"),
        """
        C: a SEARCH UNSEEN
        S: * SEARCH 2
        S: a OK …
        C: b SEARCH FROM jörg
        S: b BAD …
        C: c SEARCH CHARSET UTF-8 FROM "jörg" BODY "first PART"
        S: * SEARCH 2
        S: c OK …
        C: d UID SEARCH RETURN (MIN MAX COUNT ALL) ALL
        S: * ESEARCH (TAG "d") UID MIN 1 MAX 2 ALL 1:2 COUNT 2
        S: d OK …
        C: e SEARCH RETURN (COUNT) DELETED
        S: * ESEARCH (TAG "e") COUNT 0
        S: e OK …
        C: f SEARCH CHARSET KOI8-R TEXT x
        S: f NO [BADCHARSET (US-ASCII UTF-8)] …
        C: g SEARCH 3
        S: * SEARCH
        S: g OK …
        C: i SEARCH 2:1000
        S: * SEARCH 2
        S: i OK …
        C: j SEARCH RETURN (COUNT) NOT 1000
        S: * ESEARCH (TAG "j") COUNT 2
        S: j OK …
        C: h SEARCH DELETED
        S: * SEARCH
        S: h OK …
        """,
    )


def test_nothing_is_told_after_bye(world: World) -> None:
    world.deliver()
    client, other = world.logged_in("INBOX"), world.logged_in("INBOX")
    other.ask(r"a STORE 1 +FLAGS (\Seen \Deleted)")
    other.ask("b EXPUNGE")
    world.deliver()
    assert client.ask("c LOGOUT") == b"* BYE see you\r\nc OK logged out\r\n"
