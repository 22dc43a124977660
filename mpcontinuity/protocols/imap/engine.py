"""The server's side of IMAP without a connection: octets in, events out, and answers as octets.

There is one command at a time: no event is given while one waits for its end, so that pipelined commands are answered
in order. Of a client the engine keeps what was received and not yet looked at (a door that is busy stops reading), and
the text and literals of one command, whose sum limits.py bounds. The message of an APPEND passes through as it comes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from mpcontinuity.protocols.imap import command, limits, response, searching
from mpcontinuity.protocols.imap.command import Command
from mpcontinuity.protocols.imap.cursor import BadName, BadSyntax, Cursor
from mpcontinuity.protocols.imap.parse import State, decode_base64, parse_append, parse_command, tag_of

_ANNOUNCED = re.compile(rb"\{([0-9]{1,20})(\+?)\}\Z")
_TAGGED = re.compile(rb'([^(){ \x00-\x1f\x7f-\xff%*"\\+]+) ')
_APPEND = re.compile(rb"[^ ]++ ++APPEND(?= )", re.IGNORECASE)
_APPEND_MAILBOX = re.compile(rb"[^ ]++ ++APPEND ++\{[0-9]+\+?\}", re.IGNORECASE)
_BOUNDARY = (b" ", b"(")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the message that APPEND announced."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """The message is complete, and its command was well-formed to its end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The client's answer to a challenge of AUTHENTICATE; None where it cancels."""

    data: bytes | None


@dataclass(frozen=True, slots=True)
class Done:
    """The end of IDLE."""


Event = Command | Chunk | EndOfMessage | Answer | Done


class _Mode(enum.Enum):
    COMMAND = "lines of a command"
    LITERAL = "a literal of a command"
    BUSY = "a command is with the door"
    MESSAGE = "the message of an APPEND"
    MESSAGE_END = "the rest of the line behind it"
    CHALLENGED = "an answer to a challenge"
    IDLE = "DONE"
    DROP_LITERAL = "a literal nobody wants"
    DROP_LINE = "the rest of a line nobody wants"
    CLOSED = "nothing"


