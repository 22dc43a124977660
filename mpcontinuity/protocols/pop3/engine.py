"""The server's side of POP3: octets in, events out, answers in their order.

A door gives ``receive`` what the client sent, takes events from ``next_event`` until that is None, answers those that
wait, and sends ``to_send``. While an event waits no other is given, so that pipelined commands (RFC 2449 §6.6) are
answered in order. ``Limits.buffer`` bounds the memory per connection: the door stops reading while an event waits.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mpcontinuity.protocols.pop3.events import (
    Auth,
    AuthAnswer,
    Capa,
    Dele,
    Disconnect,
    Event,
    List,
    Pass,
    Quit,
    Retr,
    Rset,
    StartTls,
    Stat,
    Uidl,
    Utf8,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may use up, in octets, line ends included."""

    command_line: int = 1024  # RFC 2449 §4 asks for 255; passwords of 1,024 characters would not fit there
    password_line: int = 4200
    auth_line: int = 12_288  # RFC 5034 §4
    # What may wait behind a command that is being worked on: clients may send ahead (RFC 2449 §6.6), and the transport
    # hands over some reads of 64 KiB before it heeds that nothing more is read.
    buffer: int = 4 * 65_536
    errors: int = 20  # commands that are refused as such, until the connection ends
    idle_commands: int = 1000  # before the login


class Bad(Exception):
    """Raised for a command that is answered -ERR with this text and changes nothing."""


_INJECTED = "sent bytes behind STLS"
_TOO_MANY_ERRORS = "too many errors"


