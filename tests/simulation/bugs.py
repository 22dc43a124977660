"""The bugs that `scripts/plant` plants, layer by layer: each one a mistake that somebody could have made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred

from mpcontinuity.accounts import counters
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import announcing, mailing, outages, telling
from mpcontinuity.archive import archived, holds, index
from mpcontinuity.archive import retention as archive_retention
from mpcontinuity.archive.indexer import EVERY
from mpcontinuity.delivery import handover, redirect
from mpcontinuity.delivery.answered import Answered
from mpcontinuity.delivery.handover import Handover
from mpcontinuity.delivery.release import release
from mpcontinuity.delivery.replies import STORED
from mpcontinuity.inbound.receipt import Receipt
from mpcontinuity.mailbox import append, change, mailboxes, redelivered
from mpcontinuity.mailbox import archived as email_archive
from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import SECOND, SteadyClock
from mpcontinuity.model.reply import Outcome
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.repeating import Repeating
from mpcontinuity.outbound.server import Server
from mpcontinuity.protocols.smtp import client, data
from mpcontinuity.queue import kept, lineage, owed, refusals
from mpcontinuity.redelivery import filing
from mpcontinuity.redelivery.environment import Task
from mpcontinuity.redelivery.sending import Sending
from mpcontinuity.routing.health import Gate, Observation, State
from mpcontinuity.store.bodies.bodies import Kept
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.planted import Patches, bug

patch = mock.patch.object


def _without(module: Any, name: str, *parts: str) -> Any:
    """A statement of the product, without these parts of its text."""
    text = getattr(module, name).sqlite
    for part in parts:
        assert part in text, (name, part)
        text = text.replace(part, "")
    return patch(module, name, Statement(text))


# protocols, message, access


@bug("no-dot-stuffing")
def _no_dot_stuffing() -> Patches:
    """A line of a message that begins with a dot goes out as it is."""

    class Plain(data.DotStuffer):
        def feed(self, piece: bytes) -> bytes:
            return super().feed(piece).replace(b"\r\n..", b"\r\n.")

    return [patch(client, "DotStuffer", Plain)]


@bug("somebody-elses-folder")
def _somebody_elses_folder() -> Patches:
    """A folder is looked up by its name, and whose it is comes second."""
    return [patch(mailboxes, "_FIND", Statement(mailboxes._FIND.sqlite.replace("account = :account", ":account > 0")))]


# model


@bug("believes-jumps")
def _believes_jumps() -> Patches:
    """What the wall clock says is the time."""

    def believed(_: SteadyClock, reading: int, late: int = 0) -> int:
        return reading

    return [patch(SteadyClock, "judge", believed)]


# archive


@bug("watermark-too-high")
def _watermark_too_high() -> Patches:
    """The index is believed to be complete up to the next look, as if nothing could come meanwhile."""
    return [patch(index, "LATE", -round(EVERY * SECOND))]


# mailbox


@bug("uid-reuse")
def _uid_reuse() -> Patches:
    """The UID of a message that is expunged is given to the next one."""
    remove = change._remove
    highest = "SELECT MAX(id & 4294967295) FROM entry WHERE id >> 32 = :mailbox"
    back = Statement(f"UPDATE mailbox SET uidnext = 1 + COALESCE(({highest}), 0) WHERE id = :mailbox")

    def forgetful(tx: Transaction, mailbox: int, entries: Any) -> None:
        remove(tx, mailbox, entries)
        tx.run(back, mailbox=mailbox)

    return [patch(change, "_remove", forgetful)]


@bug("modseq-stands-still")
def _modseq_stands_still() -> Patches:
    """Flags change without a new modseq."""
    text = "UPDATE entry SET flags = flags & :keep | :add, modseq = modseq + 0 * :modseq WHERE id IN [:ids]"
    return [patch(change, "_SET", Statement(text))]


@bug("miscounts")
def _miscounts() -> Patches:
    """What is \\Seen when it is appended counts as unseen."""
    text = append._GROW.sqlite[1]
    assert "mailbox.unseen + grown.unseen" in text
    broken = Rows(
        """WITH grown (mailbox, messages, unseen, octets, deleted) AS (VALUES [5])
        UPDATE mailbox SET uidnext = uidnext + grown.messages, modseq = modseq + 1,
            messages = mailbox.messages + grown.messages, unseen = mailbox.unseen + grown.messages,
            octets = mailbox.octets + grown.octets, deleted = mailbox.deleted + grown.deleted
        FROM grown WHERE id = grown.mailbox"""
    )
    return [patch(append, "_GROW", broken)]


# delivery


@bug("answers-before-storing")
def _answers_before_storing() -> Patches:
    """250 while the message is on its way to the disk."""
    keep = Handover.keep

    async def hasty(self: Handover, for_inbox: bytes) -> Any:
        Deferred.fromCoroutine(keep(self, for_inbox)).addErrback(lambda _: None)
        return STORED

    return [patch(Handover, "keep", hasty)]


@bug("wrong-inbox")
def _wrong_inbox() -> Patches:
    """Messages that are stored together go into the INBOX of the first one's user."""
    put = redirect.put_in_inboxes

    def mixed(tx: Transaction, copies: Sequence[Any]) -> None:
        put(tx, [(copies[0][0], entry) for _, entry in copies])

    return [patch(redirect, "put_in_inboxes", mixed)]


