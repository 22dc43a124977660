"""A scripted home server: a real SMTP server on loopback that fails on order, at any stage.

    home = ScriptedHome()
    home.on("rcpt", say("451 4.3.0 not now"), times=1, recipient="anna@example.org")
    home.on("message", TAKEN_THEN_HANG_UP)
    home.stop(); home.start()          # the port is closed, then open again
    home.messages                      # what it took, in order

Plain sockets and threads, none of our own engines: it is a stranger to what it tests.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from functools import cached_property
from typing import Literal, Self

Stage = Literal["connect", "greeting", "ehlo", "starttls", "mail", "rcpt", "data", "message", "quit"]

_PATH = re.compile(rb"\s*<([^>]*)>\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class Behaviour:
    """What is done instead of the usual: wait, take the message (stage ``message``), reply, hang up."""

    reply: str | None = None  # "550 5.1.1 text"; lines of several are separated by \n
    wait: float = 0.0  # seconds before the reply
    silent: bool = False  # from then on nothing is said, and the connection stays
    hang_up: bool = False
    take: bool = False  # the message counts as received, whatever is said then


def say(reply: str, *, wait: float = 0.0, hang_up: bool = False) -> Behaviour:
    """Replies so; a 2xx to the message takes it."""
    return Behaviour(reply, wait=wait, hang_up=hang_up, take=reply.startswith("2"))


SILENCE = Behaviour(silent=True)
HANG_UP = Behaviour(hang_up=True)
THROTTLE = say("421 4.7.0 too many connections, come back later", hang_up=True)
TAKEN_THEN_SILENCE = Behaviour(silent=True, take=True)
TAKEN_THEN_HANG_UP = Behaviour(hang_up=True, take=True)


def taken_late(seconds: float, reply: str = "250 2.0.0 taken") -> Behaviour:
    """Takes the message at once and says so later."""
    return Behaviour(reply, wait=seconds, take=True)


@dataclass
class Rule:
    """A behaviour on order. ``hits`` counts how often it was followed."""

    stage: Stage
    behaviour: Behaviour
    times: int | None
    sender: str | None
    recipient: str | None
    after: int
    hits: int = 0

    def fits(self, stage: Stage, sender: str | None, recipients: list[str], taken: int) -> bool:
        return (
            stage == self.stage
            and taken >= self.after
            and (self.times is None or self.hits < self.times)
            and (self.sender is None or self.sender == sender)
            and (self.recipient is None or self.recipient in recipients)
        )


@dataclass(frozen=True)
class Received:
    """A message that was taken. ``data`` has its dots unstuffed and its last line end."""

    session: int
    sender: str
    parameters: str  # of MAIL
    recipients: list[str]
    data: bytes
    time: float = field(default_factory=time.monotonic)

    @cached_property
    def headers(self) -> Message[str, str]:
        """Read once: who looks for a subject among a thousand messages asks each for it."""
        return BytesHeaderParser().parsebytes(self.data)

    @property
    def id(self) -> str:
        """X-MPContinuity-Id; empty without one."""
        return str(self.headers.get("X-MPContinuity-Id", ""))

    @cached_property
    def subject(self) -> str:
        return str(self.headers.get("Subject", ""))


class ScriptedHome:
    """Listens on 127.0.0.1 at ``port``, the same one after every ``start``. A context manager that closes it."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, max_sessions: int | None = None) -> None:
        self.offers = ["PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES", "SMTPUTF8"]
        self.max_sessions = max_sessions  # more get 421
        self.messages: list[Received] = []
        self.commands: list[tuple[int, str]] = []  # (session, line) of all commands
        self.sessions = 0  # ever accepted
        self.most_sessions = 0  # open at once
        self._tls = tls
        self._rules: list[Rule] = []
        self._lock = threading.Condition()
        self._open: dict[int, socket.socket] = {}
        self._listener: socket.socket | None = None
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        """As ``--home`` takes it."""
        return f"127.0.0.1:{self.port}"

    def on(
        self,
        stage: Stage,
        behaviour: Behaviour,
        *,
        times: int | None = None,
        sender: str | None = None,
        recipient: str | None = None,
        after: int = 0,
    ) -> Rule:
        """From now on, ``times`` times (None: always), for that sender or recipient only if given, in sessions that
        have taken ``after`` messages. The newest rule that fits is followed. Stages mail and later know the sender,
        rcpt its recipient, data and message all of them."""
        rule = Rule(stage, behaviour, times, sender, recipient, after)
        with self._lock:
            self._rules.insert(0, rule)
        return rule

    def clear(self) -> None:
        """Serves as usual again."""
        with self._lock:
            self._rules.clear()

    def start(self) -> None:
        """Opens the port."""
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(200)
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self, *, sessions: bool = True) -> None:
        """Closes the port, and the sessions with it. Clients are refused then, at once."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            listener.close()
        if sessions:
            self.drop_sessions()

    def drop_sessions(self) -> None:
        """Cuts every connection."""
        with self._lock:
            connections = list(self._open.values())
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> bool:
        """Until the condition holds; it is looked at after every message and every 50 ms. False: it never did."""
        until = time.monotonic() + seconds
        with self._lock:
            while not condition():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._lock.wait(min(left, 0.05))
        return True

    def received(self, subject: str) -> list[Received]:
        """The messages of that subject."""
        return [message for message in list(self.messages) if message.subject == subject]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.sessions += 1
                number = self.sessions
                self._open[number] = connection
                self.most_sessions = max(self.most_sessions, len(self._open))
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        session = _Session(self, number, connection, self._tls)
        try:
            session.run()
        except (OSError, _HungUp):
            pass
        finally:
            with self._lock:
                self._open.pop(number, None)
            session.close()

    def choose(self, stage: Stage, sender: str | None, recipients: list[str], taken: int) -> Behaviour | None:
        """For a session that has taken so many messages: what it is to do instead of the usual."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(stage, sender, recipients, taken):
                    rule.hits += 1
                    return rule.behaviour
            if stage == "greeting" and self.max_sessions is not None and len(self._open) > self.max_sessions:
                return THROTTLE
        return None

    def record(self, message: Received) -> None:
        with self._lock:
            self.messages.append(message)
            self._lock.notify_all()

    def said(self, message: Received, reply: str) -> None:
        """The reply to a message that was taken is on its way."""

    def note(self, number: int, line: str) -> None:
        with self._lock:
            self.commands.append((number, line))


