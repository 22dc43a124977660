"""The POP3 door: what makes its connections."""

from __future__ import annotations

from typing import ClassVar

from mpcontinuity.access.pop3.connection import Pop3Connection
from mpcontinuity.access.pop3.services import Pop3Services
from mpcontinuity.door.factory import DoorFactory


class Pop3Factory(DoorFactory[Pop3Services]):
    """Makes the connections of port 110, or of port 995."""

    TURNED_AWAY: ClassVar[bytes] = b"-ERR [SYS/TEMP] too many connections\r\n"

    def connect(self) -> Pop3Connection:
        return Pop3Connection(self.services, self.connections, implicit_tls=self.implicit_tls)
