"""An outage that is played for one user, on live mail: theirs waits here and goes home, everybody else's passes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World, message


@pytest.fixture
def world(configured: str, home: ScriptedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Server(tmp_path_factory.mktemp("server"), configured) as server:
        yield World(server, home)


def test_a_drill_from_its_beginning_to_its_report(world: World, home: ScriptedHome) -> None:
    made = world.cli("drill", world.domain, "--user", world.anna, "--for", "1h")
    assert world.send("for anna").code == 250
    assert world.send("for ben", world.ben).code == 250
    assert world.send("for nobody", f"nobody@{world.domain}").code == 250
    with world.smtp() as client:
        client.ehlo("sender.example")
        client.mail("bob@sender.example")
        codes = [client.rcpt(address)[0] for address in (world.anna, world.ben)]
    assert codes == [250, 452]  # they go separate ways
    assert world.at_home("for ben")
    assert world.at_home("for nobody")
    assert world.subjects() == ["for anna"]
    with world.smtp() as client:
        client.login(world.anna, "secret")
        client.sendmail(world.anna, [world.ben], message("from anna", sender=world.anna))
    assert world.at_home("from anna")  # to ben; her own copy waits
    world.cli("queue", "retry", "--domain", world.domain)
    world.server.stop(signal.SIGKILL)
    world.server.start()
    assert world.send("for anna again").code == 250
    world.wait_for_ledger(taken_in=3, owed=3)
    assert not home.received("for anna")
    assert len(home.received("from anna")) == 1
    report = world.cli("drill", "report", made["id"])
    assert (report["state"], report["sums"]["received"], report["sums"]["home"]) == ("under way", 2, 0)

    assert world.cli("drill", world.domain, "--end")["state"] == "ended"
    world.wait_for_ledger(taken_in=3, delivered=3)
    assert sorted(copy.subject for copy in home.messages if copy.recipients == [world.anna]) == [
        "for anna",
        "for anna again",
        "from anna",
    ]
    assert world.send("passes").code == 250
    assert world.at_home("passes")
    world.wait_for(lambda: world.cli("drill", "report", made["id"])["state"] == "complete")
    page = world.server.folder / "drill.html"
    report = world.cli("drill", "report", made["id"], "--html", str(page))
    sums = report["sums"]
    assert (sums["received"], sums["readable"], sums["home"], sums["owed"]) == (2, 2, 2, 0)
    assert (sums["sent"], sums["delivered"], sums["logged_in"]) == (1, 1, 1)
    assert [row["subject"] for row in report["received"]] == ["for anna", "for anna again"]
    assert all(0 <= row["readable"] <= row["home"] for row in report["received"])
    (anna,) = report["users"]
    assert {login["door"] for login in anna["logins"]} == {"IMAP", "SMTP"}
    assert "for anna again" in page.read_text()
    assert world.cli("drill", "report", made["id"]) == report  # kept as it is


def test_a_drill_ends_by_itself(world: World, home: ScriptedHome) -> None:
    world.cli("drill", world.domain, "--user", world.anna, "--for", "2s")
    assert world.send("for anna").code == 250
    assert world.ledger(taken_in=1, owed=1)
    world.wait_for_ledger(taken_in=1, delivered=1)
    assert world.at_home("for anna")
    assert [row["state"] for row in world.cli("drill", world.domain, "--list")] == ["ended"]


def test_a_real_outage_in_a_drill_takes_all_in_and_is_in_the_report(world: World, home: ScriptedHome) -> None:
    made = world.cli("drill", world.domain, "--user", world.anna, "--for", "1h")
    assert world.send("for anna").code == 250
    home.stop()
    assert world.send("for ben", world.ben).code == 250
    world.wait_for(lambda: world.state() == "down")
    assert world.send("for anna in both").code == 250
    home.start()
    world.wait_for_ledger(taken_in=3, delivered=1, owed=2)
    assert [copy.subject for copy in home.messages] == ["for ben"]
    world.wait_for(lambda: world.state() == "up")
    world.wait_for(lambda: world.cli("drill", "report", made["id"])["outages"] != [])
    world.cli("drill", world.domain, "--end")
    world.wait_for_ledger(taken_in=3, delivered=3)
    (outage,) = world.cli("drill", "report", made["id"])["outages"]
    assert outage["causes"] == ["down"]
