"""What goes in one transaction, and what the next host has to offer for it."""

from __future__ import annotations

import pytest

from mpcontinuity.model.parameters import MailParameters
from tests.dispatch.post import Post


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


@pytest.mark.parametrize(
    ("own", "general", "host"),
    [
        ("", "mx", "192.0.2.1:25"),
        ("", "smtp://192.0.2.7", "192.0.2.7:25"),
        ("smtp://192.0.2.8", "smtp://192.0.2.7", "192.0.2.8:25"),
        ("smtp://127.0.0.1", "smtp://192.0.2.7", "192.0.2.7:25"),
        ("smtp://127.0.0.1:25", "smtp://127.0.0.1", "192.0.2.1:25"),
        ("smtp://127.0.0.1:587", "smtp://192.0.2.7", "127.0.0.1:587"),
    ],
)
def test_an_alert_never_goes_by_the_home_server_that_it_is_about(post: Post, own: str, general: str, host: str) -> None:
    post.set(outbound_route=own)
    taken = post.at(host)
    post.dispatch(route=general)
    (row,) = post.send("bob@world.example", kind="alert", sender="")
    assert post.states([row]) == ["gone"]
    assert len(taken.messages) == 1


def test_an_alert_that_a_smarthost_does_not_take_is_tried_at_the_mx(post: Post) -> None:
    post.at("192.0.2.7:25").answers["MAIL"] = "451 4.3.2 not now"
    post.dispatch(route="smtp://192.0.2.7")
    (row,) = post.send("bob@world.example", kind="alert", sender="")
    assert post.states([row]) == ["queued"]
    post.settle(60)
    assert post.states([row]) == ["gone"]
    assert len(post.host.messages) == 1
