"""Rows of `outgoing` on their way: what becomes of them, when they are tried again, and what holds up whom."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail

from mpcontinuity.dispatch.lane import PORTION
from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.model.errors import Full, Temporary
from mpcontinuity.model.settings import Retry
from mpcontinuity.outbound.resolution import Exchange, Exchanges
from tests.dispatch.post import Post
from tests.outbound.wire import SILENT


def test_a_message_goes_to_the_mx_and_its_row_goes(post: Post) -> None:
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.host.messages == [b"Subject: x\r\n\r\nHello\r\n"]
    assert post.states([row]) == ["gone"]
    assert post.tracked(row) == ("delivered", [("mx.world.example:25 [192.0.2.1]", 250, "2.0.0 taken")])


def test_what_waited_before_the_start_is_sent(post: Post) -> None:
    ids = post.send("bob@world.example", "eve@other.example")
    post.dispatch()
    assert post.states(ids) == ["gone", "gone"]


def test_each_recipient_has_an_outcome_of_its_own(post: Post) -> None:
    post.host.answers["RCPT"] = ["250 2.1.5 ok", "550 5.1.1 unknown", "450 4.2.0 greylisted"]
    post.dispatch()
    ids = post.send("bob@world.example", "eve@world.example", "kim@world.example")
    assert post.states(ids) == ["gone", "failed", "queued"]
    assert [post.tracked(each)[0] for each in ids] == ["delivered", "bounced", "queued"]
    where = "mx.world.example:25 [192.0.2.1]"
    assert post.tracked(ids[1])[1] == [(where, 550, "5.1.1 unknown")]
    assert post.tracked(ids[2])[1] == [(where, 450, "4.2.0 greylisted")]


@pytest.mark.parametrize(
    "reply", ["421 4.3.2 going", "450 4.2.1 busy", "451 4.3.0 local", "452 4.2.2 full", "499 what"]
)
def test_a_4xx_is_tried_again_with_growing_delays(post: Post, reply: str) -> None:
    post.host.message = reply
    post.dispatch(retry=Retry(first=30, longest=200))
    (row,) = post.send("bob@world.example")
    waits = []
    for attempts in range(1, 7):
        found = post.row(row)
        assert found is not None
        assert (found["state"], found["attempts"]) == ("queued", attempts)
        waits.append((found["next_attempt"] - post.clock.now()) / SECOND)
        post.settle(waits[-1] + 1)
    for wait, full in zip(waits, [30, 60, 120, 200, 200, 200], strict=True):
        assert 0.8 * full - 1 <= wait <= full
    post.host.message = "250 2.0.0 taken"
    post.settle(201)
    assert post.states([row]) == ["gone"]


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "message"])
def test_a_5xx_at_any_stage_is_final(post: Post, stage: str) -> None:
    if stage == "message":
        post.host.message = "554 5.6.0 no"
    else:
        post.host.answers[stage] = "554 5.6.0 no"
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["failed"]
    assert post.tracked(row)[0] == "bounced"
    post.settle(7200, step=60)
    assert len([line for line in post.host.lines if line.startswith("MAIL")]) == 1


def test_it_is_given_up_after_its_time_and_told_with_the_last_reply(post: Post) -> None:
    post.host.message = "451 4.3.0 later"
    post.dispatch(retry=Retry(first=600, longest=3600))
    (row,) = post.send("bob@world.example", expires=2 * HOUR)
    post.settle(2 * 3600 - 10, step=10)
    assert post.states([row]) == ["queued"]
    post.settle(30)
    assert post.states([row]) == ["expired"]
    status, events = post.tracked(row)
    assert status == "bounced"
    assert events[-1][1:] == (451, "4.3.0 later")


def test_what_has_no_sender_to_be_told_has_failed_and_not_bounced(post: Post) -> None:
    post.host.message = "550 5.1.1 unknown"
    post.dispatch()
    (row,) = post.send("bob@world.example", sender="", kind="dsn")
    assert post.tracked(row)[0] == "failed"


def test_a_destination_that_hangs_holds_up_no_other(post: Post) -> None:
    post.dns.zone["slow.example"] = Deferred()  # a DNS server that says nothing, for ever
    post.dns.zone["mute.example"] = Exchanges((Exchange("mute.example", ("192.0.2.66",)),))
    post.at("192.0.2.66:25").greeting = SILENT
    post.dispatch()
    post.send("bob@slow.example")
    (mute,) = post.send("bob@mute.example")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["gone"]
    assert post.states([mute]) == ["claimed"]
    post.settle(61)
    assert post.states([mute]) == ["queued"]
    assert "did not answer within 60 s" in post.tracked(mute)[1][0][2]


def test_nonsense_instead_of_smtp_is_told_as_it_is(post: Post) -> None:
    post.host.greeting = "HTTP/1.1 400 Bad Request"
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["queued"]
    ((host, code, text),) = post.tracked(row)[1]
    assert (host, code) == ("mx.world.example:25", 0)
    assert "no SMTP reply" in text
    assert "HTTP/1.1 400" in text


def test_sessions_are_used_again_and_limited_per_host(post: Post) -> None:
    post.dispatch()
    for number in range(PORTION + 20):
        post.send(f"r{number}@d{number % 7}.example", text=str(number))
    names = {line for line in post.host.lines if line.startswith("EHLO")}
    assert names == {"EHLO us.example"}
    assert len(post.host.messages) == PORTION + 20
    assert len(post.host.wires) <= 7 * 4


def test_a_stop_lets_what_is_under_way_end_and_gives_the_rest_back(post: Post) -> None:
    post.host.message = SILENT
    dispatch = post.dispatch()
    ids = [post.send("bob@world.example", text=str(number))[0] for number in range(10)]
    under_way = [wire for wire in post.host.wires if wire.home.messages]
    assert under_way
    stopped = Deferred.fromCoroutine(dispatch.stop())
    post.settle(1)
    before = stopped.called
    for wire in post.host.wires:
        wire.say_late("250 2.0.0 taken")
    post.settle(1)
    assert (before, stopped.called) == (False, True)
    assert len(post.host.messages) == post.states(ids).count("gone")
    assert set(post.states(ids)) == {"gone", "queued"}
    assert all(found["token"] == 0 for each in ids if (found := post.row(each)))


def test_a_stop_waits_no_longer_than_it_may(post: Post) -> None:
    post.host.message = SILENT
    dispatch = post.dispatch()
    post.send("bob@world.example")
    stopped = Deferred.fromCoroutine(dispatch.stop())
    post.settle(8)
    assert stopped.called


@pytest.mark.sqlite
def test_what_a_process_that_died_had_claimed_is_sent_by_the_next(post: Post) -> None:
    post.host.message = SILENT
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["claimed"]
    post.host.message = "250 2.0.0 taken"
    post.dispatch()
    assert post.states([row]) == ["gone"]


def test_a_lease_is_kept_while_somebody_works(post: Post) -> None:
    answer: Deferred[Exchanges] = Deferred()
    post.dns.zone["slow.example"] = answer
    post.dispatch()
    (row,) = post.send("bob@slow.example")
    post.settle(1800, step=20)  # several leases
    assert post.states([row]) == ["claimed"]
    answer.callback(Exchanges((Exchange("mx.slow.example", ("192.0.2.1",)),)))
    post.settle()
    assert post.states([row]) == ["gone"]
    assert len(post.host.messages) == 1


def test_two_nodes_send_each_message_once(post: Post) -> None:
    for number in range(40):
        post.send(f"r{number}@world.example", text=str(number))
    post.dispatch()
    post.dispatch()
    for number in range(40, 80):
        post.send(f"r{number}@world.example", text=str(number))
    assert len(post.host.messages) == 80
    assert len(set(post.host.messages)) == 80


def test_mail_to_our_own_domain_waits_until_somebody_delivers_it(post: Post) -> None:
    post.dispatch()
    (row,) = post.send("bert@example.org")
    post.settle(30)
    assert post.states([row]) == ["queued"]
    assert post.row(row)["attempts"] == 0  # type: ignore[index]


def test_recipients_of_one_message_are_put_off_together(post: Post) -> None:
    post.host.message = "451 4.3.0 later"
    post.dispatch()
    ids = post.send(*[f"r{number}@world.example" for number in range(5)])
    assert len({post.row(each)["next_attempt"] for each in ids}) == 1  # type: ignore[index]


def test_who_waits_for_a_session_at_a_stop_is_given_back_untried(post: Post) -> None:
    post.host.message = SILENT
    dispatch = post.dispatch(route="smtp://192.0.2.1")
    ids = [post.send(f"bob@d{number}.example")[0] for number in range(12)]  # of a smarthost with 4 sessions
    assert post.states(ids) == ["claimed"] * 12
    stopped = Deferred.fromCoroutine(dispatch.stop())
    post.settle()
    assert sorted(post.states(ids)) == ["claimed"] * 4 + ["queued"] * 8
    assert {post.row(each)["attempts"] for each in ids} == {0}  # type: ignore[index]
    for wire in post.host.wires:
        wire.say_late("250 2.0.0 taken")
    post.settle(1)
    assert stopped.called
    assert sorted(post.states(ids)) == ["gone"] * 4 + ["queued"] * 8


def test_new_mail_for_a_destination_that_is_slow_goes_beside_what_hangs(post: Post) -> None:
    post.host.message = [SILENT, "250 2.0.0 taken"]
    post.dispatch()
    (slow,) = post.send("bob@world.example", text="1")
    (row,) = post.send("bob@world.example", text="2")
    assert post.states([slow, row]) == ["claimed", "gone"]


def test_an_outcome_is_written_when_the_store_can_again_and_nothing_is_sent_twice(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, fails = post.store.run_grouped, [Full("no room"), Temporary("away")]
    monkeypatch.setattr(
        post.store, "run_grouped", lambda work, item: fail(fails.pop()) if fails else together(work, item)
    )
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["claimed"]
    post.settle(11)
    assert post.states([row]) == ["gone"]
    assert len(post.host.messages) == 1


def test_mail_waits_for_a_store_that_is_away(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.dispatch()
    run, away = post.store.run, [True]
    with monkeypatch.context() as patch:
        patch.setattr(post.store, "run", lambda work, **more: fail(Temporary("away")) if away else run(work, **more))
        (row,) = post.send("bob@world.example")
        post.settle(20)
        assert post.host.messages == []
        away.clear()
        post.settle(6)
    assert post.states([row]) == ["gone"]


def test_what_a_wrong_clock_put_off_for_longer_than_any_try_is_sent(post: Post) -> None:
    post.host.message = "451 4.3.0 later"
    post.dispatch()
    post.clock.rightNow += 400 * 86400
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["queued"]
    post.clock.rightNow -= 400 * 86400  # set right
    post.host.message = "250 2.0.0 taken"
    again = post.dispatch()
    assert post.states([row]) == ["gone"]
    assert again


def test_nothing_expires_for_a_day_after_a_jump_of_the_clock(post: Post) -> None:
    post.host.message = "451 4.3.0 later"
    post.dispatch(retry=Retry(longest=3600))
    (row,) = post.send("bob@world.example")
    post.clock._start += 10 * 86400 * SECOND
    post.clock.jumped = post.clock.seconds()
    for _ in range(22):
        post.settle(3600)
    found = post.row(row)
    assert found is not None
    assert (found["state"], found["attempts"] > 20) == ("queued", True)
    for _ in range(4):
        post.settle(3600)
    assert post.states([row]) == ["expired"]
