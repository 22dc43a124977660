"""Port 587 as a client sees it, and what is there once 250 was said."""

from __future__ import annotations

import base64
import re

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.delivery.answered import PATIENCE
from mpcontinuity.door.authenticating import WRONG_PASSWORDS
from mpcontinuity.model.address import parse
from mpcontinuity.model.flags import SEEN
from mpcontinuity.model.reply import Stage
from mpcontinuity.model.settings import Limits
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.listing import TrackRow
from tests.delivery.conftest import Post
from tests.delivery.homes import refused
from tests.fakes.scram import ScramClient
from tests.fakes.stores import result
from tests.inbound.desk import QUOTA, Desk, transaction

ANN, BOB, WORLD = "ann@example.org", "bob@example.org", "eve@world.example"


@pytest.fixture
def desk(post: Post) -> Desk:
    return Desk(post)


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


FILL = Statement("UPDATE mailbox SET octets = :octets WHERE account = :account AND name = 'Archive'")


def fill(desk: Desk, octets: int) -> None:
    """The mailboxes of ann, as far as their counters say."""
    result(desk.post.store.run(lambda tx: tx.run(FILL, octets=octets, account=found(tx).id)))


def found(tx: Transaction) -> users.User:
    user = users.find(tx, parse(ANN))
    assert user is not None
    return user


# AUTH


def test_nothing_is_taken_without_auth_and_no_password_without_tls(desk: Desk) -> None:
    client = desk.connect(host="192.0.2.7")
    assert client.say("MAIL FROM:<ann@example.org>") == "530 5.7.0 Must issue a STARTTLS command first\r\n"
    assert client.say(f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'secret')}").startswith("538 5.7.11")
    assert "AUTH" not in client.say("EHLO pc.example")


def test_after_tls_auth_is_offered_and_required(desk: Desk) -> None:
    client = desk.connect(host="192.0.2.7")
    client.say("STARTTLS")
    offered = client.say("EHLO pc.example")
    assert "250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n" in offered
    assert "STARTTLS" not in offered
    assert client.say("MAIL FROM:<ann@example.org>") == "530 5.7.0 Authentication required\r\n"
    assert client.say(f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'secret')}").startswith("235 2.7.0")


def test_login_that_outlook_asks_for(desk: Desk) -> None:
    client = desk.connect()
    assert client.say("AUTH LOGIN") == f"334 {encoded('Username:')}\r\n"
    assert client.say(encoded(ANN)) == f"334 {encoded('Password:')}\r\n"
    assert client.say(encoded("secret")) == "235 2.7.0 Authentication successful\r\n"
    assert client.say("MAIL FROM: <ann@example.org>").startswith("250")  # with Outlook's blank


def test_scram(desk: Desk) -> None:
    desk.logged_in()  # makes the keys
    client, scram = desk.connect(), ScramClient(ANN, "secret")
    challenge = base64.b64decode(client.say(f"AUTH SCRAM-SHA-256 {encoded(scram.first)}")[4:])
    final = base64.b64decode(client.say(encoded(scram.final(challenge)))[4:])
    assert scram.knows(final)
    assert client.say("") == "235 2.7.0 Authentication successful\r\n"


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["AUTH PLAIN !!!"], "501 5.5.2"),
        (["AUTH PLAIN bm9udWxz"], "501 5.5.2"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        ([f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'wrong')}"], "535 5.7.8"),
        ([f"AUTH PLAIN {encoded(chr(0) + 'nobody@x.example' + chr(0) + 'secret')}"], "535 5.7.8"),
        ([f"AUTH PLAIN {encoded(BOB + chr(0) + ANN + chr(0) + 'secret')}"], "535 5.7.8"),
    ],
)
def test_who_does_not_get_in_is_told_so_and_may_try_again(desk: Desk, lines: list[str], reply: str) -> None:
    client = desk.connect()
    for line in lines:
        answer = client.say(line)
    assert answer.startswith(reply)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530")
    assert client.say(f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'secret')}").startswith("235")


def test_after_some_wrong_passwords_the_connection_ends(desk: Desk) -> None:
    client = desk.connect()
    for _ in range(WRONG_PASSWORDS - 1):
        assert client.say(f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'wrong')}").startswith("535")
    assert client.say(f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'wrong')}").startswith("421")
    assert client.wire.disconnecting


