"""One mailbox of a home server that is slow, ends sessions or is never answered for, when others are served."""

from __future__ import annotations

from typing import Any

import pytest

from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.reply import Verdict
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.mailboxes import FAULT_LASTS
from mpcontinuity.routing.health import Gate, State
from tests.outbound.test_limits import TAKEN, burst, verdicts
from tests.outbound.test_transaction import ANN, BOB, CAROL, MAIL, MESSAGE, RCPT, network, send
from tests.outbound.wire import CLOSE, SILENT, Network, ScriptedHome, Wire


def recipient_of(wire: Wire) -> str:
    return next(line for line in reversed(wire.lines) if line.startswith("RCPT"))


class TestSlowMailbox:
    """One whose messages home answers after half a minute, when others are answered at once."""

    @staticmethod
    def site(**settings: Any) -> tuple[Network, ScriptedHome, HomeServer]:
        net, scripted, home = network(**settings)
        scripted.message = lambda wire, _: SILENT if "carol" in recipient_of(wire) else "250 2.0.0 taken"
        return net, scripted, home

    def test_others_pass_while_more_than_all_sessions_are_wanted_for_it(self) -> None:
        net, _, home = self.site()
        slow = [net.start(send(home, recipient=CAROL)) for _ in range(12)]
        for second in range(45):
            if second < 15:
                assert net.run(send(home)).verdict is TAKEN
            net.settle(1)
        assert verdicts([outcome for (outcome,) in slow]) == {Verdict.DOUBTFUL}
        assert home.health.state is State.UP

    def test_it_is_known_for_a_while_and_then_its_silence_counts_again(self) -> None:
        net, _, home = self.site()
        slow = net.start(send(home, recipient=CAROL))
        net.settle(1)
        assert net.run(send(home)).verdict is TAKEN
        net.settle(10)
        for _ in range(2):
            slow = net.start(send(home, recipient=CAROL))
            net.settle(11)
            assert verdicts(slow) == {Verdict.DOUBTFUL}
            assert home.health.state is State.UP
        net.settle(FAULT_LASTS)
        for state in (State.SUSPECT, State.DOWN):
            net.start(send(home, recipient=CAROL))
            net.settle(11)
            assert home.health.state is state

    def test_several_messages_to_it_at_once_are_one_silence(self) -> None:
        net, _, home = self.site()
        burst(net, home, 12, 40, (CAROL,))
        assert home.gate() is Gate.TRY  # suspect
        assert net.run(send(home)).verdict is TAKEN
        assert home.health.state is State.UP

    def test_a_home_that_is_silent_to_everybody_is_down_as_fast_as_before(self) -> None:
        net, scripted, home = self.site()
        assert verdicts(burst(net, home, 10)) == {TAKEN}
        scripted.message = SILENT
        burst(net, home, 4, 11, (BOB, CAROL))
        assert home.health.state is State.DOWN

    def test_it_leaves_a_session_to_others_where_home_serves_two(self) -> None:
        net, _, home = self.site(connections=2)
        for _ in range(3):
            net.start(send(home, recipient=CAROL))
        net.settle(1)
        assert net.run(send(home)).verdict is TAKEN


class TestMailbox:
    """One that ends sessions, or is never answered for: its message alone is redirected."""

    @staticmethod
    def site(trouble: str, **settings: Any) -> tuple[Network, ScriptedHome, HomeServer]:
        net, scripted, home = network(**settings)
        scripted.answers["RCPT"] = lambda _, line: trouble if "carol" in line else ""
        scripted.closes = True
        return net, scripted, home

    @pytest.mark.parametrize("trouble", ["421 4.3.0 mailbox server", CLOSE, SILENT])
    def test_others_pass(self, trouble: str) -> None:
        net, _, home = self.site(trouble)
        states: set[State] = set()
        home.listeners.append(lambda changed: states.add(changed.health.state))
        assert net.run(send(home)).verdict is TAKEN
        for _ in range(10):
            carol = home.transaction(ANN, MAIL)
            outcomes = net.start(carol.recipient(CAROL, RCPT))
            net.settle()
            for _ in range(3):
                assert net.run(send(home)).verdict is TAKEN
            net.settle(10)
            carol.abandon()
            assert outcomes[0].verdict in (Verdict.TEMPORARY, Verdict.FAILED)
        assert states <= {State.UP}
        assert home.gate() is Gate.OPEN
        assert home.pool.limit == 10

    @pytest.mark.parametrize("trouble", ["421 4.3.0 mailbox server", CLOSE])
    def test_the_others_of_its_transaction_go_on_in_another_session(self, trouble: str) -> None:
        net, scripted, home = self.site(trouble)
        transaction = home.transaction(ANN, MAIL)
        assert net.run(transaction.recipient(BOB, RCPT)).verdict is TAKEN
        assert net.run(transaction.recipient(CAROL, RCPT)).verdict is not TAKEN
        assert net.run(transaction.recipient(parse("dan@example.org"), RCPT)).verdict is TAKEN
        assert net.run(transaction.message(b"", MESSAGE)).verdict is TAKEN
        assert len(scripted.messages) == 1
        assert home.health.state is State.UP

    def test_a_home_that_ends_sessions_for_every_recipient_is_no_better_than_before(self) -> None:
        net, scripted, home = network()
        assert net.run(send(home)).verdict is TAKEN
        scripted.answers["RCPT"] = CLOSE
        for address in (CAROL, BOB):
            transaction = home.transaction(ANN, MAIL)
            assert net.run(transaction.recipient(address, RCPT)).verdict is Verdict.FAILED
            transaction.abandon()
        assert home.health.state is State.DOWN

    @pytest.mark.parametrize("trouble", ["421 4.3.0 mailbox server", CLOSE, SILENT])
    def test_a_home_that_has_taken_nobody_yet_is_asked_for_a_user_or_its_postmaster(self, trouble: str) -> None:
        for users in ([BOB], []):
            net, scripted, home = self.site(trouble)

            async def known(users: list[Address] = users) -> list[Address]:
                return [CAROL, *users]

            home.known_users = known
            for _ in range(3):
                carol = home.transaction(ANN, MAIL)
                net.start(carol.recipient(CAROL, RCPT))
                net.settle(10)
                carol.abandon()
            assert home.health.state is State.UP
            asked = "bob" if users else "postmaster"
            assert f"RCPT TO:<{asked}@example.org>" in scripted.lines

    def test_a_probe_of_it_goes_on_with_another(self) -> None:
        net, scripted, home = self.site("421 4.3.0 mailbox server")
        assert net.run(home.probe(CAROL)).verdict is TAKEN
        assert "RCPT TO:<postmaster@example.org>" in scripted.lines

    def test_a_home_that_is_silent_for_everybody_is_suspect_when_the_question_has_no_answer_either(self) -> None:
        net, scripted, home = network()
        scripted.answers["RCPT"] = SILENT
        net.start(send(home))
        net.settle(10)
        net.settle(10)
        assert home.health.state is State.SUSPECT

    def test_home_is_asked_for_another_once_a_minute_at_most(self) -> None:
        net, scripted, home = self.site(CLOSE)
        net.run(send(home))
        for _ in range(20):
            transaction = home.transaction(ANN, MAIL)
            net.run(transaction.recipient(CAROL, RCPT))
            transaction.abandon()
        assert scripted.lines.count("MAIL FROM:<>") == 1
