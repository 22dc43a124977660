"""Protocol engines, each behind a door that says yes to everything and keeps nothing."""

from __future__ import annotations

import contextlib
from typing import Any

from mpcontinuity.message import lineends
from mpcontinuity.model import address, uidset
from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols import proxy
from mpcontinuity.protocols.imap import command, utf7
from mpcontinuity.protocols.imap.client import ClientEngine as ImapClient
from mpcontinuity.protocols.imap.engine import ServerEngine as ImapEngine
from mpcontinuity.protocols.imap.parse import State
from mpcontinuity.protocols.imap.pattern import Matcher
from mpcontinuity.protocols.pop3 import events as pop3
from mpcontinuity.protocols.pop3.engine import ServerEngine as Pop3Engine
from mpcontinuity.protocols.pop3.message import Stream
from mpcontinuity.protocols.sasl.exchange import Exchange, LoginExchange, Lookup, Plain
from mpcontinuity.protocols.sasl.scram import Scram, make_keys
from mpcontinuity.protocols.smtp.client import ClientEngine
from mpcontinuity.protocols.smtp.data import DotStuffer
from mpcontinuity.protocols.smtp.events import Data, EndOfData
from mpcontinuity.protocols.smtp.replies import encode
from mpcontinuity.protocols.smtp.server import ServerEngine as SmtpEngine
from mpcontinuity.protocols.smtp.terms import Limits, Offers
from tests.linear.messages import small
from tests.linear.reader import KIB, Reader

_OK = Reply(250, "2.0.0", "OK")
_GO = Reply(354, "", "go")
_LIMITS = Limits(message_size=1 << 20, line_length=1 << 20)
_KEYS = make_keys("secret", b"0123456789abcdef", 1)
_ENVELOPE = b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
_CUTS = (65_536, 500)


def _smtp(data: bytes) -> None:
    for normalise in (False, True):
        for cut in _CUTS:
            engine = SmtpEngine("mx.example", _LIMITS, Offers(starttls=True, dsn=True, auth=("PLAIN",)))
            engine.normalise_line_ends = normalise
            engine.greet()

            def hear(piece: bytes, engine: SmtpEngine = engine) -> None:
                engine.receive(piece)
                while (event := engine.next_event()) is not None:
                    if event.waits:
                        fault = event.fault if isinstance(event, EndOfData) else None
                        engine.reply(fault or (_GO if isinstance(event, Data) else _OK))
                engine.to_send()

            small(hear, data, cut)


def _client(data: bytes) -> None:
    for cut in _CUTS:
        client = ClientEngine()
        client.receive(b"220 hello\r\n")
        client.ehlo("c.example")
        client.receive(b"250 PIPELINING\r\n")
        for _ in range(1000):
            client.rset()
        client.to_send()

        def hear(piece: bytes, client: ClientEngine = client) -> None:
            client.receive(piece)
            while client.next_answer() is not None:
                pass

        small(hear, data, cut)


def _imap(state: State) -> Any:
    def run(data: bytes) -> None:
        for cut in _CUTS:
            engine = ImapEngine(message_size=1 << 20)
            engine.state = state

            def hear(piece: bytes, engine: ImapEngine = engine) -> None:
                engine.receive(piece)
                while (event := engine.next_event()) is not None:
                    match event:
                        case command.Append():
                            engine.take_message()
                        case command.Idle():
                            engine.idle()
                        case command.Authenticate(initial=None):
                            engine.challenge()
                        case _ if engine.busy:
                            engine.complete(b"OK", "done")
                engine.to_send()

            small(hear, data, cut)

    return run


def _imap_client(data: bytes) -> None:
    for cut in _CUTS:
        client = ImapClient()
        client.receive(b"* OK [CAPABILITY IMAP4rev1 SASL-IR] hello\r\n")
        client.login("ann", "secret")

        def hear(piece: bytes, client: ImapClient = client) -> None:
            client.receive(piece)
            while client.next_event() is not None:
                pass
            client.to_send()

        small(hear, data, cut)


def _pop3(data: bytes) -> None:
    for cut in _CUTS:
        engine = Pop3Engine()
        engine.greet("ready")

        def hear(piece: bytes, engine: Pop3Engine = engine) -> None:
            engine.receive(piece)
            while (event := engine.next_event()) is not None and not isinstance(event, pop3.Disconnect):
                engine.ok("done")
            engine.to_send()

        small(hear, data, cut)


def _stream(data: bytes) -> None:
    lineends.octets_added(data)
    for lines in (-1, 1 << 30):
        for cut in _CUTS:
            stream = Stream(lines)
            small(stream.feed, data, cut)
            stream.finish()
    stuffer = DotStuffer()
    small(stuffer.feed, data, 100)


def _proxy(data: bytes) -> None:
    with contextlib.suppress(proxy.BadHeader):
        proxy.parse(data)


