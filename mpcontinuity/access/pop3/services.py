"""What every POP3 session is given, and how much it reads ahead."""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.access.pop3.lock import Holder
from mpcontinuity.door.services import Services
from mpcontinuity.model.sharing import Holding

# Octets of messages that are read together, ahead of a client that asks for one after the other; twice as many while
# the next ones are read.
AHEAD = 256 * 1024
AHEAD_MESSAGES = 100

# A message above this is passed on in pieces.
WHOLE = 256 * 1024


@dataclass(slots=True, kw_only=True)
class Pop3Services(Services):
    """The parts of the server that the POP3 door uses."""

    locks: Holding[Holder]
