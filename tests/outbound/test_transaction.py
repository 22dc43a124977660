"""What is said to home, what becomes of a message, and what that says about home, at every stage."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.body import InMemory
from mpcontinuity.model.errors import Corrupt
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.pool import MOST_BESIDE
from mpcontinuity.outbound.transaction import PeerTransaction
from mpcontinuity.routing.health import Gate, State
from tests.outbound.wire import CLOSE, SILENT, Network, ScriptedHome

ANN, BOB, CAROL = parse("ann@example.com"), parse("bob@example.org"), parse("carol@example.org")
MAIL, RCPT = MailParameters(size=7, body="8BITMIME"), RcptParameters()
MESSAGE = InMemory(b"hello\r\n")


async def send(home: HomeServer, content: Any = MESSAGE, sender: Any = ANN, recipient: Address = BOB) -> Outcome:
    """A message, as relay does it."""
    transaction = home.transaction(sender, MAIL)
    outcome = await transaction.recipient(recipient, RCPT)
    if outcome.verdict is Verdict.ACCEPTED:
        return await transaction.message(b"X-Id: 1\r\n", content)
    transaction.abandon()
    return outcome


def network(**settings: Any) -> tuple[Network, ScriptedHome, HomeServer]:
    net = Network(**settings)
    home = net.home("home:25")
    return net, net.homes["home:25"], home


def test_mail_and_rcpt_go_in_one_write_and_a_small_message_with_its_dot_in_another() -> None:
    net, scripted, home = network()
    outcome = net.run(send(home))
    assert outcome == Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "2.0.0", "taken"))
    assert scripted.wires[0].writes == [
        b"EHLO mx.example.org\r\n",
        b"MAIL FROM:<ann@example.com> SIZE=7 BODY=8BITMIME\r\nRCPT TO:<bob@example.org>\r\n",
        b"DATA\r\n",
        b"X-Id: 1\r\nhello\r\n.\r\n",
    ]
    assert home.health.state is State.UP
    assert home.offers.size == 1_000_000


def test_a_session_is_used_again_and_says_quit_when_nobody_wants_it() -> None:
    net, scripted, home = network()
    for _ in range(3):
        assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert len(scripted.wires) == 1
    net.settle(31)
    assert scripted.lines[-1] == "QUIT"
    assert scripted.wires[0].closed
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert len(scripted.wires) == 2


@pytest.mark.parametrize(
    ("trouble", "seconds", "verdict", "stage", "state"),
    [
        ({"connecting": "refused"}, 0, Verdict.FAILED, Stage.CONNECT, State.DOWN),
        ({"connecting": "timeout"}, 10, Verdict.FAILED, Stage.CONNECT, State.DOWN),
        ({"connecting": "unknown"}, 0, Verdict.FAILED, Stage.CONNECT, State.DOWN),
        ({"greeting": SILENT}, 10, Verdict.FAILED, Stage.GREETING, State.DOWN),
        ({"greeting": CLOSE}, 0, Verdict.FAILED, Stage.GREETING, State.DOWN),
        ({"greeting": "554 5.3.2 no"}, 0, Verdict.TEMPORARY, Stage.GREETING, State.DOWN),
        ({"greeting": "421 4.3.2 no"}, 0, Verdict.TEMPORARY, Stage.GREETING, State.DOWN),
        ({"greeting": "HTTP/1.0 200"}, 0, Verdict.FAILED, Stage.GREETING, State.DOWN),
        ({"answers": {"EHLO": SILENT}}, 10, Verdict.FAILED, Stage.EHLO, State.DOWN),
        ({"answers": {"EHLO": "451 4.3.2 no"}}, 0, Verdict.TEMPORARY, Stage.EHLO, State.DOWN),
        ({"answers": {"EHLO": "550 no", "HELO": "550 no"}}, 0, Verdict.TEMPORARY, Stage.EHLO, State.DOWN),
        ({"answers": {"MAIL": SILENT}}, 10, Verdict.FAILED, Stage.MAIL, State.SUSPECT),
        ({"answers": {"MAIL": CLOSE}}, 0, Verdict.FAILED, Stage.MAIL, State.SUSPECT),
        ({"answers": {"MAIL": "451 4.3.0 no"}}, 0, Verdict.TEMPORARY, Stage.MAIL, State.DOWN),
        ({"answers": {"MAIL": ["451 4.7.1 greylisted", "250 ok"]}}, 0, Verdict.TEMPORARY, Stage.MAIL, State.UP),
        ({"answers": {"MAIL": "530 5.7.0 log in"}}, 0, Verdict.TEMPORARY, Stage.MAIL, State.DOWN),
        ({"answers": {"MAIL": "550 5.7.1 not you"}}, 0, Verdict.REFUSED, Stage.MAIL, State.UP),
        ({"answers": {"RCPT": "451 4.2.1 no"}}, 0, Verdict.TEMPORARY, Stage.RCPT, State.UP),
        ({"answers": {"RCPT": "550 5.1.1 no"}}, 0, Verdict.REFUSED, Stage.RCPT, State.UP),
        ({"answers": {"RCPT": SILENT}}, 10, Verdict.FAILED, Stage.RCPT, State.UP),  # it may be that mailbox
        ({"answers": {"RCPT": CLOSE}}, 0, Verdict.FAILED, Stage.RCPT, State.SUSPECT),
        ({"answers": {"RCPT": "421 4.3.2 bye"}}, 0, Verdict.TEMPORARY, Stage.RCPT, State.SUSPECT),
        ({"answers": {"DATA": "451 4.3.0 no"}}, 0, Verdict.TEMPORARY, Stage.DATA, State.UP),
        ({"answers": {"DATA": "554 5.7.1 no"}}, 0, Verdict.REFUSED, Stage.DATA, State.UP),
        ({"answers": {"DATA": "250 what"}}, 0, Verdict.FAILED, Stage.DATA, State.SUSPECT),
        ({"answers": {"DATA": SILENT}}, 10, Verdict.FAILED, Stage.DATA, State.SUSPECT),
        ({"answers": {"DATA": CLOSE}}, 0, Verdict.FAILED, Stage.DATA, State.SUSPECT),
        ({"message": "451 4.3.0 no"}, 0, Verdict.TEMPORARY, Stage.MESSAGE, State.UP),
        ({"message": "421 4.3.0 no"}, 0, Verdict.TEMPORARY, Stage.MESSAGE, State.SUSPECT),
        ({"message": "554 5.6.0 spam"}, 0, Verdict.REFUSED, Stage.MESSAGE, State.UP),
        ({"message": "354 what"}, 0, Verdict.DOUBTFUL, Stage.MESSAGE, State.SUSPECT),
        ({"message": SILENT}, 10, Verdict.DOUBTFUL, Stage.MESSAGE, State.SUSPECT),
        ({"message": CLOSE}, 0, Verdict.DOUBTFUL, Stage.MESSAGE, State.SUSPECT),
    ],
)
def test_each_failure_at_each_stage(
    trouble: dict[str, Any], seconds: float, verdict: Verdict, stage: Stage, state: State
) -> None:
    net = Network()
    net.homes["home:25"] = ScriptedHome(**trouble)
    home = net.home("home:25")
    outcome = net.run(send(home), seconds)
    assert (outcome.verdict, outcome.stage) == (verdict, stage)
    assert outcome.text
    assert home.health.state is state


def test_a_mail_that_fails_is_asked_for_the_null_sender_on_the_same_session() -> None:
    net, scripted, home = network()
    scripted.answers["MAIL"] = ["451 4.1.8 unknown sender", "250 ok"]
    net.run(send(home))
    assert [line for line in scripted.lines if not line.startswith(("EHLO", "RCPT"))] == [
        "MAIL FROM:<ann@example.com> SIZE=7 BODY=8BITMIME",
        "RSET",
        "MAIL FROM:<>",
        "RSET",
    ]
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert len(scripted.wires) == 1


def test_a_null_sender_that_is_put_off_is_no_outage_while_home_takes_other_mail() -> None:
    net, scripted, home = network()
    scripted.answers["MAIL"] = lambda _, line: "451 4.7.1 no empty senders" if line.startswith("MAIL FROM:<>") else ""
    assert net.run(send(home, sender=None)).verdict is Verdict.TEMPORARY
    net.settle()
    assert home.health.state is State.UP
    assert [line for line in scripted.lines if line.startswith("MAIL")] == [
        "MAIL FROM:<> SIZE=7 BODY=8BITMIME",
        "MAIL FROM:<postmaster@example.org>",
    ]
    assert net.run(send(home)).verdict is Verdict.ACCEPTED


def test_a_home_that_puts_off_the_postmaster_too_is_down() -> None:
    net, scripted, home = network()
    scripted.answers["MAIL"] = "451 4.3.2 busy"
    net.run(send(home, sender=None))
    net.settle()
    assert home.health.state is State.DOWN
    assert home.health.reason.endswith("451 4.3.2 busy; also to postmaster@example.org")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("trouble", ["421 4.4.2 idle", CLOSE])
def test_a_used_session_that_closes_is_repeated_once_on_a_fresh_one(verb: str, trouble: str) -> None:
    net, scripted, home = network()
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    good = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go"}[verb]
    scripted.answers[verb] = [trouble, good]
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert len(scripted.wires) == 2
    assert len(scripted.messages) == 2
    assert home.health.state is State.UP


def test_a_used_session_that_closes_is_not_repeated_twice() -> None:
    net, scripted, home = network()
    net.run(send(home))
    scripted.answers["MAIL"] = CLOSE
    outcome = net.run(send(home))
    assert (outcome.verdict, outcome.stage) == (Verdict.FAILED, Stage.MAIL)
    assert len(scripted.wires) == 2
    assert home.health.state is State.SUSPECT


def test_all_recipients_are_repeated_when_home_closes_while_the_client_talks() -> None:
    net, scripted, home = network()
    transaction = home.transaction(ANN, MAIL)
    assert net.run(transaction.recipient(BOB, RCPT)).verdict is Verdict.ACCEPTED
    assert net.run(transaction.recipient(CAROL, RCPT)).verdict is Verdict.ACCEPTED
    scripted.wires[0].say("421 4.4.2 too slow")
    net.settle()
    assert net.run(transaction.message(b"", MESSAGE)).verdict is Verdict.ACCEPTED
    assert [line for line in scripted.wires[1].lines if line.startswith("RCPT")] == [
        "RCPT TO:<bob@example.org>",
        "RCPT TO:<carol@example.org>",
    ]


def test_a_recipient_that_home_does_not_take_again_ends_the_transaction() -> None:
    net, scripted, home = network()
    transaction = home.transaction(ANN, MAIL)
    net.run(transaction.recipient(BOB, RCPT))
    net.run(transaction.recipient(CAROL, RCPT))
    scripted.wires[0].hang_up()
    scripted.answers["RCPT"] = ["550 5.1.1 not any more", "250 ok"]
    outcome = net.run(transaction.message(b"", MESSAGE))
    assert (outcome.verdict, outcome.stage) == (Verdict.FAILED, Stage.DATA)
    assert scripted.messages == []


def test_recipients_have_outcomes_of_their_own() -> None:
    net, scripted, home = network()
    scripted.answers["RCPT"] = ["250 ok", "550 5.1.1 no", "452 4.5.3 too many"]
    transaction = home.transaction(ANN, MAIL)
    outcomes = [net.run(transaction.recipient(address, RCPT)) for address in (BOB, CAROL, ANN)]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED, Verdict.REFUSED, Verdict.TEMPORARY]
    assert net.run(transaction.message(b"", MESSAGE)).verdict is Verdict.ACCEPTED


def test_after_a_lost_session_every_question_has_the_same_answer() -> None:
    net, scripted, home = network()
    scripted.answers["MAIL"] = CLOSE
    transaction = home.transaction(ANN, MAIL)
    first = net.run(transaction.recipient(BOB, RCPT))
    assert net.run(transaction.recipient(CAROL, RCPT)) is first
    assert net.run(transaction.message(b"", MESSAGE)) is first


def test_a_late_reply_is_waited_for_beside_the_message() -> None:
    net, scripted, home = network(connections=1)
    scripted.message = [SILENT, "250 2.0.0 taken"]
    transaction = home.transaction(ANN, MAIL)
    net.run(transaction.recipient(BOB, RCPT))
    outcome = net.run(transaction.message(b"", MESSAGE), 10)
    assert outcome.verdict is Verdict.DOUBTFUL
    assert transaction.late is not None
    late: list[Outcome] = []
    transaction.late.addCallback(late.append)
    assert net.run(send(home)).verdict is Verdict.ACCEPTED  # the waiting session does not count against the cap
    net.settle(500)
    assert late == []
    scripted.wires[0].say_late("550 5.7.1 spam after all")
    net.settle()
    assert late == [Outcome(Verdict.REFUSED, Stage.MESSAGE, Reply(550, "5.7.1", "spam after all"))]
    assert scripted.wires[0].closed


def test_a_late_reply_that_never_comes_leaves_it_in_doubt() -> None:
    net, scripted, home = network()
    scripted.message = SILENT
    for ending in ("time", "loss"):
        transaction = home.transaction(ANN, MAIL)
        net.run(transaction.recipient(BOB, RCPT))
        net.run(transaction.message(b"", MESSAGE), 10)
        assert transaction.late is not None
        late: list[Outcome] = []
        transaction.late.addCallback(late.append)
        if ending == "loss":
            scripted.wires[-1].hang_up()
        net.settle(600)
        assert [outcome.verdict for outcome in late] == [Verdict.DOUBTFUL]


def test_a_home_that_is_silent_to_most_messages_holds_a_bounded_number_of_sessions() -> None:
    """It answers each other message, so it is up, and nothing slows down what goes there."""
    net, scripted, home = network(connections=2, message_timeout=1)
    scripted.message = [SILENT, "250 2.0.0 taken"] * (MOST_BESIDE + 2)
    late: list[Outcome] = []
    for _ in range(MOST_BESIDE + 2):
        transaction = home.transaction(ANN, MAIL)
        net.run(transaction.recipient(BOB, RCPT))
        waiting = net.start(transaction.message(b"", MESSAGE))
        net.settle(0.5)
        assert net.run(send(home, recipient=CAROL)).verdict is Verdict.ACCEPTED
        net.settle(0.5)
        assert [outcome.verdict for outcome in waiting] == [Verdict.DOUBTFUL]
        assert transaction.late is not None
        transaction.late.addCallback(late.append)
    assert home.health.state is State.UP
    assert scripted.open <= MOST_BESIDE + 2
    assert [outcome.verdict for outcome in late] == [Verdict.DOUBTFUL] * 2  # the oldest: in doubt, as they were
    next(wire for wire in scripted.wires if not wire.closed).say_late("250 2.0.0 taken after all")
    assert late[-1].verdict is Verdict.ACCEPTED


def test_without_leave_the_final_dot_is_not_sent() -> None:
    net, scripted, home = network()
    for content in (MESSAGE, InMemory(b"x" * 200_000 + b"\r\n")):
        transaction = home.transaction(ANN, MAIL)
        asked: list[int] = []

        async def refuse(asked: list[int] = asked) -> bool:
            asked.append(len(scripted.messages))
            return False

        transaction.before_final_dot = refuse
        net.run(transaction.recipient(BOB, RCPT))
        outcome = net.run(transaction.message(b"", content))
        assert (outcome.verdict, outcome.stage, asked) == (Verdict.FAILED, Stage.DATA, [0])
        assert scripted.wires[-1].aborted
    assert scripted.messages == []
    assert home.health.state is State.UP


def test_the_final_dot_goes_after_leave_was_given() -> None:
    net, scripted, home = network()
    transaction = home.transaction(ANN, MAIL)

    async def allow() -> bool:
        net.clock.advance(0)
        assert scripted.wires[0].writes[-1] == b"X-Id: 1\r\nhello\r\n"
        return True

    transaction.before_final_dot = allow
    net.run(transaction.recipient(BOB, RCPT))
    assert net.run(transaction.message(b"X-Id: 1\r\n", MESSAGE)).verdict is Verdict.ACCEPTED
    assert scripted.wires[0].writes[-1] == b".\r\n"


class Pieces:
    """Content that is not in memory as a whole; ``broken`` at that offset."""

    whole = None

    def __init__(self, data: bytes, broken: int = -1) -> None:
        self._data = data
        self._broken = broken
        self.read_sizes: list[int] = []

    @property
    def length(self) -> int:
        return len(self._data)

    async def read(self, offset: int, length: int) -> bytes:
        if 0 <= self._broken <= offset:
            raise Corrupt("pack 1")
        self.read_sizes.append(length)
        return self._data[offset : offset + length]


def test_a_large_message_goes_in_pieces_with_its_dots_stuffed() -> None:
    net, scripted, home = network()
    data = b"." * 65_537 + b"\r\n.\r\n" + b"y" * 100_000 + b"\r\n"
    content = Pieces(data)
    assert net.run(send(home, content)).verdict is Verdict.ACCEPTED
    assert content.read_sizes == [65_536, 65_536, len(data) - 2 * 65_536]
    assert scripted.messages[0].replace(b"\r\n.", b"\r\n") == b"X-Id: 1\r\n" + data


CHUNKING = "250-home.example.org\r\n250-PIPELINING\r\n250 CHUNKING"
BARE = MailParameters(bare=True)


def test_a_message_with_a_bare_line_end_goes_by_bdat_and_its_end_waits_for_leave() -> None:
    net, scripted, home = network()
    scripted.answers["EHLO"] = CHUNKING
    for data in (b"a\n.\nb", b"." * 65_537 + b"\r\n.\r" + b"y" * 100_000):
        transaction = home.transaction(ANN, BARE)
        before = len(scripted.messages)
        asked: list[int] = []

        async def allow(asked: list[int] = asked) -> bool:
            asked.append(len(scripted.messages))
            return True

        transaction.before_final_dot = allow
        net.run(transaction.recipient(BOB, RCPT))
        outcome = net.run(transaction.message(b"X-Id: 1\r\n", Pieces(data)))
        assert outcome == Outcome(Verdict.ACCEPTED, Stage.MESSAGE, Reply(250, "2.0.0", "taken"))
        assert scripted.messages[before:] == [b"X-Id: 1\r\n" + data]
        assert asked == [before + 1]
        assert scripted.lines[-2:] == [f"BDAT {len(data) + 9}", "BDAT 0 LAST"]
    assert len(scripted.wires) == 1


def test_a_message_with_a_bare_line_end_is_not_said_to_a_home_without_chunking() -> None:
    net, scripted, home = network()
    transaction = home.transaction(ANN, BARE)
    net.run(transaction.recipient(BOB, RCPT))
    outcome = net.run(transaction.message(b"", InMemory(b"a\n.\nb\r\n")))
    assert outcome.verdict is Verdict.REFUSED
    assert outcome.reply is not None
    assert (outcome.reply.code, outcome.reply.enhanced) == (550, "5.6.11")
    net.settle()
    assert scripted.messages == []
    assert scripted.lines[-1] == "RSET"
    assert home.health.state is State.UP
    assert net.run(send(home)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("552 5.3.4 too large", Verdict.REFUSED), ("451 4.3.0 later", Verdict.TEMPORARY), (CLOSE, Verdict.ACCEPTED)],
)
def test_a_chunk_is_answered_before_the_end_is_sent(answer: str, verdict: Verdict) -> None:
    net, scripted, home = network()
    scripted.answers["EHLO"] = CHUNKING
    scripted.answers["BDAT"] = [answer, "250 ok"]
    transaction = home.transaction(ANN, BARE)
    net.run(transaction.recipient(BOB, RCPT))
    outcome = net.run(transaction.message(b"", InMemory(b"a\nb\r\n")))
    assert outcome.verdict is verdict
    assert ("BDAT 0 LAST" in scripted.lines) == (verdict is Verdict.ACCEPTED)
    assert len(scripted.messages) == 1 + (answer == CLOSE)  # what closed is repeated, once


def test_no_answer_to_a_chunk_is_no_doubt() -> None:
    net, scripted, home = network()
    scripted.answers["EHLO"] = CHUNKING
    scripted.answers["BDAT"] = SILENT
    transaction = home.transaction(ANN, BARE)
    net.run(transaction.recipient(BOB, RCPT))
    outcome = net.run(transaction.message(b"", InMemory(b"a\nb\r\n")), seconds=11)
    assert (outcome.verdict, outcome.stage) == (Verdict.FAILED, Stage.DATA)
    assert scripted.wires[-1].aborted


def test_a_home_that_stops_reading_is_given_up_without_the_final_dot() -> None:
    net, scripted, home = network()
    scripted.reads_nothing = True
    content = Pieces(b"x" * 300_000 + b"\r\n")
    transaction = home.transaction(ANN, MAIL)
    net.run(transaction.recipient(BOB, RCPT))
    results = net.start(transaction.message(b"", content))
    net.settle(9)
    assert content.read_sizes == []
    assert results == []
    net.settle(1)
    assert [(outcome.verdict, outcome.stage) for outcome in results] == [(Verdict.FAILED, Stage.DATA)]
    assert scripted.messages == []
    assert scripted.wires[0].aborted


def test_a_home_that_refuses_in_the_middle_of_a_message_is_heard() -> None:
    net, scripted, home = network()
    scripted.reads_nothing = True
    transaction = home.transaction(ANN, MAIL)
    net.run(transaction.recipient(BOB, RCPT))
    results = net.start(transaction.message(b"", Pieces(b"x" * 300_000 + b"\r\n")))
    net.settle()
    scripted.wires[0].say("552 5.3.4 too large for me")
    net.settle()
    assert [(outcome.verdict, outcome.stage) for outcome in results] == [(Verdict.REFUSED, Stage.DATA)]


def test_a_corrupt_body_ends_the_session_without_the_final_dot() -> None:
    net, scripted, home = network()
    transaction = home.transaction(ANN, MAIL)
    net.run(transaction.recipient(BOB, RCPT))
    failed: list[Failure] = []
    work = transaction.message(b"", Pieces(b"x" * 100_000, broken=65_536))
    Deferred.fromCoroutine(work).addErrback(failed.append)
    net.settle()
    assert [failure.type for failure in failed] == [Corrupt]
    assert scripted.wires[0].aborted
    assert scripted.messages == []


def test_an_abandoned_transaction_gives_its_session_back() -> None:
    net, scripted, home = network()
    transaction = home.transaction(ANN, MAIL)
    net.run(transaction.recipient(BOB, RCPT))
    transaction.abandon()
    transaction.abandon()
    net.settle()
    assert scripted.lines[-1] == "RSET"
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert len(scripted.wires) == 1


def test_non_ascii_addresses_need_a_home_that_offers_smtputf8() -> None:
    net, scripted, home = network()
    accented = parse("bób@example.org")
    transaction = home.transaction(ANN, MAIL)
    outcome = net.run(transaction.recipient(accented, RCPT))
    assert (outcome.verdict, outcome.reply and outcome.reply.enhanced) == (Verdict.REFUSED, "5.6.7")
    assert net.run(transaction.recipient(BOB, RCPT)).verdict is Verdict.ACCEPTED
    assert net.run(transaction.recipient(accented, RCPT)).verdict is Verdict.REFUSED
    transaction.abandon()
    scripted.answers["EHLO"] = "250-home\r\n250 SMTPUTF8"
    net.settle(31)
    assert net.run(home.transaction(ANN, MAIL).recipient(accented, RCPT)).verdict is Verdict.ACCEPTED
    assert scripted.lines[-1] == "RCPT TO:<bób@example.org>"


def test_one_message_at_a_time_tries_a_suspect() -> None:
    net, scripted, home = network()
    scripted.message = [CLOSE, "250 ok", "250 ok"]
    net.run(send(home))
    assert home.health.state is State.SUSPECT
    assert home.gate() is Gate.TRY
    trying: PeerTransaction = home.transaction(ANN, MAIL)
    assert home.gate() is Gate.SHUT
    net.run(trying.recipient(BOB, RCPT))
    trying.abandon()
    assert home.gate() is Gate.TRY
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert home.gate() is Gate.OPEN
