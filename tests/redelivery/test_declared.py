"""What is owed does not go home while a plan is under way, home is cut off, or a drill is played for its user."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mpcontinuity.accounts import containment, domains, drills, plans
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.owed import DELIVERED, OWED
from mpcontinuity.queue import contained, due
from mpcontinuity.store.store import Store
from tests.redelivery.conftest import World


def drill(world: World, seconds: int = 600) -> None:
    users = [(world.books.accounts["anna"], "anna@example.org")]
    world.books.run(drills.begin, domain=world.books.domain.id, users=users, lasts=seconds * SECOND, by="root")


def plan(world: World) -> None:
    now = world.clock.now()
    values = {"starts": now, "ends": now + 600 * SECOND, "note": "", "planner": ""}
    world.books.run(plans.add, domain=world.books.domain.id, **values)


def contain(world: World) -> None:
    world.books.run(containment.begin, domain=world.books.domain.id, by="root", note="")


@pytest.mark.parametrize("declare", [plan, contain])
def test_nothing_goes_home(world: World, declare: Callable[[World], None]) -> None:
    world.flows()
    declare(world)
    rows = world.redirect("anna", "bert")
    world.wait(300)
    assert world.home.tried == []
    assert world.books.states(*rows) == [OWED, OWED]


def test_after_a_plan_it_does(world: World) -> None:
    world.flows()
    plan(world)
    rows = world.redirect("anna")
    world.wait(601)
    world.books.run(domains.turn)
    world.wait(2)
    assert world.books.states(*rows) == [DELIVERED]


def test_after_it_is_lifted_only_what_is_released_does(world: World) -> None:
    world.flows()
    contain(world)
    kept, released = world.redirect("anna", "bert")
    assert world.books.run(contained.lift, domain=world.books.domain.id)
    (new,) = world.redirect("anna")
    world.wait(300)
    assert world.books.states(kept, released, new) == [OWED, OWED, DELIVERED]
    world.books.run(contained.release, domain=world.books.domain.id, ids=[released], by="root")
    world.wait(2)
    assert world.books.states(kept, released) == [OWED, DELIVERED]


class TestDrill:
    def test_its_users_mail_waits_and_others_goes(self, world: World) -> None:
        world.flows()
        drill(world)
        annas, berts = world.redirect("anna", "bert")
        world.wait(300)
        assert world.books.states(annas, berts) == [OWED, DELIVERED]

    def test_what_was_in_memory_when_it_began_waits_too(self, world: World) -> None:
        world.home.goes_down()
        rows = world.redirect(*["anna"] * 5, "bert")
        world.flows()
        drill(world)
        world.home.comes_back()
        world.wait(60)
        assert world.books.states(*rows) == [OWED] * 5 + [DELIVERED]

    def test_a_recovery_does_not_send_it(self, world: World) -> None:
        world.flows()
        drill(world)
        (row,) = world.redirect("anna")
        world.home.goes_down()
        world.wait(60)
        world.home.comes_back()
        world.books.run(due.make_due, domain=world.books.domain.id)
        world.wait(60)
        assert world.books.state(row) == OWED

    def test_the_flush_rests_meanwhile(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.flows()
        drill(world)
        world.redirect("anna")
        world.wait(10)
        reads = []
        read = Store.read

        def counted(self: Store, work: object, **more: object) -> object:
            reads.append(work)
            return read(self, work, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Store, "read", counted)
        world.wait(50)
        assert len(reads) < 10

    @pytest.mark.parametrize("ended_early", [True, False])
    def test_at_its_end_it_goes_home_in_order(self, world: World, ended_early: bool) -> None:
        world.flows()
        drill(world)
        rows = world.redirect(*["anna"] * 3)
        world.wait(60)
        if ended_early:
            world.books.run(drills.end, domain=world.books.domain.id)
        else:
            world.wait(541)
            world.books.run(domains.turn)
        world.wait(5)
        assert world.books.states(*rows) == [DELIVERED] * 3
        assert [taken.recipient for taken in world.home.taken] == ["anna@example.org"] * 3