def _sasl(data: bytes) -> None:
    for exchange in (Plain(), LoginExchange(), Scram(lambda octets: b"r" * octets)):
        _exchange(exchange, data)


def _exchange(exchange: Exchange, data: bytes) -> None:
    for message in (data, data):
        step = exchange.receive(message)
        if isinstance(step, Lookup) and isinstance(exchange, Scram):
            exchange.found(_KEYS)


def _names(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        utf7.decode(data)
    utf7.encode(data.decode("latin-1"))


def _patterns(data: bytes) -> None:
    half = len(data) // 2
    Matcher("", [data[:half].decode("latin-1")]).matches(data[half:].decode("latin-1"))


def _given(data: bytes) -> None:
    with contextlib.suppress(address.BadAddress):
        address.parse(data.decode("latin-1"))
    address.quote(data.decode("latin-1"))
    with contextlib.suppress(ValueError):
        uidset.resolve(uidset.parse(data), 1000)
    encode(Reply(550, "5.1.1", data.decode("latin-1")))


ENGINES = {
    "smtp": Reader(
        _smtp,
        (
            b"",
            b"EHLO c.example\r\n",
            b"EHLO c.example\r\nMAIL FROM:<",
            b"EHLO c.example\r\nMAIL FROM:<a@b> ",
            _ENVELOPE + b"DATA\r\n",
            _ENVELOPE + b"DATA\r\nA: ",
            _ENVELOPE + b"BDAT 1000000 LAST\r\n",
        ),
        (b"NOOP\r\n", b"RSET\r\n", b"\r\n.", b".\r\n", b"\0.\r\n", b"\r\n\0", b"BDAT 1\r\na"),
        most=32 * KIB,
    ),
    "smtp client": Reader(_client, (b"", b"250-"), (b"250 x\r\n", b"250-x\r\n", b"250\r\n")),
    "imap before login": Reader(
        _imap(State.NOT_AUTHENTICATED),
        (b"", b"a ", b"a LOGIN ", b'a ID ("', b"a APPEND x {100000+}\r\n"),
        (b"a NOOP\r\n", b"a{0+}\r\n", b'"a" '),
        most=32 * KIB,
    ),
    "imap": Reader(
        _imap(State.SELECTED),
        (
            b"",
            b"a ",
            b'a LIST "" (',
            b"a FETCH 1 (",
            b"a FETCH 1 BODY[HEADER.FIELDS (",
            b"a SEARCH ",
            b"a STORE 1 FLAGS (",
            b"a LOGIN {100000+}\r\n",
            b"a APPEND x {100000+}\r\n",
            b"a IDLE\r\n",
        ),
        (b"a NOOP\r\n", b"a{0+}\r\n", b'"a" ', b"1,", b"1:2,", b"NOT ", b"OR ", b"TEXT a ", b"&AOQ-", b"UID "),
        (b"\r\n", b""),
        most=32 * KIB,
    ),
    "imap client": Reader(
        _imap_client,
        (
            b"",
            b"* ",
            b"* OK [",
            b"* OK [A ",
            b"* LIST (",
            b'* LIST () "/" "',
            b"* SEARCH ",
            b"* 1 FETCH (",
            b"* 1 FETCH (BODY[",
            b"* 1 FETCH (X (",
            b"* NAMESPACE ((",
            b"* LIST () NIL {100000}\r\n",
            b"a1 NO [",
        ),
        (b"* 1 EXISTS\r\n", b"+ \r\n", b"{0}\r\n", b"secre", b"* SEARCH 1\r\n", b"UID 1 ", b"\\Seen ", b"&AOQ-"),
        (b"\r\n", b""),
    ),
    "names of mailboxes": Reader(_names, (b"", b"&"), (b"&-", b"&AOQ-", b"A"), (b"", b"-")),
    "patterns of mailboxes": Reader(_patterns, units=(b"%*", b"*a", b"%a", b"%/"), most=4 * KIB),
    "pop3": Reader(
        _pop3, (b"", b"USER ", b"AUTH PLAIN ", b"LIST ", b"TOP 1 "), (b"NOOP\r\n", b"CAPA\r\n", b"USER a\r\n")
    ),
    "messages of pop3": Reader(_stream, units=(b"\r\n.", b"\n.", b".")),
    "proxy": Reader(_proxy, (b"", b"PROXY TCP4 ", b"PROXY UNKNOWN ")),
    "sasl": Reader(_sasl, (b"", b"n,,n=", b"n,,n=a,r=", b"c=", b"c=biws,r="), (b"=2C", b",a="), most=12 * KIB),
    "addresses and numbers": Reader(
        _given, (b"", b'"', b"a@", b"1:"), (b"1,", b"1:2,", b"a-", b".a", b"\\a"), (b"", b"@b"), 16 * KIB
    ),
}
