"""What every door does alike, tried on the smallest one."""

from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from mpcontinuity.door.connection import FOLLOWS, PIECE, TURN, Phase
from mpcontinuity.door.deadline import LINGER
from mpcontinuity.door.factory import GRACE, LONGEST
from mpcontinuity.door.lastword import ACCOUNT_CLOSED
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.store import Store
from tests.door.toy import Toy
from tests.fakes.clock import ManualClock


@pytest.fixture
def toy(store: Store, clock: ManualClock) -> Toy:
    toy = Toy(store, clock)
    assert toy.read() == "hello\n"
    return toy


# The loop


def test_what_comes_in_one_piece_is_answered_in_order_and_in_one_write(toy: Toy) -> None:
    before = toy.wire.writes
    assert toy.say("a", "b", "c") == "a\nb\nc\n"
    assert toy.wire.writes == before + 1


def test_what_was_answered_does_not_wait_for_the_command_that_waits(toy: Toy) -> None:
    assert toy.say("a", "wait", "b") == "a\n("
    toy.connection.waits[0].callback(None)
    assert toy.read() == ")\nb\n"


def test_who_sends_more_while_a_command_waits_is_not_read_until_all_is_worked_off(toy: Toy) -> None:
    toy.say("wait", "wait")
    assert toy.wire.producerState == "producing"
    assert toy.say("a") == ""
    assert toy.wire.producerState == "paused"
    toy.connection.waits[0].callback(None)
    assert toy.wire.producerState == "paused"
    toy.connection.waits[1].callback(None)
    assert toy.read() == ")\n()\na\n"
    assert toy.wire.producerState == "producing"


def test_others_have_their_turn_between_many_commands(toy: Toy) -> None:
    assert toy.say(*["a"] * (2 * TURN + 1)) == "a\n" * TURN
    toy.clock.advance(0)
    assert toy.read() == "a\n" * (TURN + 1)  # of this clock all turns of a moment


def test_long_answers_are_not_gathered_while_the_client_does_not_read(toy: Toy) -> None:
    toy.wire.full = True
    assert len(toy.say(*[f"long {PIECE}"] * 10)) <= 2 * PIECE
    toy.wire.full = False
    toy.wire.producer.resumeProducing()
    while toy.connection.working:
        toy.clock.advance(0)
    assert len(toy.wire.value()) >= 8 * PIECE


def test_a_fault_ends_the_connection_it_is_in_and_no_other(toy: Toy) -> None:
    other, wire = toy.connect()
    toy.say("wait")
    toy.connection.waits[0].errback(Failure(ZeroDivisionError()))
    assert toy.wire.aborted
    other.dataReceived(b"a\n")
    assert wire.value() == b"hello\na\n"


# TLS


def test_plain_text_behind_the_beginning_of_tls_is_not_run(toy: Toy) -> None:
    assert toy.say("tls", "login eve") == "begin\n"
    assert toy.wire.aborted
    assert not toy.wire.tls
    assert toy.connection.user is None


def test_tls_forgets_who_had_logged_in(toy: Toy) -> None:
    toy.say("login ann")
    toy.say("tls")
    assert toy.wire.tls
    assert toy.connection.user is None
    assert toy.connection.secure


# Time


def test_before_a_login_nothing_prolongs_what_a_stranger_may_take(toy: Toy) -> None:
    for _ in range(7):
        assert not toy.wire.disconnecting
        toy.say("a")
        toy.clock.advance(9)
    assert toy.read().endswith("! nothing was heard for too long\n")
    assert toy.wire.disconnecting


def test_after_it_the_last_command_counts_and_half_a_command_does_not(toy: Toy) -> None:
    toy.say("login ann")
    toy.clock.advance(599)
    assert toy.say("a") == "a\n"
    toy.clock.advance(599)
    toy.connection.dataReceived(b"half of one")
    assert not toy.wire.disconnecting
    toy.clock.advance(2)
    assert toy.wire.disconnecting


