"""Users are told, past their home server: by an administrator, and when continuity begins and ends."""

from __future__ import annotations

from tests.journeys.world import World


def test_users_hear_in_inbox_of_a_declared_outage_and_of_its_end_and_home_of_nothing(world: World) -> None:
    world.cli("domain", "set", world.domain, "notify-users=on")
    world.cli("domain", "set", world.domain, "mode=enabled")
    beginning = f"Your mail of {world.domain} goes on at mx.continuity.example"
    end = f"The mail server of {world.domain} is back"
    for user in (world.anna, world.ben):
        world.wait_for(lambda user=user: world.subjects(user) == [beginning])  # type: ignore[misc]
    world.cli("domain", "set", world.domain, "mode=disabled")
    for user in (world.anna, world.ben):
        world.wait_for(lambda user=user: world.subjects(user) == [beginning, end])  # type: ignore[misc]
    row = world.server.run("domain", "tell", world.domain, "--subject", "News", "--stdin", stdin="There is some.\n")
    assert row.stdout == f"{world.domain}: told 2 users in INBOX, and 0 of them at their alternate address\n"
    assert world.subjects() == [beginning, end, "News"]
    assert [told["subject"] for told in world.cli("domain", "tell", world.domain, "--list")] == ["News", end, beginning]
    assert world.cli("queue", "list", "--domain", world.domain) == []
    assert not world.home.messages
