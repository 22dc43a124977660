"""The protocol engines, each behind a door that says yes to everything.

Beyond not raising: what an engine holds of a stream that it does not understand is bounded, and its answers are whole
lines.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from mpcontinuity.message import imap_string
from mpcontinuity.model.address import parse
from mpcontinuity.protocols import proxy
from mpcontinuity.protocols.imap import client, utf7
from mpcontinuity.protocols.imap.engine import ServerEngine as ImapEngine
from mpcontinuity.protocols.imap.parse import State
from mpcontinuity.protocols.imap.pattern import Matcher
from mpcontinuity.protocols.pop3 import events as pop3
from mpcontinuity.protocols.pop3.engine import ServerEngine as Pop3Engine
from mpcontinuity.protocols.pop3.message import on_the_wire
from mpcontinuity.protocols.sasl.exchange import Challenge, Exchange, LoginExchange, Lookup, Plain
from mpcontinuity.protocols.sasl.scram import Scram, make_keys, read_keys, unknown_keys
from mpcontinuity.protocols.smtp.client import ClientEngine
from mpcontinuity.protocols.smtp.data import DotStuffer
from mpcontinuity.protocols.smtp.terms import Limits, Offers
from tests.fuzz.target import Target, pieces
from tests.protocols.imap.test_engine import Door as ImapDoor
from tests.protocols.smtp.door import Door as SmtpDoor

_OFFERS = Offers(starttls=True, dsn=True, auth=("PLAIN", "LOGIN", "SCRAM-SHA-256"), recipients=3)
_ANNOUNCED = re.compile(rb"\{[0-9]+\+?\}\r\n")
_KEYS = make_keys("secret", b"0123456789abcdef", 1)
_ANN, _BOB = parse("ann@example.com"), parse("bob@example.org")


def smtp_server(data: bytes) -> None:
    door = SmtpDoor(Limits(message_size=10_000, line_length=2000), _OFFERS)
    door.engine.tls = data[:1] > b"\x7f"
    door.engine.greet()
    door.engine.to_send()
    for piece in pieces(data):
        said = door.hear(piece)
        assert said == b"" or said.endswith(b"\r\n"), said
        if door.engine.closed:
            break


def smtp_client(data: bytes) -> None:
    client = ClientEngine()
    begun = False
    for piece in pieces(data):
        client.receive(piece)
        while client.next_answer() is not None:
            pass
        if not begun:
            begun = True
            client.ehlo("c.example")
            client.mail(_ANN)
            client.rcpt(_BOB)
            client.data()
        client.to_send()


class _Imap(ImapDoor):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.engine = ImapEngine(message_size=10_000)
        self.engine.state = state


def imap(data: bytes) -> None:
    door = _Imap(State.NOT_AUTHENTICATED if data[:1] > b"\x7f" else State.SELECTED)
    for piece in pieces(data):
        door.out = b""
        door.receive(piece)
        assert door.out == b"" or door.out.endswith(b"\r\n"), door.out
        # A client takes a line that ends so for the announcement of a literal of ours.
        assert not _ANNOUNCED.search(door.out), door.out


def imap_client(data: bytes) -> None:
    """A user of it that asks for the next thing whenever it may, as outbound/ does."""
    engine = client.ClientEngine()
    steps = iter(
        (
            engine.capability,
            lambda: engine.authenticate_plain("master", "gr\u00fcn", "ann@example.com"),
            engine.namespace,
            engine.list_all,
            lambda: engine.select(b"INBOX", read_only=True),
            lambda: engine.search_header("Message-ID", b"<1@example.com>"),
            lambda: engine.fetch_beginnings([1]),
            lambda: engine.append("Entw\u00fcrfe".encode(), ["\\Seen"], 0, 5, binary=False),
            engine.logout,
        )
    )
    for piece in pieces(data):
        engine.receive(piece)
        while (event := engine.next_event()) is not None:
            match event:
                case client.GoAhead():
                    engine.message(b"hello")
                case client.Completed() | client.Greeting() if engine.idle:
                    next(steps, engine.noop)()
                case client.Broken(reason):
                    assert reason.isprintable()
                    assert engine.broken
                case _:
                    assert engine.broken, event
        engine.to_send()
        assert len(engine._input) <= client.MAX_LITERAL + client.MAX_LINE


def imap_names(data: bytes) -> None:
    try:
        name = utf7.decode(data)
    except ValueError:
        return
    assert utf7.decode(utf7.encode(name)) == name


def imap_patterns(data: bytes) -> None:
    pattern, _, name = data.decode("utf-8", "replace").partition("\n")
    Matcher("", [pattern]).matches(name)


_POP3_ANSWERS: dict[type[Any], Any] = {
    pop3.Capa: lambda engine: engine.lines("capabilities", b"USER\r\n"),
    pop3.Pass: lambda engine: engine.logged_in("welcome"),
    pop3.StartTls: lambda engine: engine.ok("go"),
    pop3.Auth: lambda engine: engine.challenge(b""),
    pop3.AuthAnswer: lambda engine: engine.logged_in("welcome"),
    pop3.List: lambda engine: engine.lines("list", b"1 1\r\n"),
    pop3.Uidl: lambda engine: engine.lines("list", b"1 a\r\n"),
}


def pop3_server(data: bytes) -> None:
    engine = Pop3Engine()
    engine.greet("ready")
    for piece in pieces(data):
        engine.receive(piece)
        while (event := engine.next_event()) is not None and not isinstance(event, pop3.Disconnect):
            _POP3_ANSWERS.get(type(event), lambda engine: engine.ok("done"))(engine)
        said = engine.to_send()
        assert said == b"" or said.endswith(b"\r\n"), said


def proxy_header(data: bytes) -> None:
    with contextlib.suppress(proxy.BadHeader):
        proxy.parse(data)


def sasl(data: bytes) -> None:
    for exchange in (Plain(), LoginExchange(), Scram(lambda octets: b"r" * octets)):
        _exchange(exchange, data)
    read_keys(data.decode("latin-1"))
    unknown_keys(data.decode("utf-8", "surrogateescape"), b"secret")


def _exchange(exchange: Exchange, data: bytes) -> None:
    for message in data.split(b"\n")[:4]:
        step = exchange.receive(message)
        if isinstance(step, Lookup) and isinstance(exchange, Scram):
            exchange.found(_KEYS)
        elif not isinstance(step, Challenge):
            return


def stuffing(data: bytes) -> None:
    """What we send as DATA has one end only, whatever the message has."""
    stuffer = DotStuffer()
    sent = b"".join(map(stuffer.feed, pieces(data))) + stuffer.finish()
    assert sent.endswith(b".\r\n")
    if data[1:].count(b"\r\n") == data[1:].count(b"\n") == data[1:].count(b"\r"):
        assert (b"\r\n" + sent).find(b"\r\n.\r\n") == len(sent) - 3
    on_the_wire(data)
    imap_string.string(data)


ENGINES = {
    "smtp-server": Target(
        smtp_server,
        (
            b"\0EHLO c.example\r\nMAIL FROM:<a@b.example> SIZE=10\r\nRCPT TO:<x@y.example> "
            b"NOTIFY=NEVER ORCPT=rfc822;x\r\n"
            b"DATA\r\nA: b\r\n\r\n..\r\n.\r\nQUIT\r\n",
            b"\x80EHLO [1.2.3.4]\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<x@y.example>\r\n"
            b"BDAT 4\r\n"
            b"abcdBDAT 2 LAST\r\nefRSET\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\n",
            b"\x01STARTTLS\r\nNOOP\r\n",
        ),
    ),
    "smtp-client": Target(
        smtp_client,
        (
            b"\0" + b"220 home\r\n250-home\r\n250-SIZE 100\r\n250-8BITMIME\r\n250 DSN\r\n"
            b"250 2.1.0 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
            b"\x05" + b"554-no\r\n554 5.7.1 no\r\n",
        ),
    ),
    "imap": Target(
        imap,
        (
            b'\x80a LOGIN joe "secret"\r\nb AUTHENTICATE PLAIN\r\nAGEAYg==\r\nc ID ("name" NIL)\r\n',
            b"\0a FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.10>)\r\n"
            b"b SEARCH OR NOT TEXT {3}\r\nabc SINCE 1-Jan-2026\r\n",
            b'\x07a APPEND Sent (\\Seen) " 1-Jan-2026 00:00:00 +0000" {5+}\r\nhello\r\n'
            b'b IDLE\r\nDONE\r\nc LIST "" (% a*)\r\n',
            b"\0a UID STORE 1,3:5 +FLAGS.SILENT (\\Deleted k)\r\nb UID COPY 1 &AMQ-\r\n"
            b"c STATUS INBOX (MESSAGES UIDNEXT)\r\n",
        ),
    ),
    "imap-client": Target(
        imap_client,
        (
            b"\0* OK [CAPABILITY IMAP4rev1 SASL-IR] hi\r\n* CAPABILITY IMAP4rev1 LITERAL+\r\na1 OK\r\na2 OK in\r\n"
            b'* NAMESPACE (("INBOX." ".")) NIL NIL\r\na3 OK\r\n* LIST (\\Sent) "/" {4}\r\nSent\r\na4 OK\r\n'
            b"* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\na5 OK\r\n* SEARCH 1\r\na6 OK\r\n"
            b"* 1 FETCH (UID 1 RFC822.SIZE 9 FLAGS (\\Seen) BODY[HEADER]<0> {6}\r\nA: b\r\n)\r\na7 OK\r\n"
            b"a8 OK [APPENDUID 1 2] done\r\n* BYE\r\na9 OK\r\n",
            b"\x05* OK hi\r\na1 OK\r\n+ \r\n+ e30=\r\na2 NO [AUTHENTICATIONFAILED] no\r\n* BYE gone\r\n",
            b'\0* PREAUTH hi\r\na1 OK\r\na2 OK\r\na3 NO\r\n* LIST () "/" {99999999999}\r\n',
        ),
    ),
    "imap-names": Target(imap_names, (b"Entw&APw-rfe", b"&-", b"&ZeVnLIqe-")),
    "imap-patterns": Target(imap_patterns, (b"a*b%c\na/b/c", b"%/%\nx/y", b"*a*a*a\naaaaaaaa")),
    "pop3": Target(
        pop3_server,
        (
            b"\0USER joe\r\nPASS secret\r\nSTAT\r\nLIST 1\r\nUIDL\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nRSET\r\nQUIT\r\n",
            b"\x03AUTH PLAIN AGEAYg==\r\nCAPA\r\nSTLS\r\nUTF8\r\n",
        ),
    ),
    "proxy": Target(
        proxy_header,
        (
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n",
            b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\3\xe8\0\x19",
        ),
    ),
    "sasl": Target(sasl, (b"\0joe\0secret", b"n,,n=joe,r=abc\nc=biws,r=abcr,p=AAAA", b"joe\nsecret")),
    "stuffing": Target(stuffing, (b"\0.\r\n..\r\n.", b"\2a\r\n.\r\nb")),
}
