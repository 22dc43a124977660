"""What every SMTP session of a door is given."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mpcontinuity.accounts.login import UserLogin
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.transaction import BeginIncoming, BeginSubmission
from mpcontinuity.inbound import receipt
from mpcontinuity.inbound.receipt import Arrival
from mpcontinuity.model.hosts import contains
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Network
from mpcontinuity.model.timer import Timer

if TYPE_CHECKING:
    from mpcontinuity.inbound.session import Session


class Role(enum.Enum):
    """What a door is there for."""

    INBOUND = "inbound"  # port 25: mail from outside, and submission after AUTH
    SUBMISSION = "submission"  # 587 and 465 (RFC 6409, RFC 8314): nothing without AUTH


@dataclass(slots=True)
class Services:
    """Of one door. ``tls``: IOpenSSLServerConnectionCreator; None: no STARTTLS. ``login`` None: no AUTH, and so no
    submission. ``reports_to_strangers``: whether whoever asks to hear of a success does, although nothing proves yet
    who they are; else their own server had better tell them (RFC 3461 §5.2.2).
    """

    begin: BeginIncoming
    hostname: str
    limits: Limits
    rations: Rations
    identifiers: Identifiers
    timer: Timer
    tls: Any = None
    role: Role = Role.INBOUND
    login: UserLogin | None = None
    submit: BeginSubmission | None = None
    home: HomeMail | None = None  # None: nobody is a home server
    reports_to_strangers: Callable[[], bool] = lambda: False
    plaintext_login_networks: Sequence[Network] = ()
    arrival: Callable[[Any], Arrival] = receipt.arrival  # what is known of that which was written to a transport
    stopping: bool = False
    sessions: set[Session] = field(default_factory=set)  # with a message under way also after their client has gone

    def plaintext_allowed(self, peer: str) -> bool:
        """Whether a client at this IP address may log in without TLS."""
        return contains(self.plaintext_login_networks, peer)
