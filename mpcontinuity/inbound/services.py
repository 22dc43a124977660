"""What every connection of an SMTP door is given."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpcontinuity.delivery.calling import HomeCalls
from mpcontinuity.delivery.from_home import HomeMail
from mpcontinuity.delivery.transaction import BeginIncoming, BeginSubmission
from mpcontinuity.door.services import Services
from mpcontinuity.inbound import receipt
from mpcontinuity.inbound.receipt import Arrival


class Role(enum.Enum):
    """What a door is there for."""

    INBOUND = "inbound"  # port 25: mail from outside, and submission after AUTH
    SUBMISSION = "submission"  # 587 and 465 (RFC 6409, RFC 8314): nothing without AUTH


@dataclass(slots=True, kw_only=True)
class SmtpServices(Services):
    """The parts of the server that an SMTP door uses.

    ``begin`` begins the transaction of a stranger, ``submit`` that of a user; ``home`` takes what home servers send for
    their users, and ``calls`` answers their ETRN; both are None where nobody is a home server. ``reports_to_strangers``
    tells whether whoever asks to hear of a success does, although nothing proves yet who they are; else their own
    server had better tell them (RFC 3461 §5.2.2). ``arrival`` tells what is known of that which was written to a
    transport. ``stop_waiting`` ends the waiting for home servers, when the server stops
    (`delivery.awaited.AwaitedReplies.stop_waiting`).
    """

    begin: BeginIncoming
    submit: BeginSubmission
    stop_waiting: Callable[[], None]
    role: Role = Role.INBOUND
    home: HomeMail | None = None
    calls: HomeCalls | None = None
    reports_to_strangers: Callable[[], bool] = lambda: False
    arrival: Callable[[Any], Arrival] = receipt.arrival