class _HungUp(Exception):
    """The session is over."""


class _Session:
    def __init__(self, home: ScriptedHome, number: int, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._home = home
        self._number = number
        self._socket = connection
        self._file = connection.makefile("rb")
        self._tls = tls
        self._taken = 0
        self._clear()

    def _clear(self) -> None:
        self._sender: str | None = None
        self._parameters = ""
        self._recipients: list[str] = []
        self._chunks: list[bytes] = []

    def run(self) -> None:
        self._do("connect", None)
        self._do("greeting", "220 home.example ESMTP scripted")
        while line := self._file.readline(10_000):
            text = line.rstrip(b"\r\n")
            self._home.note(self._number, text.decode("utf-8", "replace"))
            verb = text[:4].upper()
            if verb == b"QUIT":
                self._do("quit", "221 2.0.0 bye")
                return
            self._command(verb, text)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _command(self, verb: bytes, text: bytes) -> None:
        if verb in (b"EHLO", b"HELO"):
            self._clear()
            offers = [*self._home.offers, *(["STARTTLS"] if self._tls else [])] if verb == b"EHLO" else []
            self._do("ehlo", "\n".join(["250 home.example", *(f"250 {offer}" for offer in offers)]))
        elif verb == b"STAR" and self._tls is not None:
            self._do("starttls", "220 2.0.0 go ahead")
            self._socket = self._tls.wrap_socket(self._socket, server_side=True)
            self._file = self._socket.makefile("rb")
            self._tls = None
        elif verb == b"MAIL":
            self._sender, self._parameters = self._path(text[10:])
            if not self._do("mail", "250 2.1.0 sender ok"):
                self._sender = None
        elif verb == b"RCPT":
            self._rcpt(text)
        elif verb == b"DATA":
            self._data()
        elif verb == b"BDAT" and "CHUNKING" in self._home.offers:
            self._bdat(text)
        elif verb == b"RSET":
            self._clear()
            self._say("250 2.0.0 reset")
        elif verb == b"NOOP":
            self._say("250 2.0.0 ok")
        else:
            self._say("502 5.5.1 not known here")

    def _rcpt(self, text: bytes) -> None:
        if self._sender is None:
            self._say("503 5.5.1 MAIL first")
            return
        recipient, _ = self._path(text[8:])
        if self._do("rcpt", "250 2.1.5 recipient ok", [recipient]):
            self._recipients.append(recipient)

    def _data(self) -> None:
        if not self._recipients:
            self._say("503 5.5.1 RCPT first")
            return
        if not self._do("data", "354 end with a dot"):
            return
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise _HungUp
            lines.append(line[1:] if line.startswith(b".") else line)
        self._do("message", "250 2.0.0 taken", data=b"".join(lines))
        self._clear()

    def _bdat(self, text: bytes) -> None:
        _, length, *last = text.split()
        self._chunks.append(self._file.read(int(length)))
        if not self._recipients:
            self._say("503 5.5.1 RCPT first")
        elif not last:
            self._do("data", "250 2.0.0 go on")
        else:
            self._do("message", "250 2.0.0 taken", data=b"".join(self._chunks))
            self._clear()

    def _path(self, text: bytes) -> tuple[str, str]:
        match = _PATH.match(text)
        if not match:
            return "", ""
        return match[1].decode("utf-8", "replace"), match[2].decode("utf-8", "replace")

    def _do(
        self, stage: Stage, usual: str | None, recipients: list[str] | None = None, data: bytes | None = None
    ) -> bool:
        """The usual reply or what was ordered. Returns whether the reply was positive."""
        chosen = self._home.choose(stage, self._sender, recipients or self._recipients, self._taken)
        behaviour = chosen or Behaviour(usual, take=True)
        taken = None
        if behaviour.take and data is not None:
            taken = Received(self._number, self._sender or "", self._parameters, self._recipients[:], data)
            self._home.record(taken)
            self._taken += 1
        if behaviour.wait:
            time.sleep(behaviour.wait)
        if behaviour.silent:
            while self._socket.recv(65536):  # until the other side has enough
                pass
            raise _HungUp
        if behaviour.reply is not None:
            self._say(behaviour.reply)
            if taken is not None:
                self._home.said(taken, behaviour.reply)
        if behaviour.hang_up:
            self._socket.shutdown(socket.SHUT_RDWR)
            raise _HungUp
        return behaviour.reply is None or behaviour.reply[0] in "23"

    def _say(self, reply: str) -> None:
        lines = reply.split("\n")
        *first, last = [line if line[:3].isdigit() else f"{lines[0][:3]} {line}" for line in lines]
        self._socket.sendall("".join([*(f"{line[:3]}-{line[4:]}\r\n" for line in first), last + "\r\n"]).encode())
