"""The client's side of SMTP: commands out, replies in, and each reply with the command that it answers.

Commands are pipelined where the server offers that (RFC 2920), and wait for each other where it does not. `outbound/`
decides what to send.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from dataclasses import dataclass

import msgspec

from mpcontinuity.model.address import Address
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.protocols.smtp.data import DotStuffer

# RFC 5321 §4.5.3.1.5 allows 512 octets; a server that sends more is borne with up to here, and then is broken.
MAX_REPLY_LINE = 4096
MAX_REPLY_LINES = 256
MAX_REPLY = 65_536  # octets of a reply in all its lines
# Characters of a reply that are kept: it goes into rows, reports and the log, of every recipient and attempt.
MAX_TEXT = 2000
_SIZE_DIGITS = 20  # RFC 1870 §3

_REPLY = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# RFC 2920 §3.1: nothing may be sent behind these before their reply.
_ENDS_GROUP = {"GREETING", "EHLO", "HELO", "STARTTLS", "AUTH", "DATA", "QUIT"}


class Offers(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server's last EHLO offered. ``size`` is 0 where it named no limit."""

    pipelining: bool = False
    starttls: bool = False
    eightbit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size_offered: bool = False
    size: int = 0
    auth: tuple[str, ...] = ()
    chunking: bool = False
    recipients: int = 0  # RFC 9422 LIMITS RCPTMAX; 0: none told
    one_domain: bool = False  # LIMITS RCPTDOMAINMAX=1


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to ``command``: a verb, ``GREETING``, or ``MESSAGE`` for the reply to the final dot."""

    command: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Broken:
    """The session cannot go on. ``reply`` is set where the server said something unasked, such as 421."""

    reason: str
    reply: Reply | None = None


class Unsafe(ValueError):
    """Raised for a name, address or parameter that would not stay one argument of one command."""


class ClientEngine:
    """The engine of one connection, which waits for the greeting at first."""

    def __init__(self) -> None:
        self.offers = Offers()
        self.broken = False
        self._input = b""
        self._lines: list[tuple[int, str]] = []
        self._octets = 0  # of these lines
        self._more = False  # something lies behind the line that is being read
        self._awaited: deque[str] = deque(["GREETING"])
        self._held: deque[tuple[str, bytes]] = deque()  # commands that may not be sent yet
        self._output: list[bytes] = []
        self._answers: deque[Answer | Broken] = deque()
        self._stuffer: DotStuffer | None = None
        self._chunked = False  # a message by BDAT that has not had its last chunk
        self._left = 0  # octets of a chunk that are still to be sent

    @property
    def idle(self) -> bool:
        """Whether every reply has come and no message is half sent."""
        return not self._awaited and not self._held and not self._half_sent and not self.broken

    @property
    def _half_sent(self) -> bool:
        return self._stuffer is not None or self._left > 0

    # Commands

    def ehlo(self, name: str) -> None:
        """Sends EHLO."""
        self._command("EHLO", f"EHLO {_safe(name)}")

    def helo(self, name: str) -> None:
        """Sends HELO."""
        self.offers = Offers()
        self._command("HELO", f"HELO {_safe(name)}")

    def starttls(self) -> None:
        """Sends STARTTLS."""
        self._command("STARTTLS", "STARTTLS")

    def auth_plain(self, name: str, password: str) -> None:
        """Sends AUTH PLAIN with name and password."""
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self._command("AUTH", f"AUTH PLAIN {secret}")

    def auth_login(self) -> None:
        """Sends AUTH LOGIN. Name and password follow, each by `auth_answer` after a 334."""
        self._command("AUTH", "AUTH LOGIN")

    def auth_answer(self, text: str) -> None:
        """Sends the answer to a 334."""
        self._command("AUTH", base64.b64encode(text.encode()).decode())

    def mail(self, address: Address | None, parameters: MailParameters = MailParameters()) -> None:  # noqa: B008
        """Sends MAIL. Parameters that the server does not offer are left out. Raises Unsafe."""
        offers = self.offers
        text = [f"MAIL FROM:<{_path(address)}>"]
        if parameters.size and offers.size_offered:
            text.append(f"SIZE={parameters.size}")
        if parameters.body and offers.eightbit:
            text.append(f"BODY={_safe(parameters.body)}")
        if parameters.smtputf8 and offers.smtputf8:
            text.append("SMTPUTF8")
        if offers.dsn:
            if parameters.ret:
                text.append(f"RET={_safe(parameters.ret)}")
            if parameters.envid:
                text.append(f"ENVID={_safe(parameters.envid)}")
        self._command("MAIL", " ".join(text))

    def rcpt(self, address: Address, parameters: RcptParameters = RcptParameters()) -> None:  # noqa: B008
        """Sends RCPT. Parameters that the server does not offer are left out. Raises Unsafe."""
        text = f"RCPT TO:<{_path(address)}>"
        if self.offers.dsn:
            if parameters.notify:
                text += f" NOTIFY={_safe(parameters.notify)}"
            if parameters.orcpt:
                text += f" ORCPT={_safe(self._original_recipient(parameters.orcpt))}"
        self._command("RCPT", text)

    def _original_recipient(self, orcpt: str) -> str:
        """RFC 6533 §3: for a server that does not take UTF-8, what is none of ASCII stands as ``\\x{HEX}``."""
        if orcpt.isascii() or self.offers.smtputf8:
            return orcpt
        return "".join(one if one.isascii() else f"\\x{{{ord(one):02X}}}" for one in orcpt)

    def data(self) -> None:
        """Sends DATA."""
        self._command("DATA", "DATA")

    def chunk(self, length: int) -> None:
        """Sends BDAT, once everything before it was answered.

        As many octets of the message follow, and are answered by 250.
        """
        if self._awaited or self._held or self._half_sent:
            raise RuntimeError("replies are awaited")
        self._output.append(b"BDAT %d\r\n" % length)
        self._awaited.append("BDAT")
        self._chunked, self._left = True, length

    def message(self, piece: bytes) -> None:
        """Sends the next piece of the message, cut anywhere, once DATA was answered by 354 or after ``chunk``."""
        if self._chunked:
            if len(piece) > self._left:
                raise RuntimeError("more than was announced")
            self._left -= len(piece)
            self._output.append(piece)
            return
        if self._stuffer is None:
            raise RuntimeError("no 354 was given")
        self._output.append(self._stuffer.feed(piece))

    def final_dot(self) -> None:
        """Ends the message, by an empty last chunk where it went by BDAT. From then on the server may have it."""
        if self._chunked and not self._left and not self._awaited:
            self._chunked = False
            self._output.append(b"BDAT 0 LAST\r\n")
        elif self._stuffer is not None:
            self._output.append(self._stuffer.finish())
            self._stuffer = None
        else:
            raise RuntimeError("no 354 was given")
        self._awaited.append("MESSAGE")

    def rset(self) -> None:
        """Sends RSET."""
        self._command("RSET", "RSET")

    def quit(self) -> None:
        """Sends QUIT."""
        self._command("QUIT", "QUIT")

    def tls_started(self) -> None:
        """Says that TLS is on. What was offered without it counts no more (RFC 3207 §4.2), so send EHLO again."""
        self.offers = Offers()
        self._input = b""

    def to_send(self) -> bytes:
        """Returns what is to be sent since the last call."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    # Replies

    def receive(self, data: bytes) -> None:
        """Takes octets that the server sent."""
        data, position = self._input + data, 0
        while not self.broken:
            end = data.find(b"\n", position)
            if (end if end >= 0 else len(data)) - position > MAX_REPLY_LINE:
                self._break(f"a reply line of more than {MAX_REPLY_LINE} octets")
            if end < 0 or self.broken:
                break
            self._more = end + 1 < len(data)
            self._read_line(data[position:end].removesuffix(b"\r"))
            position = end + 1
        self._input = b"" if self.broken else data[position:]

    def next_answer(self) -> Answer | Broken | None:
        """Returns the next answer, or None while none has come."""
        return self._answers.popleft() if self._answers else None

    def _read_line(self, line: bytes) -> None:
        match = _REPLY.fullmatch(line)
        if match is None:
            self._break(f"no SMTP reply: {line[:80]!r}")
            return
        code, between, text = match.groups()
        self._octets += len(line)
        self._lines.append((int(code), _CONTROL.sub(" ", (text or b"").decode("utf-8", "replace"))))
        if between != b"-":
            lines, self._lines, self._octets = self._lines, [], 0
            self._read_reply(lines)
        elif len(self._lines) >= MAX_REPLY_LINES:
            self._break(f"a reply of more than {MAX_REPLY_LINES} lines")
        elif self._octets > MAX_REPLY:
            self._break(f"a reply of more than {MAX_REPLY} octets")

    def _read_reply(self, lines: list[tuple[int, str]]) -> None:
        reply = _joined(lines)
        if not self._awaited:
            self._break(f"said unasked: {reply}", reply)
            return
        command = self._awaited.popleft()
        if command == "EHLO" and reply.code == 250:
            self.offers = _offers([text for _, text in lines[1:]])
        elif command == "DATA" and reply.code == 354:
            self._stuffer = DotStuffer()
        elif command in ("BDAT", "RSET") and (command == "RSET" or not reply.positive):
            self._chunked = False
        elif command == "STARTTLS" and reply.code == 220 and self._more:
            # Replies before the handshake would be taken for the server's own inside TLS (CVE-2021-38371 and its kin).
            self._break("sent bytes behind its reply to STARTTLS")
            return
        self._answers.append(Answer(command, reply))
        self._send_held()

    def _break(self, reason: str, reply: Reply | None = None) -> None:
        self.broken = True
        self._input = b""
        self._held.clear()
        self._answers.append(Broken(reason, reply))

    # Order

    def _command(self, name: str, text: str) -> None:
        if self._half_sent:
            raise RuntimeError("a message is half sent")
        self._held.append((name, text.encode("utf-8") + b"\r\n"))
        self._send_held()

    def _send_held(self) -> None:
        while self._held and self._may_send():
            name, line = self._held.popleft()
            self._output.append(line)
            self._awaited.append(name)

    def _may_send(self) -> bool:
        if not self._awaited:
            return not self._half_sent
        return self.offers.pipelining and self._awaited[-1] not in _ENDS_GROUP


