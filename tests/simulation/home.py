"""Home servers that serve, refuse, stall, throttle and forget to answer, as their moods say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.simulation.world import Life, World

if TYPE_CHECKING:
    from tests.simulation.mailboxes import Mailboxes

_PATH = re.compile(rb"<([^>]*)>")
_IDS = re.compile(rb"(?:X-MPContinuity-Id: \S+\r\n)+")
_NUMBER = re.compile(rb"^Message-ID: <(\d+)@", re.MULTILINE)

NOBODY = "nobody"  # local part of addresses that no home server has
LATE = 8.0  # seconds until a late answer: longer than the simulated message_timeout
VERY_LATE = 130.0
SLOW = 1.5  # seconds that a slow home needs for a message

BAD = "ann"  # the local part of the mailbox that ends sessions
# A home server in these moods is healthy: nothing of it is redirected, but what is for the bad mailbox.
HEALTHY = (
    "well",
    "serves few",
    "takes two in a session",
    "is spoiled by errors",
    "is slow",
    "has one bad mailbox",
)


@dataclass(frozen=True)
class Act:
    """What is done instead of the usual. ``take``: the message counts as received, whatever is said then."""

    reply: bytes = b""
    take: bool = False
    wait: float = 0.0
    silent: bool = False
    hang_up: bool = False


def say(reply: str, **acts: Any) -> Act:
    return Act(reply.encode(), **acts)


_TAKEN = "250 2.0.0 Taken"
_SILENCE = Act(silent=True)
_HANG_UP = Act(hang_up=True)

# By mood: what happens at a stage (connect, greeting, ehlo, mail, rcpt, data, content, message) instead of the usual.
MOODS: dict[str, dict[str, Act]] = {
    "well": {},
    "refuses connections": {"connect": _HANG_UP},
    "does not answer": {"connect": _SILENCE},
    "says nothing": {"greeting": _SILENCE},
    "greets with 421": {"greeting": say("421 4.3.2 Not now", hang_up=True)},
    "greets with 554": {"greeting": say("554 5.3.2 No mail here", hang_up=True)},
    "tempfails EHLO": {"ehlo": say("451 4.3.0 Not now")},
    "refuses EHLO": {"ehlo": say("550 5.7.1 Go away")},
    "tempfails senders": {"mail": say("451 4.3.0 Not now")},
    "closes at MAIL": {"mail": say("421 4.7.0 Not now", hang_up=True)},
    "refuses senders": {"mail": say("550 5.1.8 Bad sender")},
    "does not know the sender": {"mail": say("451 4.1.8 Cannot check the sender")},
    "is silent at MAIL": {"mail": _SILENCE},
    "tempfails recipients": {"rcpt": say("451 4.3.0 Not now")},
    "greylists": {"rcpt": say("450 4.7.1 Greylisted")},
    "has full mailboxes": {"rcpt": say("452 4.2.2 Mailbox full")},
    "refuses recipients": {"rcpt": say("550 5.1.1 Unknown")},
    "refuses relaying": {"rcpt": say("550 5.7.1 Relaying denied for your IP")},
    "wants AUTH": {"rcpt": say("530 5.7.0 Authentication required")},
    "closes at RCPT": {"rcpt": say("421 4.7.0 Not now", hang_up=True)},
    "is silent at RCPT": {"rcpt": _SILENCE},
    "takes one recipient": {},
    "tempfails DATA": {"data": say("451 4.3.0 Not now")},
    "hangs up at DATA": {"data": _HANG_UP},
    "refuses DATA": {"data": say("554 5.7.1 No")},
    "is silent at DATA": {"data": _SILENCE},
    "hangs up in the message": {"content": _HANG_UP},
    "tempfails messages": {"message": say("451 4.3.0 Not now")},
    "is full": {"message": say("452 4.3.1 No room")},
    "throttles": {"message": say("451 4.7.500 Server busy")},
    "closes after messages": {"message": say("421 4.7.0 Not now", hang_up=True)},
    "refuses messages": {"message": say("554 5.7.1 Spam")},
    "refuses some messages": {},
    "refuses by SPF": {"message": say("550 5.7.23 Sender Policy Framework violation")},
    "refuses vaguely": {"message": say("554 5.7.1 Rejected")},
    "serves few": {},
    "takes two in a session": {},
    "is spoiled by errors": {},
    "is slow": {"message": say(_TAKEN, take=True, wait=SLOW)},
    "has one bad mailbox": {},
    "serves one by refusal": {},
    "is silent at the message": {"message": _SILENCE},
    "hangs up at the message": {"message": _HANG_UP},
    "takes and hangs up": {"message": Act(take=True, hang_up=True)},
    "takes and is silent": {"message": Act(take=True, silent=True)},
    "takes and answers late": {"message": say(_TAKEN, take=True, wait=LATE)},
    "takes and answers very late": {"message": say(_TAKEN, take=True, wait=VERY_LATE)},
    "takes and says nonsense": {"message": say("299 Maybe", take=True)},
    "refuses late": {"message": say("554 5.7.1 Spam, on second thoughts", wait=LATE)},
    "tempfails late": {"message": say("451 4.3.0 Not now, at last", wait=LATE)},
    "takes and closes": {"message": say(_TAKEN, take=True, hang_up=True)},
    "takes nothing from the network": {"message": say("451 4.3.2 System not accepting network messages")},
    "bans us": {"message": say("550 5.7.606 Access denied, banned sending IP [192.0.2.25]")},
    "tarpits": {},
    "serves four of five": {},
    "serves one of two": {},
    "serves one of five": {},
    "fails every other connection": {},
}
# What share of its connections a host serves in such a mood; the others it answers 451.
SHARES = {"serves four of five": 0.8, "serves one of two": 0.5, "serves one of five": 0.2}
TARPIT = 9.0  # seconds that a host in the mood "tarpits" takes for each reply
_BUSY = say("451 4.3.2 System not accepting network messages", hang_up=True)
_CUT_AFTER = 1.0  # seconds after a message that a busy host closes the session
# What a while in bad health is often like.
LIKELY = (
    "refuses connections",
    "does not answer",
    "tempfails messages",
    "takes and hangs up",
    "takes and answers late",
)


@dataclass(frozen=True)
class Taken:
    """A message that it has. ``confirmed``: our server went on in the session, so it knows."""

    ids: frozenset[bytes]  # X-MPContinuity-Id, one per recipient
    recipients: tuple[str, ...]
    number: int  # of the letter
    content: bytes  # without those lines
    time: float
    begun: float  # when MAIL was said
    life: int  # of our process
    known: list[float] = field(default_factory=list)  # when it showed that it heard our 250


@dataclass(frozen=True)
class Refusal:
    """A 5xx. ``number`` 0: before the message. ``recipient`` empty: whoever it is."""

    time: float
    recipient: str
    number: int


class Home:
    """The home server of a domain: its hosts have one spool between them. Or, if it is not ``ours``, a mail server of
    the world, whose mailboxes nobody looks into."""

    def __init__(self, world: World, domain: str, *, ours: bool = True) -> None:
        self.ours = ours
        self.world = world
        self.domain = domain
        self.taken: list[Taken] = []
        self.refusals: list[Refusal] = []
        self.denied: set[bytes] = set()  # ids of messages that were answered 4xx or 5xx at one time
        self.chunks = world.chance("chunking", domain).random() < 0.5  # it offers CHUNKING
        self.failures = 0  # replies but 2xx, silences and hang-ups: 0 while it never gave reason for a redirect
        self.on_taken: Callable[[Taken], None] = lambda taken: None
        self.on_sent: Callable[[Home, Taken], None] = lambda home, taken: None  # by SMTP
        self.mailboxes: Mailboxes

    def took(self, taken: Taken) -> None:
        """It has a message."""
        self.taken.append(taken)
        self.on_taken(taken)


class Host:
    """One of them."""

    def __init__(self, home: Home, name: str) -> None:
        self.home = home
        self.name = name
        self.mood = "well"
        self.sessions: set[HomeSession] = set()
        self._chance = home.world.chance("host", name)
        self._connections = 0

    def change_mood(self, mood: str) -> None:
        self.mood = mood
        if mood == "refuses connections":
            for session in list(self.sessions):
                session.transport.abortConnection()

    def busy(self) -> bool:
        """Whether it has no time for the connection that has come."""
        self._connections += 1
        if self.mood == "fails every other connection":
            return self._connections % 2 == 0
        return self.mood in SHARES and self._chance.random() > SHARES[self.mood]

    def accept(self, life: Life) -> Protocol | None:
        """network.Network.listen."""
        act = MOODS[self.mood].get("connect")
        if act is not None or (self.mood == "serves one by refusal" and self.sessions):
            self.home.failures += 1
            if act is None or act.hang_up:
                raise ConnectionRefusedError
            return None
        return HomeSession(self, life)


class HomeSession(Protocol):
    transport: Any

    def __init__(self, host: Host, life: Life) -> None:
        self._host = host
        self._home = host.home
        self._world = host.home.world
        self._life = life
        self._buffer = b""
        self._pieces: list[bytes] | None = None  # of the message that arrives
        self._chunk: tuple[int, bool] | None = None  # octets that a BDAT announced, and whether they are the last
        self._chunks: list[bytes] = []
        self._recipients: list[str] = []
        self._begun = 0.0
        self._unconfirmed: Taken | None = None
        self._taken = 0  # messages
        self._erred = False  # it has said an error
        self._said = 0.0  # when its last reply went, or goes
        self._stuck = False  # waits before it answers, or has hung up; pipelined commands wait too
        self._gone = False

    def connectionMade(self) -> None:
        self._host.sessions.add(self)
        if self._host.mood == "serves few" and len(self._host.sessions) > 2:
            self._do(say("421 4.7.0 Too many connections", hang_up=True))
        elif self._host.busy():
            self._home.failures += 1
            self._do(_BUSY)
        else:
            self._usual("greeting", b"220 home")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stuck = self._gone = True
        self._host.sessions.discard(self)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        self._turn()

    def _turn(self) -> None:
        while not self._stuck:
            if self._pieces is not None:
                if not self._content():
                    return
                continue
            if self._chunk is not None:
                if not self._chunked(*self._chunk):
                    return
                continue
            line, found, rest = self._buffer.partition(b"\r\n")
            if not found:
                return
            self._buffer = rest
            self._command(line)

    def _content(self) -> bool:
        """Whether the message is complete."""
        assert self._pieces is not None
        if len(self._buffer) > 50 and "content" in MOODS[self._host.mood]:
            self._pieces = None
            self._do(MOODS[self._host.mood]["content"])
            return False
        end = 0 if not self._pieces and self._buffer.startswith(b".\r\n") else self._buffer.find(b"\r\n.\r\n")
        if end < 0:
            return False
        stuffed, self._buffer = self._buffer[: end + 2], self._buffer[end + 5 :]
        self._pieces = None
        content = stuffed.replace(b"\r\n..", b"\r\n.")
        self._message(content[1:] if content.startswith(b"..") else content)
        return True

    def _chunked(self, length: int, last: bool) -> bool:
        """Whether the chunk is complete."""
        if len(self._buffer) > 50 and "content" in MOODS[self._host.mood]:
            self._chunk = None
            self._do(MOODS[self._host.mood]["content"])
            return False
        if len(self._buffer) < length:
            return False
        self._chunks.append(self._buffer[:length])
        self._buffer = self._buffer[length:]
        self._chunk = None
        if last:
            self._message(b"".join(self._chunks))
            self._chunks = []
        elif not self._usual("data", b"250 2.0.0 Go on"):
            self._chunks = []
            self._recipients = []
        return True

    def _command(self, line: bytes) -> None:
        if self._unconfirmed is not None:
            self._unconfirmed.known.append(self._world.now)
            self._unconfirmed = None
        verb = line[:4].upper()
        if verb in (b"EHLO", b"HELO"):
            offers = b"PIPELINING\r\n250-CHUNKING" if self._home.chunks else b"PIPELINING"
            self._usual("ehlo", b"250-home\r\n250-%s\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES" % offers)
        elif verb == b"MAIL":
            self._recipients = []
            self._chunks = []
            self._begun = self._world.now
            if self._host.mood == "takes two in a session" and self._taken >= 2:
                self._do(say("421 4.7.0 Too many messages", hang_up=True))
            else:
                self._usual("mail", b"250 2.1.0 Fine")
        elif verb == b"RCPT":
            self._recipient(line)
        elif verb == b"DATA" and self._recipients:
            if self._usual("data", b"354 Go on"):
                self._pieces = []
        elif verb == b"BDAT" and self._home.chunks and self._recipients:
            _, length, *last = line.split()
            self._chunk = (int(length), bool(last))
        elif verb == b"DATA":
            self._do(say("554 5.5.1 No recipients"))
        elif verb == b"QUIT":
            self._do(say("221 2.0.0 Bye", hang_up=True))
        else:
            self._do(say("250 2.0.0 Fine"))

    def _recipient(self, line: bytes) -> None:
        match = _PATH.search(line)
        assert match
        address = match[1].decode()
        if self._host.mood == "is spoiled by errors" and self._erred:
            self._do(say("450 4.7.1 Too many errors"))
        elif address.startswith(f"{BAD}@") and self._host.mood == "has one bad mailbox":
            self._do(say("421 4.3.0 Mailbox server", hang_up=True))
        elif address.startswith(NOBODY):
            self._refuse(say("550 5.1.1 Unknown"), address, 0)
        elif self._host.mood == "takes one recipient" and self._recipients:
            self._home.failures += 1
            self._do(say("452 4.5.3 One at a time"))
        elif self._usual("rcpt", b"250 2.1.5 Fine", address):
            self._recipients.append(address)

    def _message(self, content: bytes) -> None:
        match = _IDS.match(content)
        number = _NUMBER.search(content.partition(b"\r\n\r\n")[0])
        assert match or not self._home.ours, content[:300]
        act = MOODS[self._host.mood].get("message")
        letter = int(number[1]) if number else 0  # of what our server itself writes
        if self._host.mood == "refuses some messages" and letter % 3 == 0 and letter:
            act = say("554 5.7.1 Not this one")
        ids = frozenset(line.split()[1] for line in match[0].splitlines()) if match else frozenset[bytes]()
        if act is not None and act.reply[:1] in (b"4", b"5"):
            self._home.denied |= ids
        if act is None or act.take:
            taken = Taken(
                ids,
                tuple(self._recipients),
                letter,
                content[match.end() if match else 0 :],
                self._world.now,
                self._begun,
                self._life.number,
            )
            self._world.note(f"{self._host.name} takes letter {letter} for {', '.join(self._recipients)}", *sorted(ids))
            self._taken += 1
            self._home.on_sent(self._home, taken)
            if self._home.ours:
                self._home.mailboxes.came(taken.recipients, ids, content, letter)
            self._home.took(taken)
            if act is None or act.reply == _TAKEN.encode():
                self._unconfirmed = taken
        if act is None:
            self._do(say(_TAKEN))
            if self._host.mood in SHARES or self._host.mood == "fails every other connection":
                self._world.later(_CUT_AFTER, self._world.nobody, self.transport.loseConnection)
        elif act.reply.startswith(b"5"):
            self._refuse(act, "", letter)
        else:
            self._home.failures += 1
            self._do(act)

    # What is said

    def _usual(self, stage: str, reply: bytes, recipient: str = "") -> bool:
        """Says that, and returns True, unless the mood has it otherwise."""
        act = MOODS[self._host.mood].get(stage)
        if act is None:
            self._say(reply)
            return True
        if act.reply.startswith(b"5"):
            self._refuse(act, recipient, 0)
        else:
            self._home.failures += 1
            self._do(act)
        return False

    def _refuse(self, act: Act, recipient: str, number: int) -> None:
        self._home.failures += 1
        self._home.refusals.append(Refusal(self._world.now, recipient, number))
        self._do(act)

    def _do(self, act: Act) -> None:
        if act.reply and not act.reply.startswith(b"2"):
            self._erred = True
            self._world.note(f"{self._host.name} says {act.reply.decode()}")
        if act.wait:
            self._stuck = True
            self._world.later(act.wait, self._world.nobody, self._late, act)
            return
        if act.reply:
            self._say(act.reply)
        if act.silent or act.hang_up:
            self._stuck = True
        if act.hang_up:
            self.transport.loseConnection() if act.reply else self.transport.abortConnection()

    def _say(self, reply: bytes) -> None:
        """At once, or each reply some seconds after the one before."""
        if self._host.mood != "tarpits":
            self.transport.write(reply + b"\r\n")
            return
        self._said = max(self._said, self._world.now) + TARPIT
        self._world.later(self._said - self._world.now, self._world.nobody, self.transport.write, reply + b"\r\n")

    def _late(self, act: Act) -> None:
        if not self._gone:
            self._stuck = False
            self._do(Act(act.reply, hang_up=act.hang_up))
            self._turn()