def test_starttls_forgets_who_had_logged_in(desk: Desk) -> None:
    client = desk.logged_in()
    client.say("STARTTLS")
    client.say("EHLO pc.example")
    assert client.say("MAIL FROM:<ann@example.org>").startswith("530")


def test_who_is_deactivated_meanwhile_sends_no_more(desk: Desk) -> None:
    """At another process, which does not end the connections here."""
    client = desk.logged_in()
    desk.port587.connections.clear()
    result(desk.post.store.run(lambda tx: users.deactivate(tx, found(tx))))
    assert client.say("MAIL FROM:<ann@example.org>").startswith("535 5.7.8")


def test_who_is_deactivated_meanwhile_is_sent_away(desk: Desk) -> None:
    client = desk.logged_in()
    result(desk.post.store.run(lambda tx: users.deactivate(tx, found(tx))))
    assert client.read() == "421 4.7.0 The account was closed\r\n"
    assert client.wire.disconnecting


def test_who_has_filled_more_than_their_mailbox_sends_no_more_until_there_is_room(desk: Desk) -> None:
    client = desk.logged_in()
    desk.submissions.storage.limits = Limits(user_storage=1000)
    fill(desk, 1125)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("250")
    client.say("RSET")
    fill(desk, 1126)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("452 4.2.2 Your mailbox is full")


def test_where_the_domain_is_an_eighth_over_its_quota_nobody_sends(desk: Desk) -> None:
    desk.post.set(total_quota=1000)
    client = desk.logged_in()
    fill(desk, 1125)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("250")
    client.say("RSET")
    fill(desk, 1126)
    desk.post.clock.advance(5)
    assert client.say("MAIL FROM:<ann@example.org>").startswith("452 4.2.2 The mailboxes of your domain are full")


# Senders


@pytest.mark.parametrize("sender", [ANN, "ANN@Example.ORG", "ann+news@example.org", "annie@example.org", ""])
def test_own_addresses_tags_aliases_and_the_null_sender_are_taken(desk: Desk, sender: str) -> None:
    result(desk.post.store.run(lambda tx: users.add_alias(tx, found(tx), parse("annie@example.org"))))
    assert desk.logged_in().say(f"MAIL FROM:<{sender}>").startswith("250")


@pytest.mark.parametrize("sender", [BOB, "eve@world.example", "nobody@example.org"])
def test_anothers_address_is_refused_and_tracked(desk: Desk, sender: str) -> None:
    assert desk.logged_in().say(f"MAIL FROM:<{sender}>") == "553 5.7.1 The sender must be an address of yours\r\n"
    row = desk.post.track()[-1]
    assert (row.direction, row.status, row.sender, row.code) == ("outbound", "rejected", sender, 553)


@pytest.mark.parametrize(
    "field", [f"From: {BOB}", f"From: {ANN}, {BOB}", f"From: {ANN}\nFrom: {BOB}", "From: nobody", "From : x@y.example"]
)
def test_another_author_is_refused(desk: Desk, field: str) -> None:
    assert desk.send(WORLD, header=field).startswith("553 5.7.1 The field From")
    assert desk.outgoing() == []
    assert desk.folder(ANN, "Sent") == []
    assert desk.post.count("archive") == 0


# What 250 promises


def test_one_message_is_outgoing_in_sent_archived_tracked_and_owed(desk: Desk) -> None:
    header = f"From: Ann <{ANN}>\nTo: {WORLD}\nSubject: Hello\nMessage-ID: <1@pc.example>"
    assert desk.send(WORLD, BOB, header=header).startswith("250 2.0.0")
    assert desk.outgoing() == [
        (ANN, WORLD, "world.example", "queued"),
        (ANN, BOB, "example.org", "queued"),
    ]
    ((body, flags),) = desk.folder(ANN, "Sent")
    assert flags == SEEN
    assert desk.post.rows("SELECT direction, sender, recipients, subject, message_id, body FROM archive") == [
        ("outbound", ANN, f'["{WORLD}","{BOB}"]', "Hello", "<1@pc.example>", body)
    ]
    assert desk.post.rows("SELECT kind, recipient, reverse_path, body, state FROM owed") == [
        ("sent", ANN, "", body, "owed")
    ]
    assert [shown(row) for row in desk.post.track()] == [
        ("outbound", WORLD, "queued", None),
        ("outbound", BOB, "queued", None),
        ("redelivery", ANN, "queued", "owed"),
    ]


