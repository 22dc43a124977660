from mpcontinuity.archive.record import NewArchived, record_all
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.store.bodies.references import insert_body
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.clock import START
from tests.fakes.stores import result

PACK = Statement("INSERT INTO pack (id, kind) VALUES (1, 'mail')")
ROW = Statement("SELECT body, recipients, expires, subject FROM archive")


def test_a_message_is_archived_with_all_its_recipients_until_its_retention_ends(store: Store) -> None:
    def work(tx: Transaction) -> None:
        tx.run(PACK)
        insert_body(tx, Body(9, 1, 0, 4, 0, 0), 0)
        record_all(tx, [NewArchived(1, 9, START, "inbound", "a@x", ("b@y", "c@y"), "Hi", "<1@x>", 4, 90)])

    result(store.run(work))
    assert result(store.read(lambda tx: tx.one(ROW))) == (9, '["b@y","c@y"]', START + 90 * DAY, "Hi")
