"""Messages that home puts off as a server that takes none would: whether they show that, or are only unwanted."""

from __future__ import annotations

from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.server import OTHERS_SHOW
from mpcontinuity.routing.health import PUT_OFFS, State
from tests.outbound.test_transaction import ANN, BOB, MAIL, MESSAGE, RCPT, network
from tests.outbound.wire import Network, ScriptedHome, Wire

BUSY = "451 4.3.2 System not accepting network messages"
STRANGERS = [parse(f"stranger{number}@elsewhere.example") for number in range(PUT_OFFS)]


async def offered(home: HomeServer, sender: Address) -> Outcome:
    """A message while its client waits, as relay does it."""
    transaction = home.transaction(sender, MAIL, client="192.0.2.1")
    outcome = await transaction.recipient(BOB, RCPT)
    assert outcome.verdict is Verdict.ACCEPTED
    return await transaction.message(b"X-Id: 1\r\n", MESSAGE)


def sender_of(wire: Wire) -> str:
    return next(line for line in reversed(wire.lines) if line.startswith("MAIL"))


def site() -> tuple[Network, ScriptedHome, HomeServer]:
    """A home whose filter cannot read what strangers send, and which takes what others do."""
    net, scripted, home = network()
    scripted.message = lambda wire, _: BUSY if "stranger" in sender_of(wire) else "250 2.0.0 taken"
    return net, scripted, home


def put_off(net: Network, home: HomeServer) -> None:
    for stranger in STRANGERS:
        assert net.run(offered(home, stranger)).verdict is Verdict.TEMPORARY


def test_what_a_stranger_sends_brings_no_home_down_that_takes_the_messages_of_others() -> None:
    net, _, home = site()
    for _ in range(20):
        put_off(net, home)
        assert home.health.state is State.UP
        net.settle(OTHERS_SHOW - 1)
        assert net.run(offered(home, ANN)).verdict is Verdict.ACCEPTED
    net.settle(10 * OTHERS_SHOW)
    assert home.health.state is State.UP


def test_a_home_that_nobody_shows_to_take_any_is_down_soon_without_another_message() -> None:
    net, _, home = site()
    put_off(net, home)
    net.settle(OTHERS_SHOW)
    assert home.health.state is State.DOWN
    assert home.health.reason == BUSY


def test_messages_that_are_put_off_one_after_the_other_count_when_they_come() -> None:
    net, _, home = site()
    for stranger in STRANGERS:
        assert home.health.state is State.UP
        net.run(offered(home, stranger))
        net.settle(0.6 * OTHERS_SHOW)
    assert home.health.state is State.DOWN


def test_the_next_message_that_home_takes_passes_and_ends_an_outage_that_was_none() -> None:
    net, _, home = site()
    put_off(net, home)
    net.settle(OTHERS_SHOW)
    assert net.run(offered(home, ANN)).verdict is Verdict.ACCEPTED
    assert home.health.state is State.RECOVERING
