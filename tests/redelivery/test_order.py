"""Whose message is next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.queue.due import Due
from mpcontinuity.redelivery.order import Order


def due(row: int, user: int | str) -> Due:
    return Due(row, user, (0, row))


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


@given(st.lists(st.integers(0, 5), max_size=60), st.data())
def test_all_are_taken_in_order_and_never_two_of_one_user(users: list[int], data: st.DataObject) -> None:
    order = Order()
    rows = [due(number, user) for number, user in enumerate(users)]
    given_so_far = 0
    busy: set[int | str] = set()
    taken: list[Due] = []
    while len(taken) < len(rows):
        step = data.draw(st.integers(0, len(rows) - given_so_far)) if given_so_far < len(rows) else 0
        order.add(rows[given_so_far : given_so_far + step])
        given_so_far += step
        for row in order.take(data.draw(st.integers(0, 3))):
            assert row.user not in busy
            busy.add(row.user)
            taken.append(row)
        for user in data.draw(st.lists(st.sampled_from(sorted(busy, key=str)), unique=True)) if busy else []:
            busy.discard(user)
            order.done(user)
    for user in set(users):
        mine = [row.id for row in taken if row.user == user]
        assert mine == sorted(mine)
    assert len({row.id for row in taken}) == len(rows)
    assert len(order) == 0
