"""Frees what a process had leased as soon as its node is seen to be dead, instead of when its leases end.

A token is an id, and an id tells which process drew it (model/identifier.py), as the number of a node does.
"""

from __future__ import annotations

from functools import partial

from twisted.logger import Logger

from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import OutgoingChanged
from mpcontinuity.model.identifier import process_of
from mpcontinuity.queue import leases
from mpcontinuity.store import nodes
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_OUTGOING = Statement("SELECT DISTINCT token FROM outgoing WHERE state = 'claimed' AND token <> 0")
_FREE_OUTGOING = Statement(
    """UPDATE outgoing SET state = 'queued', token = 0, lease_until = 0
    WHERE state = 'claimed' AND token <> 0 AND token IN [:tokens]"""
)

# Seconds between two looks. Both must find a holder dead: who has lost its connection for a moment is not.
LOOK_EVERY = 5.0
_LOOK_AT_ALL = 12  # looks: also where no node is seen to have died since

_log = Logger()


class Holders:
    """Looks for dead processes. Each process calls ``look`` every LOOK_EVERY seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._examined: set[int] | None = None  # nodes that are dead and hold nothing any more
        self._suspects: set[int] = set()  # tokens whose holders were dead at the last look
        self._looks = 0

    async def look(self) -> None:
        """Frees what dead processes held. It is cheap unless a node has gone since the last look. Raises Stopping."""
        if self._store.election.alone:  # what others held was freed at the start
            return
        try:
            await self._look()
        except Temporary as error:
            _log.warn("what dead processes have leased is not freed now: {error}", error=error, often=True)
            self._examined = None  # all is looked at again

    async def _look(self) -> None:
        recorded = await self._store.read(nodes.everybody)
        dead_nodes = recorded - await self._store.nodes.living(recorded)
        self._looks = (self._looks + 1) % _LOOK_AT_ALL
        if self._suspects or not self._looks or self._examined is None or not dead_nodes <= self._examined:
            # In this order: a node that begins is recorded with, or before, the first lease that it takes.
            tokens = await self._store.read(_tokens)
            processes = {process_of(node) for node in await self._alive()}
            dead = {token for token in tokens if process_of(token) not in processes}
            freed = dead & self._suspects
            if freed:
                await self._store.run(partial(_free, tokens=sorted(freed)))
                _log.info("freed what was leased to a process that is dead: {count} leases", count=len(freed))
            self._suspects = dead - freed
        self._examined = dead_nodes

    async def _alive(self) -> set[int]:
        return await self._store.nodes.living(await self._store.read(nodes.everybody))


def _tokens(tx: Transaction) -> set[int]:
    return leases.tokens(tx) | {row[0] for row in tx.all(_OUTGOING)}


def _free(tx: Transaction, tokens: list[int]) -> None:
    leases.free(tx, tokens)
    if tx.run(_FREE_OUTGOING, tokens=tokens):
        tx.announce(OutgoingChanged())
