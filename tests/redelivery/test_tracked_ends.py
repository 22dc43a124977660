"""Tracking keeps the word `deferred` that continuity gave, and shows each message's end as home said it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.mailbox import change, mailboxes
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.flags import DELETED as FLAG_DELETED
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.queue import listing
from mpcontinuity.queue.owed import SENT
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from tests.redelivery.conftest import World, outage
from tests.redelivery.homes import BUSY, FULL, NO_REPLY, SPAM

QUEUED_AS = Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "2.0.0", "Ok: queued as 4XyZ12ab"))
SAID = ("home:25", 250, "2.0.0 Ok: queued as 4XyZ12ab")
TRACKED = Statement("SELECT status, outcome, code, text, events FROM tracking WHERE owed = :id")
DIRECTION = Statement("UPDATE tracking SET direction = 'redelivery', status = 'queued' WHERE owed = :id")


def tracked(world: World, row: int) -> tuple[Any, ...]:
    found = world.books.read(lambda tx: tx.one(TRACKED, id=row))
    assert found is not None
    return tuple(found)


def taken(world: World, row: int) -> None:
    world.home.answers[""] = QUEUED_AS
    world.home.comes_back()


def taken_after_a_doubt(world: World, row: int) -> None:
    world.home.answers[""] = [NO_REPLY, QUEUED_AS]
    world.home.comes_back()
    world.wait(60)


def taken_late(world: World, row: int) -> None:
    world.home.answers[""] = NO_REPLY
    reply: Deferred[Outcome] = Deferred()
    world.home.late["anna@example.org"] = reply
    world.home.comes_back()
    world.wait(60)
    reply.callback(QUEUED_AS)


def taken_after_a_throttle(world: World, row: int) -> None:
    world.home.answers[""] = [BUSY, QUEUED_AS]
    world.home.comes_back()
    world.wait(60)


def refused(world: World, row: int) -> None:
    world.home.answers[""] = SPAM
    world.home.comes_back()


def given_up(world: World, row: int) -> None:
    world.home.answers[""] = FULL
    world.home.comes_back()
    world.wait(60)
    world.books.home_was_up(5 * DAY)
    world.wait(7300, 60)


def removed(world: World, row: int) -> None:
    world.books.run(listing.remove, ids=[row], by="root")


def deleted(world: World, row: int) -> None:
    def delete(tx: Transaction) -> None:
        inbox = mailboxes.inbox(tx, world.books.accounts["anna"])
        change.store_flags(tx, inbox, [(1, 1)], "add", FLAG_DELETED, ())

    world.books.run(delete)
    world.home.comes_back()


@pytest.mark.parametrize(
    ("end", "outcome", "last"),
    [
        (taken, "delivered", SAID),
        (taken_after_a_doubt, "delivered", SAID),
        (taken_late, "delivered", SAID),
        (taken_after_a_throttle, "delivered", SAID),
        (refused, "failed", ("", 554, "Failed, refused: 5.6.0 I do not like it")),
        (given_up, "expired", ("", 0, "Given up: the home server was up long enough and did not take it")),
        (removed, "released", ("", 0, "Released by root")),
        (deleted, "deleted", ("", 0, "Deleted by the user: not sent to the home server")),
    ],
)
@pytest.mark.parametrize("kind", ["redelivery", SENT])
def test_each_end(
    world: World, end: Callable[[World, int], None], outcome: str, last: tuple[str, int, str], kind: str
) -> None:
    (row,) = outage(world, "anna", kind=kind)
    if kind == SENT:
        world.books.run(lambda tx: tx.run(DIRECTION, id=row))
    before = tracked(world, row)
    world.flows()
    end(world, row)
    status, now, code, text, events = tracked(world, row)
    assert (now, tuple(json.loads(events)[-1][1:])) == (outcome, last)
    if kind == SENT:
        assert (status, code, text) == ("delivered" if outcome == "delivered" else "failed", *last[1:])
    else:
        assert (status, code, text) == (before[0], before[2], before[3])
        assert status == "deferred"


def test_what_is_reopened_is_owed_again_and_keeps_its_word(world: World) -> None:
    rows = outage(world, "anna", "bert")
    world.books.run(lambda tx: tx.run(DIRECTION, id=rows[1]))
    world.home.answers[""] = SPAM
    world.flows()
    world.home.comes_back()
    assert [tracked(world, row)[:2] for row in rows] == [("deferred", "failed"), ("failed", "failed")]
    world.home.goes_down()
    world.books.run(listing.retry, ids=rows, by="root")
    assert [tracked(world, row)[:2] for row in rows] == [("deferred", "owed"), ("queued", "owed")]
