"""The IMAP door: what makes its connections."""

from __future__ import annotations

from typing import ClassVar

from mpcontinuity.access.imap.connection import ImapConnection
from mpcontinuity.access.imap.services import ImapServices
from mpcontinuity.door.factory import DoorFactory


class ImapFactory(DoorFactory[ImapServices]):
    """Makes the connections of port 143, or of port 993."""

    TURNED_AWAY: ClassVar[bytes] = b"* BYE [UNAVAILABLE] too many connections\r\n"

    def connect(self) -> ImapConnection:
        return ImapConnection(self.services, self.connections, implicit_tls=self.implicit_tls)
