"""Plans, home servers that are cut off, and drills on two nodes: what is said at one holds at both, also if it dies."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.fakes.home import ScriptedHome
from tests.fakes.postgresql import cluster
from tests.journeys.nodes import Nodes, Pair


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with Nodes(tmp_path_factory.mktemp("nodes"), cluster()) as running:
        yield running
        for server in running.servers:
            log = server.log.read_text()
            assert "Traceback" not in log, log[-6000:]


@pytest.fixture
def pair(nodes: Nodes) -> Iterator[Pair]:
    with ScriptedHome() as home:
        yield Pair(nodes, home)


def mode(pair: Pair) -> set[str]:
    return {str(world.cli("status", world.domain)[0]["mode"]) for world in pair.both}


def test_a_plan_begins_and_ends_at_both_although_its_node_was_killed(pair: Pair) -> None:
    pair.one.cli("domain", "plan", pair.one.domain, "--from", "1s", "--until", "8s")
    pair.one.server.stop(signal.SIGKILL)
    pair.other.wait_for(lambda: pair.other.cli("status", pair.one.domain)[0]["mode"] == "enabled")
    assert pair.other.send("kept").code == 250
    assert pair.home.messages == []
    pair.one.server.start(40)
    pair.other.wait_for_ledger(taken_in=1, delivered=1)
    assert mode(pair) == {"disabled"}
    assert [copy.subject for copy in pair.home.messages] == ["kept"]


def test_what_is_cut_off_at_one_gets_nothing_from_the_other(pair: Pair) -> None:
    pair.home.stop()
    for number, world in enumerate(pair.both):
        assert world.send(f"owed {number}").code == 250
    pair.one.cli("contain", pair.one.domain, "on")
    pair.home.start()
    pair.other.cli("queue", "retry", "--domain", pair.one.domain)
    pair.other.wait_for(lambda: pair.other.state() != "down")
    pair.other.wait_for(lambda: pair.other.cli("status", pair.one.domain)[0]["contained"] is not None)
    assert pair.other.send("kept").code == 250
    flushing = pair.holder("flush")
    if flushing is not None:
        flushing.server.stop(signal.SIGKILL)
        flushing.server.start(40)
    assert pair.home.messages == []
    pair.other.cli("contain", pair.one.domain, "off")
    pair.one.wait_for(lambda: pair.one.send("new").text.startswith("2.0.0") and bool(pair.home.received("new")))
    kept = pair.one.cli("contain", pair.one.domain, "list")
    assert sorted(row["subject"] for row in kept)[0] == "kept"
    assert not {copy.subject for copy in pair.home.messages} & {"owed 0", "owed 1", "kept"}
    pair.one.cli("contain", pair.one.domain, "release", "--all")
    pair.other.wait_for(lambda: pair.other.report()["owed"] == 0)
    for subject in ("owed 0", "owed 1", "kept"):
        assert len(pair.home.received(subject)) == 1


def test_a_drill_begun_at_one_is_played_at_the_other_and_ends_without_it(pair: Pair) -> None:
    made = pair.one.cli("drill", pair.one.domain, "--user", pair.one.anna, "--for", "8s")
    pair.other.wait_for(lambda: pair.other.cli("status", pair.one.domain)[0]["drill"] is not None)
    assert pair.other.send("for anna").code == 250
    assert pair.other.send("for ben", pair.one.ben).code == 250
    assert pair.other.subjects() == ["for anna"]
    pair.one.server.stop(signal.SIGKILL)
    pair.other.wait_for_ledger(taken_in=1, delivered=1)
    pair.one.server.start(40)
    report = pair.one.cli("drill", "report", made["id"])
    assert (report["state"], report["sums"]["home"], report["sums"]["logged_in"]) == ("complete", 1, 1)
    assert sorted(copy.subject for copy in pair.home.messages) == ["for anna", "for ben"]
