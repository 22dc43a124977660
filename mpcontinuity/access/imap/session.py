"""What an IMAP session remembers between two commands."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple, Protocol

from mpcontinuity.access.imap.appending import Appending
from mpcontinuity.access.imap.selection import Selection
from mpcontinuity.access.imap.services import PORTION, SOUNDING, ImapServices
from mpcontinuity.accounts.users import User
from mpcontinuity.door.connection import Connection, Phase
from mpcontinuity.door.output import Gone
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import EMAIL_ARCHIVE, canonical
from mpcontinuity.mailbox.quota import Quota
from mpcontinuity.model import flags
from mpcontinuity.model.errors import Temporary
from mpcontinuity.protocols.imap.engine import ServerEngine
from mpcontinuity.protocols.imap.parse import State

_PATIENCE = 1.0  # s that a NOOP waits for what is new in `Email Archive`
_STILL_AT_WORK = b"* OK still at work\r\n"


class Status(NamedTuple):
    """The tagged end of a command; ``code`` is a response code (RFC 3501 §7.1, RFC 5530) without its brackets."""

    condition: bytes
    text: str
    code: bytes = b""


def ok(text: str, code: bytes = b"") -> Status:
    """Returns the end of a command that was done."""
    return Status(b"OK", text, code)


def no(text: str, code: bytes = b"") -> Status:
    """Returns the end of a command that could not be done."""
    return Status(b"NO", text, code)


class Ending(Protocol):
    """A command that goes on until the client, or the session, ends it: IDLE."""

    def stop(self) -> None:
        """Ends it without a word."""
        ...


class ImapSession:
    """What the functions of the commands are given: the client's state, and the ways to answer it."""

    def __init__(self, connection: Connection[ServerEngine, ImapServices]) -> None:
        self.connection = connection
        self.services = connection.services
        self.engine = connection.engine
        self.output = connection.output
        self.name = connection.name
        self.login = connection.login
        self.ending = False  # after the command at hand; BYE was said
        self.fetched = 0  # messages, for the last line in the log
        self.selection: Selection | None = None
        self.appending: Appending | None = None
        self.idling: Ending | None = None
        self._spent = 0  # of the portion at hand
        self._sounded = 0.0

    @property
    def user(self) -> User:
        """The user; for commands that the engine lets pass after login only."""
        assert self.login.user is not None
        return self.login.user

    @property
    def account(self) -> int:
        """The id of the user's account."""
        return self.user.id

    async def quota(self) -> Quota:
        """Returns what the user may store. Raises Temporary."""
        return await self.services.quotas.of(self.user)

    async def find(self, name: str) -> MailboxInfo | None:
        """Returns the user's mailbox of that name, or None. `Email Archive` is made where it is asked for."""
        info = await self.services.store.read(partial(mailboxes.find, account=self.account, name=name))
        if info is None and canonical(name) == EMAIL_ARCHIVE:
            return await self.make_archive()
        return info

    async def make_archive(self) -> MailboxInfo | None:
        """Makes the folder `Email Archive`; None where the user has none. A full disk keeps nobody from the others."""
        if self.services.archives is None:
            return None
        try:
            return await self.services.archives.make(self.user)
        except Temporary:
            return None

    async def look_into_archive(self) -> None:
        """Has what is new in the archive listed, where the folder `Email Archive` is selected."""
        if self.services.archives is not None and self.selection is not None and self.selection.archived:
            await self.services.archives.look(self.user, patience=_PATIENCE)

    @property
    def selected(self) -> Selection:
        """The selected mailbox; for commands that the engine lets pass with one only."""
        assert self.selection is not None
        return self.selection

    def log_in(self, user: User) -> None:
        """Takes ``user`` as logged in, and lets commands pass that need that."""
        self.login.enter(user)
        self.engine.state = State.AUTHENTICATED

    def select(self, selection: Selection | None) -> None:
        """Leaves the mailbox that was selected, and takes another; None means that there is none."""
        if self.selection is not None:
            self.selection.view.close()
        self.selection = selection
        self.engine.state = State.SELECTED if selection is not None else State.AUTHENTICATED

    def send(self, data: bytes) -> None:
        """Sends untagged responses; they leave with the end of the command, or with ``flush``."""
        self.engine.send(data)

    async def flush(self) -> None:
        """Writes what was sent, and waits while the client does not read. Raises Gone."""
        self.connection.flush()
        if not self.output.has_room:
            await self.output.room()

    def begin(self) -> None:
        """Begins to count the work of a command."""
        self._spent = 0

    async def spend(self, work: int) -> None:
        """Counts ``work`` of a command, in µs or so, and lets others have their turn between two portions of it.

        Raises Gone once nobody waits for the rest.
        """
        if self.output.gone:
            raise Gone
        self._spent += work
        if self._spent >= PORTION:
            await self.turn()

    async def turn(self) -> None:
        """Writes what was sent, and lets others have their turn. Raises Gone once nobody waits for the rest."""
        self._spent = 0
        if self.connection.phase is Phase.HEARD_OUT and self.services.timer.seconds() >= self._sounded + SOUNDING:
            # A client that has closed its direction may wait for the answer, or be gone: what is written tells.
            self._sounded = self.services.timer.seconds()
            self.send(_STILL_AT_WORK)
        await self.flush()
        await self.connection.let_others()
        if self.output.gone:
            raise Gone

    async def tell(self, *, expunges: bool) -> bool:
        """Tells the client what happened in the selected mailbox, others having their turn where that is much.

        Returns False where the mailbox is gone.
        """
        selection = self.selected
        while (news := selection.news(expunges=expunges)) is not None:
            self.send(news)
            if not selection.view.untold:
                return True
            await self.turn()
        return False

    async def tell_keywords(self, shown: Iterable[tuple[int, int]]) -> bool:
        """Names keywords that another session has just made, before flags are shown that use them.

        ``shown`` are masks of flags and their modseqs. Returns whether anything was told: the picture may be ahead of
        those flags then (`View.latest`).
        """
        view = self.selected.view
        modseq = max((modseq for mask, modseq in shown if mask & flags.KEYWORDS), default=0)
        if not modseq or view.knows_keywords(modseq):
            return False
        await view.refresh(modseq)
        await self.tell(expunges=False)
        return True

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
