"""The client's side of IMAP (RFC 3501, RFC 9051): commands out, and what the server answers to each.

One command is under way at a time. `outbound/` decides what to ask for, and how long to wait.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mpcontinuity.protocols.imap import answer, dates
from mpcontinuity.protocols.imap.answer import Capabilities, Data, Status
from mpcontinuity.protocols.imap.cursor import BadSyntax
from mpcontinuity.protocols.imap.response import quoted

KIB = 1024

# A line without its literals. RFC 7162 §4 asks servers to bear 8192 octets; a SEARCH that finds some thousands fits.
MAX_LINE = 64 * KIB
# Only parts of messages (PART) and names of mailboxes come as literals. Who announces more means to fill our memory.
MAX_LITERAL = 256 * KIB
MAX_LITERALS = 100  # of one response: a FETCH has one for each item that was asked for
MAX_RESPONSE = 512 * KIB  # octets of one response, literals included
# Responses to one command, and octets of all of them: LIST names each mailbox, and a user here has 1000 by default.
MAX_RESPONSES = 20_000
MAX_ANSWER = 8192 * KIB
# Responses while no command is under way: changes that other sessions make in the mailbox that is open.
MAX_UNSOLICITED = 1000
# Challenges of one AUTHENTICATE: OAUTHBEARER has one that tells the error (RFC 7628 §3.2.3), PLAIN none but the empty.
MAX_CHALLENGES = 3
# Octets of a header, and of what stands behind it, that are asked for: what message/ reads of a header at all.
PART = 128 * KIB

# RFC 7888 §4: with LITERAL- a literal of at most this length needs no permission.
_SMALL_LITERAL = 4096
_ANNOUNCED = re.compile(rb"~?\{([0-9]+)\+?\}\Z")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")
_FLAG = re.compile(r'\\?[^(){ \x00-\x1f\x7f%*"\\\]]+')
_STATUSES = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")
_HIDDEN = b"***"


@dataclass(frozen=True, slots=True)
class Greeting:
    """The server's greeting, or its refusal to serve us: then ``status.condition`` is BYE."""

    status: Status


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of a command: the tagged status, and the data that came before it.

    ``challenge`` is what the server said within AUTHENTICATE, decoded; with OAuth it is the reason of the refusal.
    """

    command: str
    status: Status
    data: tuple[Data, ...] = ()
    challenge: str = ""


@dataclass(frozen=True, slots=True)
class GoAhead:
    """The server waits for the message of APPEND: it follows by `ClientEngine.message`."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The session cannot go on. ``status`` is set where the server said why, by BYE."""

    reason: str
    status: Status | None = None


Event = Greeting | Completed | GoAhead | Broken


@dataclass(frozen=True, slots=True)
class _Literal:
    octets: bytes


class Unsendable(ValueError):
    """Raised for an argument that IMAP cannot say, such as a string with NUL."""