def shown(row: TrackRow) -> tuple[object, ...]:
    return row.direction, row.recipient, row.status, row.outcome or None


def test_a_refused_message_leaves_nothing(desk: Desk) -> None:
    client = desk.logged_in()
    client.say(f"MAIL FROM:<{ANN}>", f"RCPT TO:<{WORLD}>", "DATA")
    client.say("Subject: x")
    client.vanish()
    assert [desk.post.count(table) for table in ("outgoing", "archive", "owed", "entry", "body", "sent")] == [0] * 6


def test_date_message_id_and_author_are_added_where_they_are_missing(desk: Desk) -> None:
    desk.send(WORLD, header="Subject: bare")
    ((body, _),) = desk.folder(ANN, "Sent")
    content = desk.content(int(str(body)), leaving=True).decode()
    assert re.match(
        r"Received: by mx\.example\.org \(mpcontinuity\) with ESMTPA id [0-9a-z]{13}\r\n"
        r"\tfor <eve@world\.example>; [^\r]+\r\n"
        r"From: <ann@example\.org>\r\nDate: [^\r]+\r\nMessage-ID: <[0-9a-z]{13}@mx\.example\.org>\r\n"
        r"Subject: bare\r\n\r\nText\r\n$",
        content,
    )


def test_bcc_stays_in_sent_and_does_not_leave(desk: Desk) -> None:
    header = f"From: {ANN}\nBcc: {BOB},\n hidden@world.example\nSubject: x\nMessage-ID: <1@pc.example>\nDate: today"
    desk.send(WORLD, header=header)
    ((body, _),) = desk.folder(ANN, "Sent")
    assert b"Bcc: bob@example.org,\r\n hidden@world.example\r\n" in desk.content(int(str(body)))
    leaving = desk.content(int(str(body)), leaving=True)
    assert leaving.startswith(b"Received: ")
    assert b"hidden" not in leaving


def test_bare_line_ends_are_put_right(desk: Desk) -> None:
    client = desk.logged_in()
    client.say(f"MAIL FROM:<{ANN}>", f"RCPT TO:<{WORLD}>", "DATA")
    client.send(b"Subject: x\nDate: today\n\none\rtwo\n.\nthree\r\n.\r\n")
    assert client.read().startswith("250")
    ((body, _),) = desk.folder(ANN, "Sent")
    assert desk.content(int(str(body))).endswith(b"Subject: x\r\nDate: today\r\n\r\none\r\ntwo\r\n.\r\nthree\r\n")


def test_bare_line_ends_in_bdat_are_put_right_too(desk: Desk) -> None:
    client = desk.logged_in()
    content = b"Subject: x\nDate: today\n\none\rtwo"
    client.say(f"MAIL FROM:<{ANN}>", f"RCPT TO:<{WORLD}>")
    client.send(b"BDAT %d\r\n%b" % (len(content), content))
    client.send(b"BDAT 6 LAST\r\nthree\n")
    assert client.read().splitlines()[-1].startswith("250 2.0.0")
    ((body, _),) = desk.folder(ANN, "Sent")
    assert desk.content(int(str(body))).endswith(b"Subject: x\r\nDate: today\r\n\r\none\r\ntwothree\r\n")


def test_a_message_that_comes_again_and_again_is_refused(desk: Desk) -> None:
    ours = "Received: from a ([192.0.2.1])\n by mx.example.org (mpcontinuity) with ESMTPA id 0123456789abc; today\n"
    assert desk.send(WORLD, header=2 * ours + "Subject: x").startswith("250")
    assert desk.send(WORLD, header=3 * ours + "Subject: y").startswith("554 5.4.6")


