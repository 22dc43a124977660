"""A limit is not an outage, and a slow home is not a dead one: what home has of it is learned, and it stays up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mpcontinuity.model.address import Address
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.outbound.capacity import CALM, LONGEST_PACE
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.server import LATELY
from mpcontinuity.routing.health import Gate, State
from tests.outbound.test_transaction import ANN, BOB, CAROL, MAIL, MESSAGE, RCPT, network, send
from tests.outbound.wire import CLOSE, SILENT, Network, Wire

TAKEN = Verdict.ACCEPTED
Answer = Callable[[Wire, str], str]


def few(most: int) -> Answer:
    """No more sessions at once than that."""
    return lambda wire, _: "220 hello" if wire.home.open <= most else "421 4.7.0 too many connections"


def after(messages: int, reply: str) -> Answer:
    """So many messages in a session, and then this."""
    return lambda wire, _: reply if wire.taken >= messages else ""


def verdicts(outcomes: list[Outcome]) -> set[Verdict]:
    return {outcome.verdict for outcome in outcomes}


def burst(
    net: Network, home: HomeServer, count: int, seconds: int = 0, to: Sequence[Address] = (BOB,)
) -> list[Outcome]:
    """So many messages at once, to these in turn; what is known after that time, which passes in steps of a second."""
    started = [net.start(send(home, recipient=to[number % len(to)])) for number in range(count)]
    net.settle()
    for _ in range(seconds):
        net.settle(1)
    return [result for results in started for result in results]


@pytest.mark.parametrize("opens", [0, 0.5])
def test_a_cold_burst_at_a_home_that_serves_two_at_once_passes(opens: float) -> None:
    net, scripted, home = network()
    scripted.greeting, scripted.closes, scripted.opens = few(2), True, opens
    assert verdicts(burst(net, home, 30, 5)) == {TAKEN}
    assert len(scripted.messages) == 30
    assert home.health.state is State.UP
    assert home.pool.limit <= 2


def test_sessions_that_are_still_opening_decide_whether_a_refused_one_is_an_outage() -> None:
    net, scripted, home = network()
    scripted.greeting, scripted.closes = "421 4.3.2 not now", True
    outcomes = burst(net, home, 10)
    assert verdicts(outcomes) == {Verdict.TEMPORARY}
    assert len(outcomes) == 10
    assert home.health.state is State.DOWN


def test_a_home_that_counts_a_closed_session_for_a_moment_longer_is_given_it() -> None:
    net, scripted, home = network()

    def greet(wire: Wire, _: str) -> str:
        now = net.clock.seconds()
        counted = [each for each in scripted.wires if not each.closed or now - each.closed_at < 0.5]
        return "421 4.7.0 too many connections" if len(counted) > 1 else "220 hello"

    scripted.greeting, scripted.closes = greet, True
    scripted.answers["MAIL"] = after(3, "450 4.7.1 too many messages")
    results = [net.start(send(home)) for _ in range(12)]
    for _ in range(40):
        net.settle(0.5)
    assert verdicts([outcome for result in results for outcome in result]) == {TAKEN}
    assert len(scripted.messages) == 12
    assert home.health.state is State.UP


def test_one_session_more_is_tried_once_in_a_while_only() -> None:
    net, scripted, home = network()
    scripted.greeting, scripted.closes = few(2), True
    burst(net, home, 30)
    before = len(scripted.wires)
    burst(net, home, 30)
    assert len(scripted.wires) == before
    net.settle(CALM)
    scripted.greeting = "220 hello"
    burst(net, home, 30)
    assert home.pool.limit > 2


@pytest.mark.parametrize("verb", ["MAIL", "DATA"])
@pytest.mark.parametrize(
    "reply", ["421 4.7.0 too many messages", "450 4.7.1 too many messages", "451 4.3.0 no", "452 4.3.1 no", CLOSE]
)
def test_a_home_that_takes_three_messages_in_a_session_gets_three_in_a_session(verb: str, reply: str) -> None:
    net, scripted, home = network()
    scripted.answers[verb], scripted.closes = after(3, reply), True
    for _ in range(30):
        assert net.run(send(home)).verdict is TAKEN
    assert home.health.state is State.UP
    assert home.pool.limit == 10
    # It was learned: no message is asked for in vain any more.
    assert [wire.taken for wire in scripted.wires] == [3] * 10
    assert all(wire.lines[-1] == "QUIT" for wire in scripted.wires[2:-1])


def test_a_message_that_is_put_off_after_three_others_is_repeated_on_a_fresh_session() -> None:
    net, scripted, home = network()
    scripted.message = lambda wire, _: "451 4.7.1 too many messages" if wire.taken >= 3 else "250 ok"
    for _ in range(12):
        assert net.run(send(home)).verdict is TAKEN
    assert home.health.state is State.UP


@pytest.mark.parametrize("reply", ["451 4.7.1 too many messages", "421 4.3.2 enough"])
def test_where_the_final_dot_needs_leave_the_next_message_gets_the_fresh_session(reply: str) -> None:
    net, scripted, home = network()
    scripted.message = lambda wire, _: reply if wire.taken >= 3 else "250 ok"
    scripted.closes = True
    outcomes = []
    for _ in range(12):
        transaction = home.transaction(ANN, MAIL)

        async def allow() -> bool:
            return True

        transaction.before_final_dot = allow
        net.run(transaction.recipient(BOB, RCPT))
        outcomes.append(net.run(transaction.message(b"", MESSAGE)).verdict)
    assert outcomes == [*[TAKEN] * 3, Verdict.TEMPORARY] * 3
    assert home.health.state is State.UP


def test_what_home_bears_is_asked_anew_after_an_hour() -> None:
    net, scripted, home = network()
    scripted.answers["MAIL"] = after(3, "421 4.7.0 enough")
    for _ in range(10):
        net.run(send(home))
    scripted.answers.clear()
    net.settle(3600)
    before = len(scripted.wires)
    for _ in range(10):
        net.run(send(home))
    assert len(scripted.wires) == before + 1


def test_a_connection_that_is_cut_once_or_was_old_teaches_nothing() -> None:
    net, scripted, home = network()
    for trouble in (CLOSE, "421 4.4.2 idle"):
        for wait in (0, 20, 20):
            net.run(send(home))
            net.settle(wait)
            scripted.answers["MAIL"] = [trouble, "250 ok"]
            assert net.run(send(home)).verdict is TAKEN
            scripted.answers.clear()
            net.settle(3600 if not wait else 0)
    before = len(scripted.wires)
    for _ in range(10):
        net.run(send(home))
    assert len(scripted.wires) == before


def spoiled(wire: Wire, line: str) -> str:
    """A session that has met an error refuses all that follows."""
    if "carol" in line or any(reply.startswith("4") for reply in wire.replies):
        return "450 4.7.1 too many errors"
    return ""


def test_a_session_that_met_an_error_is_left_and_others_pass() -> None:
    net, scripted, home = network()
    scripted.answers["RCPT"] = spoiled
    for _ in range(5):
        carol = home.transaction(ANN, MAIL)
        assert net.run(carol.recipient(CAROL, RCPT)).verdict is Verdict.TEMPORARY
        carol.abandon()
        for _ in range(3):
            assert net.run(send(home)).verdict is TAKEN
    assert home.health.state is State.UP
    assert home.gate() is Gate.OPEN


def test_recipients_after_one_that_spoiled_the_session_are_asked_on_a_fresh_one() -> None:
    net, scripted, home = network()
    scripted.answers["RCPT"] = spoiled
    transaction = home.transaction(ANN, MAIL)
    assert net.run(transaction.recipient(CAROL, RCPT)).verdict is Verdict.TEMPORARY
    assert net.run(transaction.recipient(BOB, RCPT)).verdict is TAKEN
    assert net.run(transaction.message(b"", MESSAGE)).verdict is TAKEN
    assert len(scripted.messages) == 1


def test_a_filter_that_refuses_data_after_a_reset_is_asked_on_a_fresh_session() -> None:
    net, scripted, home = network()
    scripted.answers["DATA"] = lambda wire, _: "554 5.5.1 no valid recipients" if "RSET" in wire.lines else ""
    for _ in range(4):
        given_up = home.transaction(ANN, MAIL)
        net.run(given_up.recipient(BOB, RCPT))
        given_up.abandon()
        net.settle()
        assert net.run(send(home)).verdict is TAKEN
    assert len([wire for wire in scripted.wires if "DATA" in wire.lines and not wire.taken]) == 1  # learned


def test_a_refusal_of_an_unknown_address_costs_no_session() -> None:
    net, scripted, home = network()
    scripted.answers["RCPT"] = lambda _, line: "550 5.1.1 unknown" if "carol" in line else ""
    for _ in range(10):
        carol = home.transaction(ANN, MAIL)
        assert net.run(carol.recipient(CAROL, RCPT)).verdict is Verdict.REFUSED
        carol.abandon()
        net.settle()
        assert net.run(send(home)).verdict is TAKEN
    assert len(scripted.wires) == 1


def test_what_fresh_sessions_say_too_is_soon_believed_at_its_first_word() -> None:
    net, scripted, home = network()
    net.run(send(home))
    scripted.answers["RCPT"] = lambda _, line: "450 4.7.1 greylisted" if "carol" in line else ""
    for _ in range(20):
        carol = home.transaction(ANN, MAIL)
        assert net.run(carol.recipient(CAROL, RCPT)).verdict is Verdict.TEMPORARY
        carol.abandon()
        net.settle()
        assert net.run(send(home)).verdict is TAKEN
    assert len(scripted.wires) <= 8


class Rate:
    """So many messages a minute, over all sessions."""

    def __init__(self, net: Network, most: int, reply: str) -> None:
        self.net, self.most, self.reply = net, most, reply
        self.times: list[float] = []

    def mail(self, wire: Wire, line: str) -> str:
        now = self.net.clock.seconds()
        recent = [time for time in self.times if now - time < 60]
        if len(recent) >= self.most:
            return self.reply
        return ""

    def message(self, wire: Wire, _: str) -> str:
        self.times.append(self.net.clock.seconds())
        return "250 ok"


@pytest.mark.parametrize("verb", ["MAIL", "DATA"])
@pytest.mark.parametrize("reply", ["421 4.7.0 too many messages", "450 4.7.1 rate limit exceeded", "421 slow down"])
def test_a_limit_per_minute_is_waited_out_and_home_stays_up(verb: str, reply: str) -> None:
    net, scripted, home = network()
    rate = Rate(net, 20, reply)
    scripted.answers[verb], scripted.message, scripted.closes = rate.mail, rate.message, True
    states: set[State] = set()
    home.listeners.append(lambda changed: states.add(changed.health.state))
    started: list[list[Outcome]] = []
    for _ in range(180):  # one every second, where a third of these is allowed
        started.append(net.start(send(home)))
        net.settle(1)
    net.settle(60)
    assert states <= {State.UP}
    outcomes = [outcome for results in started for outcome in results]
    assert verdicts(outcomes) <= {TAKEN, Verdict.TEMPORARY, Verdict.FAILED}
    assert len(scripted.messages) >= 60  # all that it takes
    asked = sum(line.startswith(f"{verb} FROM:<a" if verb == "MAIL" else verb) for line in scripted.lines)
    assert asked < 2 * len(scripted.messages)  # at a pace that it bears


def test_a_limit_that_lasts_longer_than_limits_do_is_an_outage() -> None:
    net, scripted, home = network()
    assert net.run(send(home)).verdict is TAKEN
    scripted.answers["MAIL"], scripted.closes = "421 4.7.0 too many messages", True
    for _ in range(int(LATELY / LONGEST_PACE) + 2):
        net.start(send(home))
        net.settle(LONGEST_PACE + 1)
    assert home.health.state is State.DOWN


@pytest.mark.parametrize(
    ("greeting", "state"),
    [
        ("421 4.7.0 too many connections in a minute", State.UP),
        ("421 4.3.2 shutting down", State.DOWN),
        ("421 bye", State.DOWN),
    ],
)
def test_a_greeting_that_speaks_of_a_limit_is_none_of_an_outage(greeting: str, state: State) -> None:
    net, scripted, home = network()
    assert net.run(send(home)).verdict is TAKEN
    net.settle(31)
    scripted.greeting, scripted.closes = greeting, True
    outcomes = net.start(send(home))
    for _ in range(10):
        net.settle(1)
    assert home.health.state is state
    scripted.greeting = "220 hello"
    if state is State.UP:
        for _ in range(10):
            net.settle(1)
        assert [outcome.verdict for outcome in outcomes] == [TAKEN]


def test_a_home_that_puts_off_everything_without_a_word_of_limits_is_down_at_once() -> None:
    net, scripted, home = network()
    assert net.run(send(home)).verdict is TAKEN
    scripted.answers["MAIL"] = "451 4.3.0 queue file write error"
    assert net.run(send(home)).verdict is Verdict.TEMPORARY
    assert home.health.state is State.DOWN


def test_sixty_clients_at_a_home_that_needs_three_seconds_a_message_are_all_served() -> None:
    net, scripted, home = network()
    scripted.needs = 3
    assert verdicts(burst(net, home, 60, 20, (BOB, CAROL))) == {TAKEN}
    assert len(scripted.messages) == 60
    assert len(scripted.wires) == 10


def test_who_would_wait_longer_than_clients_do_goes_without() -> None:
    net, scripted, home = network(connections=1, patience=20)
    scripted.needs = 3
    outcomes = burst(net, home, 10, 40)
    assert [outcome.verdict for outcome in outcomes] == [TAKEN] * 7 + [Verdict.FAILED] * 3
    assert outcomes[-1].text == "no free connection within 20 s"
    assert home.health.state is State.UP


def test_two_slow_replies_to_messages_are_no_outage_while_others_are_served() -> None:
    net, scripted, home = network()
    slow = [home.transaction(ANN, MAIL) for _ in range(2)]
    for transaction in slow:
        net.run(transaction.recipient(BOB, RCPT))
    scripted.message = [SILENT, SILENT, "250 ok"]
    results = [net.start(transaction.message(b"", MESSAGE)) for transaction in slow]
    net.settle(5)
    scripted.message = "250 ok"
    assert net.run(send(home)).verdict is TAKEN
    net.settle(5)
    assert [outcome.verdict for (outcome,) in results] == [Verdict.DOUBTFUL] * 2
    assert home.health.state is State.UP


def test_two_slow_replies_to_two_mailboxes_with_nothing_else_served_are_an_outage() -> None:
    net, scripted, home = network()
    scripted.message = SILENT
    burst(net, home, 2, 11, (BOB, CAROL))
    assert home.health.state is State.DOWN


class TestNullSender:
    def test_a_home_that_never_takes_it_answers_a_probe_for_its_postmaster(self) -> None:
        net, scripted, home = network()
        scripted.answers["MAIL"] = lambda _, line: "550 5.7.1 no bounces" if "<>" in line else ""
        assert net.run(home.probe(BOB)).verdict is TAKEN
        assert scripted.lines[-4:] == [
            "MAIL FROM:<>",
            "MAIL FROM:<postmaster@example.org>",
            "RCPT TO:<bob@example.org>",
            "QUIT",
        ]

    def test_its_refusal_beside_a_sender_that_is_put_off_is_an_answer(self) -> None:
        net, scripted, home = network()
        scripted.answers["MAIL"] = lambda _, line: "550 5.7.1 no" if "<>" in line else "451 4.1.8 unknown sender"
        assert net.run(send(home)).verdict is Verdict.TEMPORARY
        assert home.health.state is State.UP
