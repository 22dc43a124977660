"""What every POP3 session uses, and the limits of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpcontinuity.access.pop3.lock import Holder
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.login import UserLogin
from mpcontinuity.model.hosts import contains
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Network
from mpcontinuity.model.sharing import Holding
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.store import Store

# Seconds from the connection to a successful login, whatever is said meanwhile: what strangers hold is soon free again.
LOGIN_WITHIN = 60.0

# Seconds without a word of the client's (RFC 1939 §3 demands ten minutes at least).
SILENCE = 600.0

# Seconds that a client has to read the last words.
LINGER = 10.0

# Wrong passwords on one connection; the next one costs a new connection, besides what accounts/throttle.py adds.
WRONG_PASSWORDS = 5

# Octets of messages that are read together, ahead of a client that asks for one after the other; twice as many while
# the next ones are read.
AHEAD = 256 * 1024
AHEAD_MESSAGES = 100

# A message above this is passed on in pieces.
WHOLE = 256 * 1024
PIECE = 64 * 1024

# Commands of one client that are worked off in a row before others have their turn.
TURN = 100


@dataclass(frozen=True, slots=True)
class Services:
    """``tls`` is an OpenSSL context factory, None where no certificate is to be had: then there is no STLS."""

    store: Store
    directory: Directory
    login: UserLogin
    locks: Holding[Holder]
    rations: Rations
    timer: Timer
    tls: Any
    hostname: str
    plaintext_login_networks: Sequence[Network] = ()

    def plaintext_allowed(self, peer: str) -> bool:
        """Whether a client at this IP address may log in without TLS."""
        return contains(self.plaintext_login_networks, peer)
