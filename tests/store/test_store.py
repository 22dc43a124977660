"""The store as the layers above use it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mpcontinuity.model.body import Body
from mpcontinuity.model.events import DomainsChanged, Notice
from mpcontinuity.store.bodies import references
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.driver import Conflict
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result

ADD = Statement("INSERT INTO domain (id, name) VALUES (:id, :name)")
NAMES = Statement("SELECT name FROM domain ORDER BY name")
SOME = Statement("SELECT id FROM domain WHERE name IN [:names]")
OTHERS = Statement("SELECT id FROM domain WHERE name NOT IN [:names]")


def add(tx: Transaction, name: str) -> int:
    number = tx.identifier()
    tx.run(ADD, id=number, name=name)
    tx.announce(DomainsChanged())
    return number


def test_what_was_committed_is_read_back(store: Store) -> None:
    number = result(store.run(lambda tx: add(tx, "a.example")))
    assert result(store.read(lambda tx: tx.all(NAMES))) == [("a.example",)]
    assert result(store.read(lambda tx: tx.value(SOME, names=["a.example", "b.example"]))) == number
    assert result(store.read(lambda tx: tx.all(SOME, names=[]))) == []
    assert result(store.read(lambda tx: tx.one(OTHERS, names=["b.example"]))) == (number,)


def test_work_that_raises_leaves_nothing_and_announces_nothing(store: Store) -> None:
    heard: list[Notice] = []
    store.listen(lambda notices: heard.extend(notices))

    def work(tx: Transaction) -> None:
        add(tx, "a.example")
        raise KeyError("no")

    with pytest.raises(KeyError):
        result(store.run(work))
    assert result(store.read(lambda tx: tx.all(NAMES))) == []
    assert heard == []


def test_a_violated_constraint_is_a_conflict(store: Store) -> None:
    result(store.run(lambda tx: add(tx, "a.example")))
    with pytest.raises(Conflict):
        result(store.run(lambda tx: add(tx, "a.example")))


def test_listeners_hear_after_the_commit_and_before_the_caller(store: Store) -> None:
    order: list[object] = []

    def listener(notices: Sequence[Notice]) -> None:
        order.append((tuple(notices), result(store.read(lambda tx: tx.all(NAMES)))))

    store.listen(listener)
    store.run(lambda tx: add(tx, "a.example")).addCallback(lambda _: order.append("caller"))
    assert order == [((DomainsChanged(),), [("a.example",)]), "caller"]


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_a_kept_message_is_read_back_byte_for_byte(store: Store, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    draft = store.bodies.draft()
    for start in range(0, size, 65536):
        draft.write(content[start : start + 65536])
    assert bytes(draft.content()) == content
    head = Head(id=store.identifiers.next(), time=store.clock.now(), direction="inbound")

    def work(tx: Transaction, body: Body) -> Body:
        references.hold(tx, body.id)
        return body

    body = result(store.keep(draft, head, work))
    assert result(store.bodies.read(body)) == content
    assert result(store.read(lambda tx: references.find(tx, body.id))) == body
