"""A reply of SMTP, and what became of one attempt to hand over a message."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a command of SMTP (RFC 5321 §4.2).

    ``enhanced`` is the enhanced status code such as ``4.4.1`` (RFC 3463), or empty. ``text`` has one line per line of
    the reply, separated by a line feed.
    """

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def positive(self) -> bool:
        """Whether the server agreed (2xx), or waits for more (3xx)."""
        return 200 <= self.code < 400

    @property
    def temporary(self) -> bool:
        """Whether the server said that it cannot do it now (4xx)."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """Whether the server refused for good (5xx)."""
        return self.code >= 500

    def __str__(self) -> str:
        """Returns the reply in one line, such as ``451 4.4.1 text``, as logs and tracking show it."""
        return " ".join(part for part in (str(self.code), self.line) if part)

    @property
    def line(self) -> str:
        """The enhanced code and the text, in one line."""
        return " ".join(part for part in (self.enhanced, *self.text.split("\n")) if part)


class Stage(enum.Enum):
    """How far an attempt had come when its outcome was decided."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    TLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    MESSAGE = "message"  # the final dot was sent


class Verdict(enum.Enum):
    """How an attempt ended, as far as it matters for what is done next."""

    ACCEPTED = "accepted"  # 2xx
    REFUSED = "refused"  # 5xx that concerns the message, the sender or the recipient
    TEMPORARY = "temporary"  # 4xx, and what the contract treats as one (5xx to greeting or EHLO, 53x)
    FAILED = "failed"  # no reply: not connected, timed out, connection lost, nonsense; before the final dot was sent
    DOUBTFUL = "doubtful"  # the final dot was sent and no reply came: home may have the message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt for one recipient.

    ``reply`` is None where none came; then ``reason`` says why, in words that are fit for tracking and logs.
    """

    verdict: Verdict
    stage: Stage
    reply: Reply | None = None
    reason: str = ""

    @property
    def text(self) -> str:
        """One line that says what happened: the reply, or the reason why there is none."""
        return str(self.reply) if self.reply is not None else self.reason
