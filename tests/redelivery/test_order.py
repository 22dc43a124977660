"""Whose message is next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.queue.due import Due
from mpcontinuity.redelivery.order import HUGE, KEPT, WINDOW, Order


def due(row: int, user: int | str, size: int = 1000) -> Due:
    return Due(row, user, (0, row), size)


def served(order: Order, count: int = 1000) -> list[Due]:
    """What goes, one at a time, up to so many."""
    rows: list[Due] = []
    while len(rows) < count and (taken := order.take(1)):
        rows += taken
        order.done(taken[0].user)
    return rows


def test_the_oldest_of_all_users_who_are_free() -> None:
    order = Order()
    order.add([due(1, "a"), due(2, "a"), due(3, "b"), due(4, "c")])
    assert [row.id for row in order.take(2)] == [1, 3]
    assert [row.id for row in order.take(2)] == [4]
    order.done("a")
    assert [row.id for row in order.take(2)] == [2]


def test_a_row_that_is_known_is_not_added_twice() -> None:
    order = Order()
    order.add([due(1, "a")])
    order.add([due(1, "a"), due(2, "a")])
    assert len(order) == 2


def test_who_is_busy_stays_so_when_the_plan_is_made_anew() -> None:
    order = Order()
    order.add([due(1, "a"), due(2, "a")])
    order.take(1)
    order.clear()
    order.add([due(2, "a"), due(3, "b")])
    assert [row.id for row in order.take(5)] == [3]
    order.done("a")
    assert [row.id for row in order.take(5)] == [2]


def test_who_was_tried_in_vain_comes_behind_the_others_until_one_is_taken() -> None:
    order = Order()
    order.add([due(1, "a"), due(2, "a"), due(3, "b"), due(4, "b"), due(5, "a")])
    tried = []
    for _ in range(4):
        (row,) = order.take(1)
        tried.append(row.id)
        order.vain(row.user)
        order.done(row.user)
    assert tried == [1, 3, 2, 4]
    order.took("a")
    order.add([due(6, "b")])
    assert [row.id for row in order.take(1)] == [5]


def test_what_is_put_off_of_a_user_is_not_due() -> None:
    order = Order()
    order.add([due(1, "a"), due(2, "a"), due(3, "b")])
    order.take(1)
    order.put_off("a")
    order.done("a")
    assert [row.id for row in order.take(5)] == [3]
    assert len(order) == 0
    order.add([due(2, "a")])
    assert [row.id for row in order.take(5)] == [2]


def test_who_has_a_thousand_old_messages_does_not_come_before_who_has_one() -> None:
    order = Order()
    order.add([due(row, "a") for row in range(30)])
    order.add([due(100, "b"), due(101, "c"), due(102, "b")])
    assert [row.id for row in served(order, 5)] == [0, 100, 101, 1, 102]


def test_who_comes_late_does_not_make_up_for_the_turns_of_others() -> None:
    order = Order()
    order.add([due(row, "a") for row in range(30)])
    served(order, 15)
    order.add([due(row, "b") for row in range(100, 120)])
    assert [row.user for row in served(order, 8)].count("a") == 4


def test_a_huge_message_costs_as_many_turns_as_it_is_long() -> None:
    order = Order()
    order.add([due(row, "a", 10 * HUGE) for row in range(5)])
    order.add([due(row, "b") for row in range(100, 130)])
    first = [row.user for row in served(order, 13)]
    assert first.count("a") == 2


def test_a_huge_message_does_not_hold_up_the_small_ones_of_its_user_nor_wait_for_ever() -> None:
    order = Order()
    order.add([due(0, "a", HUGE + 1)])
    went: list[int] = []
    for row in range(1, 200):  # one comes for each that goes
        order.add([due(row, "a")])
        went += [row.id for row in served(order, 1)]
    assert went.index(0) == WINDOW


def test_of_one_user_no_more_is_in_memory_than_is_needed_and_it_is_said_who_has_more() -> None:
    order = Order()
    order.add([due(row, "a") for row in range(500)])
    order.add([due(1000, "b")])
    assert len(order) == KEPT + 1
    assert order.short() == []
    served(order, KEPT - WINDOW + 2)
    assert order.short() == [("a", KEPT)]
    order.refill("a", [due(row, "a") for row in range(KEPT, KEPT + 30)], KEPT + 30)
    assert order.short() == []
    order.add([due(row, "a") for row in range(KEPT + 30, 500)])  # their turn comes by `short`
    assert [row.id for row in served(order) if row.user == "a"][-1] < KEPT + 30
    assert order.short()[0][1] <= KEPT + 30
    order.refill("a", [], None)
    assert order.short() == []


def test_a_row_that_is_older_than_all_in_memory_takes_the_place_of_the_youngest() -> None:
    order = Order()
    order.add([due(row, "a") for row in range(10, 500)])
    order.add([due(1, "a", 2 * HUGE), due(2, "a")])
    assert len(order) == KEPT
    assert [row.id for row in served(order)] == [2, *range(10, 29), 1, *range(29, 29 + KEPT - 21)]


SIZES = st.sampled_from([1000, HUGE, HUGE + 1, 30 * HUGE])


@given(st.lists(st.tuples(st.integers(0, 5), SIZES), max_size=120), st.data())
def test_all_are_taken_in_the_order_of_their_user_and_never_two_at_once(
    users: list[tuple[int, int]], data: st.DataObject
) -> None:
    order = Order()
    rows = [due(number, user, size) for number, (user, size) in enumerate(users)]
    given_so_far = 0
    busy: set[int | str] = set()
    taken: list[Due] = []
    while len(taken) < len(rows):
        step = data.draw(st.integers(0, len(rows) - given_so_far)) if given_so_far < len(rows) else 0
        order.add(rows[given_so_far : given_so_far + step])
        given_so_far += step
        for user, left_out in order.short():  # as the backlog does
            theirs = [row for row in rows[:given_so_far] if row.user == user and row.id >= left_out]
            order.refill(user, theirs[:7], theirs[6].id + 1 if len(theirs) > 6 else None)
        for row in order.take(data.draw(st.integers(0, 3))):
            assert row.user not in busy
            busy.add(row.user)
            taken.append(row)
        for user in data.draw(st.lists(st.sampled_from(sorted(busy, key=str)), unique=True)) if busy else []:
            busy.discard(user)
            order.done(user)
    for user, _ in set(users):
        mine = [row for row in taken if row.user == user]
        small, huge = [[row.id for row in mine if (row.size > HUGE) is size] for size in (False, True)]
        assert small == sorted(small)
        assert huge == sorted(huge)
        for place, row in enumerate(mine):
            before = [other for other in mine[:place] if other.id > row.id]
            assert all(other.size <= HUGE < row.size for other in before), (
                "only small ones overtake, and only huge ones"
            )
            assert len(before) <= WINDOW * (huge.index(row.id) + 1 if row.id in huge else 0)
    assert len({row.id for row in taken}) == len(rows)
    assert len(order) == 0


@given(st.lists(st.lists(SIZES, min_size=1, max_size=40), min_size=2, max_size=6))
def test_while_two_users_wait_neither_is_served_more_than_one_message_beyond_the_other(sizes: list[list[int]]) -> None:
    order = Order()
    ids = iter(range(10_000))
    order.add([due(next(ids), user, size) for user, theirs in enumerate(sizes) for size in theirs])
    cost = [0] * len(sizes)
    left = [len(theirs) for theirs in sizes]
    most = max(1 + size // HUGE for theirs in sizes for size in theirs)
    for row in served(order):
        assert isinstance(row.user, int)
        cost[row.user] += 1 + row.size // HUGE
        left[row.user] -= 1
        waiting = [cost[user] for user, rows in enumerate(left) if rows]
        assert not waiting or max(waiting) - min(waiting) <= most