@bug("owes-one-recipient")
def _owes_one_recipient() -> Patches:
    """Of a message to several, home is owed one copy."""

    def one_each(tx: Transaction, rows: Sequence[owed.NewOwed]) -> None:
        owed.take_in(tx, list({row.body: row for row in rows}.values()))

    return [patch(redirect, "take_in", one_each)]


@bug("late-reply-forgotten")
def _late_reply_forgotten() -> Patches:
    """Home's 250 comes after the timeout, and the row stays in doubt."""
    forget: Callable[..., bool] = lambda tx, owed_id, token, outcome, host, *, next_attempt: False  # noqa: E731
    return [patch(owed, "late_reply", forget), patch(handover, "late_reply", forget)]


@bug("orderly-end-is-no-receipt")
def _orderly_end_is_no_receipt() -> Patches:
    """A client that closes in order after its 250 is taken for one that vanished."""
    settle = Receipt._settle

    def deaf(self: Receipt, *, read: bool) -> None:
        settle(self, read=read and not self._parting)

    return [patch(Receipt, "_settle", deaf)]


@bug("remembers-for-ever")
def _remembers_for_ever() -> Patches:
    """What a process holds for a message that was answered is never let go of."""
    return [patch(Answered, "release", lambda self, fingerprints: None)]


# queue


@bug("lease-without-token")
def _lease_without_token() -> Patches:
    """Whoever had a lease once changes the row still."""
    return [_without(owed, name, "AND token = :token AND token <> 0") for name in ("_FINISH", "_LATER", "_DOUBT")]


@bug("refile-taken-for-deletion")
def _refile_taken_for_deletion() -> Patches:
    """A client that moves by APPEND and EXPUNGE has deleted what it moved."""
    return [patch(lineage, "_OWED", Statement("SELECT 1 WHERE :account < 0 AND :origin < 0"))]


@bug("deleted-is-sent")
def _deleted_is_sent() -> Patches:
    """What the user deleted goes home all the same."""
    return [patch(owed, "judge_deleted", lambda tx, account, body: False)]


@bug("leaves-while-owed")
def _leaves_while_owed() -> Patches:
    """What leaves the mailbox is not asked whether home has got it."""
    all_of_them = Statement("SELECT account, body FROM owed WHERE domain = :domain AND ended < :before")

    def leave(tx: Transaction, domain: int, before: int) -> int:
        for account, body in tx.all(all_of_them, domain=domain, before=before):
            for (entry,) in tx.all(redelivered._ENTRIES, account=account, body=body):
                change.remove(tx, entry >> append.UID_BITS, ((entry & append.MAX_UID, entry & append.MAX_UID),))
        return 0

    return [patch(kept, "leave", leave)]


@bug("outcome-not-tracked")
def _outcome_not_tracked() -> Patches:
    """Redelivery ends a row, and tracking does not hear of it."""
    return [patch(owed, "end_of_owed", lambda tx, owed_id, outcome, event: None)]


@bug("pause-forgives-nobody")
def _pause_forgives_nobody() -> Patches:
    """The flush pauses, and what was refused before it did fails."""

    def unforgiving(tx: Transaction, domain: int, run: int, next_attempt: int) -> int:
        return refusals.fail_refused(tx, domain, run)

    return [patch(refusals, "forgive_refused", unforgiving)]


# redelivery, outbound


@bug("final-dot-without-mark")
def _final_dot_without_mark() -> Patches:
    """The final dot is sent before `in_flight` is committed."""

    async def at_once(self: Any, owed_id: int, token: int) -> bool:
        return True

    return [patch(Sending, "_may_finish", at_once)]


@bug("redirect-during-flush")
def _redirect_during_flush() -> Patches:
    """New mail waits behind the flush of a home that recovers."""
    gate = HomeServer.gate

    def shut(self: HomeServer) -> Gate:
        return Gate.SHUT if self.health.state is State.RECOVERING and not _flushing() else gate(self)

    return [patch(HomeServer, "gate", shut)]


def _flushing() -> bool:
    """Whether redelivery asks."""
    import sys

    return sys._getframe(2).f_code.co_filename.endswith("flush.py")


@bug("sends-return-path")
def _sends_return_path() -> Patches:
    """Home gets the message with the Return-Path that is for mailboxes."""
    content = Kept.content
    return [patch(Kept, "content", lambda self, body, *, skip_prefix=False: content(self, body))]


@bug("session-limit-is-no-limit")
def _no_fresh_session() -> Patches:
    """What a session that had enough answers is believed."""
    return [
        patch(Repeating, "answered", lambda self, session, result: False),
        patch(Repeating, "closed", lambda self, session, result, *, waited=False: False),
    ]


@bug("mailbox-is-the-server")
def _mailbox_is_server() -> Patches:
    """421 at RCPT of one user is an outage for all."""

    def judged(self: Server, address: Address, result: Outcome) -> None:
        self.observe(Observation.SILENT, result.text)

    return [patch(Server, "recipient_failed", judged)]


