"""Several nodes: one of them reports, another goes on when it is gone, and none says what another has said."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import fail

from mpcontinuity.accounts.directory import Directory
from mpcontinuity.model.errors import Corrupt, Temporary
from mpcontinuity.model.settings import Retry
from mpcontinuity.queue import unreported
from mpcontinuity.queue.unreported import START
from mpcontinuity.reports.service import ELECTION, POLL, Reports
from tests.fakes.nodes import Cluster, Node
from tests.fakes.stores import result
from tests.reports.conftest import Fates


def reports(fates: Fates, node: Any) -> Reports:
    made = Reports(node, Directory(node), hostname="mx.example.org", retry=Retry(), timer=fates.clock)
    made.start()
    fates.clock.advance(0)
    return made


def two(fates: Fates) -> tuple[Cluster, Node, Node]:
    result(fates.service.stop())
    cluster = Cluster(fates.store)
    one, other = cluster.node(), cluster.node()
    for node in (one, other):
        reports(fates, node)
    return cluster, one, other


def test_one_node_reports_and_the_other_goes_on_when_it_is_gone(fates: Fates) -> None:
    cluster, one, _ = two(fates)
    assert cluster.elections.holders[(ELECTION, 0)] is one
    fates.sends("far@far.example")
    fates.fails()
    fates.wait(2 * POLL)
    assert len(fates.inbox()) == 1
    one.kill()
    fates.sends("far@far.example")
    fates.fails()
    fates.wait(2 * POLL)
    assert len(fates.inbox()) == 2


def test_what_another_node_has_told_meanwhile_is_not_told_again(fates: Fates) -> None:
    fates.sends("far@far.example")
    result(fates.service.stop())
    fates.fails()
    rows = result(fates.store.read(lambda tx: unreported.ended(tx, START)))
    first, second = (
        Reports(fates.store, Directory(fates.store), hostname="h", retry=Retry(), timer=fates.clock) for _ in "12"
    )
    result(first._tell(rows))
    result(second._tell(rows))
    assert len(fates.inbox()) == 1
    assert fates.rows("SELECT count(*) FROM owed") == [(1,)]
    assert fates.rows("SELECT count(*) FROM tracking WHERE direction = 'dsn'") == [(1,)]


def test_a_store_that_fails_for_a_while_delays_a_report_and_loses_none(fates: Fates) -> None:

    broken = [True]
    keep = fates.store.keep

    def failing(*arguments: Any, **more: Any) -> Any:
        if broken[0]:
            raise Temporary("the disk is full")
        return keep(*arguments, **more)

    fates.sends("far@far.example")
    fates.store.keep = failing  # type: ignore[method-assign]
    fates.fails()
    fates.wait(30)
    assert not fates.inbox()
    broken[0] = False
    fates.wait(6)
    assert len(fates.inbox()) == 1


def test_a_message_that_is_damaged_is_reported_without_it(fates: Fates) -> None:

    fates.sends("far@far.example")
    fates.store.bodies.read = lambda *_: fail(Corrupt("gone"))  # type: ignore[method-assign]
    fates.fails()
    fates.wait()
    del fates.store.bodies.read
    (message,) = fates.inbox()
    assert "far@far.example" in message.as_string()
