"""What every IMAP session uses, and the limits of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.login import UserLogin
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model.hosts import contains
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Network
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.store import Store

# Seconds from the connection to a successful login, whatever is said meanwhile: what strangers hold is soon free again.
LOGIN_WITHIN = 180.0

# Seconds without a word of the client's, in IDLE too (RFC 9051 §5.4 demands 30 minutes at least).
SILENCE = 1800.0

# Seconds that a client has to read the last words.
LINGER = 30.0

# Seconds between two signs of life in IDLE: routers forget a silent connection after some minutes.
KEEPALIVE = 120.0

# Wrong passwords on one connection; the next one costs a new connection, besides what accounts/throttle.py adds.
WRONG_PASSWORDS = 10

# Octets that a client may send ahead while a command runs; then it is read no further.
READ_AHEAD = 64 * 1024

# Commands of one client that are worked off in a row before others have their turn.
TURN = 100

# What one command does at a stretch, in some µs as far as can be said beforehand; then others have their turn.
PORTION = 5000

# The same of a transaction of many messages, which the store does beside the reactor.
PER_PORTION = 1000

# Seconds between two signs of life to a client that will say no more, while a long command goes on: one that is gone
# shows by them.
SOUNDING = 1.0

# Octets joined before they are written; the next piece waits until the transport has passed the last one on.
PIECE = 64 * 1024


@dataclass(slots=True)
class Services:
    """``tls`` is an OpenSSL context factory, None where no certificate is to be had: then there is no STARTTLS."""

    store: Store
    directory: Directory
    login: UserLogin
    views: Views
    rations: Rations
    quotas: Quotas
    timer: Timer
    tls: Any
    hostname: str
    message_size: int
    plaintext_login_networks: Sequence[Network] = ()

    def plaintext_allowed(self, peer: str) -> bool:
        """Whether a client at this IP address may log in without TLS."""
        return contains(self.plaintext_login_networks, peer)
