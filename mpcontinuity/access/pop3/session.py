"""What each command of POP3 comes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from twisted.logger import Logger

from mpcontinuity.access.pop3.lock import Holder
from mpcontinuity.access.pop3.maildrop import Maildrop
from mpcontinuity.access.pop3.services import PIECE, WHOLE, WRONG_PASSWORDS, Services
from mpcontinuity.accounts.authentication import WRONG, Authentication, channel_binding, mechanisms
from mpcontinuity.accounts.directory import User
from mpcontinuity.door.output import Output
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.model.address import parse
from mpcontinuity.protocols.pop3 import events, message
from mpcontinuity.protocols.pop3.engine import ServerEngine
from mpcontinuity.protocols.sasl.exchange import Challenge, Failed

_log = Logger()


class Session:
    """A connection between two commands."""

    def __init__(
        self,
        services: Services,
        engine: ServerEngine,
        output: Output,
        *,
        name: str,
        peer: str,
        transport: Any,
        holder: Holder,
    ) -> None:
        self.services = services
        self.engine = engine
        self.output = output
        self.name = name
        self.peer = peer
        self.share = services.rations.share_of(peer)
        self.transport = transport
        self.user: User | None = None
        self.in_message = False  # a part of one is on the wire
        self.fetched = 0
        self.removed = 0
        self.how = "removed"
        self._holder = holder
        self._maildrop: Maildrop | None = None
        self._exchange: Authentication | None = None
        self._wrong_passwords = 0
        self._left = False

    @property
    def maildrop(self) -> Maildrop:
        assert self._maildrop is not None  # the engine lets no command through before the login
        return self._maildrop

    def leave(self) -> None:
        """The maildrop is free for the next one."""
        self._left = True
        if self.user is not None:
            self.services.locks.release(self.user.id, self._holder)

    # Before the login

    @property
    def may_log_in(self) -> bool:
        return self.engine.tls or self.services.plaintext_allowed(self.peer)

    async def capa(self, asked: events.Capa) -> None:
        """RFC 2449 §6; what a mailbox lists is never dropped by retention, hence EXPIRE NEVER."""
        lines = [b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING", b"LOGIN-DELAY 0", b"EXPIRE NEVER"]
        lines.append(b"UTF8 USER")
        if self.user is None and self.may_log_in:
            lines += [b"USER", b"SASL " + " ".join(mechanisms(self.transport)).encode("ascii")]
        if self.engine.tls_offered and not self.engine.tls:
            lines.append(b"STLS")
        self.engine.lines("that can be done:", b"".join(line + b"\r\n" for line in lines))

    async def utf8(self, asked: events.Utf8) -> None:
        """RFC 6856: messages are passed on as they came, UTF-8 in headers too, in this mode and without it."""
        self.engine.ok("UTF-8 it is")

    async def login(self, asked: events.Login) -> None:
        if not self._refused():
            await self._check(asked.name, asked.password)

    async def auth(self, asked: events.Auth) -> None:
        known = mechanisms(self.transport)
        if not asked.mechanism:
            self.engine.lines("mechanisms:", b"".join(name.encode("ascii") + b"\r\n" for name in known))
        elif asked.mechanism not in known:
            self.engine.error(f"mechanisms here: {' '.join(known)}")
        elif not self._refused():
            binding = channel_binding(self.transport)
            self._exchange = Authentication(self.services.login, asked.mechanism, self.peer, binding)
            await self._step(self._exchange, asked.initial)

    async def auth_answer(self, answer: events.AuthAnswer) -> None:
        exchange = self._exchange
        assert exchange is not None
        if answer.data is None:
            self.engine.error("cancelled")
        else:
            await self._step(exchange, answer.data)

    async def _step(self, exchange: Authentication, message: bytes | None) -> None:
        step = await exchange.receive(message)
        if isinstance(step, Challenge):
            self.engine.challenge(step.data)
        elif not isinstance(step, Failed):
            await self._open(step)
        elif step.malformed:
            self.engine.error(step.reason)
        else:
            self._wrong(exchange.name, step.reason)

    def _refused(self) -> bool:
        if self.may_log_in:
            return False
        how = "STLS" if self.engine.tls_offered else "the port with TLS"
        self.engine.error(f"use {how} before you send a password", "AUTH")
        return True

    async def _check(self, name: str, password: str) -> None:
        user = await self.services.login.check(name, password, self.peer)
        if user is None:
            self._wrong(name, WRONG.reason)
        else:
            await self._open(user)

    def _wrong(self, name: str, reason: str) -> None:
        self._wrong_passwords += 1
        if self.share.refusal():
            _log.info("login of {user!r} from {peer} failed", session=self.name, user=name[:200], peer=self.peer)
        self.engine.error(reason, "AUTH")
        if self._wrong_passwords >= WRONG_PASSWORDS:
            self.engine.close("too many wrong passwords", "AUTH")

    async def _open(self, user: User) -> None:
        if not await self.services.locks.take(user.id, self._holder):
            self.engine.error("another session has the maildrop", "IN-USE")
            return
        self.user = user
        self.share.logged_in()
        try:
            info = await self.services.store.read(partial(mailboxes.find, account=user.id, name="INBOX"))
            if info is None:
                self.engine.error("the account has no INBOX", "SYS/PERM")
                return
            maildrop = Maildrop(self.services.store, info)
            await maildrop.load()
            self._maildrop = maildrop
            _log.info("login of {user!r} from {peer}", session=self.name, user=user.address, peer=self.peer)
            self.engine.logged_in(f"{maildrop.messages} messages, {maildrop.octets} octets")
        finally:
            if self._maildrop is None or self._left:
                self.services.locks.release(user.id, self._holder)
                self.user = None

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
        """RETR and TOP."""
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
        """RFC 1939 §6: +OK once what was marked is gone for good."""
        if asked.update:
            assert self.user is not None
            domain = await self.services.directory.domain(parse(self.user.address).domain)
            delete = domain is not None and domain.settings.pop3_delete == "delete"
            self.how = "deleted" if delete else "downloaded"
            self.removed = await self.maildrop.update(delete=delete)
        self.engine.ok("see you")


HANDLERS: dict[type[events.Event], Callable[[Session, Any], Awaitable[None]]] = {
    events.Capa: Session.capa,
    events.Utf8: Session.utf8,
    events.Login: Session.login,
    events.Auth: Session.auth,
    events.AuthAnswer: Session.auth_answer,
    events.Stat: Session.stat,
    events.List: Session.list,
    events.Uidl: Session.uidl,
    events.Retr: Session.retr,
    events.Dele: Session.dele,
    events.Rset: Session.rset,
    events.Quit: Session.quit,
}
