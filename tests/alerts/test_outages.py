"""An outage has one row from its beginning to its end, whatever was missed, and each step is done once."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.accounts import containment
from mpcontinuity.alerts import outages
from mpcontinuity.alerts.outages import MOST_A_DAY, STEP, Outage, Told
from mpcontinuity.model.clock import SECOND
from mpcontinuity.routing.health import State
from tests.alerts.post_room import PostRoom
from tests.fakes.stores import result


def look(room: PostRoom, seconds: float = 5) -> list[Outage]:
    room.clock.advance(seconds)
    return result(outages.look(room.store))


def brief(room: PostRoom, found: list[Outage]) -> list[tuple[Any, ...]]:
    start = room.clock.now() - round(room.clock.seconds() * SECOND)
    return [
        ((one.began - start) // SECOND, one.ended and (one.ended - start) // SECOND, [*one.causes]) for one in found
    ]


def test_it_begins_and_ends_with_the_state_of_home_and_not_with_the_look(room: PostRoom) -> None:
    assert not look(room, 0)
    room.clock.advance(10)
    room.home_becomes(State.DOWN, "no connection")
    (outage,) = look(room, 7)
    assert brief(room, [outage]) == [(10, 0, ["down"])]
    assert (outage.name, outage.reason) == ("example.org", "no connection")
    room.clock.advance(100)
    room.home_becomes(State.RECOVERING)
    assert brief(room, look(room, 3)) == [(10, 117, ["down"])]


def test_one_that_goes_on_for_another_cause_is_the_same(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    look(room)
    room.set(mode="enabled")
    look(room)
    room.home_becomes(State.UP)
    (outage,) = look(room)
    assert brief(room, [outage]) == [(0, 0, ["down", "declared"])]
    room.set(mode="disabled")
    assert brief(room, look(room)) == [(0, 20, ["down", "declared"])]


def test_a_mode_that_ends_by_its_time_ends_the_outage(room: PostRoom) -> None:
    room.set(mode="enabled", mode_until=room.clock.now() + 60 * SECOND)
    assert brief(room, look(room)) == [(5, 0, ["declared"])]
    assert brief(room, look(room, 60)) == [(5, 65, ["declared"])]


def test_a_home_that_is_cut_off_is_an_outage_although_it_is_up(room: PostRoom) -> None:
    look(room)
    room.run(containment.begin, domain=room.domain.id, by="olga", note="it sends spam")
    (outage,) = look(room)
    assert brief(room, [outage]) == [(5, 0, ["contained"])]
    assert outage.reason == "it sends spam"
    room.run(containment.end, domain=room.domain.id)
    assert brief(room, look(room)) == [(5, 15, ["contained"])]


def test_one_that_began_and_ended_between_two_looks_is_noted_once(room: PostRoom) -> None:
    look(room)
    room.home_becomes(State.DOWN, "no connection")
    room.clock.advance(3)
    room.home_becomes(State.UP)
    assert brief(room, look(room)) == [(5, 8, ["down"])]
    assert brief(room, look(room)) == [(5, 8, ["down"])]


def test_one_that_passed_while_no_process_looked_is_noted_before_the_one_that_lasts(room: PostRoom) -> None:
    look(room)
    for seconds in (600, 1200):
        room.clock.advance(seconds)
        room.home_becomes(State.DOWN)
        room.clock.advance(seconds)
        room.home_becomes(State.UP)
    room.clock.advance(10)
    room.home_becomes(State.DOWN)
    found = sorted(look(room), key=lambda one: one.began)
    assert brief(room, found) == [(605, 1205, ["down"]), (2405, 3605, ["down"]), (3615, 0, ["down"])]


def test_what_is_older_than_the_first_look_is_history_alone(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    room.clock.advance(600)
    room.home_becomes(State.UP)
    assert not look(room)


def test_a_step_is_done_once(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    (outage,) = look(room)
    room.run(outages.tell, outage=outage.id, step="down")
    with pytest.raises(Told):
        room.run(outages.tell, outage=outage.id, step="down")
    first = room.clock.now()
    (outage,) = look(room)
    assert outage.told == {"down": first}
    room.run(outages.tell, outage=outage.id, step="down", known=first)
    room.run(outages.tell, outage=outage.id, step="users")
    (outage,) = look(room)
    assert outage.told == {"down": first + 5 * SECOND, "users": first + 5 * SECOND}
    with pytest.raises(Told):
        room.run(outages.tell, outage=0, step="down")


def test_a_home_that_flaps_has_so_many_rows_a_day_and_no_more(room: PostRoom) -> None:
    look(room)
    for _ in range(MOST_A_DAY + 20):
        room.home_becomes(State.DOWN)
        look(room)
        room.home_becomes(State.UP)
        look(room)
    ((rows, open_),) = room.rows("SELECT COUNT(*), SUM(CASE WHEN ended = 0 THEN 1 ELSE 0 END) FROM outage")
    assert (rows, open_) == (MOST_A_DAY, 0)


def test_many_at_once_are_noted_in_steps(room: PostRoom) -> None:
    look(room)
    for number in range(STEP + 5):
        room.home_becomes(State.DOWN, domain=room.add_domain(f"d{number}.example"))
    assert len(look(room)) == STEP + 5


def test_one_that_ended_is_looked_at_for_a_day_and_until_it_has_recovered(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    look(room)
    room.home_becomes(State.UP)
    (outage,) = look(room, 3 * 86400)
    room.run(outages.recover, outage=outage.id, report="{}")
    with pytest.raises(Told):
        room.run(outages.recover, outage=outage.id, report="{}")
    assert not look(room)


def test_it_is_forgotten_after_a_year(room: PostRoom) -> None:
    room.home_becomes(State.DOWN)
    look(room)
    room.clock.advance(366 * 86400)
    result(outages.sweep(room.store))
    assert not room.rows("SELECT id FROM outage")