class ServerEngine:
    """The engine of one connection."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.closed = False
        self.tls = False
        self.in_transaction = False  # RFC 1939 §5: logged in
        self.utf8 = False
        self.tls_offered = False
        self.passwords_in_clear = True  # whether a client may send one without TLS
        self._buffer = b""
        self._position = 0
        self._discarding = False  # the rest of a line that is too long
        self._output: list[bytes] = []
        self._waiting: Event | None = None
        self._name: str | None = None  # of USER
        self._challenged = False
        self._securing = False
        self._disconnect: str | None = None
        self._errors = 0
        self.commands = 0  # lines that were read, answers to challenges among them
        self.unsent = 0  # octets of listings that ``to_send`` has not returned yet

    @property
    def waiting(self) -> int:
        """The number of octets that were received and not yet looked at."""
        return len(self._buffer) - self._position

    def greet(self, text: str) -> None:
        """Sends the greeting."""
        self._output.append(b"+OK " + _line(text))

    def receive(self, data: bytes) -> None:
        """Takes octets that the client sent."""
        if self.closed or not data:
            return
        if self._securing:
            self._close(_INJECTED)
            return
        self._buffer, self._position = self._buffer[self._position :] + data, 0
        if self._waiting is not None and len(self._buffer) > self.limits.buffer:
            self.close("too much was sent without waiting for answers")

    def next_event(self) -> Event | None:
        """Returns the next thing to do, or None while more must arrive first, or an event waits for its answer."""
        while self._waiting is None and not self.closed:
            line = self._next_line()
            if line is None:
                break
            event = self._execute(line)
            if event is not None:
                if event.waits:
                    self._waiting = event
                return event
        if self._disconnect is not None:
            reason, self._disconnect = self._disconnect, None
            return Disconnect(reason)
        return None

    # Answers

    def ok(self, text: str = "") -> None:
        """Answers the event that waits with +OK. After Quit it closes."""
        self._answered()
        self._output.append(b"+OK " + _line(text) if text else b"+OK\r\n")

    def error(self, text: str, code: str = "") -> None:
        """Answers the event that waits with -ERR.

        ``code`` is a response code (RFC 2449 §8), such as ``IN-USE``, or ``SYS/TEMP`` (RFC 3206).
        """
        self._answered()
        self._output.append(b"-ERR " + _line(f"[{code}] {text}" if code else text))

    def lines(self, text: str, lines: bytes) -> None:
        """Answers with a listing. Each of its ``lines`` ends in CRLF, and none begins with a dot."""
        self._answered()
        self._output.append(b"+OK " + _line(text) + lines + b".\r\n")
        self.unsent += len(lines)

    def begin_message(self, text: str) -> None:
        """Answers with a message. The door sends it, with dots stuffed, and then calls ``end_message``."""
        self._output.append(b"+OK " + _line(text))

    def end_message(self) -> None:
        """Says that the message was sent."""
        self._answered()

    def logged_in(self, text: str) -> None:
        """Answers a login with +OK. From then on the commands of the transaction state are permitted."""
        self._answered()
        self.in_transaction = True
        self._name = None
        self._output.append(b"+OK " + _line(text))

    def challenge(self, data: bytes) -> None:
        """Answers Auth or AuthAnswer with a challenge. The client's answer comes as AuthAnswer."""
        self._answered()
        self._challenged = True
        self._output.append(b"+ " + base64.b64encode(data) + b"\r\n")

    def to_send(self) -> bytes:
        """Returns what is to be sent since the last call."""
        output = b"".join(self._output)
        self._output.clear()
        self.unsent = 0
        return output

    def tls_started(self) -> None:
        """Says that TLS is on. All that was said before is forgotten (RFC 2595 §4)."""
        self._buffer, self._position, self._discarding = b"", 0, False
        self._securing = False
        self._name = None
        self.tls = True

    def close(self, text: str = "", code: str = "") -> None:
        """Ends the connection now, because of a timeout or a shutdown. Disconnect is the next event."""
        if not self.closed:
            self._waiting = None
            if text:
                self._output.append(b"-ERR " + _line(f"[{code}] {text}" if code else text))
            self._close(text or "closed")

    def _answered(self) -> None:
        event, self._waiting = self._waiting, None
        if event is None and self.closed:
            return  # too much was sent meanwhile
        if event is None:
            raise RuntimeError("no event waits for an answer")
        if isinstance(event, Quit):
            self._close("QUIT")

    def _close(self, reason: str) -> None:
        self.closed = True
        self._buffer, self._position = b"", 0
        self._disconnect = reason

    # Reading

    def _next_line(self) -> bytes | None:
        while not self.closed:
            start = self._position
            end = self._buffer.find(b"\n", start)
            length = (end + 1 if end >= 0 else len(self._buffer)) - start
            if length > self.limits.command_line and length > self._line_limit(start):
                self._discarding = True
            if end < 0:
                if self._discarding:
                    self._buffer, self._position = b"", 0
                return None
            self._position = end + 1
            self.commands += 1
            if self._discarding:
                self._discarding = self._challenged = False
                self._refuse("the line is too long")
                continue
            line = self._buffer[start:end]
            return line.removesuffix(b"\r")
        return None

    def _line_limit(self, start: int) -> int:
        verb = self._buffer[start : start + 5].upper()
        if self._challenged or verb == b"AUTH ":
            return self.limits.auth_line
        return self.limits.password_line if verb == b"PASS " else self.limits.command_line

    def _execute(self, line: bytes) -> Event | None:
        if self._challenged:
            return self._auth_answer(line)
        if not self.in_transaction and self.commands > self.limits.idle_commands:
            self.close("too many commands without a login")
            return None
        verb, _, argument = line.partition(b" ")
        try:
            before, after = _COMMANDS.get(verb.upper(), (None, None))
            command = after if self.in_transaction else before
            if command is None:
                known = before is not None or after is not None
                raise Bad("that is not possible in this state" if known else "there is no such command")
            return command(self, argument)
        except Bad as error:
            self._refuse(str(error))
            return None

    def _refuse(self, text: str) -> None:
        self._output.append(b"-ERR " + _line(text))
        self._errors += 1
        if self._errors >= self.limits.errors:
            self._close(_TOO_MANY_ERRORS)

    # Commands

    @property
    def may_log_in(self) -> bool:
        """Whether the client may send a password now."""
        return self.tls or self.passwords_in_clear

    @property
    def tls_first(self) -> str:
        """What a client is told that may not, in the text of an answer."""
        return f"use {'STLS' if self.tls_offered else 'the port with TLS'} before you send a password"

    def _user(self, argument: bytes) -> Event | None:
        if not self.may_log_in:  # told at PASS, the password would have gone over in clear
            raise Bad(f"[AUTH] {self.tls_first}")
        self._name = _utf8(argument)
        if not self._name:
            self._name = None
            raise Bad("syntax: USER name")
        self._output.append(b"+OK now the password\r\n")  # says nothing about whether the name exists
        return None

    def _pass(self, argument: bytes) -> Event:
        name, self._name = self._name, None
        if name is None:
            raise Bad("USER comes first")
        return Pass(name, _utf8(argument))  # RFC 1939 §7: blanks belong to the password

    def _auth(self, argument: bytes) -> Event:
        mechanism, _, initial = argument.strip().partition(b" ")
        if not initial:
            return Auth(_ascii(mechanism).upper(), None)
        return Auth(_ascii(mechanism).upper(), b"" if initial == b"=" else _base64(initial))

    def _auth_answer(self, line: bytes) -> Event:
        self._challenged = False
        try:
            return AuthAnswer(None if line == b"*" else _base64(line))
        except Bad:
            return AuthAnswer(None)

    def _stls(self, argument: bytes) -> Event | None:
        _nothing(argument)
        if self.tls or not self.tls_offered:
            raise Bad("TLS is on already" if self.tls else "there is no TLS here")
        if self._position < len(self._buffer):
            # Somebody injects commands before the handshake: they would run as if they came through TLS.
            self._close(_INJECTED)
            return None
        self._securing = True
        self._output.append(b"+OK begin TLS now\r\n")
        return StartTls()

    def _numbered(self, event: Callable[[int], T], argument: bytes, *, needed: bool = False) -> T:
        argument = argument.strip()
        if not argument and not needed:
            return event(0)
        return event(_number(argument, least=1))

    def _top(self, argument: bytes) -> Event:
        number, _, lines = argument.strip().partition(b" ")
        return Retr(_number(number, least=1), _number(lines.strip(), least=0))

    def _noop(self, argument: bytes) -> Event | None:
        _nothing(argument)
        self._output.append(b"+OK\r\n")
        return None