def _joined(lines: list[tuple[int, str]]) -> Reply:
    """The code is the last line's; an enhanced code is taken off each line that begins with the same. What is longer
    than anybody reads is cut."""
    code = lines[-1][0]
    match = _ENHANCED.match(lines[0][1])
    if match is None or match[1][0] != str(code)[0]:
        return Reply(code, "", "\n".join(text for _, text in lines)[:MAX_TEXT])
    enhanced = match[1]
    texts = [text.removeprefix(enhanced).lstrip(" ") if text.startswith(enhanced) else text for _, text in lines]
    return Reply(code, enhanced, "\n".join(texts)[:MAX_TEXT])


def _offers(lines: list[str]) -> Offers:
    """Reads the EHLO reply without its first line."""
    keywords: dict[str, list[str]] = {}
    for line in lines:
        # `AUTH=LOGIN` is how servers before RFC 2554 wrote it.
        name, *arguments = re.sub(r"\AAUTH=", "AUTH ", line.upper()).split() or [""]
        keywords.setdefault(name, arguments)
    size = keywords.get("SIZE", [""])
    return Offers(
        pipelining="PIPELINING" in keywords,
        starttls="STARTTLS" in keywords,
        eightbit="8BITMIME" in keywords,
        smtputf8="SMTPUTF8" in keywords,
        dsn="DSN" in keywords,
        size_offered="SIZE" in keywords,
        size=int(size[0]) if size and size[0].isascii() and size[0].isdigit() and len(size[0]) <= _SIZE_DIGITS else 0,
        auth=tuple(keywords.get("AUTH", ())),
        chunking="CHUNKING" in keywords,
        recipients=_limit(keywords, "RCPTMAX"),
        one_domain=_limit(keywords, "RCPTDOMAINMAX") == 1,
    )


