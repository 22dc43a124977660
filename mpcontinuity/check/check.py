"""The check from end to end. A restored database has to go through it, too."""

from __future__ import annotations

from functools import partial

from mpcontinuity.check import archive_index, database, ledgers, mailboxes, messages, outcomes
from mpcontinuity.check.indexing import Indexing
from mpcontinuity.check.inspection import Inspection, Progress, Totals
from mpcontinuity.children.pool import Jobs
from mpcontinuity.delivery.relay import repair as take_up
from mpcontinuity.mailbox import drafts
from mpcontinuity.mailbox.mailboxes import renew_uidvalidity
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.queue import recovery, vacation
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep import generation
from mpcontinuity.store.upkeep.reconcile import reconcile

_STEP = 500


async def check(
    store: Store,
    hostname: str,
    progress: Progress,
    *,
    serving: bool,
    repair: bool = False,
    quick: bool = False,
    older: bool = False,
    jobs: Jobs,
) -> Totals:
    """Looks at all of the store and returns what it has counted; with ``repair``, mends what can be mended without
    guessing.

    ``progress`` hears each finding. ``serving``: a server works on the store meanwhile. ``quick``: the messages
    themselves are not read. ``older``: the database is an older copy, although it does not show. ``jobs`` begins what
    child processes do, who read messages again for the archive's index. Raises Refused where a repair would meet a
    running server.
    """
    if repair and (serving or await store.read(database.others)):
        raise Refused(
            "a server runs on this store: stop it first", "conflict", Hint("check", "repairs then", {"repair": True})
        )
    behind = older or await generation.older(store)
    inspection = Inspection(
        store, hostname, progress, serving=serving, repair=repair, quick=quick, older=behind, jobs=jobs
    )
    inspection.step("reading the database")
    await database.examine_pages(inspection)
    gone = await database.examine_references(inspection)
    await messages.examine_packs(inspection)
    lost = await database.lost_bodies(inspection)
    await messages.mend_lost(inspection, lost)
    await messages.mend_messages(inspection, await messages.examine_messages(inspection))
    if behind:
        await take_in_newer(inspection)
    else:
        await _put_back_owed(inspection)
    if repair:
        await reconcile(store, take_up)
    await outcomes.examine_outcomes(inspection)
    if gone:
        await mailboxes.mend_loose_entries(inspection, gone)
    await archive_index.examine_archive_index(inspection)
    inspection.step("counting")
    await mailboxes.examine_mailboxes(inspection)
    await ledgers.examine_tracking(inspection)
    await ledgers.examine_ledgers(inspection)
    return inspection.totals


async def take_in_newer(inspection: Inspection) -> None:
    """Lets a database that is older than its packs take in what they know, so that no UID is given twice.

    UIDVALIDITY of all mailboxes rises, and all that is owed is in doubt. Without ``repair`` it only tells what is
    missing.
    """
    store = inspection.store
    what = "the database is older than the packs: UIDs were given and mail was delivered that it does not know of"
    await inspection.found(
        "database",
        what,
        "UIDVALIDITY of all mailboxes rises, all that is owed is in doubt, and the packs are read",
        partial(_renew, inspection),
    )
    indexing = Indexing(inspection, {})
    await indexing.run()
    if inspection.repair:
        await _doubt(inspection, indexing.delivered)
        if staying := await store.run(drafts.stay):
            inspection.note(f"{staying} messages of webmail that were to leave are drafts again: they may have left")
        while await store.run(vacation.drop_some) == vacation.STEP:  # nobody is answered twice
            pass
        await generation.advance(store, await store.bodies.background(partial(generation.beside, store.packs)))


async def _renew(inspection: Inspection) -> str:
    count = after = 0
    while step := await inspection.store.run(partial(renew_uidvalidity, after=after, step=_STEP)):
        count, after = count + len(step), step[-1]
    return f"UIDVALIDITY of {count} mailboxes has risen"


async def _doubt(inspection: Inspection, delivered: set[int]) -> None:
    after = doubtful = ended = 0
    while rows := await inspection.store.read(partial(recovery.open_rows, after=after)):
        after, _, _ = rows[-1]
        taken = [owed for owed, body, recipient in rows if hash((body, recipient)) in delivered]
        known = set(taken)
        left = [owed for owed, _, _ in rows if owed not in known]
        await inspection.store.run(partial(_settle, taken=taken, left=left))
        doubtful, ended = doubtful + len(left), ended + len(taken)
    inspection.note(
        f"{doubtful} messages are owed in doubt: they go home again under the same ids; "
        f"{ended} more are known to be there since"
    )


def _settle(tx: Transaction, taken: list[int], left: list[int]) -> None:
    for owed in taken:
        recovery.delivered(tx, owed)
    recovery.in_doubt(tx, left)


async def _put_back_owed(inspection: Inspection) -> None:
    """Rows of `owed` that are gone, as tracking shows, come back from packs."""
    lost = await ledgers.lost_rows(inspection)
    if lost:
        await Indexing(inspection, lost).run()
