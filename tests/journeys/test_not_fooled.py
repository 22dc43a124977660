"""Home servers that fool whoever believes them, as in outages that were seen; tests/simulation/replays.py has their
hours and days."""

from __future__ import annotations

import pytest

from tests.fakes.home import Behaviour, ScriptedHome, Stage, say
from tests.fakes.imap_home import ScriptedImap
from tests.fakes.imap_home import answer as imap_answer
from tests.journeys.world import TIMEOUT, World

PUT_OFF = say("451 4.3.2 System not accepting network messages")
BANNED = say("550 5.7.606 Access denied, banned sending IP [127.0.0.1]")
SLOW = 0.6 * TIMEOUT  # per reply, which comes in time


def send_from_several(world: World, prefix: str) -> list[str]:
    """Messages of different senders, and their subjects; each is answered 250."""
    subjects = [f"{prefix} {number}" for number in range(4)]
    for subject in subjects:
        sender = f"{subject.replace(' ', '-')}@sender.example"
        answer = world.send(subject, sender=sender)
        assert answer.code == 250, answer
    return subjects


@pytest.mark.parametrize("behaviour", [PUT_OFF, BANNED], ids=["put off", "banned"])
def test_a_home_that_takes_no_message_is_down_though_it_answers_probes(world: World, behaviour: Behaviour) -> None:
    assert world.send("before").code == 250
    world.home.on("message", behaviour)
    subjects = send_from_several(world, "during")
    world.wait_for(lambda: world.state() == "down")
    assert sorted(world.subjects()) == subjects
    # Probes are good all the time, and home bans us beside: nothing is returned to anybody, nor is the flush paused.
    world.home.clear()
    world.home.on("message", BANNED)
    subjects += send_from_several(world, "later")
    assert world.state() == "down"
    assert "paused" not in world.cli("status", world.domain)[0]["reason"]
    world.home.clear()
    world.wait_for(lambda: world.state() == "up")  # a message that is owed is the first to be taken
    world.wait_for_ledger(taken_in=len(subjects), delivered=len(subjects))
    assert len(world.cli("status", world.domain, "--history")) <= 4  # up, down, recovering, up


def test_a_home_that_takes_its_time_for_each_reply_holds_nobody_up(world: World) -> None:
    replies: dict[Stage, str] = {
        "greeting": "220 home",
        "ehlo": "250 home",
        "mail": "250 2.1.0 ok",
        "rcpt": "250 2.1.5 ok",
        "data": "354 go on",
        "message": "250 2.0.0 taken",
    }
    for stage, reply in replies.items():
        world.home.on(stage, say(reply, wait=SLOW))
    for number in range(3):
        answer = world.send(f"slow {number}")
        assert answer.code == 250, answer
        assert answer.seconds < 3 * TIMEOUT  # all its replies together take 3.6
    assert world.state() == "up"
    world.wait_for_ledger(taken_in=3, delivered=3)  # at the pace that home bears
    assert world.state() == "up"


class Fickle(ScriptedHome):
    """Fails every other connection."""

    fickle = False

    def choose(self, stage: Stage, sender: str | None, recipients: list[str], taken: int) -> Behaviour | None:
        if self.fickle and stage == "greeting" and self.sessions % 2 == 0:
            return say("451 4.3.2 System not accepting network messages", hang_up=True)
        return super().choose(stage, sender, recipients, taken)


def test_a_home_that_fails_every_other_connection_does_not_make_the_state_flap(world: World) -> None:
    with Fickle() as fickle:
        site = World(world.server, fickle)
        assert site.send("before").code == 250
        fickle.fickle = True
        fickle.drop_sessions()
        site.wait_for(lambda: site.send("during").code == 250 and site.state() == "down")
        probed = fickle.sessions + 40
        site.wait_for(lambda: fickle.sessions > probed)
        assert site.state() == "down"
        changes = site.cli("status", site.domain, "--history")
        assert len([change for change in changes if change["state"] == "down"]) == 1
        fickle.fickle = False
        site.wait_for(lambda: site.state() == "up")


def test_users_who_cannot_log_in_at_home_are_seen_and_can_have_copies(world: World) -> None:
    imap = ScriptedImap()
    imap.on("AUTHENTICATE", imap_answer("NO [UNAVAILABLE] the directory is away"))
    imap.on("LOGIN", imap_answer("NO [UNAVAILABLE] the directory is away"))
    url = f"imap://probe:geheim@127.0.0.1:{imap.port}"
    try:
        row = world.cli("domain", "set", world.domain, f"home-users={url}")
        assert row["home-users"] == url.replace("geheim", "…")
        world.wait_for(lambda: world.cli("status", world.domain)[0]["users_out"] is not None)
    finally:
        imap.stop()
    status = world.cli("status", world.domain)[0]
    assert status["state"] == "up"
    assert "the directory is away" in status["users_out"]
    assert "geheim" not in world.server.log.read_text() + str(status)
    assert world.send("passes").code == 250
    assert world.at_home("passes")
    assert world.subjects() == []
    world.cli("user", "continuity", "--domain", world.domain, "--all", "on")
    assert world.send("copied").code == 250
    assert world.at_home("copied")
    world.wait_for(lambda: world.subjects() == ["copied"])
    assert world.report()["taken_in"] == 0  # a copy is owed to nobody
