"""Messages kept by many sessions while power fails again and again: what was answered must be there.

The store alone; service.py has the whole way of a message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import TypeVar

from twisted.internet.defer import Deferred

from mpcontinuity.model import identifier
from mpcontinuity.model.body import Body
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.references import insert_body
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.reconcile import reconcile
from tests.simulation.machine import Machine
from tests.simulation.play import Result
from tests.simulation.world import World

T = TypeVar("T")

LIVES = 6
SESSIONS = 5

_BODIES = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body')
_NOTE = Statement("INSERT INTO meta (key, value) VALUES (:key, '')")
_NOTED = Statement("SELECT key FROM meta")


class Keeping:
    """One run: several lives of a machine, and after each the promises made so far are checked."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._world = World(seed)
        self._machine = Machine(self._world)
        self._chance = self._world.chance("keeping")
        self._promised: dict[int, bytes] = {}  # what was answered with 250, by message id
        self.faults: list[str] = []

    def run(self) -> Result:
        for _ in range(LIVES):
            store = self._machine.boot()
            self._audit(store)
            if not self.faults:
                self._machine.disk.fail_after(self._chance.randint(1, 200))
                for _ in range(SESSIONS):
                    self._send(store)
                until = self._world.now + 0.5
                while self._machine.on and self._world.step(until):
                    pass
            self._machine.switch_off(power=True)
            if self.faults:
                break
        return Result(self._seed, self.faults, self._world.now, self._world.fingerprint())

    def _send(self, store: Store) -> None:
        """One message after the other, as SMTP clients do, until power fails."""
        size = self._chance.choice((0, 10, 500, 4096, 70_000)) if self._chance.random() < 0.97 else 1_100_000
        content = self._chance.randbytes(size)
        head = Head(id=store.identifiers.next(), time=store.clock.now(), direction="inbound")
        try:
            draft = store.bodies.draft()
            draft.write(content)
        except (OSError, Temporary):
            return
        if self._chance.random() < 0.7:
            answer = store.keep(draft, head, _index)
        else:
            answer = store.bodies.keep(draft, head).addCallback(partial(self._hand_to_home, store))

        def answered(_: None) -> None:
            if self._machine.on:
                self._promised[head.id] = content
                self._send(store)

        answer.addCallbacks(answered, lambda _: None)

    @staticmethod
    def _hand_to_home(store: Store, body: Body) -> Deferred[None]:
        """Home takes it: the outcome is noted in the pack, then the index is committed."""
        store.bodies.outcome(body.id, {"u@a.example": "relay"})

        def work(tx: Transaction) -> None:
            insert_body(tx, body, 0)
            _index(tx, body)

        return store.run(work)

    def _audit(self, store: Store) -> None:
        """What every start does, and then what an auditor would do."""
        self._await(reconcile(store, _repair))
        if problems := self._machine.check_database():
            self.faults.append(f"the database is damaged: {problems}")
            return
        bodies = [Body(*row) for row in self._await(store.read(lambda tx: tx.all(_BODIES)))]
        noted = {row[0] for row in self._await(store.read(lambda tx: tx.all(_NOTED)))}
        contents = self._await(store.bodies.read_many(bodies))
        for body, content in zip(bodies, contents, strict=True):
            if isinstance(content, Corrupt):
                self.faults.append(f"the index names what is not there: {content}")
            elif self._promised.get(body.id, content) != content:
                self.faults.append(f"message {identifier.show(body.id)} is not what was sent")
        for message in self._promised.keys() - {body.id for body in bodies if str(body.id) in noted}:
            self.faults.append(f"message {identifier.show(message)} was answered and is lost")

    def _await(self, awaitable: Awaitable[T]) -> T:
        return self._machine.wait(awaitable, 60)


def _index(tx: Transaction, body: Body) -> None:
    tx.run(_NOTE, key=str(body.id))


def _repair(tx: Transaction, head: Head, body: Body, decisions: Mapping[str, str]) -> None:
    _index(tx, body)
