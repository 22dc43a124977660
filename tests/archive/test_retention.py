from twisted.internet.defer import Deferred

from mpcontinuity.archive import retention
from mpcontinuity.archive.record import NewArchived, record_all
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.store.bodies.references import insert_body
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail')")
LEFT = Statement("SELECT retention FROM (SELECT (expires - time) / 86400000000 AS retention FROM archive) AS kept")


def test_a_row_goes_when_its_own_time_has_come_however_many_there_are(store: Store, clock: ManualClock) -> None:
    def work(tx: Transaction) -> None:
        tx.run(PACK)
        insert_body(tx, Body(9, 1, 0, 4, 0, 0), 0)
        for days in (30, 90):
            for _ in range(retention.STEP + 1):
                record_all(tx, [NewArchived(1, 9, tx.now, "inbound", "a@x", ("b@y",), "Hi", "<1@x>", 4, days)])

    result(store.run(work))
    clock.advance(31 * DAY / SECOND)
    result(Deferred.fromCoroutine(retention.sweep(store)))
    assert result(store.read(lambda tx: tx.all(LEFT))) == [(90,)] * (retention.STEP + 1)
