"""Looks for all that is archived by the product's own search, however far its index is."""

from __future__ import annotations

from collections.abc import Callable

from mpcontinuity.archive import index
from mpcontinuity.archive.indexing import KnownIds
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.identifier import parse
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.simulation.process import Process

# What mail servers and users have sent, and no reports.
_ALL = Statement("SELECT id FROM archive WHERE subject LIKE 'letter %' OR subject LIKE 'sent letter %'")
WORD = "letter"  # which the subject of each has


async def look_for_all(process: Process, fault: Callable[[str], None]) -> None:
    """What was archived before somebody looks is found, and no message below the watermark is in no segment."""
    archived = await process.store.read(_archived)
    rows = await OPERATIONS["archive search"](process.control, {"query": WORD, "limit": 1_000})
    lost = archived - {parse(row.id) for row in rows}
    still = await process.store.read(_archived)
    if lost & still and len(rows) < 1_000:
        fault(f"{len(lost & still)} of {len(archived)} archived messages are not found")
    watermark = await process.store.read(index.watermark)
    below = sorted(one for one in still if one <= watermark)
    if below and (missing := await KnownIds(process.store).missing(below)):
        fault(f"{len(missing)} archived messages are below the watermark, and in no segment")


def _archived(tx: Transaction) -> set[int]:
    return {row[0] for row in tx.all(_ALL)}
