"""One home server is one server, however many domains name it."""

from __future__ import annotations

import pytest

from mpcontinuity.model.reply import Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.routing.health import Observation, State
from tests.outbound.test_limits import burst
from tests.outbound.test_pool import begin
from tests.outbound.test_transaction import send
from tests.outbound.wire import Domain, Network


def test_domains_that_name_the_same_home_share_its_connections_and_its_sessions() -> None:
    net = Network(connections=4)
    homes = [net.home("home:25", domain=domain) for domain in (1, 2, 3)]
    scripted = net.homes["home:25"]
    scripted.needs = 3
    started = [net.start(send(home)) for _ in range(8) for home in homes]
    net.settle()
    assert scripted.open == 4
    for _ in range(30):
        net.settle(1)
    assert {outcome.verdict for results in started for outcome in results} == {Verdict.ACCEPTED}
    assert len(scripted.wires) == 4


def test_domains_that_want_other_tls_of_it_share_its_connections_and_none_starves() -> None:
    net = Network(connections=4)
    plain, secured = net.home("home:25"), net.home("HOME.:25", domain=2, home_tls="off")
    scripted = net.homes["home:25"]
    net.homes["HOME.:25"] = scripted
    scripted.needs = 3
    busy = [net.start(send(plain)) for _ in range(40)]
    net.settle()
    waiting = net.start(send(secured))
    for _ in range(8):
        net.settle(1)
        assert scripted.open <= 4
    assert [outcome.verdict for outcome in waiting] == [Verdict.ACCEPTED]
    for _ in range(40):
        net.settle(1)
    assert {outcome.verdict for results in busy for outcome in results} == {Verdict.ACCEPTED}


def test_an_idle_session_of_other_tls_makes_room() -> None:
    net = Network(connections=1)
    first, second = net.home("home:25"), net.home("home:25", domain=2, home_tls="off")
    assert net.run(send(first)).verdict is Verdict.ACCEPTED
    assert net.run(send(second)).verdict is Verdict.ACCEPTED
    assert net.homes["home:25"].open == 1


def test_domains_share_its_health_and_hear_of_it() -> None:
    net = Network()
    homes = [net.home("home:25", domain=domain) for domain in (1, 2)]
    heard: list[int] = []
    for home in homes:
        home.listeners.append(lambda changed: heard.append(changed.domain))
    net.homes["home:25"].connecting = "timeout"
    results = net.start(send(homes[0]))
    net.settle(10)
    assert len(results) == 1
    assert [home.health.state for home in homes] == [State.DOWN] * 2
    assert heard == [1, 2]
    assert [len(home.observed) for home in homes] == [1, 1]


def test_the_silence_of_a_home_is_waited_for_once_for_all_domains() -> None:
    net = Network()
    homes = [net.home("home:25", domain=domain) for domain in (1, 2)]
    net.homes["home:25"].connecting = "timeout"
    results = [net.start(send(home)) for home in homes]
    net.settle(10)
    assert [len(each) for each in results] == [1, 1]
    assert homes[0].health.since == homes[1].health.since


def test_a_domain_with_other_tls_has_a_health_of_its_own() -> None:
    net = Network()
    lenient, strict = net.home("home:25"), net.home("home:25", domain=2, home_tls="required")
    assert net.run(send(strict)).verdict is Verdict.TEMPORARY  # it offers no TLS
    assert (lenient.health.state, strict.health.state) == (State.UP, State.DOWN)


@pytest.mark.parametrize("leaving", [1, 2])
def test_a_domain_that_moves_to_another_home_leaves_the_other_one_in_peace(leaving: int) -> None:
    net = Network()
    homes = {domain: net.home("home:25", domain=domain) for domain in (1, 2)}
    staying = 3 - leaving
    busy = begin(net, homes[staying])
    homes[staying].observe(Observation.SILENT, "lost")
    net.homes.update({"new:25": type(net.homes["home:25"])()})
    assert net.home("new:25", domain=leaving) is homes[leaving]
    assert homes[leaving].hosts == ["new:25"]
    assert net.run(send(homes[leaving])).verdict is Verdict.ACCEPTED
    assert net.connected[-1] == "new:25"
    assert homes[staying].health.state is State.SUSPECT
    assert homes[staying].leads
    busy.abandon()
    net.settle()
    assert not net.homes["home:25"].wires[0].closed


def test_a_domain_that_joins_learns_how_its_home_is() -> None:
    net = Network()
    first, second = net.home("home:25"), net.home("other:25", domain=2)
    first.observe(Observation.UNREACHABLE, "refused")
    heard: list[State] = []
    second.listeners.append(lambda changed: heard.append(changed.health.state))
    net.home("home:25", domain=2)
    assert heard == [State.DOWN]
    assert (first.leads, second.leads) == (True, False)


def test_a_home_that_no_domain_names_any_more_keeps_nothing() -> None:
    net = Network(connections=1)
    home = net.home("home:25")
    busy = begin(net, home)
    waiting = net.start(send(home))
    net.settle()
    net.home("new:25")
    net.settle()
    assert [outcome.verdict for outcome in waiting] == [Verdict.FAILED]
    busy.abandon()
    net.settle()
    assert net.homes["home:25"].open == 0
    assert burst(net, home, 3, 1)[-1].verdict is Verdict.ACCEPTED
    assert len(net.servers._servers) == len(net.servers._capacities) == 1


def test_what_one_domain_asks_for_finds_the_same_object_without_a_new_look() -> None:
    net = Network()
    domain = Domain(DomainSettings(home=("home:25",)))
    assert net.servers.of(domain) is net.servers.of(domain)


def test_when_we_stop_nobody_waits_for_a_session_any_more() -> None:
    net = Network(connections=1)
    home = net.home("home:25")
    busy = begin(net, home)
    waiting = [net.start(send(home)) for _ in range(3)]
    net.settle()
    net.servers.stop_waiting()
    net.settle()
    assert [outcome.text for results in waiting for outcome in results] == ["this server stops"] * 3
    busy.abandon()


@pytest.mark.parametrize(
    ("listening", "state"),
    [
        ([("", 25)], State.DOWN),
        ([("10.0.0.1", 25)], State.DOWN),
        ([("", 587), ("127.0.0.1", 25)], State.UP),  # what serves at this address is another one
    ],
)
def test_a_home_whose_address_has_become_ours_is_down(listening: list[tuple[str, int]], state: State) -> None:
    """It took its old name along when the MX moved here: we would hand each message to ourselves."""
    net = Network(listening=listening)
    home = net.home("10.0.0.1:25")  # where our end of the connection is, too
    outcome = net.run(send(home))
    assert home.health.state is state
    assert outcome.verdict is (Verdict.ACCEPTED if state is State.UP else Verdict.FAILED)
    assert ("is this server itself" in outcome.text) is (state is State.DOWN)
    assert net.homes["10.0.0.1:25"].open == (state is State.UP)
    elsewhere = Network(listening=listening)
    assert elsewhere.run(send(elsewhere.home("192.0.2.1:25"))).verdict is Verdict.ACCEPTED


def test_domains_that_show_home_other_certificates_have_sessions_of_their_own() -> None:
    network = Network()
    first, second = network.home(home_tls_certificate="/a.pem"), network.home(domain=2, home_tls_certificate="/b.pem")
    third = network.home(domain=3, home_tls_certificate="/a.pem")
    assert first.server is not second.server
    assert first.server is third.server
