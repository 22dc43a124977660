"""SELECT, EXAMINE, CHECK, and what is told of a selected mailbox (RFC 3501 §6.3.1, §7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from mpcontinuity.access.imap import keywords
from mpcontinuity.access.imap.session import Session, Status, no, ok
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.view import Exists, Expunge, FlagsChanged, Gone, KeywordsChanged, View
from mpcontinuity.model import flags
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.uidset import Range
from mpcontinuity.protocols.imap import command, response

_SYSTEM_FLAGS = b" ".join(name.encode("ascii") for name in flags.SYSTEM)


class BadNumbers(Exception):
    """Message numbers that are not there: an error in the client (RFC 9051 §9, seq-number)."""


class Selection:
    """A session's mailbox. ``read_only``: EXAMINE, nothing is changed through it."""

    def __init__(self, view: View, *, read_only: bool) -> None:
        self.view = view
        self.read_only = read_only
        self._recent = 0  # as it was last told
        self._texts: dict[int, bytes] = {}
        self._keywords: dict[int, str] | None = None

    @property
    def mailbox(self) -> int:
        return self.view.mailbox

    def sequences(self, numbers: tuple[Range, ...], *, uid: bool) -> tuple[Range, ...]:
        """Message numbers of a set, as ranges. Raises BadNumbers."""
        try:
            return self.view.sequences(numbers, uid=uid)
        except ValueError as error:
            raise BadNumbers(str(error)) from None

    def uids(self, numbers: tuple[Range, ...], *, uid: bool) -> list[int]:
        """The UIDs of a set that are in the view, rising. Raises BadNumbers."""
        found: list[int] = []
        for first, last in self.sequences(numbers, uid=uid):
            found.extend(self.view.uids(first, last))
        return found

    def uids_of(self, sequences: Sequence[int]) -> Sequence[int]:
        """Of rising message numbers."""
        first, last = sequences[0], sequences[-1]
        if last - first + 1 == len(sequences):
            return self.view.uids(first, last)
        return [self.view.uid(sequence) for sequence in sequences]

    def flags_text(self, uid: int, mask: int) -> bytes:
        """``FLAGS (…)`` of a message; a mailbox has few different masks, each is joined once."""
        if self.view.is_recent(uid):
            mask |= flags.RECENT
        if self._keywords is not self.view.keywords:
            self._keywords = self.view.keywords
            self._texts.clear()
        text = self._texts.get(mask)
        if text is None:
            names = [(1 << bit, name) for bit, name in self._keywords.items()]
            text = self._texts[mask] = b"FLAGS (" + response.flag_names(mask, names) + b")"
        return text

    async def tell_keywords(self, session: Session, shown: Iterable[tuple[int, int]]) -> bool:
        """Names keywords that another session has just made before flags (and modseqs) are shown that use them.

        Whether anything was told: the picture may be ahead of those flags then (View.latest).
        """
        modseq = max((modseq for mask, modseq in shown if mask & flags.KEYWORDS), default=0)
        if not modseq or self.view.knows_keywords(modseq):
            return False
        await self.view.refresh(modseq)
        await self.tell(session, expunges=False)
        return True

    def defined_flags(self) -> bytes:
        """The FLAGS response and PERMANENTFLAGS."""
        names = b"".join(b" " + name.encode("ascii") for name in self.view.keywords.values())
        defined = _SYSTEM_FLAGS + names
        more = b"" if keywords.full(self.view) else b" \\*"  # RFC 3501 §7.1: that new ones can be made
        permanent = b"" if self.read_only else defined + more
        return b"* FLAGS (%s)\r\n* OK [PERMANENTFLAGS (%s)] flags that are kept\r\n" % (defined, permanent)

    def recent(self) -> bytes:
        self._recent = self.view.recent
        return response.recent(self._recent)

    async def tell(self, session: Session, *, expunges: bool) -> bool:
        """Tells the client what happened, others having their turn where that is much; False: the mailbox is gone."""
        while (news := self.news(expunges=expunges)) is not None:
            session.send(news)
            if not self.view.untold:
                return True
            await session.turn()
        return False

    def news(self, *, expunges: bool, most: int = 0) -> bytes | None:
        """Untagged responses for what happened since the last ones, or a portion of them (`View.poll`); None when the
        mailbox was deleted."""
        parts = []
        for update in self.view.poll(expunges, most):
            match update:
                case Exists(count):
                    parts.append(response.exists(count))
                    if self._recent != self.view.recent:
                        parts.append(self.recent())
                case Expunge(sequence):
                    parts.append(response.expunged(sequence))
                case FlagsChanged(sequence, uid, mask, _):
                    parts.append(response.fetched(sequence, (b"UID %d" % uid, self.flags_text(uid, mask))))
                case KeywordsChanged():
                    parts.append(self.defined_flags())
                case Gone():
                    return None
        return b"".join(parts)


async def report(session: Session, *, expunges: bool) -> None:
    """Tells the client what is new, at the end of a command: all that was committed before, its own changes too."""
    selection = session.selection
    if selection is None:
        return
    try:
        await selection.view.refresh()
    except (Temporary, Refused, Stopping):
        if not selection.view.untold:
            return  # what is new is told another time
    if not await selection.tell(session, expunges=expunges):
        session.engine.bye("the mailbox was deleted")


async def select(session: Session, asked: command.Select) -> Status:
    session.select(None)  # whatever becomes of it (RFC 3501 §6.3.1)
    services = session.services
    info = await services.store.read(partial(mailboxes.find, account=session.account, name=asked.mailbox))
    if info is None:
        raise MailboxRefused("NONEXISTENT", "no mailbox of that name")
    selection = Selection(await services.views.open(info, takes_recent=not asked.read_only), read_only=asked.read_only)
    session.select(selection)
    view = selection.view
    if keywords.full(view) and not asked.read_only and await keywords.make_room(session, view):
        await view.refresh()
        while selection.news(expunges=True) is not None and view.untold:  # it is told below as it is now
            await session.turn()
    lines = [selection.defined_flags(), response.exists(view.exists), selection.recent()]
    if unseen := view.first_unseen():
        lines.append(b"* OK [UNSEEN %d] the first unseen message\r\n" % unseen)
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % view.uidvalidity)
    last = view.uid(view.exists) if view.exists else 0
    lines.append(b"* OK [UIDNEXT %d] at the least\r\n" % max(info.uidnext, last + 1))
    session.send(b"".join(lines))
    return ok("selected", b"READ-ONLY" if asked.read_only else b"READ-WRITE")


async def check(session: Session, asked: command.Check) -> Status:
    return ok("all is stored at any time")


def read_only() -> Status:
    return no("the mailbox was opened with EXAMINE", b"READ-ONLY")
