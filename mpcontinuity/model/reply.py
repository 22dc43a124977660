"""An SMTP reply, and what became of one attempt to hand over a message."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """RFC 5321 §4.2. ``enhanced`` is RFC 3463's ``4.4.1`` or empty; lines of ``text`` are separated by ``\\n``."""

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        """``451 4.4.1 text``, in one line: how logs and tracking show it."""
        return " ".join(part for part in (str(self.code), self.line) if part)

    @property
    def line(self) -> str:
        """The enhanced code and the text in one line."""
        return " ".join(part for part in (self.enhanced, *self.text.split("\n")) if part)


class Stage(enum.Enum):
    """How far an attempt came when its outcome was decided."""

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
    ACCEPTED = "accepted"  # 2xx
    REFUSED = "refused"  # 5xx that concerns the message, the sender or the recipient
    TEMPORARY = "temporary"  # 4xx, and what the contract treats as one (5xx to greeting or EHLO, 53x)
    FAILED = "failed"  # no reply: not connected, timed out, connection lost, nonsense; before the final dot was sent
    DOUBTFUL = "doubtful"  # the final dot was sent and no reply came: home may have the message


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt for one recipient. ``reply`` is None where none came; ``reason`` is fit for tracking and logs."""

    verdict: Verdict
    stage: Stage
    reply: Reply | None = None
    reason: str = ""

    @property
    def text(self) -> str:
        """One line that says what happened: the reply, or the reason why there is none."""
        return str(self.reply) if self.reply is not None else self.reason