def _limit(keywords: dict[str, list[str]], name: str) -> int:
    """RFC 9422 §3: 1 to 6 digits; 0 where it is not told, or not so."""
    for argument in keywords.get("LIMITS", ()):
        key, _, value = argument.partition("=")
        if key == name and value.isascii() and value.isdigit() and len(value) <= 6:
            return int(value)
    return 0


def _path(address: Address | None) -> str:
    if address is None:
        return ""
    if _CONTROL.search(address.text):
        raise Unsafe("a control character in an address")
    return address.text


def _safe(text: str) -> str:
    if not text or _CONTROL.search(text) or " " in text:
        raise Unsafe(f"{text!r} is not one argument of a command")
    return text


# RFC 4954 §4 and RFC 3207 §4: about us and not about a message.
_NOT_ABOUT_THE_MESSAGE = {530, 535, 538}
_BEFORE_THE_MESSAGE = {Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.TLS, Stage.AUTH}


def outcome(stage: Stage, reply: Reply) -> Outcome:
    """Returns what a reply means (contract 'What happens to a message').

    530, 535 and 538 at any stage, and a 5xx before MAIL, count as temporary: the server does not serve us.
    """
    if 200 <= reply.code < 300 or (stage is Stage.DATA and reply.code == 354):
        return Outcome(Verdict.ACCEPTED, stage, reply)
    if reply.temporary or reply.code in _NOT_ABOUT_THE_MESSAGE or (reply.permanent and stage in _BEFORE_THE_MESSAGE):
        return Outcome(Verdict.TEMPORARY, stage, reply)
    if reply.permanent:
        return Outcome(Verdict.REFUSED, stage, reply)
    return Outcome(Verdict.FAILED, stage, reply, f"unexpected reply: {reply}")