def test_work_under_way_is_not_silence(toy: Toy) -> None:
    toy.say("login ann", "wait")
    toy.clock.pump([60] * 60)
    assert not toy.wire.disconnecting
    toy.connection.waits[0].callback(None)
    toy.clock.advance(599)
    assert not toy.wire.disconnecting
    toy.clock.pump([60])
    assert toy.wire.disconnecting


def test_a_client_that_does_not_read_is_cut_without_a_word(toy: Toy) -> None:
    toy.wire.full = True
    toy.say("login ann", "a")
    toy.clock.advance(601)
    assert toy.wire.aborted
    assert toy.read() == ""


def test_a_last_word_is_not_waited_for_long(toy: Toy) -> None:
    assert toy.say("bye") == "! bye\n"
    assert toy.wire.disconnecting
    assert not toy.wire.aborted
    toy.clock.advance(LINGER + 1)
    assert toy.wire.aborted


def test_nothing_waits_for_a_connection_that_is_lost(toy: Toy) -> None:
    toy.say("bye")
    toy.lose()
    assert not toy.clock.getDelayedCalls()
    assert toy.factory.count() == 0
    assert toy.connection.left


def test_a_host_that_is_over_its_ration_of_commands_is_let_go(toy: Toy) -> None:
    toy.factory.services.rations.adopt(Limits(commands_per_minute=5))
    said = "".join(toy.say("a") for _ in range(40) if not toy.wire.disconnecting)
    assert said.endswith("! too many commands from your host, try again later\n")


# The end


def test_a_client_that_closes_its_direction_is_answered_first(toy: Toy) -> None:
    toy.say("wait", "a")
    toy.connection.readConnectionLost()
    assert not toy.wire.disconnecting
    toy.connection.waits[0].callback(None)
    assert toy.read() == ")\na\n"
    assert toy.wire.disconnecting


def test_a_last_word_does_not_come_in_the_middle_of_an_answer(toy: Toy) -> None:
    toy.say("wait", "a")
    toy.connection.stop(ACCOUNT_CLOSED)
    assert toy.read() == ""
    toy.connection.waits[0].callback(None)
    assert toy.read() == ")\n! the account was closed\n"
    assert toy.wire.disconnecting


def test_what_comes_behind_the_last_word_is_not_looked_at(toy: Toy) -> None:
    toy.connection.stop(ACCOUNT_CLOSED)
    toy.connection.stop(ACCOUNT_CLOSED)
    assert toy.say("a") == "! the account was closed\n"
    toy.connection.readConnectionLost()
    assert toy.connection.phase is Phase.PARTING


def test_a_stop_tells_all_and_cuts_who_does_not_leave(toy: Toy) -> None:
    busy, wire = toy.connect()
    busy.dataReceived(b"wait\n")
    stopped = toy.factory.stop()
    assert toy.read() == "! the server stops\n"
    toy.lose()
    assert wire.value() == b"hello\n("
    toy.clock.pump([0.1] * int(LONGEST * 10 + 2))
    assert wire.aborted
    assert not stopped.called
    busy.connectionLost(Failure(ConnectionError()))
    toy.clock.advance(0.1)
    assert stopped.called


def test_who_still_comes_in_while_the_server_stops_is_told_so(toy: Toy) -> None:
    stopped = toy.factory.stop()
    late, wire = toy.connect()
    assert wire.value() == b"hello\n! the server stops\n"
    late.connectionLost()
    toy.lose()
    toy.clock.pump([0.1] * int(GRACE * 10))
    assert stopped.called


def test_no_phase_comes_back_and_all_end_in_loss() -> None:
    order = list(Phase)
    for phase, following in FOLLOWS.items():
        assert all(order.index(each) > order.index(phase) for each in following)
        assert phase is Phase.LOST or Phase.LOST in following
