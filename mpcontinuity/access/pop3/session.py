"""What each command of POP3 comes to (RFC 1939), and what a session remembers between two of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from mpcontinuity.access.pop3.lock import Holder
from mpcontinuity.access.pop3.maildrop import Maildrop
from mpcontinuity.access.pop3.services import WHOLE, Pop3Services
from mpcontinuity.accounts.users import User
from mpcontinuity.door.connection import PIECE, Connection
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.model.address import parse
from mpcontinuity.protocols.pop3 import events, message
from mpcontinuity.protocols.pop3.engine import ServerEngine
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed


class Pop3Session:
    """The client's state, and a method for each command. ``holder`` holds the maildrop while this session has it."""

    def __init__(self, connection: Connection[ServerEngine, Pop3Services], holder: Holder) -> None:
        self.connection = connection
        self.services = connection.services
        self.engine = connection.engine
        self.output = connection.output
        self.login = connection.login
        self.in_message = False  # a part of one is on the wire
        self.fetched = 0
        self.removed = 0
        self.how = "removed"
        self._holder = holder
        self._maildrop: Maildrop | None = None
        self._left = False

    @property
    def maildrop(self) -> Maildrop:
        """The maildrop of the user."""
        assert self._maildrop is not None  # the engine lets no command through before the login
        return self._maildrop

    def leave(self) -> None:
        """Gives the maildrop back for the next session."""
        self._left = True
        if self.login.user is not None:
            self.services.locks.release(self.login.user.id, self._holder)

    # Before the login

    async def capa(self, asked: events.Capa) -> None:
        """Answers CAPA (RFC 2449 §6). What a mailbox lists is never dropped by retention, hence EXPIRE NEVER."""
        lines = [b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"LOGIN-DELAY 0", b"EXPIRE NEVER"]
        lines.append(b"UTF8 USER")
        if self.login.user is None and self.engine.may_log_in:
            lines += [b"USER", b"SASL " + " ".join(self.login.mechanisms()).encode("ascii")]
        if self.engine.tls_offered and not self.engine.tls:
            lines.append(b"STLS")
        self.engine.lines("that can be done:", b"".join(line + b"\r\n" for line in lines))

    async def utf8(self, asked: events.Utf8) -> None:
        """Answers UTF8 (RFC 6856): messages are passed on as they came, UTF-8 in headers too, with it and without."""
        self.engine.ok("UTF-8 it is")

    async def password(self, asked: events.Pass) -> None:
        """Judges the name and password of USER and PASS."""
        await self._step(await self.login.check(asked.name, asked.password))

    async def auth(self, asked: events.Auth) -> None:
        """Begins AUTH (RFC 5034), or lists the mechanisms."""
        known = self.login.mechanisms()
        if not asked.mechanism:
            self.engine.lines("mechanisms:", b"".join(name.encode("ascii") + b"\r\n" for name in known))
        elif asked.mechanism not in known:
            self.engine.error(f"mechanisms here: {' '.join(known)}")
        elif not self.engine.may_log_in:
            self.engine.error(self.engine.tls_first, "AUTH")
        else:
            await self._step(await self.login.begin(asked.mechanism, asked.initial))

    async def auth_answer(self, answer: events.AuthAnswer) -> None:
        if answer.data is None:
            self.login.forget()
            self.engine.error("cancelled")
        else:
            await self._step(await self.login.answer(answer.data))

    async def _step(self, step: Challenge | User | Failed) -> None:
        if isinstance(step, Challenge):
            self.engine.challenge(step.data)
        elif not isinstance(step, Failed):
            await self._open(step)
        elif step.malformed:
            self.engine.error(step.reason)
        else:
            self.engine.error(step.reason, "AUTH")
            if self.login.exhausted:
                self.engine.close("too many wrong passwords", "AUTH")

    async def _open(self, user: User) -> None:
        """Opens the maildrop, as long as no other session has it. With that the user is logged in."""
        locks, store = self.services.locks, self.services.store
        if not await locks.take(user.id, self._holder):
            self.engine.error("another session has the maildrop", "IN-USE")
            return
        try:
            info = await store.read(partial(mailboxes.find, account=user.id, name="INBOX"))
            if info is None:
                self.engine.error("the account has no INBOX", "SYS/PERM")
                return
            maildrop = Maildrop(store, info)
            await maildrop.load()
            if self._left:
                return
            self._maildrop = maildrop
            self.login.enter(user)
            self.engine.logged_in(f"{maildrop.messages} messages, {maildrop.octets} octets")
        finally:
            if self._maildrop is None:
                locks.release(user.id, self._holder)

    # After it

    async def stat(self, asked: events.Stat) -> None:
        self.engine.ok(f"{self.maildrop.messages} {self.maildrop.octets}")

    async def list(self, asked: events.List) -> None:
        maildrop = self.maildrop
        if asked.number:
            self.engine.ok(f"{asked.number} {maildrop.size(asked.number)}")
            return
        lines = b"".join(b"%d %d\r\n" % (number, maildrop.size(number)) for number in maildrop.numbers())
        self.engine.lines(f"{maildrop.messages} messages, {maildrop.octets} octets", lines)

    async def uidl(self, asked: events.Uidl) -> None:
        maildrop = self.maildrop
        if asked.number:
            self.engine.ok(f"{asked.number} {maildrop.uidl(asked.number).decode('ascii')}")
            return
        lines = b"".join(b"%d %s\r\n" % (number, maildrop.uidl(number)) for number in maildrop.numbers())
        self.engine.lines("unique for ever:", lines)

    async def retr(self, asked: events.Retr) -> None:
        """Sends a message, or the beginning of it (RETR and TOP)."""
        maildrop = self.maildrop
        if maildrop.size(asked.number) > WHOLE:
            await self._pass_on(asked)
            return
        content = maildrop.ready(asked.number)
        if content is None:
            content = await maildrop.read(asked.number)
        if content is None:
            self.engine.error("the message was expunged meanwhile")
            return
        self.engine.begin_message(f"{maildrop.size(asked.number)} octets")
        self.output.write(self.engine.to_send() + message.on_the_wire(content, asked.lines))
        self.engine.end_message()
        self.fetched += asked.lines < 0

    async def _pass_on(self, asked: events.Retr) -> None:
        """A large message, in pieces."""
        body = await self.maildrop.body(asked.number)
        if body is None:
            self.engine.error("the message was expunged meanwhile")
            return
        content = self.services.store.bodies.content(body)
        stream = message.Stream(asked.lines)
        piece = await content.read(0, PIECE)  # before anything is said: a missing file is an ordinary answer
        self.engine.begin_message(f"{self.maildrop.size(asked.number)} octets")
        self.in_message = True
        self.output.write(self.engine.to_send())
        start = 0
        while True:
            self.output.write(stream.feed(piece))
            await self.output.room()
            start += len(piece)
            if start >= content.length or stream.complete:
                break
            piece = await content.read(start, PIECE)
        self.output.write(stream.finish())
        self.in_message = False
        self.engine.end_message()
        self.fetched += asked.lines < 0

    async def dele(self, asked: events.Dele) -> None:
        self.maildrop.mark(asked.number)
        self.engine.ok("marked")

    async def rset(self, asked: events.Rset) -> None:
        self.maildrop.unmark()
        self.engine.ok(f"{self.maildrop.messages} messages, {self.maildrop.octets} octets")

    async def quit(self, asked: events.Quit) -> None:
        """Answers QUIT: +OK once what was marked is gone for good (RFC 1939 §6)."""
        if asked.update:
            user = self.login.user
            assert user is not None
            domain = await self.services.directory.domain(parse(user.address).domain)
            delete = domain is not None and domain.settings.pop3_delete == "delete"
            self.how = "deleted" if delete else "downloaded"
            self.removed = await self.maildrop.update(delete=delete)
        self.engine.ok("see you")


HANDLERS: dict[type[events.Event], Callable[[Pop3Session, Any], Awaitable[None]]] = {
    events.Capa: Pop3Session.capa,
    events.Utf8: Pop3Session.utf8,
    events.Pass: Pop3Session.password,
    events.Auth: Pop3Session.auth,
    events.AuthAnswer: Pop3Session.auth_answer,
    events.Stat: Pop3Session.stat,
    events.List: Pop3Session.list,
    events.Uidl: Pop3Session.uidl,
    events.Retr: Pop3Session.retr,
    events.Dele: Pop3Session.dele,
    events.Rset: Pop3Session.rset,
    events.Quit: Pop3Session.quit,
}
