"""Home is back and refuses what it is given: what is bounced, and what is not."""

from __future__ import annotations

import time
from typing import Literal

import pytest

from tests.fakes.home import HANG_UP, Behaviour, ScriptedHome, say
from tests.journeys.world import TIMEOUT, World

Stage = Literal["mail", "rcpt", "data", "message"]

# As public reports have them: whatever stage they come at, every message of ours would meet them.
ABOUT_US: list[tuple[Stage, str]] = [
    ("rcpt", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
    ("message", "550 5.7.26 Unauthenticated email from sender.example is not accepted due to its DMARC policy"),
    ("mail", "550 5.7.25 The IP address sending this message does not have a PTR record"),
    ("rcpt", "550 5.7.1 <mx.continuity.example>: Helo command rejected: Host not found"),
    ("rcpt", "550 5.7.64 TenantAttribution; Relay Access Denied"),
    ("mail", "550 5.7.51 TenantInboundAttribution; There is a partner connector configured"),
    ("rcpt", "550 5.7.606 Access denied, banned sending IP [127.0.0.1]"),
    ("mail", "530 5.7.10 Encryption needed"),
    ("rcpt", "554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied"),
    ("message", "554 5.4.6 Hop count exceeded - possible mail loop"),
]


@pytest.mark.parametrize(("stage", "reply"), ABOUT_US, ids=[reply[:12] for _, reply in ABOUT_US])
def test_what_home_refuses_because_of_us_is_not_bounced(world: World, stage: Stage, reply: str) -> None:
    world.home.stop()
    for recipient in (world.anna, world.ben):
        assert world.send(f"for {recipient}", recipient).code == 250
    rule = world.home.on(stage, say(reply), sender="bob@sender.example")
    world.home.start()
    world.wait_for(lambda: rule.hits >= 4)
    assert world.ledger(taken_in=2, owed=2), world.report()
    (status,) = world.cli("status", world.domain)
    assert status["reason"].startswith("redelivery is paused: 5")
    assert status["outbound_backlog"] == 0
    world.home.clear()
    world.wait_for_ledger(taken_in=2, delivered=2)
    world.wait_for(lambda: not world.cli("status", world.domain)[0]["reason"])


def test_a_small_office_whose_home_comes_back_without_its_users_loses_nothing(world: World) -> None:
    for user in (world.anna, world.ben):
        assert world.send(f"before, for {user}", user).code == 250
    world.home.stop()
    for number in range(20):
        assert world.send(f"{number:02}", (world.anna, world.ben)[number % 2]).code == 250
    rule = world.home.on("rcpt", say("550 5.1.1 User unknown in local recipient table"))
    world.home.start()
    paused = "redelivery is paused: 550 5.1.1 User unknown in local recipient table"
    world.wait_for(lambda: world.cli("status", world.domain)[0]["reason"] == paused)  # probes meet the rule before
    assert rule.hits >= 3
    assert world.ledger(taken_in=20, owed=20), world.report()
    assert world.cli("status", world.domain)[0]["outbound_backlog"] == 0
    asked = {line for _, line in world.home.commands if line.startswith("RCPT") and "ben" in line}
    assert asked, "the tries of a paused flush do not go round"
    world.home.clear()
    world.wait_for_ledger(taken_in=20, delivered=20)


def test_one_user_whom_home_has_lost_waits_alone(world: World) -> None:
    for user in (world.anna, world.ben):
        assert world.send(f"before, for {user}", user).code == 250
    world.home.stop()
    for number in range(6):
        assert world.send(f"{number:02}", (world.anna, world.ben)[number % 2]).code == 250
    rule = world.home.on("rcpt", say("550 5.1.1 User unknown in local recipient table"), recipient=world.anna)
    world.home.start()
    world.wait_for_ledger(taken_in=6, delivered=3, owed=3)
    tried = rule.hits
    world.wait_for(lambda: rule.hits >= tried + 6)
    assert world.ledger(taken_in=6, delivered=3, owed=3), world.report()
    (status,) = world.cli("status", world.domain)
    assert status["reason"].startswith("home refuses 3 of what is owed, which stays owed: 550 5.1.1 User unknown")
    world.home.clear()
    world.wait_for_ledger(taken_in=6, delivered=6)


@pytest.mark.parametrize(
    "fault", [say("421 4.3.0 what a mailbox", hang_up=True), HANG_UP, say("421 4.3.0 what a mailbox")]
)
def test_one_mailbox_that_ends_every_session_holds_up_nobody_else(world: World, fault: Behaviour) -> None:
    world.home.stop()
    for number in range(10):
        assert world.send(f"{number:02}", (world.anna, world.ben)[number % 2]).code == 250
    world.home.on("rcpt", fault, recipient=world.anna)
    world.home.start()
    world.wait_for_ledger(taken_in=10, delivered=5, owed=5)
    world.home.clear()
    world.wait_for_ledger(taken_in=10, delivered=10)
    assert len(world.home.messages) == 10


def test_a_refusal_that_is_not_clear_bounces_nothing_and_holds_up_nobody(world: World, home: ScriptedHome) -> None:
    world.home.stop()
    for recipient in (world.anna, world.ben):
        assert world.send(f"for {recipient}", recipient).code == 250
    rule = home.on("message", say("554 5.7.1 Email rejected due to security measures"), recipient=world.anna)
    world.home.start()
    world.wait_for_ledger(taken_in=2, delivered=1, owed=1)
    world.wait_for(lambda: rule.hits >= 4)
    time.sleep(TIMEOUT)
    assert world.ledger(taken_in=2, delivered=1, owed=1), world.report()
    (row,) = world.cli("queue", "list", "--domain", world.domain)
    assert (row["last_code"], row["last_text"]) == (554, "5.7.1 Email rejected due to security measures")
    (status,) = world.cli("status", world.domain)
    assert "home refuses 1 of what is owed" in status["reason"]
