"""Several nodes on one database, without threads: what a node announces reaches the others when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from mpcontinuity.model.errors import Stopping
from mpcontinuity.model.events import Everything, Notice
from mpcontinuity.store.store import Store

Listener = Callable[[Sequence[Notice]], None]


class Elections:
    """Who holds what: ``(kind, number)`` to node."""

    def __init__(self) -> None:
        self.holders: dict[tuple[str, int], Node] = {}


class Node:
    """What the layers above know as the store. Commits are those of the one store behind all nodes."""

    def __init__(self, cluster: Cluster) -> None:
        self.election: Any = Held(self, cluster.elections)
        self.unheard: list[Notice] = []
        self._cluster = cluster
        self._store = cluster.store
        self._listeners: list[Listener] = []
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def run(self, work: Callable[..., Any], *, bulk: bool = False) -> Deferred[Any]:
        if self.dead:
            return fail(Stopping())
        self._cluster.committing = self
        return self._store.run(work, bulk=bulk)

    def read(self, work: Callable[..., Any]) -> Deferred[Any]:
        return fail(Stopping()) if self.dead else self._store.read(work)

    def kill(self) -> None:
        """It does nothing any more, and others may hold what it held."""
        self.dead = True
        self.election.give_up()

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, notices: Sequence[Notice]) -> None:
        for listener in self._listeners:
            listener(notices)

    def hear(self) -> None:
        """What the others announced since."""
        unheard, self.unheard = self.unheard, []
        if unheard and not self.dead:
            self.tell(unheard)

    def hear_again(self) -> None:
        """After a time without the others' notices, which are lost."""
        self.unheard = []
        self.tell([Everything()])


class Held:
    """The node's part in elections."""

    alone = False

    def __init__(self, node: Node, elections: Elections) -> None:
        self._node = node
        self._holders = elections.holders
        self._lost: list[Callable[[], None]] = []
        self.asked = 0

    def hold(self, kind: str, number: int) -> Deferred[bool]:
        self.asked += 1
        if self._node.dead:
            return succeed(False)
        return succeed(self._holders.setdefault((kind, number), self._node) is self._node)

    def release(self, kind: str, number: int) -> None:
        if self._holders.get((kind, number)) is self._node:
            del self._holders[kind, number]

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._lost.append(callback)

    def holds(self, kind: str, number: int) -> bool:
        return self._holders.get((kind, number)) is self._node

    def give_up(self) -> None:
        """The node was killed: nobody calls it back."""
        for key in [key for key, holder in self._holders.items() if holder is self._node]:
            del self._holders[key]

    def lose(self) -> None:
        """The connection that held it all was lost."""
        self.give_up()
        for callback in self._lost:
            callback()


class Cluster:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.elections = Elections()
        self.nodes: list[Node] = []
        self.committing: Node | None = None
        store.listen(self._announced)

    def node(self) -> Any:
        node = Node(self)
        self.nodes.append(node)
        return node

    def _announced(self, notices: Sequence[Notice]) -> None:
        for node in self.nodes:
            if node is self.committing:
                node.tell(notices)
            else:
                node.unheard += notices
        self.committing = None