def _plain(event: Callable[[], Event]) -> Callable[[ServerEngine, bytes], Event | None]:
    def command(engine: ServerEngine, argument: bytes) -> Event | None:
        _nothing(argument)
        return event()

    return command


_Command = Callable[[ServerEngine, bytes], Event | None]

# In the authorization state, and in the transaction state (RFC 1939 §4, §5).
_COMMANDS: dict[bytes, tuple[_Command | None, _Command | None]] = {
    b"CAPA": (_plain(Capa), _plain(Capa)),
    b"STLS": (ServerEngine._stls, None),
    b"USER": (ServerEngine._user, None),
    b"PASS": (ServerEngine._pass, None),
    b"AUTH": (ServerEngine._auth, None),
    b"UTF8": (_plain(Utf8), None),  # RFC 6856 §2.1: not in the transaction state
    b"QUIT": (_plain(lambda: Quit(False)), _plain(lambda: Quit(True))),
    b"NOOP": (None, ServerEngine._noop),
    b"STAT": (None, _plain(Stat)),
    b"RSET": (None, _plain(Rset)),
    b"LIST": (None, lambda engine, argument: engine._numbered(List, argument)),
    b"UIDL": (None, lambda engine, argument: engine._numbered(Uidl, argument)),
    b"DELE": (None, lambda engine, argument: engine._numbered(Dele, argument, needed=True)),
    b"RETR": (None, lambda engine, argument: engine._numbered(lambda number: Retr(number, -1), argument, needed=True)),
    b"TOP": (None, ServerEngine._top),
}


def _nothing(argument: bytes) -> None:
    if argument.strip():
        raise Bad("this command takes no argument")


def _number(text: bytes, *, least: int) -> int:
    if not text.isdigit() or len(text) > 10 or int(text) < least:
        raise Bad(f"a number from {least} on is missing")
    return int(text)


def _ascii(text: bytes) -> str:
    try:
        return text.decode("ascii")
    except UnicodeDecodeError:
        raise Bad("no such mechanism") from None


def _utf8(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("names and passwords are UTF-8") from None


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Bad("that is not base64") from None


def _line(text: str) -> bytes:
    """One line of an answer, within RFC 2449 §4's 512 octets."""
    printable = text
    if not text.isprintable():
        printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.encode("ascii", "replace")[:480] + b"\r\n"
