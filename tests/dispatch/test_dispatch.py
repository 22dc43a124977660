"""Rows of `outgoing` on their way: what becomes of them, when they are tried again, and what the world sees."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.dispatch.lane import PORTION
from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.settings import Retry
from mpcontinuity.outbound.resolution import Exchange, Exchanges, Unresolved
from tests.dispatch.post import Post
from tests.outbound.wire import CLOSE, SILENT


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


def test_recipients_of_one_domain_share_a_transaction_and_others_do_not(post: Post) -> None:
    post.dispatch()
    post.send("bob@world.example", "eve@world.example", "kim@other.example")
    assert len(post.host.messages) == 2
    assert [line for line in post.host.lines if line.startswith("MAIL")] == ["MAIL FROM:<anna@example.org> SIZE=21"] * 2


def test_more_recipients_than_every_server_takes_are_sent_in_parts(post: Post) -> None:
    post.dispatch()
    ids = post.send(*[f"r{number}@world.example" for number in range(101)])
    assert len(post.host.messages) == 2
    assert set(post.states(ids)) == {"gone"}


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


@pytest.mark.parametrize("greeting", ["554 5.7.1 not from you", "521 5.3.2 no mail here"])
def test_a_host_of_the_world_that_serves_nobody_like_us_is_final(post: Post, greeting: str) -> None:
    post.host.greeting = greeting
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["failed"]


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


def test_the_next_mx_is_tried_first(post: Post) -> None:
    post.dns.zone["world.example"] = Exchanges(
        (Exchange("one.example", ("192.0.2.7", "192.0.2.8")), Exchange("two.example", ("192.0.2.9",)))
    )
    post.at("192.0.2.7:25").connecting = "refused"
    post.at("192.0.2.8:25").answers["EHLO"] = "451 4.3.2 not now"
    post.at("192.0.2.9:25")
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.network.connected == ["192.0.2.7:25", "192.0.2.8:25", "192.0.2.9:25"]
    assert post.tracked(row) == ("delivered", [("two.example:25 [192.0.2.9]", 250, "2.0.0 taken")])


def test_recipients_whom_the_first_mx_puts_off_are_offered_to_the_next(post: Post) -> None:
    post.dns.zone["world.example"] = Exchanges(
        (Exchange("one.example", ("192.0.2.7",)), Exchange("two.example", ("192.0.2.9",)))
    )
    post.at("192.0.2.7:25").answers["RCPT"] = ["250 ok", "451 4.7.1 greylisted", "550 5.1.1 unknown"]
    post.at("192.0.2.9:25")
    post.dispatch()
    ids = post.send("bob@world.example", "eve@world.example", "kim@world.example")
    assert post.states(ids) == ["gone", "gone", "failed"]
    assert [line for line in post.at("192.0.2.9:25").lines if line.startswith("RCPT")] == [
        "RCPT TO:<eve@world.example>"
    ]


def test_what_the_first_mx_said_is_told_where_the_next_cannot_be_reached(post: Post) -> None:
    post.dns.zone["world.example"] = Exchanges(
        (Exchange("one.example", ("192.0.2.7",)), Exchange("two.example", ("192.0.2.9",)))
    )
    post.at("192.0.2.7:25").answers["RCPT"] = "451 4.7.1 greylisted"
    post.at("192.0.2.9:25").connecting = "refused"
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.tracked(row)[1] == [("one.example:25 [192.0.2.7]", 451, "4.7.1 greylisted")]


def test_a_message_that_may_have_arrived_is_not_given_to_the_next_mx(post: Post) -> None:
    post.dns.zone["world.example"] = Exchanges(
        (Exchange("one.example", ("192.0.2.7",)), Exchange("two.example", ("192.0.2.9",)))
    )
    post.at("192.0.2.7:25").message = CLOSE
    post.at("192.0.2.9:25")
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["queued"]
    assert post.at("192.0.2.9:25").wires == []


@pytest.mark.parametrize(
    ("found", "state", "event"),
    [
        (
            Unresolved(True, "5.1.10", "world.example takes no mail"),
            "failed",
            (556, "5.1.10 world.example takes no mail"),
        ),
        (
            Unresolved(True, "5.1.2", "world.example does not exist"),
            "failed",
            (550, "5.1.2 world.example does not exist"),
        ),
        (Unresolved(False, "4.4.3", "DNS did not answer"), "queued", (451, "4.4.3 DNS did not answer")),
    ],
)
def test_what_dns_says_is_final_or_passing(post: Post, found: Unresolved, state: str, event: tuple[int, str]) -> None:
    post.dns.zone["world.example"] = found
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == [state]
    assert post.tracked(row)[1] == [("", *event)]


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


def test_a_host_that_is_away_costs_its_timeout_once_and_not_each_message(post: Post) -> None:
    post.host.connecting = "timeout"
    post.dispatch(retry=Retry(first=600, longest=3600))
    ids = [post.send("bob@world.example", text=str(number))[0] for number in range(20)]
    post.settle(31)
    assert set(post.states(ids)) == {"queued"}
    assert len(post.network.connected) <= 4
    assert all("no connection to mx.world.example:25" in post.tracked(each)[1][0][2] for each in ids)
    post.host.connecting = ""
    post.settle(700, step=10)
    assert set(post.states(ids)) == {"gone"}


def test_a_smarthost_gets_everything_with_name_and_password(post: Post) -> None:
    smart = post.at("smart.example:2525")
    smart.answers["EHLO"] = "250-smart\r\n250-STARTTLS\r\n250-DSN\r\n250 AUTH LOGIN PLAIN"
    smart.answers["AUTH"] = "235 2.7.0 welcome"
    post.dispatch(route="smtp://me:p%40ss@smart.example:2525")
    ids = post.send("bob@world.example", "eve@other.example")
    assert post.states(ids) == ["gone", "gone"]
    assert post.network.verified == [False] * len(smart.wires)
    assert "AUTH PLAIN AG1lAHBAc3M=" in smart.lines
    assert smart.lines.index("(TLS)") < smart.lines.index("AUTH PLAIN AG1lAHBAc3M=")


def test_a_password_is_not_sent_in_the_clear(post: Post) -> None:
    smart = post.at("smart.example:25")
    smart.answers["EHLO"] = "250-smart\r\n250 AUTH LOGIN PLAIN"
    post.dispatch(route="smtp://me:secret@smart.example")
    (row,) = post.send("bob@world.example")
    assert not [line for line in smart.lines if line.startswith("AUTH")]
    assert post.states([row]) == ["queued"]
    assert "does not offer STARTTLS" in post.tracked(row)[1][0][2]


@pytest.mark.parametrize("stage", ["AUTH", "EHLO", "greeting"])
def test_a_smarthost_that_does_not_want_us_fails_no_mail(post: Post, stage: str) -> None:
    smart = post.at("127.0.0.1:25")
    smart.answers["EHLO"] = "250-smart\r\n250 AUTH PLAIN"
    smart.answers["AUTH"] = "535 5.7.8 wrong"
    if stage == "greeting":
        smart.greeting = "554 5.7.1 go away"
    elif stage == "EHLO":
        smart.answers["EHLO"] = smart.answers["HELO"] = "550 5.7.1 go away"
    post.dispatch(route="smtp://me:secret@127.0.0.1")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["queued"]


def test_a_domain_has_a_route_of_its_own(post: Post) -> None:
    own = post.at("own.example:25")
    post.set(outbound_route="smtp://own.example")
    post.dispatch(route="smtp://smart.example")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["gone"]
    assert len(own.messages) == 1


def test_what_the_sender_wants_to_hear_is_passed_on_where_offered(post: Post) -> None:
    post.host.answers["EHLO"] = "250-host\r\n250 DSN"
    post.dispatch()
    asked = MailParameters(ret="HDRS", envid="e1")
    (row,) = post.send("bob@world.example", notify="SUCCESS,FAILURE", mail=asked)
    assert "MAIL FROM:<anna@example.org> RET=HDRS ENVID=e1" in post.host.lines
    assert "RCPT TO:<bob@world.example> NOTIFY=SUCCESS,FAILURE" in post.host.lines
    assert post.states([row]) == ["gone"]


def test_success_is_ours_to_report_where_the_next_host_does_not_offer_dsn(post: Post) -> None:
    post.dispatch()
    (row,) = post.send("bob@world.example", notify="SUCCESS")
    found = post.row(row)
    assert found is not None
    assert found["unreported"] == 1
    assert post.tracked(row)[0] == "delivered"


def test_a_stop_lets_what_is_under_way_end_and_gives_the_rest_back(post: Post) -> None:
    post.host.message = SILENT
    dispatch = post.dispatch()
    ids = [post.send("bob@world.example", text=str(number))[0] for number in range(10)]
    under_way = [wire for wire in post.host.wires if wire.home.messages]
    assert under_way
    stopped = Deferred.fromCoroutine(dispatch.stop())
    post.settle(1)
    assert not stopped.called
    for wire in post.host.wires:
        wire.say_late("250 2.0.0 taken")
    post.settle(1)
    assert stopped.called
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
    post.dns.zone["slow.example"] = answer = Deferred()
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


def test_a_route_may_demand_tls_or_a_certificate(post: Post) -> None:
    post.dispatch(route="mx?tls=required")
    (row,) = post.send("bob@world.example")
    assert post.host.messages == []
    assert "does not offer STARTTLS, which the route demands" in post.tracked(row)[1][0][2]
    post.host.answers["EHLO"] = "250-host\r\n250 STARTTLS"
    post.settle(31)
    assert post.states([row]) == ["gone"]
    assert post.network.verified == [False]


def test_a_certificate_is_looked_at_where_the_route_says_so(post: Post) -> None:
    post.host.answers["EHLO"] = "250-host\r\n250 STARTTLS"
    post.dispatch(route="mx?tls=verify")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["gone"]
    assert post.network.verified == [True]


def test_tls_from_the_first_octet_on(post: Post) -> None:
    smart = post.at("smart.example:465")
    post.dispatch(route="smtps://smart.example")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["gone"]
    assert smart.lines[:2] == ["(TLS)", "EHLO us.example"]


def test_mail_rcpt_and_data_go_in_one_write_and_the_message_in_another(post: Post) -> None:
    post.dispatch()
    post.send("bob@world.example", "eve@world.example")
    (wire,) = post.host.wires
    assert [write.count(b"\r\n") for write in wire.writes] == [1, 4, 4]


def test_without_pipelining_a_data_follows_only_where_somebody_was_taken(post: Post) -> None:
    post.host.answers["EHLO"] = "250 host"
    post.host.answers["RCPT"] = "550 5.1.1 unknown"
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["failed"]
    assert "DATA" not in post.host.lines


@pytest.mark.parametrize("careless", [False, True])
def test_a_session_in_which_nobody_was_taken_is_used_again(post: Post, careless: bool) -> None:
    post.host.careless = careless
    post.host.answers["RCPT"] = ["550 5.1.1 unknown", "250 2.1.5 ok"]
    post.dispatch()
    first = post.send("bob@world.example")
    second = post.send("eve@world.example")
    assert post.states(first + second) == ["failed", "gone"]
    assert len(post.host.wires) == 1
    assert post.host.messages == [b"Subject: x\r\n\r\nHello\r\n"] if not careless else True


UTF8 = MailParameters(smtputf8=True)


def test_an_address_that_needs_smtputf8_goes_only_where_it_is_offered(post: Post) -> None:
    post.dispatch()
    (row,) = post.send("jörg@world.example", mail=UTF8)
    assert post.states([row]) == ["failed"]
    assert post.tracked(row)[1][0][1:] == (553, "5.6.7 The next host does not take addresses with non-ASCII characters")
    post.host.answers["EHLO"] = "250-host\r\n250 SMTPUTF8"
    post.settle(31)  # sessions that are idle end
    (row,) = post.send("jörg@world.example", mail=UTF8)
    assert post.states([row]) == ["gone"]
    assert "MAIL FROM:<anna@example.org> SMTPUTF8" in post.host.lines


def test_a_header_in_utf8_goes_only_where_smtputf8_is_offered(post: Post) -> None:
    post.dispatch()
    (row,) = post.send("bob@world.example", mail=UTF8, subject="Grüße")
    assert post.states([row]) == ["failed"]
    assert post.tracked(row)[1][0][1:] == (553, "5.6.7 The next host does not take a header in UTF-8")


def test_what_does_not_need_smtputf8_goes_everywhere(post: Post) -> None:
    post.dispatch()
    ids = post.send("bob@world.example", mail=UTF8, text="Grüße") + post.send("bob@bücher.example", mail=UTF8)
    assert post.states(ids) == ["gone", "gone"]
    assert "RCPT TO:<bob@xn--bcher-kva.example>" in post.host.lines


@pytest.mark.parametrize("refusal", ["452 4.5.3 too many recipients", "452 too many", "552 5.5.3 too many"])
def test_recipients_beyond_what_one_transaction_takes_follow_at_once(post: Post, refusal: str) -> None:
    post.host.answers["RCPT"] = ["250 ok", "250 ok", refusal, refusal, refusal, "250 ok", "250 ok", refusal, "250 ok"]
    post.dispatch()
    ids = post.send(*[f"r{number}@world.example" for number in range(5)])
    assert set(post.states(ids)) == {"gone"}
    assert len(post.host.messages) == 3
    assert len(post.host.wires) == 1


def test_a_full_mailbox_is_no_matter_of_too_many(post: Post) -> None:
    post.host.answers["RCPT"] = ["250 ok", "452 4.2.2 mailbox full"]
    post.dispatch()
    ids = post.send("bob@world.example", "eve@world.example")
    assert post.states(ids) == ["gone", "queued"]
    assert len(post.host.messages) == 1


def test_a_limit_of_recipients_that_is_told_is_kept(post: Post) -> None:
    post.host.answers["EHLO"] = "250-host\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2"
    post.dispatch()
    post.send("first@world.example")
    ids = post.send(*[f"r{number}@world.example" for number in range(5)])
    assert set(post.states(ids)) == {"gone"}
    counts = [write.count(b"RCPT") for wire in post.host.wires for write in wire.writes if b"MAIL" in write]
    assert counts == [1, 2, 2, 1]


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


REFUSES, FALTERS, AWAY, TAKES = "554 5.7.1 not you", "421 4.3.2 not now", "refused", "220 mx"


@pytest.mark.parametrize(
    ("first", "second", "state", "text"),
    [
        (REFUSES, REFUSES, "failed", "not you"),
        (REFUSES, FALTERS, "queued", "not now"),
        (FALTERS, REFUSES, "queued", "not now"),
        (REFUSES, AWAY, "queued", "no connection to two.example:25"),
        (AWAY, REFUSES, "queued", "no connection to one.example:25"),
        (FALTERS, AWAY, "queued", "not now"),
        (AWAY, FALTERS, "queued", "not now"),
        (AWAY, AWAY, "queued", "no connection to one.example:25"),
        (REFUSES, TAKES, "gone", ""),
        (AWAY, TAKES, "gone", ""),
    ],
)
def test_it_fails_only_where_every_host_refuses(post: Post, first: str, second: str, state: str, text: str) -> None:
    post.dns.zone["world.example"] = Exchanges(
        (Exchange("one.example", ("192.0.2.7",)), Exchange("two.example", ("192.0.2.9",)))
    )
    for place, greeting in (("192.0.2.7:25", first), ("192.0.2.9:25", second)):
        host = post.at(place)
        if greeting == AWAY:
            host.connecting = "refused"
        else:
            host.greeting = greeting
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == [state]
    assert text in post.tracked(row)[1][0][2]