class ClientEngine:
    """The engine of one connection, which waits for the greeting at first.

    ``capabilities`` are those that the server told last, in capitals; empty: it told none since the greeting, STARTTLS
    or login. Passwords and tokens are shown by no text of the engine, should the server repeat them.
    """

    def __init__(self) -> None:
        self.capabilities: frozenset[str] = frozenset()
        self.broken = False
        self._secrets: list[bytes] = []
        self._input = bytearray()
        self._scanned = 0  # octets of it that hold no line end
        self._line = b""  # of the response that is being read, up to its last literal
        self._literals: list[bytes] = []
        self._literal_left = -1  # octets that the literal being read lacks; -1: none is
        self._greeted = False
        self._logging_out = False
        self._number = 0
        self._command = ""  # that is under way
        self._tag = b""
        self._waiting: deque[bytes | _Literal] = deque()  # what of it is not sent yet
        self._initial: bytes | None = None  # response of SASL, for the first challenge
        self._answers_challenge = b""
        self._challenges: list[str] = []
        self._announced = -1  # octets of the message of APPEND that the server waits for; -1: it does not
        self._left = 0  # of these, not sent
        self._appending = 0  # size of the message whose permission is awaited
        self._data: list[Data] = []
        self._responses = 0  # since the command began or ended
        self._octets = 0
        self._output: list[bytes] = []
        self._events: deque[Event] = deque()

    @property
    def idle(self) -> bool:
        """Whether a command may begin: the greeting came, and none is under way."""
        return self._greeted and not self._command and not self.broken

    # Commands

    def capability(self) -> None:
        """Asks what the server can do."""
        self._begin("CAPABILITY", b"CAPABILITY")

    def starttls(self) -> None:
        """Asks for TLS; it begins when the answer is OK, and `tls_started` follows."""
        self._begin("STARTTLS", b"STARTTLS")

    def tls_started(self) -> None:
        """Notes that TLS is on: what was told without it counts no more (RFC 9051 §6.2.1)."""
        self.capabilities = frozenset()

    def login(self, name: str, password: str) -> None:
        """Logs in by name and password."""
        self._secrets += [password.encode(), quoted(password.encode())[1:-1]]
        self._begin("LOGIN", b"LOGIN ", *_string(name.encode()), b" ", *_string(password.encode()))

    def authenticate_plain(self, name: str, password: str, authorization: str = "") -> None:
        """Logs in by SASL PLAIN (RFC 4616). ``authorization`` is the user whose mailboxes are meant, if another."""
        for part in (name, password, authorization):
            if "\0" in part:
                raise Unsendable("SASL PLAIN has no NUL in its parts")
        self._authenticate("PLAIN", f"{authorization}\0{name}\0{password}".encode(), password, b"*")

    def authenticate_token(self, name: str, token: str) -> None:
        """Logs in by an access token of OAuth 2: OAUTHBEARER (RFC 7628) where that is offered, else XOAUTH2."""
        if "AUTH=OAUTHBEARER" in self.capabilities and "AUTH=XOAUTH2" not in self.capabilities:
            authorization = name.replace("=", "=3D").replace(",", "=2C")
            self._authenticate("OAUTHBEARER", f"n,a={authorization},\1auth=Bearer {token}\1\1".encode(), token, b"AQ==")
        else:
            self._authenticate("XOAUTH2", f"user={name}\1auth=Bearer {token}\1\1".encode(), token, b"")

    def _authenticate(self, mechanism: str, initial: bytes, secret: str, then: bytes) -> None:
        """``then`` answers a second challenge: PLAIN has none, and OAuth's tells the error (RFC 7628 §3.2.3)."""
        self._answers_challenge = then
        encoded = base64.b64encode(initial)
        self._secrets += [encoded, secret.encode()]
        if "SASL-IR" in self.capabilities:
            self._begin("AUTHENTICATE", b"AUTHENTICATE %s %s" % (mechanism.encode(), encoded))
        else:
            self._initial = encoded
            self._begin("AUTHENTICATE", b"AUTHENTICATE " + mechanism.encode())

    def namespace(self) -> None:
        """Asks where the user's own mailboxes are (RFC 2342)."""
        self._begin("NAMESPACE", b"NAMESPACE")

    def list_all(self, *, uses: bool = False) -> None:
        """Asks for all mailboxes, and with ``uses`` for their special uses, which some servers tell only then (RFC 6154
        §3)."""
        self._begin("LIST", b'LIST "" "*"' + (b" RETURN (SPECIAL-USE)" if uses else b""))

    def create(self, mailbox: bytes) -> None:
        """Creates a mailbox. Names of mailboxes are as on the wire, in modified UTF-7."""
        self._begin("CREATE", b"CREATE ", *_string(mailbox))

    def subscribe(self, mailbox: bytes) -> None:
        """Subscribes to a mailbox."""
        self._begin("SUBSCRIBE", b"SUBSCRIBE ", *_string(mailbox))

    def select(self, mailbox: bytes, *, read_only: bool) -> None:
        """Opens a mailbox, by EXAMINE where ``read_only``."""
        self._begin("SELECT", b"EXAMINE " if read_only else b"SELECT ", *_string(mailbox))

    def search_header(self, field: str, value: bytes) -> None:
        """Searches the open mailbox for messages whose header field contains the value. Raises Unsendable."""
        self._begin("SEARCH", b"UID SEARCH HEADER ", *_string(field.encode()), b" ", *_string(value))

    def fetch_beginnings(self, uids: Sequence[int]) -> None:
        """Asks for the size of messages, for their header and for what stands behind it, up to PART octets of each."""
        items = b"(UID RFC822.SIZE BODY.PEEK[HEADER]<0.%d> BODY.PEEK[TEXT]<0.%d>)" % (PART, PART)
        self._begin("FETCH", b"UID FETCH %s %s" % (_set(uids), items))

    def store(self, uids: Sequence[int], change: str, flags: Sequence[str]) -> None:
        """Changes flags; ``change`` is ``+``, ``-`` or empty for all. Raises Unsendable."""
        self._begin(
            "STORE", b"UID STORE %s %sFLAGS.SILENT (%s)" % (_set(uids), change.encode(), b" ".join(_flags(flags)))
        )

    def copy(self, uids: Sequence[int], mailbox: bytes, *, move: bool) -> None:
        """Copies messages to a mailbox, or moves them there (RFC 6851)."""
        verb = b"UID MOVE %s " if move else b"UID COPY %s "
        self._begin("MOVE" if move else "COPY", verb % _set(uids), *_string(mailbox))

    def append(self, mailbox: bytes, flags: Sequence[str], date: int | None, size: int, *, binary: bool) -> None:
        """Appends a message of ``size`` octets, which follows after GoAhead. Raises Unsendable.

        ``date`` is its internal date in µs since 1970. ``binary``: it has NUL, and goes as RFC 3516 §4.4 says. It waits
        for leave even where LITERAL+ is offered: a server that has no room, or no such mailbox, then says so before the
        message goes, and the session can go on.
        """
        parts: list[bytes | _Literal] = [b"APPEND ", *_string(mailbox)]
        if flags:
            parts.append(b" (%s)" % b" ".join(_flags(flags)))
        if date is not None:
            parts.append(b" " + dates.date_time(date))
        parts.append(b" %s{%d}\r\n" % (b"~" if binary else b"", size))
        self._begin("APPEND", *parts, ends=False)
        self._appending = size

    @property
    def left(self) -> int:
        """The octets of the message of APPEND that the server still waits for."""
        return self._left

    def message(self, piece: bytes) -> None:
        """Sends a piece of the message, cut anywhere. With its last octet goes the end of the command."""
        if self._announced < 0 or len(piece) > self._left:
            raise RuntimeError("more than the server waits for")
        self._left -= len(piece)
        self._output.append(piece)
        if not self._left:
            self._announced = -1
            self._output.append(b"\r\n")

    def logout(self) -> None:
        """Ends the session."""
        self._logging_out = True
        self._begin("LOGOUT", b"LOGOUT")

    def noop(self) -> None:
        """Asks for nothing; a server that lives answers."""
        self._begin("NOOP", b"NOOP")

    def to_send(self) -> bytes:
        """Returns what is to be sent since the last call."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def _begin(self, command: str, *parts: bytes | _Literal, ends: bool = True) -> None:
        if not self.idle:
            raise RuntimeError("a command is under way, or the session is not open")
        self._number += 1
        self._command, self._tag = command, b"a%d" % self._number
        self._responses = self._octets = 0
        self._waiting.extend((self._tag + b" ", *parts))
        if ends:
            self._waiting.append(b"\r\n")
        self._send_waiting()

    def _send_waiting(self) -> None:
        """Sends up to the next literal for which the server must be asked."""
        while self._waiting:
            part = self._waiting.popleft()
            if isinstance(part, bytes):
                self._output.append(part)
            elif self._at_once(len(part.octets)):
                self._output.append(b"{%d+}\r\n" % len(part.octets) + part.octets)
            else:
                self._output.append(b"{%d}\r\n" % len(part.octets))
                self._waiting.appendleft(part.octets)
                return

    def _at_once(self, size: int) -> bool:
        """Whether a literal needs no leave (RFC 7888)."""
        return size <= _SMALL_LITERAL and not self.capabilities.isdisjoint({"LITERAL+", "LITERAL-"})

    # Answers

    def receive(self, octets: bytes) -> None:
        """Takes octets that the server sent."""
        if not self.broken:
            self._input += octets
            self._read_input()
        if self.broken:
            self._input.clear()

    def _read_input(self) -> None:
        position = 0
        while not self.broken:
            if self._literal_left >= 0:
                if len(self._input) - position < self._literal_left:
                    break
                self._literals.append(bytes(self._input[position : position + self._literal_left]))
                position += self._literal_left
                self._scanned, self._literal_left = position, -1
            end = self._input.find(b"\n", self._scanned)
            if (end if end >= 0 else len(self._input)) - position > MAX_LINE:
                self._break(f"sent a line of more than {MAX_LINE} octets")
                return
            if end < 0:
                self._scanned = len(self._input)
                break
            piece = bytes(self._input[position:end]).removesuffix(b"\r")
            position = self._scanned = end + 1
            self._read_piece(piece, more=position < len(self._input))
        del self._input[:position]
        self._scanned = max(self._scanned - position, 0)

    def next_event(self) -> Event | None:
        """Returns the next event, or None while there is none."""
        return self._events.popleft() if self._events else None

    def _read_piece(self, piece: bytes, *, more: bool) -> None:
        """A line, or what stands between two literals."""
        self._octets += len(piece)
        whole = not self._literals and not self._line
        announced = None if whole and self._is_text(piece) else _ANNOUNCED.search(piece)
        line = self._line + piece
        if announced is None:
            literals, self._line, self._literals = self._literals, b"", []
            self._read_response(line, literals, more=more)
            return
        length = int(announced[1]) if len(announced[1]) <= 10 else MAX_LITERAL + 1
        self._octets += length
        if length > MAX_LITERAL:
            self._break(f"announced a string of {announced[1][:20].decode('ascii')} octets, with {MAX_LITERAL} at most")
        elif len(self._literals) >= MAX_LITERALS or len(line) + sum(map(len, self._literals)) + length > MAX_RESPONSE:
            self._break(f"sent a response of more than {MAX_LITERALS} strings or {MAX_RESPONSE} octets")
        else:
            self._line += piece[: announced.start()] + b"{%d}\r\n" % length
            self._literal_left = length

    def _is_text(self, piece: bytes) -> bool:
        """Whether it ends in text for people, where braces announce nothing."""
        if piece.startswith(b"+") or not piece.startswith(b"* "):
            return True
        return piece[2:].split(b" ", 1)[0].upper() in _STATUSES

    def _read_response(self, line: bytes, literals: Sequence[bytes], *, more: bool) -> None:
        self._responses += 1
        if self._responses > (MAX_RESPONSES if self._command else MAX_UNSOLICITED):
            self._break(f"sent {self._responses - 1} responses " + ("to one command" if self._command else "unasked"))
        elif self._octets > MAX_ANSWER:
            self._break(f"sent more than {MAX_ANSWER} octets to one command")
        elif line.startswith(b"* "):
            self._untagged(line[2:], literals, line)
        elif line.startswith(b"+"):
            self._continue(line[1:].strip())
        else:
            self._tagged(line, more=more)

    def _untagged(self, text: bytes, literals: Sequence[bytes], line: bytes) -> None:
        status = self._status(text, line)
        if status is not None:
            self._untagged_status(status)
            return
        if not self._greeted:
            self._break(f"is no IMAP server: {self._shown(line)}")
            return
        try:
            told = answer.data(text, literals)
        except BadSyntax as error:
            self._break(f"sent what IMAP does not know ({error}): {self._shown(line)}")
            return
        if isinstance(told, Capabilities):
            self.capabilities = told.names
        if told is not None and self._command:
            self._data.append(told)

    def _untagged_status(self, status: Status) -> None:
        if not self._greeted:
            self._greeted = True
            self._learn(status)
            if status.condition not in ("OK", "PREAUTH", "BYE"):
                self._break(f"is no IMAP server: {status.line}")
            else:
                self.broken = status.condition == "BYE"
                self._events.append(Greeting(status))
        elif status.condition == "BYE" and not self._logging_out:
            self._break(f"ended the session: {status.text}", status)
        elif status.code == "PERMANENTFLAGS" and self._command:
            self._data.append(answer.permanent_flags(status.argument))

    def _continue(self, text: bytes) -> None:
        if self._waiting:
            self._send_waiting()
        elif self._appending:
            self._announced = self._left = self._appending
            self._appending = 0
            self._events.append(GoAhead())
        elif self._command == "AUTHENTICATE":
            self._challenged(text)
        # Else it agrees to what did not wait for it: a server that offers LITERAL+, and does not know it.

    def _challenged(self, text: bytes) -> None:
        initial, self._initial = self._initial, None
        if initial is not None:
            self._output.append(initial + b"\r\n")
            return
        if len(self._challenges) >= MAX_CHALLENGES:
            self._break(f"sent more than {MAX_CHALLENGES} challenges")
            return
        try:
            said = base64.b64decode(text[: 4 * KIB], validate=True)
        except ValueError:
            said = text
        self._challenges.append(self._shown(said))
        self._output.append(self._answers_challenge + b"\r\n")

    def _tagged(self, line: bytes, *, more: bool) -> None:
        tag, _, text = line.partition(b" ")
        status = self._status(text, line)
        if not self._greeted or status is None or status.condition not in ("OK", "NO", "BAD"):
            self._break(
                f"is no IMAP server: {self._shown(line)}" if not self._greeted else f"said: {self._shown(line)}"
            )
            return
        if not self._command or tag != self._tag:
            self._break(f"answered what was not asked: {status.line}")
            return
        command, data, challenges = self._command, tuple(self._data), " ".join(filter(None, self._challenges))
        message_due = self._announced >= 0
        half_sent = bool(self._waiting or self._appending or message_due)
        self._command, self._initial, self._appending, self._announced, self._left = "", None, 0, -1, 0
        self._waiting.clear()
        self._data, self._challenges = [], []
        self._responses = self._octets = 0
        if command == "STARTTLS" and status.ok and more:
            # Answers before the handshake would be taken for the server's own inside TLS (CVE-2021-33515 and its kin).
            self._break("sent octets behind its answer to STARTTLS")
            return
        if command in ("LOGIN", "AUTHENTICATE") and status.ok:
            self.capabilities = frozenset()  # a user may be able to do more
        self._learn(status)
        if half_sent and status.ok:
            self._break(f"agreed to what it has not heard: {status.line}")
            return
        self._events.append(Completed(command, status, data, challenges))
        if message_due:  # it waits for octets that do not come any more, or takes what we say next for these
            self._break("answered before it had the message")

    def _learn(self, status: Status) -> None:
        if status.code == "CAPABILITY":
            self.capabilities = answer.capabilities(status.argument).names

    def _status(self, text: bytes, line: bytes) -> Status | None:
        return answer.status(self._hidden(text), self._hidden(line))

    def _shown(self, octets: bytes) -> str:
        return answer.printable(self._hidden(octets))

    def _hidden(self, octets: bytes) -> bytes:
        for secret in self._secrets:
            if secret:
                octets = octets.replace(secret, _HIDDEN)
        return octets

    def _break(self, reason: str, status: Status | None = None) -> None:
        self.broken = True
        self._waiting.clear()
        self._output.clear()
        self._events.append(Broken(reason, status))


def _string(value: bytes) -> tuple[bytes | _Literal]:
    """An astring, too, may be quoted or a literal."""
    if b"\0" in value:
        raise Unsendable("no string of IMAP has NUL")
    return (quoted(value),) if _QUOTABLE.fullmatch(value) else (_Literal(value),)


def _flags(names: Sequence[str]) -> list[bytes]:
    found = []
    for name in names:
        if not name.isascii() or not _FLAG.fullmatch(name):
            raise Unsendable(f"{name!r} is no flag")
        found.append(name.encode("ascii"))
    return found


def _set(uids: Sequence[int]) -> bytes:
    return ",".join(map(str, uids)).encode("ascii")
