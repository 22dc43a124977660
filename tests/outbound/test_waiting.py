"""Who waits for a session is served in turn, host by host."""

from __future__ import annotations

from mpcontinuity.outbound.waiting import Waiter, Waiting

LIMIT = 10


def queue(*clients: str, again: tuple[str, ...] = ()) -> Waiting[int]:
    waiting: Waiting[int] = Waiting()
    for number, client in enumerate(clients):
        waiting.add(Waiter(number, 0.0, client))
    for client in again:
        waiting.add(Waiter(-1, 0.0, client, fresh=True))
    return waiting


def order(waiting: Waiting[int], held: dict[str, int] | None = None, *, used: bool = False) -> list[str]:
    clients = []
    while (waiter := waiting.next(held or {}, LIMIT, used=used)) is not None:
        clients.append(waiter.client)
    return clients


def test_hosts_take_turns_whatever_they_queued() -> None:
    assert order(queue("a", "a", "a", "a", "b", "c")) == ["a", "b", "c", "a", "a", "a"]


def test_a_host_that_holds_its_share_comes_after_others() -> None:
    assert order(queue("a", "a", "b", "c"), {"a": 8})[:2] == ["b", "c"]
    assert order(queue("a", "a"), {"a": 10}) == ["a", "a"]


def test_in_a_hosts_turn_mailboxes_take_turns() -> None:
    waiting: Waiting[int] = Waiting()
    for mailbox in ("ann", "ann", "ann", "bob"):
        waiting.add(Waiter(0, 0.0, "a", mailbox))
    served = iter(lambda: waiting.next({}, LIMIT, used=True), None)
    assert [waiter.mailbox for waiter in served] == ["ann", "bob", "ann", "ann"]


def test_who_waits_for_a_mailbox_that_has_its_share_is_passed_over() -> None:
    waiting: Waiting[int] = Waiting()
    waiting.add(Waiter(1, 0.0, "a", "ann"))
    waiting.add(Waiter(2, 0.0, "b", "ann"))
    assert waiting.next({}, LIMIT, used=True, full={"ann"}) is None
    waiting.add(Waiter(3, 0.0, "b", "bob"))
    taken = waiting.next({"b": 10}, LIMIT, used=True, full={"ann"})
    assert taken is not None
    assert taken.wanted == 3
    assert len(waiting) == 2


def test_who_needs_a_fresh_session_had_one_already_and_comes_first() -> None:
    waiting = queue("a", "b", again=("c",))
    assert waiting.wants_fresh()
    assert order(waiting) == ["c", "a", "b"]
    waiting = queue("a", again=("c",))
    assert order(waiting, used=True) == ["a"]
    assert len(waiting) == 1


def test_who_goes_is_forgotten() -> None:
    waiting: Waiting[int] = Waiting()
    both = [Waiter(0, 0.0, "a"), Waiter(1, 0.0, "a", fresh=True)]
    for waiter in both:
        waiting.add(waiter)
    assert [waiting.remove(waiter) for waiter in [*both, *both]] == [True, True, False, False]
    assert (len(waiting), waiting.clear()) == (0, [])


def test_claims_say_who_lacks_and_who_has_too_many() -> None:
    waiting = queue("a", "a", "b", "c")
    assert waiting.claims({"a": 8, "c": 2}, LIMIT) == (2, {"a": 5})  # a share is three
    assert queue().claims({"a": 10}, LIMIT) == (0, {})
