"""What packs note of messages is found where it is damaged, and noted again: for the day the index is lost."""

from __future__ import annotations

import pytest

from mpcontinuity.model.reply import Stage
from mpcontinuity.store.bodies import salvage
from mpcontinuity.store.bodies.layout import FILE_LENGTH, Entry, Kind, Record
from mpcontinuity.store.disk import RealDisk
from tests.check.damaged import Damaged
from tests.delivery.homes import accepted, temporary


@pytest.fixture
def noted(damaged: Damaged) -> Damaged:
    """With a message that home put off after it had been asked, and another that home took later."""
    damaged.serve()
    damaged.post.home.answer = temporary(Stage.MESSAGE)
    damaged.relay("put off")
    damaged.post.home.answer = accepted(Stage.MESSAGE)
    damaged.relay("passed")
    damaged.redirect("five")
    damaged.home_takes("five")
    damaged.redirect("six")
    damaged.clock.advance(3600)
    damaged.stop()
    return damaged


def spoil(damaged: Damaged, way: str, *, bits: int) -> None:
    """The last outcome record that says so."""
    path, place = [
        (path, entry.offset)
        for path in damaged.packs()
        for entry in salvage.entries(RealDisk().open(path), Kind.MAIL)
        if isinstance(entry, Entry) and entry.record == Record.DECIDED and way in entry.decided().decisions.values()
    ][-1]
    content = bytearray(path.read_bytes())
    for octet in range(bits):
        content[place + 3 + octet] ^= 4 << octet % 3
    path.write_bytes(content)


@pytest.mark.parametrize(("way", "bits"), [("redirect", 1), ("redirect", 5), ("relay", 5), ("delivered", 5)])
def test_a_damaged_outcome_is_noted_again_and_known_when_the_database_is_lost(
    noted: Damaged, way: str, bits: int
) -> None:
    assert noted.check().findings == []
    spoil(noted, way, bits=bits)
    found = noted.check()
    assert [one.kind for one in found.faults] == ["pack"]
    assert "noted" in found.faults[0].remedy
    repaired = noted.repair()
    assert repaired.repaired, repaired.text
    assert noted.check().clean
    noted.lose_database_for_an_empty_one()
    assert noted.repair().repaired
    noted.serve()
    assert sorted(noted.subjects()) == ["five", "one", "put off", "six", "two"]
    assert noted.owed()["five"] == "delivered"
    assert noted.owed()["put off"] == "in_doubt"
    archived = {row[0] for row in noted.post.rows("SELECT subject FROM archive")}
    assert archived == {"one", "two", "three", "put off", "passed", "five", "six"}
    noted.stop()


def test_a_check_beside_a_server_leaves_packs_that_are_written_alone(noted: Damaged) -> None:
    noted.serve()
    noted.redirect("seven")
    noted.stop()
    noted.execute("UPDATE pack SET sealed = 0")
    spoil(noted, "delivered", bits=5)
    assert noted.check(serving=True).faults == []
    assert noted.check().faults


def test_a_sound_message_between_two_damaged_places_is_appended_to_another_pack(noted: Damaged) -> None:
    noted.flip("one", at="redirect", bits=6)
    noted.flip("three", at="inbound", bits=6)  # behind it: what is between is found by the index alone
    found = noted.check()
    assert any("only the index finds it" in one.what and '"two"' in one.what for one in found.faults), found.text
    assert noted.repair().repaired
    assert noted.check().clean
    noted.lose_database_for_an_empty_one()
    noted.repair()
    noted.serve()
    assert sorted(noted.subjects()) == ["five", "one", "put off", "six", "two"]
    noted.stop()


def test_octets_that_held_nothing_the_index_knows_are_no_fault(noted: Damaged) -> None:
    pack = next(path for path in noted.packs() if b"Subject: two" in path.read_bytes())
    content = pack.read_bytes()
    pack.write_bytes(content[:FILE_LENGTH] + b"\0" * 16 + content[FILE_LENGTH:])
    noted.execute('UPDATE body SET "offset" = "offset" + 16 WHERE pack = (SELECT MIN(pack) FROM body)')
    found = noted.check()
    assert found.clean
    assert "16 octets are damaged; no message of the index is there" in found.text