def test_what_a_user_submitted_that_comes_again_and_again_is_refused_too(desk: Desk) -> None:
    """Its Received field says nothing of where the user is; it is ours all the same."""
    content = ""
    for _ in range(3):
        assert desk.send(WORLD, header=content + "Subject: x").startswith("250")
        body, _ = desk.folder(ANN, "Sent")[-1]
        leaving = desk.content(int(str(body)), leaving=True).decode()
        assert "198.51.100.9" not in leaving
        assert "pc.example" not in leaving
        content = "".join(re.findall(r"Received: [^\r]+\r\n\t[^\r]+\r\n", leaving)).replace("\r\n", "\n")
    assert desk.send(WORLD, header=content + "Subject: x").startswith("554 5.4.6")


def test_the_user_as_a_recipient_gets_no_copy_by_way_of_home(desk: Desk) -> None:
    desk.send(WORLD, "ann+me@example.org")
    assert desk.post.count("owed") == 0
    assert len(desk.folder(ANN, "Sent")) == 1


def test_a_domain_that_wants_no_copies_is_owed_none(desk: Desk) -> None:
    desk.post.set(sent_to_home=False)
    desk.send(WORLD)
    assert desk.post.count("owed") == 0
    assert len(desk.folder(ANN, "Sent")) == 1


def test_a_domain_that_archives_nothing_has_the_copy_in_sent(desk: Desk) -> None:
    desk.post.set(retention_days=0)
    desk.send(WORLD)
    assert desk.post.count("archive") == 0
    assert len(desk.folder(ANN, "Sent")) == 1


def test_the_same_message_again_after_a_lost_answer_is_not_sent_twice(desk: Desk) -> None:
    lines = [f"From: {ANN}", "Message-ID: <1@pc.example>", "", "Text"]
    client = desk.logged_in()
    assert transaction(client, ANN, WORLD, lines=lines).startswith("250")
    client.vanish()
    again = desk.logged_in()
    assert transaction(again, ANN, WORLD, BOB, lines=lines).startswith("250")
    assert [row[1] for row in desk.outgoing()] == [WORLD, BOB]
    assert len(desk.folder(ANN, "Sent")) == 1
    assert desk.post.count("owed") == 1


def test_one_message_in_two_transactions_is_in_sent_once(desk: Desk) -> None:
    header = f"From: {ANN}\nMessage-ID: <1@pc.example>"
    desk.send(WORLD, header=header)
    desk.send("other@world.example", header=header)
    assert len(desk.outgoing()) == 2
    assert len(desk.folder(ANN, "Sent")) == 1


def test_a_user_writes_to_so_many_in_an_hour(desk: Desk) -> None:
    for number in range(QUOTA):
        assert desk.send(f"u{number}@world.example").startswith("250")
    assert desk.send(WORLD).startswith("450 4.7.1")
    assert desk.logged_in(BOB).say(f"MAIL FROM:<{BOB}>", f"RCPT TO:<{WORLD}>").count("250") == 2
    desk.post.clock.advance(3660)
    assert desk.send(WORLD).startswith("250")


def test_what_was_not_sent_does_not_count(desk: Desk) -> None:
    for _ in range(QUOTA):
        client = desk.logged_in()
        client.say(f"MAIL FROM:<{ANN}>", f"RCPT TO:<{WORLD}>", "RSET")
        assert desk.send(WORLD, header=f"From: {BOB}").startswith("553")
    assert desk.send(WORLD).startswith("250")


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("a%b@example.org", "550 5.1.3"),
        ("somebody@mx.example.org", "550 5.1.1"),
        ("not an address", "501"),
    ],
)
def test_recipients_that_cannot_be(desk: Desk, recipient: str, reply: str) -> None:
    assert desk.send(recipient).startswith(reply)


def test_the_postmaster_of_this_host_is_kept_for_the_administrators(desk: Desk) -> None:
    assert desk.send("postmaster@mx.example.org").startswith("250")
    assert desk.outgoing() == []
    assert shown(desk.post.track()[0]) == ("outbound", "postmaster@mx.example.org", "delivered", None)
    assert desk.post.count("archive") == 1


def test_a_domain_of_other_letters_is_asked_for_by_its_ascii_name(desk: Desk) -> None:
    client = desk.logged_in()
    client.send("MAIL FROM:<ann@example.org> SMTPUTF8\r\nRCPT TO:<j@bücher.example>\r\nDATA\r\n".encode())
    client.say("Subject: x", "", "Text", ".")
    assert desk.outgoing() == [(ANN, "j@bücher.example", "xn--bcher-kva.example", "queued")]


