"""The ledger against its rows, and tracking against the ledger."""

from __future__ import annotations

from functools import partial
from typing import Any

from mpcontinuity.accounts import counters
from mpcontinuity.check.inspection import Inspection
from mpcontinuity.model import identifier
from mpcontinuity.model.events import TrackingEvent
from mpcontinuity.model.owed import OPEN, OWED, RELEASED
from mpcontinuity.queue.owed import unregistered_counter
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import end_of_owed, reopen_owed

_FOLDED = "folded_delivered + folded_deleted + folded_failed + folded_expired + folded_released"
_ACCOUNTS = Statement(
    f"SELECT id, address, taken_in, {_FOLDED}, (SELECT COUNT(*) FROM owed WHERE owed.account = account.id) "
    "FROM account WHERE id > :after ORDER BY id LIMIT 100"
)
_DOMAINS = Statement("SELECT id, name FROM domain ORDER BY id")
_ROWS = Statement("SELECT COUNT(*) FROM owed WHERE domain = :domain AND account IS NULL")
_TRACKED = Statement(
    "SELECT tracking.id, tracking.owed, tracking.outcome, owed.state, tracking.recipient, tracking.received "
    "FROM tracking LEFT JOIN owed ON owed.id = tracking.owed "
    "WHERE tracking.owed > :after ORDER BY tracking.owed LIMIT 1000"
)


async def lost_rows(inspection: Inspection) -> dict[tuple[int, str], int]:
    """Returns the ids of owed rows that are open by what tracking says, and that are gone, by (time received in µs,
    recipient).
    """
    return {
        (received, recipient): owed
        for owed, outcome, state, recipient, received in await _disagreeing(inspection)
        if state is None and outcome == OWED
    }


async def examine_tracking(inspection: Inspection) -> None:
    """Compares the outcome that each row of tracking shows with the state of the owed row. The ledger is believed."""
    for owed, outcome, state, recipient, _ in await _disagreeing(inspection):
        if state is None and outcome != OWED:
            continue  # folded: its outcome stands
        shown = f"row {identifier.show(owed)} for {recipient}"
        if state is None:
            what = f"{shown} is shown as owed, but nothing is owed, and no pack has the message"
            await inspection.found(
                "tracking", what, "shows it as released", partial(_track, inspection, owed, RELEASED)
            )
        else:
            should = OWED if state in OPEN else state
            what = f"{shown} is shown as {outcome or 'never owed'}, but the ledger says {should}"
            await inspection.found("tracking", what, f"shows it as {should}", partial(_track, inspection, owed, should))


async def _disagreeing(inspection: Inspection) -> list[tuple[int, str, str | None, str, int]]:
    wrong = []
    after = 0
    while step := await inspection.store.read(partial(_tracked, after)):
        for _, owed, outcome, state, recipient, received in step:
            after = owed
            should = None if state is None else OWED if state in OPEN else state
            if outcome != should:
                wrong.append((owed, outcome, state, recipient, received))
    return wrong


def _tracked(after: int, tx: Transaction) -> list[tuple[Any, ...]]:
    return tx.all(_TRACKED, after=after)


async def _track(inspection: Inspection, owed: int, outcome: str) -> str:
    text = "mpcontinuity check --repair: as the ledger says"

    def work(tx: Transaction) -> None:
        event = TrackingEvent(tx.now, "", 0, text)
        if outcome == OWED:
            reopen_owed(tx, owed, event)
        else:
            end_of_owed(tx, owed, outcome, event)

    await inspection.store.run(work)
    return f"shown as {outcome}"


async def examine_ledgers(inspection: Inspection) -> None:
    """Checks the ledger of each user, and of addresses without one: what was taken in must be the sum of delivered,
    deleted, failed, expired, released and owed.
    """
    after = 0
    while step := await inspection.store.read(partial(_accounts, after)):
        after = step[-1][0]
        for account, address, taken_in, folded, rows in step:
            inspection.totals.accounts += 1
            if taken_in != folded + rows:
                await _account(inspection, account, address, taken_in, folded + rows)
    for domain, name in await inspection.store.read(lambda tx: tx.all(_DOMAINS)):
        has, rows = await inspection.store.read(partial(_unregistered, domain))
        if has != rows:
            what = f"{name}: {has} messages to addresses without a user were counted, but the ledger has {rows}"
            await inspection.found("ledger", what, "counts them anew", partial(_recount, inspection, domain, rows))


def _accounts(after: int, tx: Transaction) -> list[tuple[Any, ...]]:
    return tx.all(_ACCOUNTS, after=after)


async def _account(inspection: Inspection, account: int, address: str, taken_in: int, rows: int) -> None:
    if taken_in < rows:
        what = f"{address}: {taken_in} messages were counted as taken in, but the ledger has {rows}"
        remedy, released = "counts them anew", 0
    else:
        what = (
            f"{address}: {taken_in} messages were taken in, but the ledger has {rows}: {taken_in - rows} rows are lost"
        )
        remedy, released = (
            "counts the lost ones as released: nobody knows any more what became of them",
            taken_in - rows,
        )
    mend = partial(_balance, inspection, account, taken_in, max(taken_in, rows), released)
    await inspection.found("ledger", what, remedy, mend)


async def _balance(inspection: Inspection, account: int, was: int, taken_in: int, released: int) -> str:
    mend = partial(counters.balance, account=account, was=was, taken_in=taken_in, released=released)
    if not await inspection.store.run(mend):
        return ""
    return f"{released} counted as released" if released else f"taken in: {taken_in}"


def _unregistered(domain: int, tx: Transaction) -> tuple[int, int]:
    return meta.number(tx, unregistered_counter(domain)), int(tx.value(_ROWS, domain=domain))


async def _recount(inspection: Inspection, domain: int, rows: int) -> str:
    key = unregistered_counter(domain)
    await inspection.store.run(lambda tx: meta.put(tx, key, str(rows)))
    return f"counted anew: {rows}"
