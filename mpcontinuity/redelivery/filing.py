"""Brings an owed message into home's folders by IMAP, where the domain has ``home-imap`` (decision 0034).

Before a message is appended it is looked for, in its folder, and in all folders where an earlier attempt is in doubt,
so that home has it once. What IMAP refuses for good goes by SMTP, and what was in doubt by IMAP never does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model import address, imapurl
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Stopping, Temporary
from mpcontinuity.model.identifier import show
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.imap.mailboxes import Appended, Interrupted, Message, Unsearched, UserMailboxes
from mpcontinuity.outbound.imap.opening import Fault, NoSession
from mpcontinuity.outbound.imap.sessions import ImapSessions
from mpcontinuity.protocols.imap.answer import Fetched, Status
from mpcontinuity.protocols.imap.client import Unsendable
from mpcontinuity.queue import placements
from mpcontinuity.queue.owed import DRAFT, IMAP, REDELIVERY, SENT, Owed
from mpcontinuity.queue.placements import Placed, Placement
from mpcontinuity.redelivery.attempt import Result, head
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.folders import INBOX, Folders
from mpcontinuity.redelivery.identity import ID, Identity, identify

# Folders in which a message in doubt is looked for: each is an EXAMINE and a SEARCH.
MOST_SEARCHED = 200
_SEARCHED_FOR = 300.0  # seconds, for all of them: other messages wait for the session and its place in the pace
# Messages with its Message-ID, of which one is it: their headers are read.
_MOST_HITS = 20
# Attempts after which a message that IMAP does not take without saying why goes by SMTP, and one in doubt is brought
# again to a home that cannot search; and users in a row that are not let in, so that the master's login is to blame.
_PATIENCE = 3
# Seconds for which a user is not tried whom IMAP refused twice while it let in others: a group, or one who has only an
# alias at home. A server slows down all logins from a host of which some are refused.
_WITHOUT = 600.0

# RFC 5530 §3, RFC 7889: not this message, or not there, now or ever. SMTP has its own mind about it.
_NEVER = {"TOOBIG", "NOPERM", "CANNOT", "BADCHARSET", "PARSE", "CLIENTBUG", "LIMIT"}
_FULL = {"OVERQUOTA"}
_NO_MAILBOX = {"TRYCREATE", "NONEXISTENT"}

_log = Logger()

Leave = Callable[[], Awaitable[bool]]


@dataclass
class Filing:
    """What one flush brings home by IMAP. It lives in the reactor thread."""

    task: Task
    sessions: ImapSessions
    _let_in: bool = False  # somebody was, since three were refused
    _refused: set[int] = field(default_factory=set)  # accounts, since somebody was let in
    _without: dict[int, float] = field(default_factory=dict)  # accounts that IMAP does not know, until when

    async def bring(self, row: Owed, may_finish: Leave) -> Result | None:
        """Makes one attempt with a claimed row; None: it is to go by SMTP. Raises Corrupt.

        ``may_finish`` is asked before the last octet of the message, which is not sent if it says no.
        """
        if row.account is None:
            return None
        environment = self.task.environment
        try:
            where = partial(placements.placed, account=row.account, body=row.body.id, besides=row.id)
            placed = await environment.store.read(where)
        except (Temporary, Stopping) as error:  # nothing was sent
            return Result(Outcome(Verdict.FAILED, Stage.CONNECT, None, str(error)), "", None)
        settings, shown = self.task.domain.settings, imapurl.parse(self.task.domain.settings.home_imap).shown
        here = (row.doubted and row.way == IMAP) or placed.doubted  # home may have it by IMAP: never by SMTP then
        if not placed.address or (not placed.places and not here):
            return None
        if self._without.get(row.account, 0.0) > environment.timer.seconds() and not here:
            return None
        user = address.parse(placed.address)
        if not imapurl.is_one_name(user.local) and not here:
            return None
        mailboxes = await self.sessions.take(settings, user)
        if isinstance(mailboxes, NoSession):
            return self._not_let_in(row, row.account, shown, mailboxes, here=here)
        self._let_in = True
        self._refused.clear()
        trip = _Trip(self.task, row, placed, mailboxes, may_finish, here=here)
        try:
            return await trip.go()
        finally:
            if not trip.waiting:
                self.sessions.put(settings, user, mailboxes)

    def _not_let_in(self, row: Owed, account: int, host: str, failure: NoSession, *, here: bool) -> Result | None:
        if failure.fault is Fault.IN_USE:  # as 450 to RCPT: others need not go slower for it
            reply = Reply(450, "4.2.1", failure.reason)
            return Result(Outcome(Verdict.TEMPORARY, Stage.RCPT, reply, failure.reason), host, None)
        if failure.fault is not Fault.REFUSED:
            stage = Stage.TLS if failure.fault is Fault.INSECURE else Stage.CONNECT
            later = Reply(454, "4.7.0", failure.reason) if failure.fault is Fault.NOT_NOW else None
            verdict = Verdict.TEMPORARY if later else Verdict.FAILED
            return Result(Outcome(verdict, Stage.AUTH if later else stage, later, failure.reason), host, None)
        self._refused.add(account)
        if len(self._refused) >= _PATIENCE:
            self._let_in = False  # it is the master's login, then
        if self._let_in and row.attempts > 0 and not here:
            self._without[account] = self.task.environment.timer.seconds() + _WITHOUT
            _log.warn(
                "{user} has no mailbox by IMAP at the home of {domain}, mail goes there by SMTP: {reason}",
                user=row.recipient,
                domain=self.task.domain.name,
                reason=failure.reason,
                often=True,
            )
            return None
        return Result(Outcome(Verdict.REFUSED, Stage.AUTH, None, failure.reason), host, None)


class _Stop(Exception):
    """Raised where the trip ends with this outcome, or (None) goes on by SMTP."""

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__()
        self.outcome = outcome


class _Trip:
    """One attempt with one message, in a session of its user. ``waiting``: the session waits for a late answer.

    ``here``: home may have it by IMAP.
    """

    def __init__(
        self, task: Task, row: Owed, placed: Placed, mailboxes: UserMailboxes, may_finish: Leave, *, here: bool
    ) -> None:
        self.waiting = False
        self._here = here
        self._bodies = task.environment.store.bodies
        self._timer = task.environment.timer
        self._row = row
        self._places = placed.places
        self._mailboxes = mailboxes
        self._may_finish = may_finish
        self._id = row.parameters.shown or show(row.id)
        self._ids = tuple(dict.fromkeys((self._id, *map(show, placed.ids))))
        self._may = False  # leave to finish was given
        self._has = False  # one of its folders has it
        self._known: Folders | None = None
        self._late: Deferred[Outcome] | None = None

    async def go(self) -> Result | None:
        """Returns what it came to; None: it goes by SMTP."""
        try:
            outcome: Outcome | None = await self._brought()
        except _Stop as stop:
            outcome = stop.outcome
        except Unsearched as unsearched:
            outcome = Outcome(Verdict.REFUSED, Stage.DATA, None, str(unsearched))
        except Interrupted as interrupted:
            outcome = Outcome(Verdict.FAILED, Stage.DATA, None, str(interrupted))
        except Unsendable:  # a name or a flag that IMAP cannot say
            outcome = None
        if self._has and (outcome is None or outcome.verdict not in (Verdict.ACCEPTED, Verdict.DOUBTFUL)):
            # It lies in another of its folders already, so that it may not go by SMTP.
            await self._leave()  # so that its row says by which way; it may be that home itself has put it there
            reason = outcome.text if outcome is not None else "not all of its folders took it"
            outcome = Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, reason)
        elif outcome is None and self._here:
            outcome = Outcome(Verdict.REFUSED, Stage.DATA, None, "IMAP does not take it, and may have it already")
        return None if outcome is None else Result(outcome, self._mailboxes.host, self._late)

    async def _brought(self) -> Outcome:
        if self._row.doubted or self._here:
            found = await self._in_doubt()
            if found is not None:
                return found
            if not self._places:
                raise _Stop(None)
        done = Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "", ""))
        taken: set[bytes] = set()
        for number, place in enumerate(self._places, 1):
            done = await self._placed(place, taken, last=number == len(self._places)) or done
            self._has = True
        return done

    # Looking for it

    async def _in_doubt(self) -> Outcome | None:
        """Looks for it in all folders. What is found in INBOX, where SMTP has put it, goes where it belongs.

        What is in none of them is not there by IMAP.
        """
        folders = await self._folders()
        targets = [folders.target(place.folder, place.use, place.above).wire for place in self._places]
        identity = await self._identity(self._places[0] if self._places else None)
        end = self._timer.seconds() + _SEARCHED_FOR
        try:
            for mailbox in folders.everywhere(targets, MOST_SEARCHED):
                if self._timer.seconds() > end:
                    raise Unsearched(f"{self._mailboxes.host} was not searched within {_SEARCHED_FOR:g} s")
                if not (await self._mailboxes.open(mailbox)).ok:
                    continue
                by_id = mailbox not in targets and (mailbox != INBOX.encode() or self._row.kind != REDELIVERY)
                hit = await self._hit(identity, by_id=by_id)
                if hit is not None and mailbox in targets and len(set(targets)) > 1:
                    return None  # it belongs into several folders, each of which is looked into on the way
                if hit is not None:
                    await self._refile(hit, mailbox)
                    return _has_it(mailbox, hit)
            self._here = False
        except Unsearched:
            if self._row.attempts < _PATIENCE:
                raise
        return None

    async def _refile(self, hit: Fetched, mailbox: bytes) -> None:
        if mailbox != INBOX.encode() or not self._places or hit.uid is None:
            return
        place = self._places[0]
        target = (await self._folders()).target(place.folder, place.use, place.above)
        if target.missing and not (await self._mailboxes.create(target.wire)).ok:
            return
        if place.flags or target.wire != mailbox:
            await self._mailboxes.open(mailbox, writable=True)
            await self._mailboxes.file(hit.uid, target.wire, self._mailboxes.kept(place.flags))

    async def _hit(self, identity: Identity, *, by_id: bool = False) -> Fetched | None:
        """What the open folder has of it. ``by_id``: only what has our id counts, such as in home's Sent, where the
        message that a user wrote to themselves lies too."""
        uids = await self._mailboxes.search(*identity.search)
        if len(uids) > _MOST_HITS:
            uids = await self._mailboxes.search(ID, self._id.encode())
        if not uids:
            return None
        found = await self._mailboxes.beginnings(uids[:_MOST_HITS])
        return next((one for one in found if (identity.has_id if by_id else identity.same)(one)), None)

    # Bringing it

    async def _placed(self, place: Placement, taken: set[bytes], *, last: bool) -> Outcome | None:
        """Brings it into one folder, where it is not there; None: another place of it is the same folder."""
        mailbox = await self._opened(place)
        if mailbox in taken:
            return None
        taken.add(mailbox)
        identity = await self._identity(place)
        try:
            hit = await self._hit(identity)
        except Unsearched:
            hit = None
        if hit is not None:
            return _has_it(mailbox, hit)
        flags = self._flags(place)
        status = await self._append(mailbox, place, flags, last=last)
        if status.code in _NO_MAILBOX and (await self._mailboxes.create(mailbox)).ok:
            status = await self._append(mailbox, place, flags, last=last)
        if not status.ok and status.code not in {*_FULL, "TOOBIG"} and flags != (system := _system(flags)):
            status = await self._append(mailbox, place, system, last=last)  # of a home without keywords
        if status.ok:
            return Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "", status.line))
        raise _Stop(self._refused(status))

    async def _opened(self, place: Placement) -> bytes:
        """The folder that it belongs into, which is open then; made if need be, and INBOX where it cannot be."""
        target = (await self._folders()).target(place.folder, place.use, place.above)
        keywords = any(not flag.startswith("\\") for flag in place.flags)
        if not target.missing or (await self._mailboxes.create(target.wire)).ok:
            opened = await self._mailboxes.open(target.wire, writable=keywords)
            if opened.ok or opened.code in _NO_MAILBOX:
                return target.wire
        inbox = INBOX.encode()
        opened = await self._mailboxes.open(inbox, writable=keywords)
        if not opened.ok:
            raise _Stop(self._refused(opened))
        return inbox

    async def _append(self, mailbox: bytes, place: Placement, flags: tuple[str, ...], *, last: bool) -> Status:
        content = self._bodies.content(self._body(place), skip_prefix=False)
        await content.load()
        message = Message(self._head(), content, flags, place.date)
        appended = await self._mailboxes.append(mailbox, message, self._leave)
        if appended.status is not None:
            return appended.status
        if not appended.whole:
            raise _Stop(Outcome(Verdict.FAILED, Stage.DATA, None, appended.reason))
        if appended.late is not None:
            self.waiting = True
            self._late = appended.late.addCallback(partial(self._late_outcome, last=last))
        raise _Stop(Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, appended.reason))

    def _late_outcome(self, appended: Appended, *, last: bool) -> Outcome:
        if appended.status is None or not last:  # its other folders are still without it
            return Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, appended.reason or "the answer came late")
        if appended.status.ok:
            return Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "", appended.status.line))
        return Outcome(Verdict.TEMPORARY, Stage.MESSAGE, Reply(451, "4.3.0", appended.status.line))

    async def _leave(self) -> bool:
        """Asked for once: then it is in flight, whichever of its folders it goes into."""
        self._may = self._may or await self._may_finish()
        return self._may

    def _refused(self, status: Status) -> Outcome | None:
        if status.code in _FULL:  # as 452 to RCPT: it is about this mailbox alone
            return Outcome(Verdict.TEMPORARY, Stage.RCPT, Reply(452, "4.2.2", status.line))
        if self._row.attempts + 1 >= _PATIENCE or status.code in _NEVER or status.condition == "BAD":
            return None
        return Outcome(Verdict.REFUSED, Stage.DATA, None, status.line)

    # What is brought

    def _body(self, place: Placement) -> Body:
        """Of what was sent, and of drafts, that which the user's client shows."""
        return self._row.body if self._row.kind == REDELIVERY else place.body

    def _head(self) -> bytes:
        return head(self._row) if self._row.kind == REDELIVERY else f"{ID}: {self._id}\r\n".encode()

    def _flags(self, place: Placement) -> tuple[str, ...]:
        flags = set(place.flags)
        if self._row.kind == SENT:
            flags.add("\\Seen")
        if self._row.kind == DRAFT:
            flags.add("\\Draft")
        return self._mailboxes.kept(sorted(flags))

    async def _identity(self, place: Placement | None) -> Identity:
        body = self._body(place) if place is not None else self._row.body
        content = self._bodies.content(body, skip_prefix=False)
        await content.load()
        return await identify(content, self._ids, alone=self._row.kind == SENT)

    async def _folders(self) -> Folders:
        if self._known is None or self._mailboxes.listed is None:
            self._known = Folders(await self._mailboxes.load(), self._mailboxes.namespace)
        return self._known


def _has_it(mailbox: bytes, hit: Fetched) -> Outcome:
    text = f"home has it already, in {mailbox.decode('ascii', 'replace')}, UID {hit.uid}"
    return Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "", text))


def _system(flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(flag for flag in flags if flag.startswith("\\"))
