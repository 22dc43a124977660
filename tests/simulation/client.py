"""Clients on port 25 that send, are cut off, and try again what they have no answer for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


@dataclass
class Letter:
    """A message of a client. ``answered``: with 250; ``lives`` of our machine in which it was under way."""

    number: int
    recipients: tuple[str, ...]
    content: bytes
    taken: list[str] = field(default_factory=list)  # recipients that RCPT took, at the attempt that was answered 250
    answered: bool = False
    given_up: bool = False  # no recipient was taken, or a 5xx answered the message
    lives: set[int] = field(default_factory=set)


def letter(number: int, chance: random.Random, users: list[str], unknown: str) -> Letter:
    recipients = tuple(chance.sample(users, chance.choice((1, 1, 1, 2))))
    if chance.random() < 0.1:
        recipients += (unknown,)
    length = chance.choice((10, 300, 300, 300, 5000, 100_000)) if chance.random() < 0.97 else 1_200_000
    lines = b"".join(chance.choices((b".\r\n", b"..x\r\n", b"text\r\n", b"x" * 900 + b"\r\n"), k=length // 225 + 1))
    head = b"From: <c@client.example>\r\nSubject: %d\r\nMessage-ID: <%d@client.example>\r\n\r\n" % (number, number)
    return Letter(number, recipients, head + lines)


class ClientSession(Protocol):
    """Sends letters one after the other. ``done`` hears when the session ends, however it does."""

    transport: Any

    def __init__(
        self,
        letters: list[Letter],
        chance: random.Random,
        life: int,
        heard: Callable[[], bool],
        done: Callable[[], object],
    ) -> None:
        """``heard``: whether what arrives now reaches the client (the power is on at ours)."""
        self._letters = letters
        self._chance = chance
        self._life = life
        self._heard = heard
        self._done = done
        self._buffer = b""
        self._expected = "greeting"
        self._letter: Letter | None = None
        self._waiting: list[str] = []
        self._taken: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            if line[3:4] != b"-" and self._heard():
                self._reply(int(line[:3]))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._done()

    def _reply(self, code: int) -> None:
        getattr(self, "_after_" + self._expected)(code)

    def _ask(self, expected: str, line: bytes) -> None:
        self._expected = expected
        self.transport.write(line + b"\r\n")

    def _after_greeting(self, code: int) -> None:
        if code == 220:
            self._ask("ehlo", b"EHLO client.example")
        else:
            self.transport.loseConnection()

    def _after_ehlo(self, code: int) -> None:
        self._next()

    def _next(self) -> None:
        self._letter = next((each for each in self._letters if not each.answered and not each.given_up), None)
        if self._letter is None or self._chance.random() < 0.1:
            self._letter = None
            self._ask("quit", b"QUIT")
            return
        self._letter.lives.add(self._life)
        self._waiting = list(self._letter.recipients)
        self._taken = []
        self._ask("mail", b"MAIL FROM:<c@client.example>")

    def _after_mail(self, code: int) -> None:
        if code == 250:
            self._ask("recipient", b"RCPT TO:<%s>" % self._waiting[0].encode())
        else:
            self.transport.loseConnection()

    def _after_recipient(self, code: int) -> None:
        assert self._letter
        address = self._waiting.pop(0)
        if code == 250:
            self._taken.append(address)
        if self._waiting:
            self._ask("recipient", b"RCPT TO:<%s>" % self._waiting[0].encode())
        elif self._taken:
            self._ask("data", b"DATA")
        else:
            self._letter.given_up = code >= 500
            self.transport.loseConnection()

    def _after_data(self, code: int) -> None:
        assert self._letter
        if code != 354:
            self.transport.loseConnection()
            return
        stuffed = self._letter.content.replace(b"\r\n.", b"\r\n..")
        self._expected = "message"
        self.transport.write(stuffed + b".\r\n")
        if self._chance.random() < 0.03:  # gone before it reads the answer
            self.transport.abortConnection()
            self._expected = "nothing"

    def _after_message(self, code: int) -> None:
        assert self._letter
        if code == 250:
            self._letter.answered = True
            self._letter.taken = self._taken
        elif code >= 500:
            self._letter.given_up = True
        if code != 250 or self._chance.random() < 0.1:
            self.transport.loseConnection()
        else:
            self._next()

    def _after_quit(self, code: int) -> None:
        self.transport.loseConnection()

    def _after_nothing(self, code: int) -> None:
        pass
