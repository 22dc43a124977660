"""Slow hosts and long queues: whose mail waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.dispatch import service
from mpcontinuity.dispatch import shares as shares_module
from mpcontinuity.dispatch.shares import PROMPT, Shares
from mpcontinuity.queue import outgoing
from mpcontinuity.queue.outgoing import REPORTS
from tests.dispatch.post import Post
from tests.outbound.wire import SILENT

MANY = 110

ANNA, BERT = 7, 8


LANES, ASIDE, OF_ONE, OF_REPORTS = 120, 120, 75, 25


@pytest.fixture(autouse=True)
def a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of everything: 110 hosts that do not answer do what 1,100 do to a server."""
    for name in ("MOST_LANES", "MOST_PARKED", "OF_ONE", "OF_REPORTS"):
        monkeypatch.setattr(shares_module, name, getattr(shares_module, name) // 10)
    monkeypatch.setattr(outgoing, "DUE_STEP", 100)
    monkeypatch.setattr(service, "DUE_STEP", 100)


# The counts


def test_nobody_takes_all_lanes_and_reports_take_fewer() -> None:
    shares = Shares()
    for share, most in ((REPORTS, OF_REPORTS), (ANNA, OF_ONE), (BERT, LANES - OF_ONE - OF_REPORTS)):
        for _ in range(most):
            assert shares.admits(share)
            shares.take(share)
        assert not shares.admits(share)
    assert shares.all_taken
    shares.give_back(ANNA)
    assert shares.used_up == [REPORTS]


def test_what_is_parked_is_bounded_for_each_and_for_all() -> None:
    shares = Shares()
    for share, most in ((REPORTS, OF_REPORTS), (ANNA, OF_ONE), (BERT, ASIDE - OF_ONE - OF_REPORTS)):
        for _ in range(most):
            assert shares.may_park(share)
            shares.park(share)
        assert not shares.may_park(share)
    shares.unpark(BERT)
    assert shares.may_park(BERT)
    assert not shares.may_park(ANNA)


def test_whose_slow_hosts_can_neither_be_waited_for_nor_given_up_begins_nothing_more() -> None:
    shares = Shares()
    for _ in range(2 * OF_REPORTS):
        assert shares.admits(REPORTS)
        shares.park(REPORTS)
    assert shares.used_up == [REPORTS]
    assert shares.admits(ANNA)
    for _ in range(2 * OF_REPORTS):
        shares.unpark(REPORTS)
    assert shares.used_up == []


# Hosts that do not answer


@pytest.mark.parametrize(("kind", "most"), [("outbound", OF_ONE), ("dsn", OF_REPORTS)])
def test_silent_hosts_hold_up_no_mail_of_others(post: Post, kind: str, most: int) -> None:
    anna = post.user("anna")
    _, recipients = post.silent(MANY)
    slow = post.send(*recipients, kind=kind)
    post.dispatch()
    post.settle(1)
    (row,) = post.send("bob@world.example", account=anna)
    assert post.states([row]) == ["gone"]
    assert post.states(slow).count("claimed") == most


def test_silent_hosts_hold_up_other_mail_of_the_same_user_for_seconds(post: Post) -> None:
    _, recipients = post.silent(MANY)
    post.send(*recipients)
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["queued"]
    post.settle(PROMPT + 2)
    assert post.states([row]) == ["gone"]


def test_reports_to_silent_hosts_hold_up_other_reports_for_seconds(post: Post) -> None:
    _, recipients = post.silent(MANY)
    post.send(*recipients, kind="dsn")
    post.dispatch()
    (row,) = post.send("bob@world.example", kind="dsn")
    post.settle(MANY / OF_REPORTS * (PROMPT + 2))
    assert post.states([row]) == ["gone"]


def test_what_is_given_up_is_tried_again_and_its_connection_is_closed(post: Post) -> None:
    host, recipients = post.silent(OF_ONE + 3, answers={"RCPT": SILENT})
    slow = post.send(*recipients)
    post.dispatch()
    post.settle(2 * PROMPT + 2)
    (one, *others) = [each for each, state in zip(slow, post.states(slow), strict=True) if state == "queued"]
    assert len(others) == 2
    row = post.row(one)
    assert row is not None
    assert row["attempts"] == 1
    assert row["text"] == "Not sent: no answer within 5 s, and many others are waited for already"
    assert sum(wire.aborted for wire in host.wires) == 3


@pytest.mark.parametrize("behaviour", [{"connecting": "timeout"}, {"greeting": SILENT}, {"answers": {"EHLO": SILENT}}])
def test_what_is_given_up_leaves_nothing_that_is_being_opened(post: Post, behaviour: dict[str, Any]) -> None:
    _, recipients = post.silent(MANY, **behaviour)
    slow = post.send(*recipients)
    dispatch = post.dispatch()
    post.settle(2 * PROMPT + 2)
    assert post.states(slow).count("claimed") == OF_ONE
    assert dispatch.parked == OF_ONE


def test_who_else_waits_for_a_host_is_not_given_up_with_others(post: Post) -> None:
    """Two users write to one host that is slow to greet; one of them waits for many others as well."""
    anna, bert = post.user("anna"), post.user("bert")
    _, others = post.silent(OF_ONE)
    host, (recipient,) = post.silent(1)
    rows = post.send(*others, recipient, account=anna)
    (row,) = post.send(recipient, account=bert)
    post.dispatch()
    post.settle(2 * PROMPT + 2)
    assert post.states([rows[-1], row]) == ["queued", "claimed"]
    host.wires[0].say_late("220 mx.example ESMTP")
    post.settle(1)
    assert post.states([row]) == ["gone"]


def test_a_message_whose_final_dot_was_sent_is_not_given_up(post: Post) -> None:
    host, recipients = post.silent(OF_ONE + 3, message=SILENT)
    slow = post.send(*recipients)
    post.dispatch()
    post.settle(3 * PROMPT)
    assert post.states(slow) == ["claimed"] * len(slow)
    assert len(host.messages) == len(slow)
    for wire in host.wires:
        wire.say_late("250 2.0.0 taken")
    post.settle(1)
    assert post.states(slow) == ["gone"] * len(slow)


def test_a_host_that_is_slow_has_its_mail_in_the_end(post: Post) -> None:
    host, (recipient,) = post.silent(1)
    (row,) = post.send(recipient)
    post.dispatch()
    post.settle(30)
    host.wires[0].say_late("220 mx.example ESMTP")
    post.settle(1)
    assert post.states([row]) == ["gone"]


def test_who_waits_for_a_busy_host_is_not_taken_for_one_that_waits_for_a_silent_one(post: Post) -> None:
    """All mail goes by a smarthost that takes three seconds for each message."""
    host = post.at("192.0.2.99:25")
    host.message = SILENT
    dispatch = post.dispatch(route="smtp://192.0.2.99:25")
    rows = [post.send(f"bob@d{number}.example", text=str(number))[0] for number in range(40)]
    for _ in range(11):
        post.settle(3)
        assert dispatch.parked == 0
        for wire in host.wires:
            wire.say_late("250 2.0.0 taken")
        post.settle()
    assert post.states(rows) == ["gone"] * len(rows)


# Long queues


def test_who_has_much_to_send_does_not_come_before_who_has_little(post: Post) -> None:
    anna, bert = post.user("anna"), post.user("bert")
    for number in range(150):
        post.send(f"r{number}@world.example", account=anna, text=f"newsletter {number}")
    post.send("kim@world.example", account=bert, text="letter")
    post.dispatch()
    assert len(post.host.messages) == 151
    assert [b"newsletter" in message for message in post.host.messages].index(False) < 20


def test_mail_of_users_goes_before_reports(post: Post) -> None:
    post.send(*[f"r{number}@d{number}.example" for number in range(MANY)], kind="dsn")
    (row,) = post.send("kim@world.example")
    post.dispatch()
    assert post.states([row]) == ["gone"]
    first = next(line for line in post.host.lines if line.startswith("RCPT"))
    assert first == "RCPT TO:<kim@world.example>"


def test_a_queue_that_fills_every_look_hides_no_other(post: Post) -> None:
    """More rows of one user than are looked at, each for a destination of its own."""
    _, recipients = post.silent(2 * MANY)
    anna = post.user("anna")
    post.send(*recipients, account=anna)
    (row,) = post.send("kim@world.example")
    post.dispatch()
    assert post.states([row]) == ["gone"]
