"""How many sessions there are, to which hosts, and what a home that cannot be had means for those who wait."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from mpcontinuity.model.address import Address
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.capacity import CALM
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.outbound.probing import observation
from mpcontinuity.outbound.transaction import PeerTransaction
from mpcontinuity.routing.health import Observation, State
from tests.outbound.test_transaction import ANN, BOB, CAROL, MAIL, RCPT, network, send
from tests.outbound.wire import CLOSE, SILENT, Domain, Network, ScriptedHome

TLS = "250-home.example.org\r\n250-PIPELINING\r\n250 STARTTLS"


def begin(net: Network, home: HomeServer, recipient: Address = BOB) -> PeerTransaction:
    transaction = home.transaction(ANN, MAIL)
    assert net.run(transaction.recipient(recipient, RCPT)).verdict is Verdict.ACCEPTED
    return transaction


def test_no_more_sessions_are_opened_than_the_cap() -> None:
    net, scripted, home = network(connections=3)
    busy = [begin(net, home) for _ in range(2)] + [begin(net, home, CAROL)]
    waiting = net.start(send(home))
    net.settle(5)
    assert waiting == []
    assert len(scripted.wires) == 3
    busy[0].abandon()
    net.settle()
    assert [outcome.verdict for outcome in waiting] == [Verdict.ACCEPTED]
    assert len(scripted.wires) == 3


def test_who_finds_no_free_session_within_the_reply_timeout_goes_without() -> None:
    net, _, home = network(connections=1)
    begin(net, home)
    outcome = net.run(send(home), 10)
    assert (outcome.verdict, outcome.stage) == (Verdict.FAILED, Stage.CONNECT)
    assert "no free connection" in outcome.text
    assert home.health.state is State.UP


def test_a_home_that_does_not_connect_is_waited_for_once() -> None:
    net, scripted, home = network()
    scripted.connecting = "timeout"
    first = net.start(send(home))
    net.settle(9)
    later = net.start(send(home))
    net.settle(1)
    assert [outcome.verdict for outcome in first + later] == [Verdict.FAILED] * 2
    assert home.health.state is State.DOWN


def test_a_refusal_while_other_sessions_are_served_lowers_our_concurrency_and_is_no_outage() -> None:
    net, scripted, home = network(connections=5)
    seen: list[Observation] = []
    observe = home.pool._observe

    def observed(observation: Observation, reason: str) -> None:
        seen.append(observation)
        observe(observation, reason)

    home.pool._observe = observed
    busy = begin(net, home)
    scripted.greeting = "421 4.7.0 too many connections"
    waiting = net.start(send(home))
    net.settle()
    assert seen == [Observation.THROTTLED]
    assert home.pool.limit == 1
    assert home.health.state is State.UP
    busy.abandon()
    net.settle()
    assert [outcome.verdict for outcome in waiting] == [Verdict.ACCEPTED]
    scripted.greeting = "220 ok"
    for _ in range(5):
        net.run(send(home))
    assert home.pool.limit == 1  # one session more is refused once in a while, not with every few messages
    net.settle(CALM)
    net.run(send(home))
    assert home.pool.limit > 1


def test_hosts_are_tried_in_order_of_preference_and_home_is_down_when_all_are() -> None:
    net = Network()
    home = net.home("one:25", "two:26")
    net.homes["one:25"].connecting = "refused"
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    net.settle(31)
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert net.connected == ["one:25", "two:26", "two:26"]  # no message waits again for one that failed
    assert [home.health.state] == [State.UP]
    net.homes["one:25"].connecting = ""
    assert net.run(home.probe(BOB)).verdict is Verdict.ACCEPTED
    net.settle(31)
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert net.connected[-2:] == ["one:25", "one:25"]
    net.homes["one:25"].connecting = net.homes["two:26"].connecting = "refused"
    net.settle(31)
    outcome = net.run(send(home))
    assert "one:25" in outcome.reason
    assert "two:26" in outcome.reason
    assert home.health.state is State.DOWN


def test_a_preferred_host_that_is_well_again_is_used_though_traffic_never_rests() -> None:
    net = Network()
    home = net.home("one:25", "two:26")
    net.homes["one:25"].connecting = "refused"
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    busy = begin(net, home)
    net.homes["one:25"].connecting = ""
    assert net.run(home.probe(BOB)).verdict is Verdict.ACCEPTED
    busy.abandon()
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert net.connected == ["one:25", "two:26", "one:25", "one:25"]


def test_a_fault_of_our_own_resolver_is_not_homes() -> None:
    net = Network()
    home = net.home("home:25")
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    net.settle(31)
    net.homes["home:25"].connecting = "unknown"
    net.homes["192.168.1.1:25"] = ScriptedHome()  # what StringTransport says its peer is
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert net.connected[-1] == "192.168.1.1:25"


def test_other_hosts_by_the_administrator_are_used_at_once() -> None:
    net, scripted, home = network()
    net.run(send(home))
    net.homes["new:25"] = ScriptedHome()
    assert net.servers.of(Domain(DomainSettings(home=("new:25",)))) is home  # as the domain sees it
    net.settle()
    assert scripted.wires[0].closed
    net.run(send(home))
    assert home.hosts == ["new:25"]
    assert net.connected[-1] == "new:25"


def test_a_session_to_hosts_that_were_left_is_not_used_again() -> None:
    net, scripted, home = network()
    transaction = begin(net, home)
    net.homes["new:25"] = ScriptedHome()
    net.servers.of(Domain(DomainSettings(home=("new:25",))))
    transaction.abandon()
    net.settle()
    assert scripted.wires[0].closed
    net.run(send(home))
    assert net.connected[-1] == "new:25"


def test_a_transaction_that_is_given_up_while_it_waits_keeps_no_session() -> None:
    net, scripted, home = network(connections=1)
    busy = begin(net, home)
    waiting = home.transaction(ANN, MAIL)
    results = net.start(waiting.recipient(BOB, RCPT))
    net.settle()
    waiting.abandon()
    busy.abandon()
    net.settle()
    assert [outcome.verdict for outcome in results] == [Verdict.FAILED]
    assert scripted.lines[-1] == "RSET"
    assert net.run(send(home)).verdict is Verdict.ACCEPTED
    assert len(scripted.wires) == 1


def test_any_number_of_clients_may_go_while_they_wait() -> None:
    net, scripted, home = network(connections=1)
    busy = begin(net, home)
    waiting = [home.transaction(ANN, MAIL) for _ in range(2000)]
    results = [net.start(transaction.recipient(BOB, RCPT)) for transaction in waiting]
    last = net.start(send(home))
    for transaction in waiting:
        transaction.abandon()
    busy.abandon()
    net.settle()
    assert {outcome.verdict for (outcome,) in results} == {Verdict.FAILED}
    assert [outcome.verdict for outcome in last] == [Verdict.ACCEPTED]
    assert len(scripted.wires) == 1


@pytest.mark.parametrize(
    ("policy", "changes", "expected"),
    [
        ("opportunistic", {}, "tls"),
        ("opportunistic", {"answers": {"EHLO": "250 home"}}, "plain"),
        ("opportunistic", {"answers": {"EHLO": TLS, "STARTTLS": "454 4.7.0 not now"}}, "plain"),
        ("opportunistic", {"handshake": False}, "plain"),
        ("opportunistic", {"handshake": None}, "plain"),
        ("opportunistic", {"answers": {"EHLO": [TLS, CLOSE, TLS]}}, "plain"),
        ("required", {}, "tls"),
        ("required", {"answers": {"EHLO": "250 home"}}, Verdict.TEMPORARY),
        ("required", {"answers": {"EHLO": TLS, "STARTTLS": "454 4.7.0 not now"}}, Verdict.TEMPORARY),
        ("required", {"handshake": False}, Verdict.FAILED),
        ("verify", {}, "tls"),
        ("off", {}, "plain"),
    ],
)
def test_tls_as_the_domain_wants_it(policy: str, changes: dict[str, Any], expected: Any) -> None:
    net = Network()
    net.homes["home:25"] = ScriptedHome(**{"answers": {"EHLO": TLS}, **changes})
    home = net.home("home:25", home_tls=policy)
    outcome = net.run(send(home), 10 if changes.get("handshake", True) is None else 0)
    last = net.homes["home:25"].wires[-1].lines
    if expected in ("tls", "plain"):
        assert outcome.verdict is Verdict.ACCEPTED
        assert ("(TLS)" in last) == (expected == "tls")
        assert home.health.state is State.UP
    else:
        assert (outcome.verdict, outcome.stage) == (expected, Stage.TLS)
        assert home.health.state is State.DOWN
    assert net.verified in ([], [policy == "verify"])


def test_a_host_whose_tls_failed_is_used_without_for_a_while() -> None:
    net = Network()
    net.homes["home:25"] = ScriptedHome(answers={"EHLO": TLS}, handshake=False)
    home = net.home("home:25")
    net.run(send(home))
    net.settle(31)
    net.run(send(home))
    assert len(net.verified) == 1
    net.settle(3600)
    net.run(send(home))
    assert len(net.verified) == 2


@pytest.mark.parametrize(
    ("trouble", "seconds", "verdict", "stage"),
    [
        ({}, 0, Verdict.ACCEPTED, Stage.RCPT),
        ({"connecting": "refused"}, 0, Verdict.FAILED, Stage.CONNECT),
        ({"answers": {"MAIL": "451 no"}}, 0, Verdict.TEMPORARY, Stage.MAIL),
        ({"answers": {"RCPT": "451 no"}}, 0, Verdict.TEMPORARY, Stage.RCPT),
        ({"answers": {"RCPT": SILENT}}, 10, Verdict.FAILED, Stage.RCPT),
        ({"answers": {"MAIL": CLOSE}}, 0, Verdict.FAILED, Stage.MAIL),
    ],
)
def test_a_probe_says_how_far_it_came_and_observes_nothing(
    trouble: dict[str, Any], seconds: float, verdict: Verdict, stage: Stage
) -> None:
    net = Network()
    net.homes["home:25"] = ScriptedHome(**trouble)
    home = net.home("home:25")
    started = net.start(home.probe(BOB))
    net.settle(seconds)
    net.settle(seconds)  # where one does not answer, it may be that mailbox: another is asked for
    outcome: Outcome = started[0]
    assert (outcome.verdict, outcome.stage) == (verdict, stage)
    assert home.health.state is State.UP
    if not trouble:
        assert net.homes["home:25"].lines[-3:] == ["MAIL FROM:<>", "RCPT TO:<bob@example.org>", "QUIT"]


@pytest.mark.parametrize(
    ("null", "postmaster", "observed"),
    [
        ("550 5.7.1 no empty senders", "250 ok", Observation.PROBE_GOOD),
        ("451 4.7.1 no empty senders", "250 ok", Observation.PROBE_GOOD),
        ("550 5.7.1 no empty senders", "550 5.7.1 not from you", Observation.PROBE_GOOD),  # both are answers
        ("550 5.7.1 no empty senders", "451 4.3.2 busy", Observation.UNREACHABLE),
        ("451 4.3.2 busy", "451 4.3.2 busy", Observation.UNREACHABLE),
        ("451 4.3.2 busy", "550 5.7.1 not from you", Observation.UNREACHABLE),
        ("421 4.3.2 down", "250 ok", Observation.UNREACHABLE),
    ],
)
def test_what_home_thinks_of_the_null_sender_is_its_taste(null: str, postmaster: str, observed: Observation) -> None:
    net, scripted, home = network()
    scripted.answers["MAIL"] = lambda _, line: null if line.startswith("MAIL FROM:<>") else postmaster
    assert observation(net.run(home.probe(BOB))) is observed
    assert ("RCPT TO:<bob@example.org>" in scripted.lines) is (postmaster == "250 ok" and not null.startswith("421"))


def test_a_probe_that_is_refused_while_others_are_served_is_a_good_one() -> None:
    net, scripted, home = network()
    begin(net, home)
    scripted.greeting = "421 4.7.0 too many connections"
    assert net.run(home.probe(BOB)).verdict is Verdict.ACCEPTED


def test_listeners_hear_of_a_change_and_nothing_else() -> None:
    net, scripted, home = network()
    heard: list[State] = []
    home.listeners.append(lambda changed: heard.append(changed.health.state))
    net.run(send(home))
    assert heard == []
    scripted.message = CLOSE
    net.run(send(home))
    net.run(send(home))
    assert heard == [State.SUSPECT, State.DOWN]


def test_the_home_servers_of_removed_domains_are_forgotten() -> None:
    net, scripted, home = network()
    net.run(send(home))
    net.servers.keep_only([])
    net.settle()
    assert scripted.wires[0].closed
    assert net.home("home:25") is not home


def test_the_log_says_why_a_home_server_is_down_and_has_no_empty_reason_afterwards() -> None:
    _, _, home = network()
    with capturedLogs() as logged:
        home.observe(Observation.UNREACHABLE, "refused")
        home.observe(Observation.PROBE_GOOD)
        home.observe(Observation.PROBE_GOOD)
    lines = [formatEvent(event) for event in logged if "home server" in str(event.get("log_format"))]
    assert lines[0].endswith("is down: refused")
    assert len(lines) > 1
    assert all(not line.rstrip().endswith(":") for line in lines)
