"""Dialogues at the door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mpcontinuity.model.errors import Full
from mpcontinuity.model.reply import Outcome, Stage
from mpcontinuity.model.settings import Limits
from mpcontinuity.routing.health import Gate
from tests.delivery.conftest import Post
from tests.delivery.homes import accepted, refused, temporary
from tests.inbound.dialogues import Connection, Door

MESSAGE = ("Subject: Hi", "", "Text", ".")
ENVELOPE = ("EHLO client.example.net", "MAIL FROM:<eve@example.net>", "RCPT TO:<ann@example.org>", "DATA")


def greeted(door: Door) -> Connection:
    connection = door.connect()
    assert connection.read() == "220 mx.example.org ESMTP mpcontinuity\r\n"
    return connection


def test_a_message_is_taken(door: Door) -> None:
    c = greeted(door)
    assert "250-STARTTLS\r\n" in c.say("EHLO client.example.net")
    assert c.say("MAIL FROM:<eve@example.net> SIZE=12") == "250 2.1.0 Sender OK\r\n"
    assert c.say("RCPT TO:<ann@example.org>") == "250 2.1.5 Recipient OK\r\n"
    assert c.say("DATA") == "354 End data with <CR><LF>.<CR><LF>\r\n"
    assert c.say(*MESSAGE) == "250 2.0.0 fine\r\n"
    assert c.say("QUIT") == "221 2.0.0 mx.example.org closes\r\n"
    assert c.wire.disconnecting
    ((_, content, _),) = door.post.home.received
    assert content.startswith(b"Received: from client.example.net ([192.0.2.7])")
    assert b"with ESMTP id " in content
    assert content.endswith(b"Subject: Hi\r\n\r\nText\r\n")


@pytest.mark.parametrize("reported", [False, True])
def test_reports_are_offered_to_strangers_where_home_makes_them(door: Door, reported: bool) -> None:
    door.services.reports_to_strangers = lambda: reported
    assert ("DSN\r\n" in greeted(door).say("EHLO client.example.net")) is reported


def test_pipelined_commands_are_answered_in_order_and_in_one_write(door: Door) -> None:
    c = greeted(door)
    c.say("EHLO client.example.net")
    door.post.home.recipients["bob@example.org"] = refused(Stage.RCPT)
    before = c.wire.writes
    codes = c.codes("MAIL FROM:<>", "RCPT TO:<bob@example.org>", "RCPT TO:<ann@example.org>", "DATA")
    assert codes == ["250", "550", "250", "354"]
    assert c.wire.writes == before + 1


def test_who_sends_more_while_home_is_asked_is_not_read_until_the_answer(door: Door) -> None:
    answer: Deferred[Outcome] = Deferred()
    door.post.home.recipients["ann@example.org"] = answer
    c = greeted(door)
    assert c.codes(*ENVELOPE[:3], "NOOP") == ["250", "250"]
    assert c.wire.producerState == "producing"
    assert c.say("NOOP") == ""
    assert c.wire.producerState == "paused"
    answer.callback(accepted(Stage.RCPT))
    assert [line[:3] for line in c.read().splitlines()] == ["250", "250", "250"]
    assert c.wire.producerState == "producing"


def test_what_came_early_is_worked_off_before_more_is_read(door: Door) -> None:
    answers: list[Deferred[Outcome]] = [Deferred(), Deferred()]
    door.post.home.recipients.update(zip(("ann@example.org", "bob@example.org"), answers, strict=True))
    c = greeted(door)
    c.say(*ENVELOPE[:3])
    c.say("RCPT TO:<bob@example.org>")
    answers[0].callback(accepted(Stage.RCPT))
    assert c.wire.producerState == "paused"
    answers[1].callback(accepted(Stage.RCPT))
    assert c.wire.producerState == "producing"


def test_homes_refusal_reaches_the_client_in_its_own_words(door: Door) -> None:
    c = greeted(door)
    door.post.home.answer = refused(Stage.MESSAGE, 554, "5.7.1")
    c.say(*ENVELOPE)
    assert c.say(*MESSAGE) == "554 5.7.1 no\r\n"
    assert c.codes("MAIL FROM:<eve@example.net>") == ["250"]


def test_a_redirected_message_is_answered_250(door: Door) -> None:
    door.post.home.decision = Gate.SHUT
    c = greeted(door)
    c.say(*ENVELOPE)
    assert c.say(*MESSAGE) == "250 2.0.0 Message accepted\r\n"
    assert len(door.post.inbox("ann@example.org")) == 1


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (("MAIL FROM:<a@b>",), ["503"]),
        (("EHLO x", "RCPT TO:<ann@example.org>"), ["250", "503"]),
        (("EHLO x", "MAIL FROM:<a@b>", "DATA"), ["250", "250", "554"]),
        (("EHLO x", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"), ["250", "250", "503"]),
        (("EHLO x", "MAIL FROM:<a@b>", "RSET", "RCPT TO:<ann@example.org>"), ["250", "250", "250", "503"]),
        (("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ann@example.org>", "EHLO x", "DATA"), ["250", "250", "250", "250"]),
        (("EHLO x", "AUTH PLAIN AGEAYg=="), ["250", "538"]),
        (("EHLO x", "MAIL FROM:<a@b> SIZE=99999999999"), ["250", "552"]),
        (("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ann@else.example>"), ["250", "250", "550"]),
        (("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<@x.example:ann@example.org>"), ["250", "250", "550"]),
        (("EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ann%x@example.org>"), ["250", "250", "550"]),
        (("NONSENSE", "\0\xff"), ["500", "500"]),
    ],
)
def test_violations_are_answered_and_leave_the_session_usable(
    door: Door, lines: tuple[str, ...], codes: list[str]
) -> None:
    c = greeted(door)
    assert c.codes(*lines)[: len(codes)] == codes
    assert c.codes("NOOP") == ["250"]


def test_a_bare_line_feed_is_refused_after_the_end_of_data(door: Door) -> None:
    c = greeted(door)
    c.say(*ENVELOPE)
    c.send(b"Subject: x\n.\nMAIL FROM:<smuggled@example.net>\r\n.\r\n")
    assert c.read().startswith("550 5.6.11")
    assert door.post.home.received == []
    assert c.codes("NOOP") == ["250"]


def test_a_message_above_the_limit_is_refused_and_not_kept(post: Post) -> None:
    door = Door(post, limits=Limits(message_size=1000))
    c = greeted(door)
    c.say(*ENVELOPE)
    assert c.codes(*(["x" * 98] * 11), ".") == ["552"]
    assert post.home.received == []


def test_starttls_forgets_what_was_said(door: Door) -> None:
    c = greeted(door)
    c.say(*ENVELOPE[:3])
    assert c.say("STARTTLS") == "220 2.0.0 Ready to start TLS\r\n"
    assert c.wire.secured is door.services.tls
    assert c.codes("MAIL FROM:<eve@example.net>") == ["503"]
    assert "STARTTLS" not in c.say("EHLO client.example.net")
    c.say(*ENVELOPE[1:])
    c.say(*MESSAGE)
    assert b"with ESMTPS id " in door.post.home.received[0][1]


def test_bytes_behind_starttls_end_the_connection(door: Door) -> None:
    c = greeted(door)
    c.say("EHLO x")
    c.send(b"STARTTLS\r\nRSET\r\n")
    assert c.wire.disconnecting
    assert c.wire.secured is None


def test_helo_is_received_with_smtp(door: Door) -> None:
    c = greeted(door)
    c.say("HELO client.example.net", *ENVELOPE[1:])
    c.say(*MESSAGE)
    assert b"with SMTP id " in door.post.home.received[0][1]


# Clients that go away


def test_a_client_that_goes_within_data_leaves_nothing(door: Door) -> None:
    c = greeted(door)
    c.say(*ENVELOPE)
    c.say("Subject: Hi", "", "half")
    c.vanish()
    assert door.post.home.received == []
    assert door.post.home.transactions[0].abandoned
    assert door.post.count("body") == 0
    assert door.factory.connections == set()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
def test_after_the_final_dot_the_outcome_stands_and_a_repeat_is_answered_250(door: Door) -> None:
    answer: Deferred[Outcome] = Deferred()
    door.post.home.answer = answer
    c = greeted(door)
    c.say(*ENVELOPE)
    c.say(*MESSAGE)
    c.vanish()
    assert len(door.factory.connections) == 1
    answer.callback(temporary(Stage.MESSAGE))
    assert door.factory.connections == set()
    assert len(door.post.inbox("ann@example.org")) == 1
    again = greeted(door)
    again.say(*ENVELOPE)
    said = again.say(*MESSAGE)
    for _ in range(40):  # on PostgreSQL another process may have the session of the client that has not gone on
        door.post.clock.advance(0.25)
        said += again.read()
    assert said.startswith("250")
    assert len(door.post.inbox("ann@example.org")) == 1


def test_any_later_command_shows_that_the_answer_was_read(door: Door) -> None:
    door.post.home.decision = Gate.SHUT
    for last in ("NOOP", "QUIT", "MAIL FROM:<>"):
        c = greeted(door)
        c.say(*ENVELOPE)
        c.say(*MESSAGE)
        assert door.post.count("answered") == 1
        c.say(last)
        c.vanish()
        door.post.clock.advance(1)
        assert door.post.count("answered") == 0


def test_a_silent_client_is_told_and_closed(door: Door) -> None:
    c = greeted(door)
    c.say("EHLO x")
    door.post.clock.advance(200)
    c.say("NOOP")
    door.post.clock.advance(200)
    assert c.read() == ""
    c.send(b"NO")  # half a command is none
    door.post.clock.advance(101)
    assert c.read().startswith("421 4.4.2")
    assert c.wire.disconnecting
    before = c.wire.aborted
    door.post.clock.advance(11)
    assert (before, c.wire.aborted) == (False, True)
    c.vanish()


def test_work_under_way_is_not_silence(door: Door) -> None:
    answer: Deferred[Outcome] = Deferred()
    door.post.home.answer = answer
    c = greeted(door)
    c.say(*ENVELOPE)
    c.say(*MESSAGE)
    door.post.clock.advance(400)
    answer.callback(accepted(Stage.MESSAGE))
    assert c.read() == "250 2.0.0 fine\r\n"


# What a stranger may use up


def test_a_host_that_is_over_its_ration_of_messages_is_told_to_come_again_and_others_are_served(post: Post) -> None:
    post.delivery.rations.adopt(Limits(messages_per_minute=2))
    door = Door(post)
    c = greeted(door)
    c.say("EHLO client.example.net")
    mail = ("MAIL FROM:<eve@example.net>", "RSET")
    assert [c.codes(*mail)[0] for _ in range(4)] == ["250", "250", "250", "450"]
    assert c.say(mail[0]) == "450 4.7.1 Too much mail from your host, try again later\r\n"
    other = door.connect("198.51.100.1")
    other.say("EHLO other.example.net")
    assert other.codes(*mail) == ["250", "250"]
    post.clock.advance(31)
    assert c.codes(*mail) == ["250", "250"]
    for each in (c, other):
        each.vanish()


def test_octets_of_messages_are_rationed_and_none_is_cut(post: Post) -> None:
    post.delivery.rations.adopt(Limits(octets_per_minute=1000))
    c = greeted(Door(post))
    c.say(*ENVELOPE)
    assert c.say("Subject: Hi", "", "x" * 5000, ".").startswith("250 ")
    assert c.codes(ENVELOPE[1]) == ["450"]
    c.vanish()


def test_a_host_that_is_over_its_ration_of_commands_is_let_go(post: Post) -> None:
    post.delivery.rations.adopt(Limits(commands_per_minute=10))
    c = greeted(Door(post))
    codes: list[str] = []
    for _ in range(50):
        codes += c.codes("MAIL FROM:<eve@example.net>", "RSET")
    assert "421" in codes
    assert c.wire.disconnecting
    c.vanish()


def test_refused_recipients_beyond_the_ration_have_no_rows(post: Post) -> None:
    post.delivery.rations.adopt(Limits(refusals_per_minute=5))
    c = greeted(Door(post))
    c.say(*ENVELOPE[:2])
    for number in range(10):
        assert c.say(f"RCPT TO:<n{number}@nowhere.example>").startswith("550 5.7.1")
    c.say("QUIT")
    c.vanish()
    post.clock.advance(1)
    assert len(post.track()) == 6
    assert post.delivery.outcomes["rejected"] == 10


def test_what_is_sent_while_home_is_asked_is_bounded(door: Door) -> None:
    door.post.home.recipients["ann@example.org"] = Deferred()
    c = greeted(door)
    c.say(*ENVELOPE[:3])
    for _ in range(5):
        if not c.wire.disconnecting:
            c.send(b"x" * 65536)
    assert c.read().startswith("421 4.7.0")
    assert c.wire.disconnecting
    assert len(c.session.engine._buffer) == 0
    c.vanish()


def test_a_client_that_reads_no_replies_is_not_read(door: Door) -> None:
    c = greeted(door)
    c.wire.producer.pauseProducing()
    assert c.say("EHLO x", "NOOP") == ""
    assert c.say("NOOP") == ""
    assert c.wire.producerState == "paused"
    c.wire.producer.resumeProducing()
    assert [line[:4] for line in c.read().splitlines()][-1] == "250 "
    assert c.wire.producerState == "producing"


def test_a_long_command_line_is_refused_and_skipped(door: Door) -> None:
    c = greeted(door)
    c.send(b"EHLO " + b"x" * 100_000)
    assert len(c.session.engine._buffer) <= 100_005
    assert c.codes("") == ["500"]
    assert c.codes("NOOP") == ["250"]


def test_no_room_at_mail_is_452(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(octets: int) -> None:
        assert octets == 12_345
        raise Full("nothing left")

    c = greeted(door)
    c.say("EHLO x")
    with monkeypatch.context() as patch:
        patch.setattr(door.post.store.bodies, "check_room", full)
        assert c.codes("MAIL FROM:<> SIZE=12345", "NOOP") == ["452", "250"]
    assert c.codes("MAIL FROM:<>") == ["250"]


def test_a_fault_of_ours_is_451_and_the_session_goes_on(door: Door) -> None:
    answer: Deferred[Outcome] = Deferred()
    door.post.home.recipients["ann@example.org"] = answer
    c = greeted(door)
    c.say(*ENVELOPE[:3])
    answer.errback(ZeroDivisionError())
    assert c.read().startswith("451 4.3.0")
    assert c.codes("NOOP") == ["250"]


# The end of the server


def test_a_stop_tells_each_session_at_its_next_command(door: Door) -> None:
    c, silent = greeted(door), greeted(door)
    c.say("EHLO x")
    stopped = door.factory.stop()
    assert c.codes("NOOP") == ["421"]
    c.vanish()
    assert not stopped.called
    door.post.clock.pump([0.1] * 25)
    assert silent.read().startswith("421 4.3.2")
    silent.vanish()
    door.post.clock.pump([0.1])
    assert stopped.called


def test_a_stop_waits_for_a_message_and_answers_it_in_doubt(door: Door) -> None:
    door.post.home.answer = Deferred()
    c = greeted(door)
    c.say(*ENVELOPE)
    c.say(*MESSAGE)
    stopped = door.factory.stop()
    door.post.clock.pump([0.1] * 45)
    assert c.read() == ""
    door.post.clock.pump([0.1] * 6)
    assert c.read() == "250 2.0.0 Message accepted\r\n"
    assert [row[2] for row in door.post.owed()] == ["in_doubt"]
    assert c.codes("QUIT") == ["421"]
    c.vanish()
    door.post.clock.pump([0.1])
    assert stopped.called


def test_a_message_that_is_arriving_at_the_stop_may_still_be_taken(door: Door) -> None:
    c = greeted(door)
    c.say(*ENVELOPE)
    door.factory.stop()
    assert c.codes(*MESSAGE) == ["250"]
    assert c.codes("NOOP") == ["421"]
    c.vanish()


def test_a_client_that_does_not_leave_is_cut_off(door: Door) -> None:
    c = greeted(door)
    stopped = door.factory.stop()
    door.post.clock.pump([0.1] * 90)
    assert c.wire.aborted
    assert stopped.called


# Any cut of the stream

STREAM = (
    b"EHLO client.example.net\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<ann@example.org>\r\n"
    b"RCPT TO:<x@else.example>\r\nDATA\r\n",
    b"Subject: Hi\r\n\r\n..dot\r\n.x\r\n\r\n.\r\n",
    b"RSET\r\nNONSENSE\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
    b"\r\n.\r\n",
    b"QUIT\r\n",
)


@given(st.lists(st.integers(1, 80), max_size=40))
def test_any_cut_of_the_stream_gives_the_same_replies(door: Door, sizes: list[int]) -> None:
    """DATA ends what a client may send before it has read a reply; within these parts any cut is the network's."""
    door.post.home.received.clear()
    c = door.connect()
    sizes = sizes or [10_000]
    for part in STREAM:
        position, turn = 0, 0
        while position < len(part):
            size = sizes[turn % len(sizes)]
            c.send(part[position : position + size])
            position, turn = position + size, turn + 1
    replies = [line[:3] for line in c.read().splitlines() if line[3:4] == " "]
    assert " ".join(replies) == "220 250 250 250 550 354 250 250 500 250 250 354 250 221"
    bodies = [content.partition(b"\r\n\r\n")[2] for _, content, _ in door.post.home.received]
    assert bodies == [b".dot\r\nx\r\n\r\n", b""]
    c.vanish()
    door.post.clock.advance(1)
