"""What every connection of a door is given, whatever its clients speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.model.hosts import contains
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Network
from mpcontinuity.model.timer import Timer
from mpcontinuity.store.store import Store


@dataclass(slots=True, kw_only=True)
class Services:
    """The parts of the server that a door uses; each door adds its own in a subclass.

    ``tls`` is Twisted's IOpenSSLServerConnectionCreator, or None where no certificate is to be had: then TLS is not
    offered. ``limits`` is replaced when the configuration is read again. Clients in ``plaintext_login_networks`` may
    log in without TLS.
    """

    store: Store
    directory: Directory
    login: UserLogin
    rations: Rations
    limits: Limits
    timer: Timer
    tls: Any
    hostname: str
    plaintext_login_networks: Sequence[Network] = ()

    def plaintext_allowed(self, peer: str) -> bool:
        """Tells whether the client at this IP address may log in without TLS."""
        return contains(self.plaintext_login_networks, peer)
