"""The database itself: its pages, its indexes, and rows that refer to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mpcontinuity.check.inspection import Inspection
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.model.errors import Temporary
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_INTEGRITY = Statement("PRAGMA integrity_check(100)")
_LISTENERS = Statement(  # the version before has another name for them
    "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name IN ('mpcontinuity listener', 'mpcontinuity ear')"
    " AND datname = current_database()"
)
_REINDEX = Statement("REINDEX")

# Distinct values, from the index alone, a step at a time; and whether there is what they refer to.
_BODIES_OF = {
    table: Statement(
        "SELECT named, EXISTS (SELECT 1 FROM body WHERE body.id = named) "
        f"FROM (SELECT DISTINCT body AS named FROM {table} WHERE body > :after ORDER BY body LIMIT 1000) AS step "
        "ORDER BY named"
    )
    for table in ("entry", "owed", "archive", "outgoing")
}
_NEXT_ENTRY = Statement("SELECT MIN(id) FROM entry WHERE id > :after")
_MAILBOX = Statement("SELECT 1 FROM mailbox WHERE id = :id")

# Rows that hold no mail, and mean nothing without what they refer to.
_LOOSE = (
    ("address", "account", "account", "addresses of users that are not there"),
    ("subscription", "account", "account", "subscriptions of users that are not there"),
    ("keyword", "mailbox", "mailbox", "keywords of mailboxes that are not there"),
    ("expunged", "mailbox", "mailbox", "notes of what was expunged in mailboxes that are not there"),
    ("home_change", "domain", "domain", "changes of home servers of domains that are not there"),
)
_LOOSE_TEXT = "FROM {0} WHERE NOT EXISTS (SELECT 1 FROM {2} WHERE {2}.id = {0}.{1})"
_WITHOUT_OWNER = {
    "mailbox": Statement(
        "SELECT id, name FROM mailbox WHERE NOT EXISTS (SELECT 1 FROM account WHERE account.id = mailbox.account)"
    ),
    "user": Statement(
        "SELECT id, address FROM account WHERE NOT EXISTS (SELECT 1 FROM domain WHERE domain.id = account.domain)"
    ),
}


async def examine_pages(inspection: Inspection) -> None:
    """Lets SQLite read all of its pages, and tells what is wrong with them.

    That is one long read, during which the log of a busy server would grow without end: beside a server it is left out,
    and a note says so.
    """
    if not await inspection.store.read(lambda tx: tx.dialect == "sqlite"):
        return
    if inspection.serving:
        inspection.note(
            "the pages of the database are not read while the server runs: every backup checks its copy of them"
        )
        return
    try:
        wrong: Sequence[tuple[Any, ...]] = await inspection.store.read(_integrity)
    except Temporary as error:
        wrong = [(str(error),)]
    for (what,) in wrong:
        await inspection.found(
            "database",
            f"{what}",
            "builds the indexes again; what that does not mend needs `mpcontinuity restore`",
            partial(_reindex, inspection) if "index" in str(what) else None,
        )


def others(tx: Transaction) -> bool:
    """Tells whether other processes use the database. On PostgreSQL each has one connection of a certain name
    (store/postgresql/listener.py); on SQLite there are none.
    """
    return tx.dialect == "postgresql" and int(tx.value(_LISTENERS)) > 1


def _integrity(tx: Transaction) -> list[tuple[Any, ...]]:
    return [row for row in tx.all(_INTEGRITY) if row[0] != "ok" and "foreign key" not in str(row[0]).lower()]


async def _reindex(inspection: Inspection) -> str:
    await inspection.store.run(lambda tx: tx.run(_REINDEX))
    return "indexes built again"


async def lost_bodies(inspection: Inspection) -> dict[int, set[str]]:
    """Returns the ids of messages that rows refer to and that the table `body` does not have, each with the names of
    the tables that refer to it.
    """
    lost: dict[int, set[str]] = {}
    for table, statement in _BODIES_OF.items():
        after = 0
        while step := await inspection.store.read(lambda tx, s=statement, a=after: tx.all(s, after=a)):  # type: ignore[misc]
            after = step[-1][0]
            for named, there in step:
                if not there:
                    lost.setdefault(named, set()).add(table)
    return lost


async def examine_references(inspection: Inspection) -> list[int]:
    """Tells of rows that refer to users, mailboxes or domains that are gone, and removes those that hold no mail.

    Returns the ids of mailboxes that are gone though entries are in them (`mailboxes.mend_loose_entries` moves these).
    References to messages are looked at by `lost_bodies`.
    """
    for table, column, parent, what in _LOOSE:
        text = _LOOSE_TEXT.format(table, column, parent)
        count = await inspection.store.read(lambda tx, t=text: tx.value(Statement(f"SELECT COUNT(*) {t}")))  # type: ignore[misc]
        if count:
            remove = partial(_remove, inspection, Statement(f"DELETE {text}"))
            await inspection.found("database", f"{count} {what}", "removes them", remove)
    for kind, statement in _WITHOUT_OWNER.items():
        for row, name in await inspection.store.read(lambda tx, s=statement: tx.all(s)):  # type: ignore[misc]
            await inspection.found("database", f"{kind} {name} (row {row}) belongs to nothing that is there", "")
    return await _without_mailbox(inspection)


async def _remove(inspection: Inspection, statement: Statement) -> str:
    count = await inspection.store.run(lambda tx: tx.run(statement))
    return f"removed {count}"


async def _without_mailbox(inspection: Inspection) -> list[int]:
    gone = []
    after = 0
    while found := await inspection.store.read(partial(_next_mailbox, after)):
        mailbox, there = found
        after = mailbox << UID_BITS | MAX_UID
        if not there:
            gone.append(mailbox)
    return gone


def _next_mailbox(after: int, tx: Transaction) -> tuple[int, bool] | None:
    """The next mailbox that has entries, and whether there is one."""
    entry = tx.value(_NEXT_ENTRY, after=after)
    if entry is None:
        return None
    mailbox = entry >> UID_BITS
    return mailbox, tx.one(_MAILBOX, id=mailbox) is not None