class ServerEngine:
    """The engine of one connection.

    The door sets ``state``. ``message_size`` is the size of the largest message that APPEND may announce, in octets.
    """

    def __init__(self, *, message_size: int) -> None:
        self.state = State.NOT_AUTHENTICATED
        self.closed = False
        self.commands = 0  # that have ended
        self.unsent = 0  # octets of untagged responses that ``to_send`` has not returned yet
        self._message_size = message_size
        self._received = bytearray()
        self._searched = 0  # how much of `received` is known to have no line end
        self._out: list[bytes] = []
        self._mode = _Mode.COMMAND
        self._bad_in_a_row = 0
        self._begin()

    def _begin(self) -> None:
        """Waits for the next command."""
        self._mode = _Mode.COMMAND
        self.tag = b"*"
        self._text = bytearray()
        self._appends = False  # the command is an APPEND
        self._literals: list[bytes] = []
        self._literal = bytearray()  # what has come of the one at hand
        self._held = 0  # octets of text and literals
        self._remaining = 0  # octets still to come of the literal at hand
        self._synchronising = False
        self._dropped = 0  # octets of a line that nobody wants
        self._verdict = b""  # what is answered when all that is unwanted has been dropped

    # --- what the door calls ---

    def receive(self, data: bytes) -> None:
        """Takes octets that the client sent."""
        if not self.closed:
            self._received += data

    @property
    def waiting(self) -> int:
        """The number of octets that were received and not yet looked at."""
        return len(self._received)

    @property
    def busy(self) -> bool:
        """Whether the door owes an answer."""
        return self._mode in (_Mode.BUSY, _Mode.MESSAGE, _Mode.MESSAGE_END, _Mode.CHALLENGED, _Mode.IDLE)

    def next_event(self) -> Event | None:
        """Returns the next thing to do, or None while more must be received, or an answer given, first."""
        while True:
            step = _STEPS.get(self._mode)
            if step is None:
                return None
            event, stuck = step(self)
            if event is not None or stuck:
                return event

    def send(self, data: bytes) -> None:
        """Sends untagged responses, which are given as octets."""
        self._out.append(data)
        self.unsent += len(data)

    def to_send(self) -> bytes:
        """Returns what is to be sent since the last call."""
        data = b"".join(self._out)
        self._out.clear()
        self.unsent = 0
        return data

    def complete(self, condition: bytes, message: str, code: bytes = b"") -> None:
        """Ends the present command with its tagged status. What its client still sends for it is dropped."""
        verdict = response.status(self.tag, condition, message, code)
        if condition != b"BAD":
            self._bad_in_a_row = 0
        if self._mode in (_Mode.MESSAGE, _Mode.MESSAGE_END):
            self._drop(verdict)
            return
        if self._mode is _Mode.BUSY and self._remaining and not self._synchronising:
            self._drop(verdict)
            return
        self._out.append(verdict)
        self.commands += 1
        self._begin()
        if condition == b"BAD":
            self._count_bad()

    def challenge(self, data: bytes = b"") -> None:
        """Sends a challenge of AUTHENTICATE, which is base64 already. An Answer follows."""
        self._out.append(response.continuation(data))
        self._mode = _Mode.CHALLENGED

    def take_message(self) -> None:
        """Asks for the message of the present APPEND. Chunks and EndOfMessage follow."""
        if self._synchronising:
            self._out.append(response.continuation(b"go on"))
        self._mode = _Mode.MESSAGE

    def idle(self) -> None:
        """Begins IDLE. Done follows."""
        self._out.append(response.continuation(b"idling"))
        self._mode = _Mode.IDLE

    def tls_started(self) -> None:
        """Says that TLS is on. All that came in plain text is forgotten."""
        self._received.clear()
        self._searched = 0

    def bye(self, message: str, code: bytes = b"") -> None:
        """Sends BYE. Nothing is read any more."""
        if self.closed:
            return
        self._out.append(response.status(b"*", b"BYE", message, code))
        self.close()

    def close(self) -> None:
        """Ends the connection. Nothing is read any more."""
        self.closed = True
        self._mode = _Mode.CLOSED
        self._received.clear()
        self._literals.clear()
        self._text = bytearray()

    # --- reading ---

    def _line(self) -> bytes | None:
        """The next line without its end (a bare LF is taken for one, as everywhere), or None: not complete yet."""
        end = self._received.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._received)
            return None
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        self._searched = 0
        return line[:-1] if line.endswith(b"\r") else line

    def _take(self) -> bytes:
        """What has come of the literal at hand."""
        if len(self._received) <= self._remaining:
            piece = bytes(self._received)
            self._received.clear()
        else:
            piece = bytes(self._received[: self._remaining])
            del self._received[: self._remaining]
        self._searched = 0
        self._remaining -= len(piece)
        return piece

    def _read_command(self) -> tuple[Event | None, bool]:
        room = limits.COMMAND - self._held
        line = self._line()
        if line is None and len(self._received) <= room + 1:  # a CR may be there already
            return None, True
        if not self._text:
            found = _TAGGED.match(self._received if line is None else line)
            self.tag = bytes(found.group(1)) if found is not None and found.end() <= room else b"*"
        if line is None or len(line) > room:
            self._too_long(complete=line is not None, line=line or b"")
            return None, False
        if not self._text:  # once: a tag may be as long as the command, and its literals as many
            self._appends = _APPEND.match(line) is not None
        self._text += line
        self._held += len(line)
        announced = _ANNOUNCED.search(line)
        # A synchronising literal nobody could have meant, `LOGIN joe pass{10}`, is left to the parser to complain of;
        # what has a '+' comes in any case.
        before = line[announced.start() - 1 : announced.start()] if announced else b""
        if announced is None or (not announced.group(2) and before not in _BOUNDARY):
            return self._parse(), False
        return self._announced(int(announced.group(1)), synchronising=not announced.group(2))

    def _too_long(self, *, complete: bool, line: bytes) -> None:
        verdict = response.status(self.tag, b"BAD", f"a command has {limits.COMMAND} octets at most")
        self._drop(verdict)
        if complete:
            self._dropped_line(line)

    def _announced(self, size: int, *, synchronising: bool) -> tuple[Event | None, bool]:
        self._remaining = size
        self._synchronising = synchronising
        if self._appends and not _APPEND_MAILBOX.fullmatch(self._text):
            return self._announced_message(size), False
        longest = limits.COMMAND - self._held
        if self.state is State.NOT_AUTHENTICATED:
            longest = min(longest, limits.LITERAL_BEFORE_LOGIN)
        if size > longest:
            self._refuse_literal(f"a literal here has {longest} octets at most")
            return None, False
        self._text += b"\r\n"
        self._held += size
        self._literal = bytearray()
        self._mode = _Mode.LITERAL
        if synchronising:
            self._out.append(response.continuation(b"go on"))
        return None, False

    def _announced_message(self, size: int) -> Event | None:
        """APPEND, unless it is refused: then that was said."""
        cursor = Cursor(bytes(self._text[: self._text.rfind(b"{")]), self._literals)
        cursor.take(_APPEND, "APPEND")
        try:
            if self.tag == b"*":
                raise BadSyntax("a command begins with a tag")
            if self.state is State.NOT_AUTHENTICATED:
                raise BadSyntax("log in first")
            mailbox, flags, keywords, date = parse_append(cursor)
            cursor.end()
        except BadSyntax as error:
            self._refuse_literal(str(error))
            return None
        except BadName as error:
            self._refuse_literal(str(error), condition=b"NO", code=error.code)
            return None
        if size > self._message_size:
            message = f"a message has {self._message_size} octets at most"
            self._refuse_literal(message, condition=b"NO", code=b"TOOBIG")
            return None
        self._mode = _Mode.BUSY
        return command.Append(mailbox, flags, keywords, date, size)

    def _refuse_literal(self, message: str, *, condition: bytes = b"BAD", code: bytes = b"") -> None:
        """RFC 7888 §4: one that waits for our word is not asked for; one that comes anyway is dropped, or the
        connection is."""
        verdict = response.status(self.tag, condition, message, code)
        if self._synchronising:
            self._finish_dropped(verdict)
        elif self.state is State.NOT_AUTHENTICATED or self._remaining > limits.DISCARD_FACTOR * self._message_size:
            self.bye(message, code)
        else:
            self._drop(verdict)

    def _read_literal(self) -> tuple[Event | None, bool]:
        self._literal += self._take()
        if self._remaining:
            return None, True
        self._literals.append(bytes(self._literal))
        self._mode = _Mode.COMMAND
        return None, False

    def _parse(self) -> Event | None:
        """The complete command, or None if it is none: then it was answered."""
        cursor = Cursor(bytes(self._text), self._literals)
        self._text = bytearray()
        self._literals = []
        self._held = 0
        try:
            tag = tag_of(cursor.text)
            if tag == b"*":
                raise BadSyntax("a command begins with a tag")
            self.tag = tag
            cursor.position = len(tag)
            cursor.space()
            parsed = parse_command(cursor, self.state)
        except BadSyntax as error:
            self.complete(b"BAD", str(error))
            return None
        except BadName as error:
            self.complete(b"NO", str(error), error.code)
            return None
        except searching.BadCharset:
            self.complete(b"NO", "search in one of these", b"BADCHARSET (" + b" ".join(searching.CHARSETS) + b")")
            return None
        self._remaining = 0
        self._mode = _Mode.BUSY
        return parsed

    def _read_message(self) -> tuple[Event | None, bool]:
        if self._remaining:
            piece = self._take()
            return (Chunk(piece), False) if piece else (None, True)
        self._mode = _Mode.MESSAGE_END
        return None, False

    def _read_message_end(self) -> tuple[Event | None, bool]:
        line = self._line()
        if line is None:
            if len(self._received) > limits.COMMAND:
                self._drop(response.status(self.tag, b"BAD", "a line end must follow the message"))
            return None, len(self._received) <= limits.COMMAND
        if line:
            self._drop(response.status(self.tag, b"BAD", "one message, and nothing behind it"))
            self._dropped_line(line)
            return None, False
        self._mode = _Mode.BUSY
        return EndOfMessage(), False

    def _read_answer(self) -> tuple[Event | None, bool]:
        line = self._line()
        if line is None or len(line) > limits.ANSWER:
            if len(line or self._received) <= limits.ANSWER:
                return None, True
            self.bye(f"an answer has {limits.ANSWER} octets at most")
            return None, False
        if line == b"*":
            self._mode = _Mode.BUSY
            return Answer(None), False
        try:
            answer = Answer(decode_base64(line) if line else b"")
        except BadSyntax as error:
            self._mode = _Mode.BUSY
            self.complete(b"BAD", str(error))
            return None, False
        self._mode = _Mode.BUSY
        return answer, False

    def _read_done(self) -> tuple[Event | None, bool]:
        line = self._line()
        if line is None:
            if len(self._received) > limits.COMMAND:
                self.bye("DONE was expected")
            return None, not self.closed
        self._mode = _Mode.BUSY
        if line.upper() != b"DONE":
            # Whatever it is, the client believes that it is not idling: the door ends IDLE and BAD says why.
            self._out.append(response.status(b"*", b"BAD", "DONE was expected"))
            self._count_bad()
        return (None if self.closed else Done()), False

    # --- dropping what is not wanted, to answer where the client listens again ---

    def _drop(self, verdict: bytes) -> None:
        """Answers ``verdict`` once the rest of the command has come: its literal, the line behind it, and so on."""
        self._text = bytearray()
        self._literals = []
        self._verdict = verdict
        self._mode = _Mode.DROP_LITERAL if self._remaining else _Mode.DROP_LINE

    def _drop_literal(self) -> tuple[Event | None, bool]:
        self._count_dropped(len(self._take()))
        if self._remaining or self.closed:
            return None, True
        self._mode = _Mode.DROP_LINE
        return None, False

    def _drop_line(self) -> tuple[Event | None, bool]:
        line = self._line()
        if line is None:
            # The end may be an announcement whose line end has not come yet.
            surplus = max(0, len(self._received) - 64)
            del self._received[:surplus]
            self._searched = len(self._received)
            self._count_dropped(surplus)
            return None, True
        self._dropped_line(line)
        return None, False

    def _count_dropped(self, octets: int) -> None:
        self._dropped += octets
        if self.state is State.NOT_AUTHENTICATED and self._dropped > limits.DROPPED_BEFORE_LOGIN:
            self.bye("that is too long for a command")

    def _dropped_line(self, line: bytes) -> None:
        announced = _ANNOUNCED.search(line)
        if announced is None or not announced.group(2):
            self._finish_dropped(self._verdict)
            return
        self._remaining = int(announced.group(1))
        if self._remaining > limits.DISCARD_FACTOR * self._message_size:
            self.bye("too much to drop")
        else:
            self._mode = _Mode.DROP_LITERAL if self._remaining else _Mode.DROP_LINE

    def _finish_dropped(self, verdict: bytes) -> None:
        self._out.append(verdict)
        self.commands += 1
        bad = verdict.split(b" ", 2)[1] == b"BAD"
        self._begin()
        if bad:
            self._count_bad()

    def _count_bad(self) -> None:
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= limits.BAD_IN_A_ROW:
            self.bye("too many commands that make no sense")


_STEPS: dict[_Mode, Callable[[ServerEngine], tuple[Event | None, bool]]] = {
    _Mode.COMMAND: ServerEngine._read_command,
    _Mode.LITERAL: ServerEngine._read_literal,
    _Mode.MESSAGE: ServerEngine._read_message,
    _Mode.MESSAGE_END: ServerEngine._read_message_end,
    _Mode.CHALLENGED: ServerEngine._read_answer,
    _Mode.IDLE: ServerEngine._read_done,
    _Mode.DROP_LITERAL: ServerEngine._drop_literal,
    _Mode.DROP_LINE: ServerEngine._drop_line,
}
