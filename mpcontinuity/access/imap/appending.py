"""The message of an APPEND while it is being received."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.delivery.filing import Filing
from mpcontinuity.protocols.imap import command


@dataclass(frozen=True, slots=True)
class Appending:
    """An APPEND whose message is being received."""

    asked: command.Append
    filing: Filing

    def discard(self) -> None:
        """Gives the message up."""
        self.filing.discard()
