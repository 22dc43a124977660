"""The mailboxes of one user on an IMAP server: what is asked of them when a message is brought there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from twisted.internet.defer import Deferred

from mpcontinuity.model.body import Content
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.imap.session import Heard, ImapSession
from mpcontinuity.outbound.session import Lost, within
from mpcontinuity.protocols.imap.answer import Data, Fetched, Flags, Found, Listed, Namespace, Status
from mpcontinuity.protocols.imap.client import Completed, GoAhead

T = TypeVar("T")

PIECE = 65_536
# Seconds for SEARCH: a server without an index reads the headers of a mailbox with some 100,000 messages.
SEARCH_WITHIN = 120.0
# Seconds that an answer to a whole message is waited for at most, as RFC 5321 §4.5.3.2.6 has it for SMTP. Until then
# the server may store it, and a search that finds nothing proves nothing.
LATE_WITHIN = 600.0


class Interrupted(Exception):
    """Raised where the session ended, or the server said something that makes no sense; the text says what."""


class Unsearched(Exception):
    """Raised where the server refuses to search, so that nobody knows whether it has a message; the text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be appended: ``head`` goes before ``content``. ``flags`` are names as IMAP has them, ``date`` is its
    internal date in µs since 1970."""

    head: bytes
    content: Content
    flags: tuple[str, ...]
    date: int

    @property
    def size(self) -> int:
        """Its octets."""
        return len(self.head) + self.content.length


@dataclass(frozen=True, slots=True)
class Appended:
    """What APPEND came to.

    ``status`` is the server's answer, or None where none came: then ``reason`` says why, and the server may have stored
    the message if it was ``whole``, that is, if its last octet was sent. ``late`` is set where the answer may still
    come; it fires with the same, and ``late`` None.
    """

    status: Status | None
    reason: str = ""
    whole: bool = False
    late: Deferred[Appended] | None = None


class UserMailboxes:
    """A session that is logged in as one user. It lives in the reactor thread.

    Names of mailboxes are as on the wire. Methods raise Interrupted where there is no answer; a refusal is returned.
    ``listed`` are the mailboxes, and ``namespace`` is where the user's own ones are, once `load` was called.
    """

    def __init__(self, session: ImapSession, timer: Timer, *, wait: float, message_wait: float) -> None:
        """``wait`` and ``message_wait`` are the seconds that an answer, and one to a message, may take."""
        self.session = session
        self.listed: list[Listed] | None = None
        self.namespace = Namespace(b"", "")
        self._timer = timer
        self._wait = wait
        self._message_wait = message_wait
        self._open = b""  # the mailbox that is open
        self._writable = False
        self._permanent: frozenset[str] | None = None  # flags that can be kept there, in small letters; None: any

    @property
    def host(self) -> str:
        """``host:port``."""
        return self.session.host

    async def load(self) -> list[Listed]:
        """Returns all mailboxes, which the server is asked for once."""
        if self.listed is None:
            engine = self.session.engine
            if "NAMESPACE" in engine.capabilities:
                answered = await self._ask(engine.namespace, self._wait)
                for namespace in _of(answered.data, Namespace):
                    self.namespace = namespace
            uses = {"LIST-EXTENDED", "SPECIAL-USE"} <= engine.capabilities
            answered = await self._ask(partial(engine.list_all, uses=uses), self._wait)
            if uses and not answered.status.ok:  # it does not know what it says it knows
                answered = await self._ask(engine.list_all, self._wait)
            if not answered.status.ok:
                raise Interrupted(f"{self.host} lists no mailboxes: {answered.status.line}")
            self.listed = _of(answered.data, Listed)
        return self.listed

    async def create(self, mailbox: bytes) -> Status:
        """Creates a mailbox, and subscribes to it so that clients show it."""
        engine = self.session.engine
        created = (await self._ask(partial(engine.create, mailbox), self._wait)).status
        if created.ok or created.code == "ALREADYEXISTS":
            await self._ask(partial(engine.subscribe, mailbox), self._wait)
            self.listed = None  # as the server has it now
        return created

    async def open(self, mailbox: bytes, *, writable: bool = False) -> Status:
        """Opens a mailbox, where it is not open already: read-only, so that nothing in it changes, unless ``writable``
        is asked for, which is also how a server says which flags it can keep."""
        if self._open == mailbox and (self._writable or not writable):
            # A server may search only what it has told, at the end of a command (RFC 9051 §7.4.1).
            answered = await self._ask(self.session.engine.noop, self._wait)
            if answered.status.ok:
                return answered.status
        self._open = b""
        answered = await self._ask(partial(self.session.engine.select, mailbox, read_only=not writable), self._wait)
        if answered.status.ok:
            self._open, self._writable = mailbox, writable
            told = _of(answered.data, Flags)[1:]  # the first are those in use
            self._permanent = frozenset(name.lower() for name in told[-1].names) if told and writable else None
        return answered.status

    def kept(self, flags: Sequence[str]) -> tuple[str, ...]:
        r"""Returns those of the flags that the open mailbox can keep, as PERMANENTFLAGS says (RFC 9051 §7.1)."""
        if self._permanent is None or "\\*" in self._permanent:
            system = self._permanent
            return (
                tuple(flags)
                if system is None
                else tuple(flag for flag in flags if not flag.startswith("\\") or flag.lower() in system)
            )
        return tuple(flag for flag in flags if flag.lower() in self._permanent)

    async def search(self, field: str, value: bytes) -> tuple[int, ...]:
        """Returns the UIDs of the messages in the open mailbox whose header field contains the value.

        Raises Unsearched where the server does not search, and Unsendable.
        """
        answered = await self._ask(partial(self.session.engine.search_header, field, value), SEARCH_WITHIN)
        if not answered.status.ok:
            raise Unsearched(f"{self.host} does not search: {answered.status.line}")
        return tuple(uid for found in _of(answered.data, Found) for uid in found.uids)

    async def beginnings(self, uids: Sequence[int]) -> list[Fetched]:
        """Returns size, header and the beginning of the text of messages in the open mailbox."""
        answered = await self._ask(partial(self.session.engine.fetch_beginnings, uids), SEARCH_WITHIN)
        return [one for one in _of(answered.data, Fetched) if one.uid in uids and one.header is not None]

    async def file(self, uid: int, mailbox: bytes, flags: Sequence[str]) -> None:
        """Gives a message of the open mailbox these flags too, and moves it to another mailbox, as far as the server
        can do that."""
        engine = self.session.engine
        if flags:
            await self._ask(partial(engine.store, [uid], "+", flags), self._wait)
        if mailbox != self._open and "MOVE" in engine.capabilities:
            await self._ask(partial(engine.copy, [uid], mailbox, move=True), self._wait)

    async def append(self, mailbox: bytes, message: Message, may_finish: Callable[[], Awaitable[bool]]) -> Appended:
        """Appends a message. ``may_finish`` is asked before its last octet, which is not sent if it says no.

        Raises Interrupted only before the message was announced; Corrupt where it cannot be read, and Unsendable.
        """
        session = self.session
        if not session.idle:
            raise Interrupted(self._gone())
        binary = "BINARY" in session.engine.capabilities and await _has_nul(message.content)
        session.engine.append(mailbox, message.flags, message.date, message.size, binary=binary)
        answer = await session.answer(self._wait)
        if isinstance(answer, GoAhead):
            try:
                unsent = await self._send(message, may_finish)
            except BaseException:
                session.abort("the message cannot be read")
                raise
            if unsent is not None:
                return unsent
            return await self._answered()
        return self._appended(answer, whole=False)

    async def _send(self, message: Message, may_finish: Callable[[], Awaitable[bool]]) -> Appended | None:
        """All but the last octet, then leave to finish, then that."""
        session, engine, whole = self.session, self.session.engine, message.content.whole
        last = message.head[-1:] if not message.content.length else b""
        engine.message(message.head[: len(message.head) - len(last)])
        for offset in range(0, message.content.length, PIECE):
            if not await session.room(self._message_wait):
                break
            length = min(PIECE, message.content.length - offset)
            piece = whole[offset : offset + length] if whole is not None else await message.content.read(offset, length)
            if offset + length == message.content.length:
                piece, last = piece[:-1], piece[-1:]
            if session.lost is not None:
                break
            engine.message(piece)
        session.end_of_message()
        session.flush()
        if session.lost is None and engine.left > 1:
            session.abort(f"{session.host} took no more of it for {self._message_wait:g} s")
        if session.lost is None and not await may_finish():
            session.abort("not sent: withdrawn before its end")
        if session.lost is not None:  # perhaps it has said why
            return self._appended(await session.answer(self._wait), whole=False)
        engine.message(last)
        return None

    async def _answered(self) -> Appended:
        heard = self.session.heard()
        silent: Heard = _silent(self.host, self._message_wait)
        answer = await (heard if heard.called else within(self._timer, heard, self._message_wait, silent))
        if answer is not silent:
            return self._appended(answer, whole=True)
        late: Deferred[Appended] = Deferred()
        never: Heard = _silent(self.host, LATE_WITHIN)

        def answered(answer: Heard) -> None:
            self.session.logout()
            late.callback(self._appended(answer, whole=True))

        within(self._timer, heard, LATE_WITHIN, never).addCallback(answered)
        return Appended(None, f"{self.host} did not answer within {self._message_wait:g} s", whole=True, late=late)

    def _appended(self, answer: Heard, *, whole: bool) -> Appended:
        if isinstance(answer, Completed):
            return Appended(answer.status, whole=whole)
        if isinstance(answer, Lost):
            return Appended(None, answer.reason, whole=whole)
        self.session.abort("out of step")
        return Appended(None, f"{self.host} said something else than was asked for", whole=whole)

    async def _ask(self, question: Callable[[], None], seconds: float) -> Completed:
        answer = await self.session.ask(question, seconds)
        if isinstance(answer, Lost):
            raise Interrupted(answer.reason)
        return answer

    def _gone(self) -> str:
        return self.session.lost.reason if self.session.lost is not None else f"{self.host} ended the session"


def _of(data: Sequence[Data], kind: type[T]) -> list[T]:
    return [one for one in data if isinstance(one, kind)]


def _silent(host: str, seconds: float) -> Heard:
    return Lost(f"{host} did not answer within {seconds:g} s", silent=True)


async def _has_nul(content: Content) -> bool:
    if content.whole is not None:
        return b"\0" in content.whole
    for offset in range(0, content.length, PIECE):
        if b"\0" in await content.read(offset, min(PIECE, content.length - offset)):
            return True
    return False
