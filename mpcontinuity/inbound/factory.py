"""The SMTP doors: what makes their connections."""

from __future__ import annotations

from typing import ClassVar

from mpcontinuity.door.factory import DoorFactory
from mpcontinuity.inbound.connection import SmtpConnection
from mpcontinuity.inbound.services import SmtpServices


class SmtpFactory(DoorFactory[SmtpServices]):
    """Makes the connections of one SMTP door: port 25, 587 or 465."""

    TURNED_AWAY: ClassVar[bytes] = b"421 4.7.0 Too many connections\r\n"

    def connect(self) -> SmtpConnection:
        return SmtpConnection(self.services, self.connections, implicit_tls=self.implicit_tls)

    def stop_waiting(self) -> None:
        self.services.stop_waiting()
