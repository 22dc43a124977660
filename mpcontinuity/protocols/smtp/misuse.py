"""Counts what a client does that leads to nothing, until it is enough."""

from __future__ import annotations

from mpcontinuity.model.reply import Reply
from mpcontinuity.protocols.smtp.command import BadCommand
from mpcontinuity.protocols.smtp.terms import Limits

TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors")
TOO_MANY_REFUSALS = Reply(421, "4.7.0", "Too many unknown recipients")


class Misuse:
    """The counters of one connection."""

    __slots__ = ("_errors", "_idle", "_limits", "_refusals")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._errors = 0
        self._refusals = 0
        self._idle = 0

    def error(self) -> Reply | None:
        """Counts a command that was refused. Returns the last reply if it was one too many, else None."""
        self._errors += 1
        return TOO_MANY_ERRORS if self._errors >= self._limits.errors else None

    def refusal(self) -> Reply | None:
        """Counts a recipient that the door refused for good.

        Returns the last reply if it was one too many, else None.
        """
        self._refusals += 1
        return TOO_MANY_REFUSALS if self._refusals >= self._limits.refusals else None

    def idle(self) -> None:
        """Counts a command that leads to nothing. Raises BadCommand if it was one too many."""
        self._idle += 1
        if self._idle > self._limits.idle_commands:
            raise BadCommand(450, "4.7.0", "Too many commands without a message")

    def restart(self) -> None:
        """Counts RSET or EHLO, which are answered 250 until it is an abuser who sends them.

        Raises BadCommand with 421.
        """
        self._idle += 1
        if self._idle > self._limits.idle_commands:
            raise BadCommand(421, "4.7.0", "Too many commands without a message")

    def message(self) -> None:
        """Notes that a message was received, so that the client is no idler."""
        self._idle = 0
