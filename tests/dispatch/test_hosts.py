"""Which host a message goes to: MX hosts in their order, smarthosts, routes that demand TLS; and their faults."""

from __future__ import annotations

import pytest

from mpcontinuity.model.settings import Retry
from mpcontinuity.outbound.resolution import Exchange, Exchanges, Unresolved
from tests.dispatch.post import Post
from tests.outbound.wire import CLOSE


@pytest.mark.parametrize("greeting", ["554 5.7.1 not from you", "521 5.3.2 no mail here"])
def test_a_host_of_the_world_that_serves_nobody_like_us_is_final(post: Post, greeting: str) -> None:
    post.host.greeting = greeting
    post.dispatch()
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["failed"]


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
    assert post.tracked(row)[1][0][1:] == (
        (535, "5.7.8 wrong") if stage == "AUTH" else (550 if stage == "EHLO" else 554, "5.7.1 go away")
    )


def test_a_domain_has_a_route_of_its_own(post: Post) -> None:
    own = post.at("own.example:25")
    post.set(outbound_route="smtp://own.example")
    post.dispatch(route="smtp://smart.example")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["gone"]
    assert len(own.messages) == 1


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


def test_a_smarthost_that_knows_login_alone_is_logged_in_to(post: Post) -> None:
    smart = post.at("127.0.0.1:25")
    smart.answers |= {
        "EHLO": "250-smart\r\n250 AUTH=LOGIN",
        "AUTH": "334 VXNlcm5hbWU6",
        "bWU=": "334 UGFzc3dvcmQ6",
        "c2VjcmV0": "235 2.7.0 welcome",
    }
    post.dispatch(route="smtp://me:secret@127.0.0.1")
    (row,) = post.send("bob@world.example")
    assert post.states([row]) == ["gone"]
    assert smart.lines[1:4] == ["AUTH LOGIN", "bWU=", "c2VjcmV0"]
