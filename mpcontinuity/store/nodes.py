"""The processes that have the store open: each is a node, with an id of its own where there can be several."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from typing import Final

from mpcontinuity.model.identifier import Identifiers
from mpcontinuity.store.election import Election
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

NODE: Final = "node"  # the kind of election: held by a node for as long as it lives
NOBODY: Final = 0  # the id of a process that has the store alone, and of what no living process can own

_RECORD = Statement(
    "INSERT INTO node (id, host, started, seen) VALUES (:id, :host, :now, :now) ON CONFLICT (id) DO NOTHING"
)
_ALL = Statement("SELECT id FROM node")
_FORGET = Statement("DELETE FROM node WHERE id IN [:ids]")


class Nodes:
    """Who we are, and which other processes live.

    ``name`` tells people which process we are; it is empty where there is no other.
    """

    def __init__(self, election: Election, identifiers: Identifiers) -> None:
        self.us = NOBODY if election.alone else identifiers.next()
        self.name = "" if election.alone else f"{socket.gethostname()} ({os.getpid()})"
        self._election = election
        self._recorded = election.alone
        if not election.alone:
            election.on_lost(self._lost)
            election.keep(NODE, self.us)

    async def living(self, nodes: Iterable[int]) -> set[int]:
        """Returns those of the nodes that live: we do, NOBODY does not.

        Raises Temporary where that cannot be told.
        """
        others = {node for node in nodes if node not in (NOBODY, self.us)}
        return await self._election.held(NODE, others) | {self.us} if others else {self.us}

    def record(self, tx: Transaction) -> Callable[[], None] | None:
        """Records us in the first commit, at whose begin it is called; what it returns is called once that is done."""
        if self._recorded:
            return None
        tx.run(_RECORD, id=self.us, host=self.name, now=tx.now)
        return self._is_recorded

    def _is_recorded(self) -> None:
        self._recorded = True

    def _lost(self) -> None:
        """Others may have taken us for dead, and forgotten us."""
        self._recorded = False


def everybody(tx: Transaction) -> set[int]:
    """Returns the nodes that were ever recorded, and not forgotten."""
    return {row[0] for row in tx.all(_ALL)}


def forget(dead: Iterable[int], tx: Transaction) -> None:
    """Drops the rows of nodes that are dead."""
    tx.run(_FORGET, ids=sorted(dead))
