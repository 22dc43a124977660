"""What goes wrong in a way that somebody is told about."""

from __future__ import annotations

from typing import Literal

import msgspec

# What a door tells apart; for HTTP 400, 404, 409, 409 and 403.
Kind = Literal[
    "invalid",  # nobody could be given that: a word that cannot be read, a number out of bounds
    "unknown",  # it names what is not there
    "taken",  # what it would make is there already
    "conflict",  # not as things stand: mail is owed, a server runs
    "forbidden",  # this caller may not
]


class Hint(msgspec.Struct, frozen=True):
    """An operation that would help: its name as in `mpcontinuity NAME`, its arguments, and what it does then, as
    "shows them". Each door puts it into its own words; no layer below knows how an operation is called there."""

    operation: str
    does: str
    arguments: dict[str, str | bool] = {}


class Refused(Exception):
    """A request that cannot be done as asked; nothing was changed.

    ``text`` is one line that says why, and what would work as far as that is no operation. ``hint`` is the operation
    that would help. It survives pickling.
    """

    def __init__(self, text: str, kind: Kind = "invalid", hint: Hint | None = None) -> None:
        super().__init__(text, kind, hint)
        self.text = text
        self.kind = kind
        self.hint = hint

    def __str__(self) -> str:
        return self.text


class Temporary(Exception):
    """The store could not do it now (a full disk, a lost commit): SMTP says 452, IMAP ``NO [UNAVAILABLE]``."""


class Full(Temporary):
    """No room on the disk, or below the floor of free space."""


class Corrupt(Exception):
    """A stored body fails its checksum; the message names pack, offset and id."""


class Stopping(Exception):
    """The server shuts down; the work was not begun."""
