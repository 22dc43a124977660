"""Mail servers of the world: they send letters to port 25, are cut off, and try again what they have no answer for."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.simulation.process import HOSTNAME
from tests.simulation.world import World

SECRET = b"secret"  # of every user
PATIENCE = 420.0  # seconds that a mail server waits for a reply


@dataclass
class Attempt:
    """One transaction of a letter. ``code`` of the reply to the message, 0 where none was read."""

    begun: float
    life: int  # of our process
    recipients: tuple[str, ...] = ()  # that were taken at RCPT
    ended: float = 0.0
    code: int = 0
    sent: bool = False  # its final dot


@dataclass
class Letter:
    """What a mail server has for us, and what it was told: every recipient is waiting, answered (250) or refused."""

    number: int
    reverse_path: str
    recipients: tuple[str, ...]
    content: bytes
    waiting: list[str] = field(default_factory=list)
    answered: dict[str, float] = field(default_factory=dict)  # when
    refused: dict[str, tuple[float, int]] = field(default_factory=dict)  # when, and the code
    attempts: list[Attempt] = field(default_factory=list)
    chunked: bool = False  # it goes by BDAT
    bare: bool = False  # because it has a bare line end, which not everybody takes
    times: int = 1  # that a device sends the same octets, each of which is a message of its own
    read: int = 0  # how often it has read 250


@dataclass(frozen=True)
class Habits:
    """Of one mail server. ``hurried``: it goes away before it reads the answer, now and then. ``leaves``: it says
    "quit" at the end, "closes" without a word, or has said QUIT "early", behind the final dot."""

    pipelines: bool = False
    hurried: float = 0.0
    retry: float = 3.0  # seconds, at first
    keeps: float = 0.5  # the chance that it sends the next letter in the same session
    leaves: str = "quit"


class Sender:
    """One mail server: one session at a time, the oldest letter first."""

    def __init__(
        self, world: World, number: int, habits: Habits, dial: Callable[[SenderSession], bool], *, login: str = ""
    ) -> None:
        """``dial`` connects a session to port 25, or, for the client of the user ``login``, to port 587; False: nobody
        answers there."""
        self.world = world
        self.login = login
        self.name = f"client of {login}" if login else f"sender {number}"
        self.habits = habits
        self.address = f"198.51.100.{number + 1}"
        self.chance = world.chance("sender", number)
        self.letters: list[Letter] = []
        self._dial = dial
        self._session: SenderSession | None = None
        self._due = False
        self._failures = 0

    def post(self, letter: Letter) -> None:
        self.letters.append(letter)
        self._soon(0.0)

    def next(self) -> Letter | None:
        return next((letter for letter in self.letters if letter.waiting), None)

    def ended(self, *, well: bool) -> None:
        """The session is over. What could not be sent comes after the others when it is tried again."""
        self._session = None
        self.letters = sorted(
            (letter for letter in self.letters if letter.waiting), key=lambda letter: len(letter.attempts)
        )
        if self.letters:
            self._failures = 0 if well else min(self._failures + 1, 4)
            self._soon(self.habits.retry * 2**self._failures * self.chance.uniform(0.3, 1) if not well else 0.5)

    def _soon(self, delay: float) -> None:
        if not self._due and self._session is None:
            self._due = True
            self.world.later(delay, self.world.nobody, self._begin)

    def _begin(self) -> None:
        self._due = False
        if self._session is None and self.next() is not None:
            self._session = SenderSession(self)
            if not self._dial(self._session):
                self.ended(well=False)


class SenderSession(Protocol):
    transport: Any

    def __init__(self, sender: Sender) -> None:
        self.life = 0  # of our process
        self._sender = sender
        self._world = sender.world
        self._chance = sender.chance
        self._buffer = b""
        self._expected: deque[Callable[[int], None]] = deque([self._greeted])
        self._out: list[bytes] = []
        self._letter: Letter | None = None
        self._attempt = Attempt(0.0, 0)
        self._taken: list[str] = []
        self._done = 0
        self._heard = 0.0
        self._gone = False
        self._quitting = False  # QUIT is behind the final dot

    def connectionMade(self) -> None:
        self._heard = self._world.now
        self._world.later(PATIENCE, self._world.nobody, self._look)

    def dataReceived(self, data: bytes) -> None:
        self._heard = self._world.now
        self._buffer += data
        while b"\r\n" in self._buffer and not self._gone:
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            if line[3:4] == b"-":
                continue
            if self._expected:
                self._expected.popleft()(int(line[:3]))
            if line.startswith(b"421"):
                self._leave()
        self._flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        if self._letter is not None and not self._attempt.ended:
            self._attempt.ended = self._world.now
        self._sender.ended(well=self._done > 0)

    def _look(self) -> None:
        if self._gone:
            return
        if self._world.now - self._heard >= PATIENCE:
            self.transport.abortConnection()
        else:
            self._world.later(PATIENCE, self._world.nobody, self._look)

    # The dialogue

    def _ask(self, line: bytes, then: Callable[[int], None]) -> None:
        self._out.append(line + b"\r\n")
        self._expected.append(then)

    def _flush(self) -> None:
        if self._out and not self._gone:
            self.transport.write(b"".join(self._out))
        self._out.clear()

    def _leave(self) -> None:
        self._expected.clear()
        self._out.clear()
        if not self._gone:
            self.transport.loseConnection()

    def _greeted(self, code: int) -> None:
        if code == 220:
            name = self._sender.name.partition("@")[0].replace(" ", "")
            then = self._log_in if self._sender.login else self._next
            self._ask(b"EHLO %s.example" % name.encode(), lambda _: then())
        else:
            self._leave()

    def _log_in(self) -> None:
        self._ask(b"AUTH PLAIN " + b64encode(b"\0%s\0%s" % (self._sender.login.encode(), SECRET)), self._after_login)

    def _after_login(self, code: int) -> None:
        if code == 235:
            self._next()
            return
        if code == 535:  # the user was removed, or is not active
            for letter in self._sender.letters:
                letter.refused.update(dict.fromkeys(letter.waiting, (self._world.now, code)))
                letter.waiting.clear()
        self._leave()

    def _next(self) -> None:
        letter = self._letter = self._sender.next()
        if letter is None or (self._done and self._chance.random() > self._sender.habits.keeps):
            self._letter = None
            if self._done and self._sender.habits.leaves == "closes":
                self._leave()
            else:
                self._ask(b"QUIT", lambda _: self._leave())
            return
        self._attempt = Attempt(self._world.now, self.life)
        letter.attempts.append(self._attempt)
        self._taken = []
        self._ask(b"MAIL FROM:<%s>" % letter.reverse_path.encode(), self._after_mail)
        if self._sender.habits.pipelines:
            for recipient in letter.waiting:
                self._ask_recipient(recipient)
            if not letter.chunked:
                self._ask(b"DATA", self._after_data)

    def _ask_recipient(self, recipient: str) -> None:
        self._ask(b"RCPT TO:<%s>" % recipient.encode(), lambda code: self._after_recipient(recipient, code))

    def _after_mail(self, code: int) -> None:
        assert self._letter
        if code >= 500:
            self._letter.refused.update(dict.fromkeys(self._letter.waiting, (self._world.now, code)))
        if code != 250:
            self._fail(code)
        elif not self._sender.habits.pipelines:
            self._ask_recipient(self._letter.waiting[0])

    def _after_recipient(self, recipient: str, code: int) -> None:
        letter = self._letter
        assert letter
        if code == 250:
            self._taken.append(recipient)
        elif code >= 500:
            letter.refused[recipient] = (self._world.now, code)
        if self._sender.habits.pipelines:
            if letter.chunked and recipient == letter.waiting[-1]:
                self._begin_chunks(code)
            return
        asked = letter.waiting.index(recipient) + 1
        if asked < len(letter.waiting):
            self._ask_recipient(letter.waiting[asked])
        elif letter.chunked:
            self._begin_chunks(code)
        elif self._taken:
            self._ask(b"DATA", self._after_data)
        else:
            self._fail(code)

    def _begin_chunks(self, code: int) -> None:
        letter = self._letter
        assert letter
        if not self._taken:
            self._fail(code)
            return
        half = self._chance.choice((0, len(letter.content) // 2))
        if half:
            self._chunk(letter.content[:half], b"", lambda code: self._after_chunk(half, code))
        else:
            self._after_chunk(0, 250)

    def _chunk(self, octets: bytes, last: bytes, then: Callable[[int], None]) -> None:
        self._out.append(b"BDAT %d%s\r\n" % (len(octets), last) + octets)
        self._expected.append(then)

    def _after_chunk(self, sent: int, code: int) -> None:
        letter = self._letter
        assert letter
        if code != 250:
            self._fail(code)
            return
        self._attempt.recipients = tuple(self._taken)
        self._chunk(letter.content[sent:], b" LAST", self._after_message)
        self._sent()

    def _after_data(self, code: int) -> None:
        letter = self._letter
        assert letter
        if code != 354:
            self._fail(code)
            return
        if not self._taken:  # RFC 2920 §3.1: 354 after all recipients were refused
            self._ask(b".", self._fail)
            return
        self._attempt.recipients = tuple(self._taken)
        stuffed = letter.content.replace(b"\r\n.", b"\r\n..")
        self._out.append(b"." + stuffed if stuffed.startswith(b".") else stuffed)
        self._ask(b".", self._after_message)
        self._sent()

    def _sent(self) -> None:
        self._attempt.sent = True
        if self._chance.random() < self._sender.habits.hurried:  # gone before it reads the answer
            self._flush()
            self._expected.clear()
            self.transport.abortConnection()
        elif self._sender.habits.leaves == "early" and self._chance.random() > self._sender.habits.keeps:
            self._quitting = True
            self._ask(b"QUIT", lambda _: self._leave())

    def _after_message(self, code: int) -> None:
        letter = self._letter
        assert letter
        now = self._world.now
        self._attempt.ended, self._attempt.code = now, code
        self._world.note(f"letter {letter.number} for {', '.join(self._taken)} is answered {code}")
        if code == 250:
            letter.answered.update(dict.fromkeys(self._taken, now))
            letter.read += 1
        elif code >= 500:
            letter.refused.update(dict.fromkeys(self._taken, (now, code)))
        self._drop_settled(letter)
        if code == 250 and letter.read < letter.times:
            letter.waiting = list(letter.recipients)
        self._done += 1
        if code == 250 and self._quitting:
            self._letter = None  # 221 follows
        elif code == 250:
            self._next()
        else:
            self._leave()

    def _fail(self, code: int) -> None:
        """Nothing of it was sent."""
        letter = self._letter
        assert letter
        self._attempt.ended = self._world.now
        self._drop_settled(letter)
        self._leave()

    @staticmethod
    def _drop_settled(letter: Letter) -> None:
        """A refused recipient is not asked for again; one that was answered 250 even less."""
        letter.waiting = [each for each in letter.waiting if each not in letter.answered and each not in letter.refused]


def letter_of(message_id: str) -> int:
    """Its number, from the Message-ID that its mail server gave it; 0 for what the service wrote itself."""
    name, _, domain = message_id.strip("<>").partition("@")
    return int(name) if name.isdigit() and domain != HOSTNAME else 0
