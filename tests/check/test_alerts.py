"""What the server itself wrote is no damage, and comes back where it was read."""

from __future__ import annotations

from mpcontinuity.alerts.announcing import Announcement, announce
from mpcontinuity.check.indexing import _kept
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.bodies.layout import Kind
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.store.upkeep.verify import Packed
from tests.check.damaged import Damaged
from tests.fakes.stores import result


def nothing(tx: Transaction) -> None:
    """A mark of nothing."""


def tell(damaged: Damaged) -> None:
    """Somebody elsewhere and a user in an outage."""
    damaged.serve()
    told = [
        Announcement(to=parse(to), domain=0, subject="Home is away", text="x\n", into_inbox=True)
        for to in ("it@far.example", "ann@example.org")
    ]
    result(announce(damaged.store, Settings(), told, nothing))
    damaged.stop()


def test_a_store_with_alerts_is_clean(damaged: Damaged) -> None:
    tell(damaged)
    assert damaged.check().clean


def test_without_a_database_an_alert_is_in_inbox_again_and_makes_no_domain_of_a_strangers(damaged: Damaged) -> None:
    tell(damaged)
    damaged.lose_database_for_an_empty_one()
    damaged.check(repair=True)
    damaged.serve()
    assert damaged.subjects() == ["one", "two", "Home is away"]
    assert damaged.post.rows("SELECT name FROM domain") == [("example.org",)]
    assert set(damaged.owed()) == {"one", "two"}
    damaged.stop()


def test_what_a_stranger_was_written_is_owed_to_nobody_when_its_pack_was_moved() -> None:
    for direction, decisions in (("alert", {}), ("dsn", {}), ("append", {"it@far.example": "append"})):
        head = Head(id=1, time=1, direction=direction, recipients=("it@far.example",))
        assert _kept(Packed(Body(1, 1, 0, 1, 0, 0), Kind.KEPT, 1, head)) == decisions
