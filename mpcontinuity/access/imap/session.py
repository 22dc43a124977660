"""What an IMAP session is between two commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred

from mpcontinuity.access.imap.services import PORTION, SOUNDING
from mpcontinuity.accounts.authentication import Authentication
from mpcontinuity.accounts.directory import User
from mpcontinuity.door.output import Gone
from mpcontinuity.mailbox.quota import Quota
from mpcontinuity.protocols.imap.engine import ServerEngine
from mpcontinuity.protocols.imap.parse import State

if TYPE_CHECKING:
    from mpcontinuity.access.imap.append import Appending
    from mpcontinuity.access.imap.idling import Idling
    from mpcontinuity.access.imap.selection import Selection
    from mpcontinuity.access.imap.services import Services
    from mpcontinuity.door.output import Output


_STILL_AT_WORK = b"* OK still at work\r\n"


class Status(NamedTuple):
    """The tagged end of a command; ``code`` is a response code (RFC 3501 §7.1, RFC 5530) without its brackets."""

    condition: bytes
    text: str
    code: bytes = b""


def ok(text: str, code: bytes = b"") -> Status:
    return Status(b"OK", text, code)


def no(text: str, code: bytes = b"") -> Status:
    return Status(b"NO", text, code)


@dataclass(slots=True)
class Transfer:
    """What a session has done, for its last line in the log."""

    commands: int = 0
    fetched: int = 0  # messages


class Session:
    """``secure``: under TLS. ``start_tls`` takes the connection there, ``end`` hangs up after the last word."""

    def __init__(
        self,
        services: Services,
        engine: ServerEngine,
        output: Output,
        *,
        name: str,
        peer: str,
        secure: bool,
        transport: Any,
        start_tls: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        self.services = services
        self.engine = engine
        self.output = output
        self.name = name
        self.peer = peer
        self.share = services.rations.share_of(peer)
        self.secure = secure
        self.transport = transport
        self.exchange: Authentication | None = None
        self.start_tls = start_tls
        self.end = end
        self.wrong_passwords = 0
        self.ending = False  # after the command at hand
        self.transfer = Transfer()
        self._spent = 0  # of the portion at hand
        self.heard_out = False  # the client has closed its direction
        self._sounded = 0.0
        self._user: User | None = None
        self.selection: Selection | None = None
        self.appending: Appending | None = None
        self.idling: Idling | None = None

    @property
    def logged_in(self) -> User | None:
        return self._user

    @property
    def user(self) -> User:
        """Of commands that the engine lets pass after login only."""
        assert self._user is not None
        return self._user

    @property
    def account(self) -> int:
        return self.user.id

    async def quota(self) -> Quota:
        return await self.services.quotas.of(self.user)

    @property
    def selected(self) -> Selection:
        """Of commands that the engine lets pass with a mailbox only."""
        assert self.selection is not None
        return self.selection

    def log_in(self, user: User) -> None:
        self._user = user
        self.share.logged_in()
        self.engine.state = State.AUTHENTICATED

    def select(self, selection: Selection | None) -> None:
        """Leaves the mailbox that was selected; None: no other."""
        if self.selection is not None:
            self.selection.view.close()
        self.selection = selection
        self.engine.state = State.SELECTED if selection is not None else State.AUTHENTICATED

    def send(self, data: bytes) -> None:
        """Untagged responses; they leave with the end of the command, or with ``flush``."""
        self.engine.send(data)

    async def flush(self) -> None:
        """Writes what was sent, and waits while the client does not read. Raises Gone."""
        self.output.write(self.engine.to_send())
        await self.output.room()

    def begin(self) -> None:
        """A command is at hand."""
        self._spent = 0

    async def spend(self, work: int) -> None:
        """Counts work of a command, in µs or so; lets others have their turn between two portions of it. Raises Gone
        once nobody waits for the rest."""
        if self.output.gone:
            raise Gone
        self._spent += work
        if self._spent >= PORTION:
            await self.turn()

    async def turn(self) -> None:
        """Writes what was sent, and lets others have their turn. Raises Gone once nobody waits for the rest."""
        self._spent = 0
        if self.heard_out and self.services.timer.seconds() >= self._sounded + SOUNDING:
            # A client that has closed its direction may wait for the answer, or be gone: what is written tells.
            self._sounded = self.services.timer.seconds()
            self.send(_STILL_AT_WORK)
        await self.flush()
        later: Deferred[None] = Deferred()
        self.services.timer.callLater(0, later.callback, None)
        await later
        if self.output.gone:
            raise Gone

    def leave(self) -> None:
        """Gives back all that the session holds."""
        if self.selection is not None:
            self.selection.view.close()
            self.selection = None
        if self.appending is not None:
            self.appending.discard()
            self.appending = None
        if self.idling is not None:
            self.idling.stop()
            self.idling = None
