"""A message's whole way is found in the log by its id, and who brought it by the session's."""

from __future__ import annotations

import getpass
import os
import pwd
import re
from pathlib import Path

import pytest

from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say, taken_late
from tests.journeys.world import CONFIGURATION, TIMEOUT, World

ID = "[0-9a-hjkmnp-tv-z]{13}"


def lines(server: Server, identifier: str) -> list[str]:
    """What `grep` finds."""
    return [line for line in server.log.read_text().splitlines() if identifier in line]


def field(line: str, name: str) -> str:
    found = re.search(rf" {name}=({ID})", line)
    assert found, line
    return found[1]


def test_one_id_follows_a_message_from_the_door_over_a_restart_to_redelivery(
    tmp_path: Path, home: ScriptedHome
) -> None:
    with Server(tmp_path, CONFIGURATION) as server:
        world = World(server, home)
        home.stop()
        assert world.send("followed").code == 250
        [redirected] = [line for line in lines(server, world.anna) if " redirected: " in line]
        message, session, owed = (field(redirected, name) for name in ("message", "session", "owed"))
        assert server.stop() == 0
        home.on("message", say("451 4.3.0 not yet"), times=1)
        home.start()
        server.start()
        world.wait_for_ledger(taken_in=1, delivered=1)
        [copy] = home.received("followed")
        assert copy.id == owed
        # Nobody waits for its verdict.
        followed = [line for line in lines(server, message) if " mpcontinuity.verdicts." not in line]
        way = [re.sub(r".* mpcontinuity\.", "", line) for line in followed]
        assert [step.split()[0] for step in way] == [
            "delivery.handover",
            "redelivery.recording",
            "redelivery.recording",
        ]
        assert "redelivery 1 " in way[1]
        assert "451 4.3.0 not yet" in way[1]
        assert "redelivery 2 " in way[2]
        assert "accepted" in way[2]
        assert lines(server, owed) == followed
        assert "SMTP session from 127.0.0.1 ends: 1 messages; QUIT" in lines(server, session)[-1]


def test_what_is_refused_or_passed_on_has_its_session_and_message(world: World) -> None:
    world.home.on("rcpt", say("550 5.1.1 nobody here"), recipient=world.ben)
    assert world.send("passed").code == 250
    assert world.send("refused", world.ben).code == 550
    [passed] = [line for line in lines(world.server, world.anna) if " passed on: " in line]
    [refused] = [line for line in lines(world.server, world.ben) if " rejected: " in line]
    assert field(passed, "session") != field(refused, "session")
    assert world.home.received("passed")[0].id == field(passed, "owed")
    assert field(passed, "message") in str(world.home.received("passed")[0].headers["Received"])


def test_a_late_reply_stands_beside_the_message_that_it_answers(world: World) -> None:
    world.home.on("message", taken_late(TIMEOUT + 0.5), times=1)
    assert world.send("late").code == 250
    world.wait_for_ledger(taken_in=1, delivered=1)
    [doubt] = [line for line in lines(world.server, world.anna) if " redirected in doubt: " in line]
    world.wait_for(lambda: any(" late reply: " in line for line in lines(world.server, field(doubt, "message"))))


@pytest.mark.parametrize("local", ['"a\x1b[2Jb"', '"a b"'])
def test_no_sender_can_write_a_line_of_its_own(world: World, local: str) -> None:
    before = len(world.server.log.read_text().splitlines())
    world.home.stop()
    world.send("hostile", sender=f"{local}@sender.example")
    text = world.server.log.read_text()
    assert "\x1b" not in text
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in text.splitlines()[before:])


def test_who_changed_what_is_a_line_of_the_log(world: World) -> None:
    world.cli("user", "deactivate", world.anna)
    world.cli("user", "show", world.anna)
    user = pwd.getpwuid(os.getuid()).pw_name
    said = [line for line in world.server.log.read_text().splitlines() if f"address={world.anna}" in line]
    assert [line.partition("control.changes ")[2] for line in said] == [
        f"{getpass.getuser()} (control socket, uid {os.getuid()} ({user})): user deactivate address={world.anna}: done"
    ]