# Port 25


def test_port_25_takes_mail_from_outside_and_submission_after_auth(desk: Desk) -> None:
    client = desk.connect(desk.port25)
    assert client.say("MAIL FROM:<eve@world.example>", f"RCPT TO:<{ANN}>").count("250") == 2
    client.say("RSET")
    assert client.say("MAIL FROM:<eve@world.example>", f"RCPT TO:<{WORLD}>").splitlines()[1].startswith("550 5.7.1")
    client.say("RSET", f"AUTH PLAIN {encoded(chr(0) + ANN + chr(0) + 'secret')}")
    assert transaction(client, ANN, WORLD, lines=["Subject: x", "", "Text"]).startswith("250")
    assert len(desk.outgoing()) == 1


# To our own domains


def test_home_gets_it_first_while_it_serves(desk: Desk) -> None:
    desk.send(BOB, "unknown@example.org")
    attempts = desk.deliver_to_ours()
    assert [(one.outcome.verdict.value, one.ours) for one in attempts] == [("accepted", False)] * 2
    assert desk.post.inbox(BOB) == []
    assert [to for _, _, to in desk.post.home.received] == [[BOB, "unknown@example.org"]]


def test_in_an_outage_users_have_it_at_once_and_others_are_owed_it(desk: Desk) -> None:
    desk.post.home.decision = Gate.SHUT
    desk.send(BOB, "unknown@example.org", header="Bcc: hidden@world.example")
    attempts = desk.deliver_to_ours()
    assert [(one.outcome.verdict.value, one.ours) for one in attempts] == [("accepted", True), ("accepted", False)]
    ((body, _),) = desk.post.inbox(BOB)
    assert b"hidden" not in desk.content(int(str(body)))
    assert desk.content(int(str(body))).startswith(b"Return-Path: <ann@example.org>\r\nReceived: ")
    assert desk.post.owed() == [
        (ANN, True, "owed"),  # the copy of what she sent
        (BOB, True, "owed"),
        ("unknown@example.org", False, "owed"),
    ]


def test_what_was_put_into_inbox_and_not_noted_is_not_put_there_twice(desk: Desk) -> None:
    desk.post.home.decision = Gate.SHUT
    desk.send(BOB)
    assert [one.ours for one in desk.deliver_to_ours()] == [True]
    desk.give_back()  # as after a kill between the two transactions
    desk.post.clock.advance(PATIENCE + 1)
    assert [one.ours for one in desk.deliver_to_ours()] == [True]
    assert len(desk.post.inbox(BOB)) == 1
    assert desk.post.owed().count((BOB, True, "owed")) == 1


def test_homes_refusal_of_a_recipient_is_its_own(desk: Desk) -> None:
    desk.post.home.recipients["unknown@example.org"] = refused(Stage.RCPT)
    desk.send(BOB, "unknown@example.org")
    attempts = desk.deliver_to_ours()
    assert [one.outcome.verdict.value for one in attempts] == ["accepted", "refused"]
    assert [row.direction for row in desk.post.track()].count("inbound") == 1  # the refusal is the outgoing row's


def test_of_what_is_owed_it_is_known_whether_its_sender_had_logged_in(desk: Desk) -> None:
    """Else whoever writes a user's address into the envelope would have reports sent to them."""
    desk.post.home.decision = Gate.SHUT
    desk.send(BOB)
    desk.deliver_to_ours()
    assert desk.post.send(BOB, sender=ANN).code == 250
    parameters = desk.post.rows("SELECT parameters FROM owed WHERE reverse_path <> '' ORDER BY id")
    assert ["submitted" in str(text) for (text,) in parameters] == [True, False]


def test_a_success_within_our_domains_is_told_once(desk: Desk) -> None:
    """By the outgoing row, not by what handed it to home as well."""
    client = desk.logged_in()
    client.say(f"MAIL FROM:<{ANN}>", f"RCPT TO:<{BOB}> NOTIFY=SUCCESS", "DATA")
    assert client.say("Subject: x", "", "Text", ".").startswith("250")
    desk.deliver_to_ours()
    assert desk.post.home.received
    assert desk.post.rows("SELECT kind, recipient FROM outgoing") == [("outbound", BOB)]