# alerts


@bug("told-then-marked")
def _told_then_marked() -> Patches:
    """What subscribers were told is marked in a transaction of its own, behind the one that places the mail."""

    async def announce(store: Any, settings: Any, announcements: Any, mark: Any) -> None:
        await announcing.announce(store, settings, announcements, _nothing)
        await store.run(mark)

    return [patch(mailing, "announce", announce)]


@bug("marked-then-told")
def _marked_then_told() -> Patches:
    """What subscribers were told is marked before the mail is placed."""

    async def announce(store: Any, settings: Any, announcements: Any, mark: Any) -> None:
        await store.run(mark)
        await announcing.announce(store, settings, announcements, _nothing)

    return [patch(mailing, "announce", announce)]


@bug("tells-by-heart")
def _tells_by_heart() -> Patches:
    """What was told is remembered by the process, and not by the row."""
    told: set[tuple[int, str]] = set()

    def tell(tx: Transaction, outage: int, step: str, known: int = 0) -> None:
        if (outage, step) in told:
            raise outages.Told
        told.add((outage, step))

    return [patch(outages, "tell", tell)]


@bug("outages-of-now")
def _outages_of_now() -> Patches:
    """An outage that began and ended between two looks is none."""

    def none(tx: Transaction) -> int:
        return 0

    return [patch(outages, "_note_unseen", none), patch(outages, "_is_news", none)]


def _nothing(tx: Transaction) -> None:
    """Marks nothing."""


# what administrators declare


@bug("a-plan-holds-new-mail-alone")
def _a_plan_holds_new_mail_alone() -> Patches:
    """What is owed goes home although a planned outage is under way."""
    why = Domain.why_not_home
    return [patch(Domain, "why_not_home", lambda self, now: "" if self.plan(now) else why(self, now))]


@bug("a-drill-holds-new-mail-alone")
def _a_drill_holds_new_mail_alone() -> Patches:
    """What the users of a drill are owed goes home before it has ended."""
    return [patch(Task, "spared", frozenset())]


# people


@bug("merge-forgets-the-ledger")
def _merge_forgets_the_ledger() -> Patches:
    """What is owed goes over to the other user, and what the one before was counted is dropped with them."""
    names = ("_HAND_OVER", "_HAND_OVER_SUMS")
    return [patch(counters, name, Statement(f"{getattr(counters, name).sqlite} AND 0 = 1")) for name in names]


@bug("told-before-it-is-noted")
def _told_before_it_is_noted() -> Patches:
    """What was told is noted in a transaction of its own, behind the one that places the mail."""

    async def announce(store: Any, settings: Any, announcements: Any, mark: Any) -> None:
        await announcing.announce(store, settings, announcements, lambda tx: None)
        await store.run(mark)

    return [patch(telling, "announce", announce)]


# the archive in use


@bug("what-is-held-is-dropped")
def _what_is_held_is_dropped() -> Patches:
    """A purge asks for no holds."""
    return [patch(holds, "held", lambda tx, messages: set())]


@bug("a-purge-drops-all")
def _a_purge_drops_all() -> Patches:
    """A purge does not ask how long a domain keeps its mail."""
    return [_without(archive_retention, "_OLD", "AND time < :before ")]


@bug("forgets-releases")
def _forgets_releases() -> Patches:
    """What a search has released before is released by the next one, too, and is not known again."""
    count = itertools.count()

    def anew(delivery: Any, content: Any, path: Any, to: Any, mark: str, *, owes: bool) -> Any:
        return release(delivery, content, path, to, f"{mark} {next(count)}", owes=owes)

    forgotten = patch(archived, "set_released", lambda tx, archived, known, new: True)
    return [forgotten, mock.patch("mpcontinuity.control.archived.hand_in", anew)]


@bug("an-archive-folder-is-a-mailbox")
def _an_archive_folder_is_a_mailbox() -> Patches:
    """What Email Archive lists is what the user has: nothing that they delete is deleted."""
    return [_without(lineage, "_HAS", ", 'email archive'")]


@bug("lists-twice")
def _lists_twice() -> Patches:
    """What is new in Email Archive is looked for again, and not compared with what is listed."""
    return [patch(email_archive, "missing", lambda tx, folder, bodies: list(bodies))]


@bug("keeps-listing")
def _keeps_listing() -> Patches:
    """What the archive drops stays in Email Archive."""
    return [patch(email_archive, "let_go", lambda tx, bodies: None)]


@bug("filed-unread")
def _filed_unread() -> Patches:
    """Home gets messages without their flags."""
    return [mock.patch.object(filing._Trip, "_flags", return_value=())]


@bug("doubt-by-imap-goes-by-smtp")
def _doubt_by_imap_goes_by_smtp() -> Patches:
    """What IMAP may have taken is brought by SMTP, as if nothing of it had been sent."""
    bring = filing.Filing.bring

    async def forgetful(self: filing.Filing, row: Any, may_finish: Any) -> Any:
        return None if row.doubted else await bring(self, row, may_finish)

    return [mock.patch.object(filing.Filing, "bring", forgetful)]
