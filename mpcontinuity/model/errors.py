"""What goes wrong in a way that somebody is told about."""

from __future__ import annotations


class Refused(Exception):
    """A request that cannot be done as asked: one line that says why and what would work. Nothing was changed."""


class Temporary(Exception):
    """The store could not do it now (a full disk, a lost commit): SMTP says 452, IMAP ``NO [UNAVAILABLE]``."""


class Full(Temporary):
    """No room on the disk, or below the floor of free space."""


class Corrupt(Exception):
    """A stored body fails its checksum; the message names pack, offset and id."""


class Stopping(Exception):
    """The server shuts down; the work was not begun."""
