"""What every IMAP session is given, and what one of its commands may take at a stretch."""

from __future__ import annotations

from dataclasses import dataclass, field

from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.archive.folder import EmailArchives
from mpcontinuity.door.services import Services
from mpcontinuity.mailbox.threads import InHand
from mpcontinuity.mailbox.view import Views

# Seconds between two signs of life in IDLE: routers forget a silent connection after some minutes.
KEEPALIVE = 120.0

# What one command does at a stretch, in some µs as far as can be said beforehand; then others have their turn.
PORTION = 5000

# The same of a transaction of many messages, which the store does beside the reactor.
PER_PORTION = 1000

# Seconds between two signs of life to a client that will say no more, while a long command goes on: one that is gone
# shows by them.
SOUNDING = 1.0


@dataclass(slots=True, kw_only=True)
class ImapServices(Services):
    """The parts of the server that the IMAP door uses."""

    views: Views
    quotas: Quotas
    archives: EmailArchives | None = None  # None: nobody has the folder
    threads: InHand = field(default_factory=InHand)
