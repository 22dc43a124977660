"""What every SMTP session of a door is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mpcontinuity.inbound.transaction import Begin
from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.model.limits import ConnectionLimits
from mpcontinuity.model.settings import Limits
from mpcontinuity.model.timer import Timer

if TYPE_CHECKING:
    from mpcontinuity.inbound.session import Session


@dataclass(slots=True)
class Services:
    """``connections`` is shared by every door. ``tls``: IOpenSSLServerConnectionCreator; None: no STARTTLS."""

    begin: Begin
    hostname: str
    limits: Limits
    connections: ConnectionLimits
    identifiers: Identifiers
    timer: Timer
    tls: Any = None
    stopping: bool = False
    sessions: set[Session] = field(default_factory=set)  # with a message under way also after their client has gone
