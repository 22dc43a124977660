"""Each kind of damage, planted for real, is found; what can be mended without guessing is; then the check is clean."""

from __future__ import annotations

from typing import Any

import crc32c
import pytest

from mpcontinuity.check import indexing
from mpcontinuity.message.render import render
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.reply import Stage
from mpcontinuity.store.bodies import layout
from mpcontinuity.store.bodies.head import Head
from tests.check.damaged import Checked, Damaged
from tests.delivery.homes import temporary
from tests.fakes.stores import result


def contents(damaged: Damaged) -> list[Any]:
    """Of the tables that a check might have changed."""
    tables = ("account", "archive", "body", "domain", "entry", "mailbox", "meta", "owed", "pack", "tracking")
    return [damaged.execute(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


def finds(damaged: Damaged, kind: str, *words: str) -> Checked:
    """What a check without --repair says of one kind of thing; it changes nothing."""
    before = contents(damaged)
    found = damaged.check()
    assert found.faults, "nothing was found"
    assert found.totals["repaired"] == 0
    said = " ".join(one.what + one.remedy for one in found.faults if one.kind == kind)
    for word in words:
        assert word in said, found.text
    assert contents(damaged) == before
    return found


def mends(damaged: Damaged) -> Checked:
    """All that was found; afterwards all is well."""
    repaired = damaged.repair()
    assert repaired.repaired, repaired.text
    again = damaged.check()
    assert again.clean, again.text
    return repaired


def test_a_store_that_nothing_happened_to_is_clean(damaged: Damaged) -> None:
    found = damaged.check()
    assert found.findings == []
    assert found.totals == {
        "messages": 4,
        "octets": found.totals["octets"],
        "packs": 2,
        "mailboxes": 12,
        "accounts": 2,
        "findings": 0,
        "repaired": 0,
    }
    assert damaged.check(quick=True).clean


def test_repair_is_refused_while_a_server_runs(damaged: Damaged) -> None:
    with pytest.raises(Refused, match="stop it"):
        damaged.check(repair=True, serving=True)


def test_beside_a_server_everything_but_the_pages_of_an_sqlite_is_checked(damaged: Damaged) -> None:
    damaged.flip("one")
    found = damaged.check(serving=True)
    pages = ["note"] if damaged.url == "sqlite" else []
    assert [one.kind for one in found.findings] == [*pages, "message"]


# Packs


def test_a_single_flipped_bit_is_turned_back(damaged: Damaged) -> None:
    damaged.flip("one")
    finds(damaged, "message", "ann@example.org INBOX UID 1", '"one" from <eve@example.net>', "checksum", "owed")
    assert "one bit" in mends(damaged).text
    damaged.serve()
    assert damaged.subjects() == ["one", "two"]
    damaged.stop()


def test_worse_damage_stays_listed_and_says_who_has_the_message(damaged: Damaged) -> None:
    damaged.flip("three", bits=3)
    found = finds(damaged, "message", '"three"', "home has it")
    repaired = damaged.repair()
    assert repaired.totals["repaired"] == 0
    assert damaged.check().text == found.text
    damaged.flip("two", bits=3)
    damaged.repair()
    damaged.serve()
    assert damaged.subjects()[0] == "one"
    assert "does not match its checksum" in damaged.subjects()[1]
    damaged.stop()


@pytest.mark.parametrize("bits", [1, 4])
def test_a_damaged_head_is_written_anew_from_the_index(damaged: Damaged, bits: int) -> None:
    damaged.flip("two", at="redirect", bits=bits)
    finds(damaged, "message", "two", "the message itself is not")
    mends(damaged)
    damaged.lose_database_for_an_empty_one()
    mends(damaged)
    damaged.serve()
    assert damaged.subjects() == ["one", "two"]
    damaged.stop()


def test_a_pack_that_is_cut_short_names_what_it_has_lost(damaged: Damaged) -> None:
    pack = next(path for path in damaged.packs() if b"Subject: two" in path.read_bytes())
    content = pack.read_bytes()
    pack.write_bytes(content[: content.index(b"Subject: two")])
    found = finds(damaged, "message", "cut short", '"two"', '"three"')
    assert len(found.faults) == 2
    damaged.repair()
    damaged.serve()
    assert damaged.subjects()[0] == "one"
    damaged.stop()


def test_a_pack_that_is_gone_is_told_message_by_message(damaged: Damaged) -> None:
    pack = next(path for path in damaged.packs() if b"Subject: two" in path.read_bytes())
    pack.rename(damaged.folder / "elsewhere")
    found = finds(damaged, "message", "its pack is missing", "bob@example.org INBOX UID 1")
    assert len(found.faults) == 3
    damaged.repair()
    (damaged.folder / "elsewhere").rename(pack)  # found again: nothing was changed meanwhile that stands in its way
    assert damaged.check().clean


def test_a_row_that_names_a_wrong_place_finds_its_message_again(damaged: Damaged) -> None:
    damaged.execute(
        'UPDATE body SET "offset" = "offset" + 7, length = length - 1 WHERE id = (SELECT MIN(id) FROM body)'
    )
    finds(damaged, "message", "sound copy")
    mends(damaged)
    damaged.serve()
    assert damaged.subjects() == ["one", "two"]
    damaged.stop()


def test_a_row_with_another_checksum_than_the_pack_is_put_right(damaged: Damaged) -> None:
    damaged.execute("UPDATE body SET crc = crc + 1")
    finds(damaged, "message", "another length or checksum")
    mends(damaged)


def test_a_pack_without_a_row_is_registered(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM pack WHERE id > 0")
    found = damaged.check()
    assert "is not in the index" in found.text
    damaged.repair()
    assert damaged.check().findings == []


def test_a_row_of_a_pack_that_is_not_there_and_held_nothing_is_forgotten(damaged: Damaged) -> None:
    damaged.execute("INSERT INTO pack (id, kind, day, created) VALUES (4711, 'mail', 99999, 0)")
    finds(damaged, "pack", "not there")
    mends(damaged)


# Rows


def test_a_message_whose_row_was_deleted_comes_back_from_its_pack(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM body")
    found = finds(damaged, "message", "not in the index", "put back from pack")
    assert len(found.faults) == 4
    mends(damaged)
    damaged.serve()
    assert damaged.subjects() == ["one", "two"]
    assert damaged.subjects(folder="Drafts") == ["four"]
    damaged.stop()


def test_a_message_that_neither_index_nor_packs_have_stays_listed(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM body")
    for pack in damaged.packs():
        pack.unlink()
    finds(damaged, "message", "neither index nor packs have it")
    damaged.repair()
    damaged.serve()
    assert ["missing" in subject for subject in damaged.subjects()] == [True, True]
    damaged.stop()


def test_owed_rows_that_are_gone_come_back_in_doubt(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM owed WHERE recipient = 'ann@example.org'")
    finds(damaged, "pack", "2 redirected")
    finds(damaged, "ledger", "2 rows are lost")
    damaged.repair()
    assert damaged.check().clean
    damaged.serve()
    states = sorted(state for (state,) in damaged.post.rows("SELECT state FROM owed"))
    assert states == ["in_doubt", "in_doubt", "owed"]
    assert damaged.ledger()
    assert damaged.subjects() == ["one", "two"]
    damaged.stop()


def test_a_message_of_which_all_rows_but_tracking_are_gone_comes_back_whole(damaged: Damaged) -> None:
    for table in ("entry", "archive", "owed"):
        damaged.execute(f"DELETE FROM {table} WHERE body = (SELECT MIN(id) FROM body)")
    damaged.execute("DELETE FROM body WHERE id = (SELECT MIN(id) FROM body)")
    damaged.repair()
    assert damaged.check().clean
    damaged.serve()
    assert sorted(damaged.subjects()) == ["one", "two"]
    assert damaged.ledger()
    damaged.stop()


def test_owed_rows_that_no_pack_has_are_shown_as_released(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM owed WHERE recipient = 'bob@example.org'")
    damaged.execute("UPDATE tracking SET received = received + 1 WHERE recipient = 'bob@example.org'")
    finds(damaged, "tracking", "no pack has the message")
    mends(damaged)
    damaged.serve()
    assert damaged.ledger()
    damaged.stop()


@pytest.mark.parametrize("change", ["messages = messages + 2", "unseen = 0", "octets = 7", "deleted = 1"])
def test_counters_are_counted_anew(damaged: Damaged, change: str) -> None:
    damaged.execute(f"UPDATE mailbox SET {change} WHERE name = 'INBOX'")
    finds(damaged, "mailbox", f"{change.split()[0]} says", "INBOX of ann@example.org")
    mends(damaged)


def test_a_uid_is_not_given_twice(damaged: Damaged) -> None:
    damaged.execute("UPDATE mailbox SET uidnext = 1, modseq = 1 WHERE name = 'INBOX'")
    finds(damaged, "mailbox", "next UID is 1", "modseq is 1")
    mends(damaged)
    damaged.serve()
    damaged.redirect("later")
    assert damaged.subjects() == ["one", "two", "later"]
    damaged.stop()


def test_owed_mail_whose_entries_are_lost_is_listed_again(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM entry WHERE body = (SELECT MIN(id) FROM body)")
    finds(damaged, "mailbox", "in no mailbox of the user")
    mends(damaged)
    damaged.serve()
    assert damaged.subjects() == ["two", "one"]
    damaged.stop()


def test_entries_of_a_mailbox_that_is_gone_come_back_in_a_folder_of_their_own(damaged: Damaged) -> None:
    damaged.execute("DELETE FROM mailbox WHERE name = 'Drafts'")
    finds(damaged, "mailbox", "is gone, but 1 entries")
    mends(damaged)
    damaged.serve()
    assert damaged.subjects(folder="Recovered") == ["four"]
    damaged.stop()


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_ledger_that_does_not_add_up_is_balanced(damaged: Damaged, wrong: int) -> None:
    damaged.execute("UPDATE account SET taken_in = taken_in + ? WHERE address = 'ann@example.org'", wrong)
    finds(damaged, "ledger", "ann@example.org")
    mends(damaged)
    damaged.serve()
    assert damaged.ledger()
    damaged.stop()


def test_the_counter_of_mail_without_a_user_is_put_right(damaged: Damaged) -> None:
    (domain,) = damaged.execute("SELECT id FROM domain")[0]
    damaged.execute("INSERT INTO meta (key, value) VALUES (?, '3')", f"owed unregistered {domain}")
    finds(damaged, "ledger", "addresses without a user")
    mends(damaged)


def test_tracking_follows_the_ledger(damaged: Damaged) -> None:
    damaged.execute("UPDATE tracking SET outcome = 'delivered' WHERE outcome = 'owed'")
    found = finds(damaged, "tracking", "shown as delivered, but the ledger says owed")
    assert len(found.faults) == 3
    mends(damaged)


def test_rows_that_mean_nothing_are_removed(damaged: Damaged) -> None:
    damaged.execute("INSERT INTO subscription (account, name) VALUES (4711, 'x')")
    damaged.execute("INSERT INTO home_change (id, domain, time, state) VALUES (1, 4711, 1, 'down')")
    damaged.execute("INSERT INTO address (key, account) VALUES ('x@example.org', 4711)")
    finds(damaged, "database", "1 subscriptions", "1 addresses", "1 changes of home servers")
    mends(damaged)


@pytest.mark.sqlite
def test_an_index_of_the_database_that_lacks_a_row_is_built_again(damaged: Damaged) -> None:
    with damaged.sql() as connection:
        connection.execute("PRAGMA writable_schema = ON")
        text = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'tracking_newest'").fetchone()[0]
        connection.execute(
            "UPDATE sqlite_master SET sql = ? WHERE name = 'tracking_newest'", (text + " WHERE received < 0",)
        )
    with damaged.sql() as connection:
        connection.execute("REINDEX tracking_newest")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'tracking_newest'", (text,))
    finds(damaged, "database", "missing from index")
    mends(damaged)


# The whole database


def test_a_server_does_not_start_on_a_database_that_is_older_than_its_packs(damaged: Damaged) -> None:
    copy = damaged.keep_copy()
    damaged.serve()
    damaged.redirect("five")
    damaged.stop()
    damaged.put_back(copy)
    with pytest.raises(Refused, match="older than the message packs"):
        damaged.serve()
    result(damaged.store.close())
    damaged.repair()
    damaged.serve()
    damaged.stop()


def test_an_older_database_takes_in_what_the_packs_know(damaged: Damaged) -> None:
    copy = damaged.keep_copy()
    before = dict(damaged.execute("SELECT id, uidvalidity FROM mailbox"))
    damaged.serve()
    damaged.redirect("five", "ann@example.org", "bob@example.org")
    damaged.append("six")
    damaged.append("seven", "Archive", mailbox="")
    damaged.relay("eight")
    ids = [row[0] for row in damaged.post.rows("SELECT id FROM owed ORDER BY id")]
    damaged.stop()
    damaged.put_back(copy)
    finds(damaged, "pack", "1 redirected, 1 taken by home", "2 appended by users")
    mends(damaged)
    damaged.serve()
    assert damaged.subjects() == ["one", "two", "five"]
    assert damaged.subjects("bob@example.org") == ["two", "five"]
    assert damaged.subjects(folder="Drafts") == ["four", "six"]
    assert damaged.subjects(folder="Recovered") == ["seven"]
    assert [row[0] for row in damaged.post.rows("SELECT id FROM owed ORDER BY id")] == ids
    assert {state for (state,) in damaged.post.rows("SELECT state FROM owed")} == {"in_doubt"}
    assert damaged.ledger()
    archived = [row[0] for row in damaged.post.rows("SELECT subject FROM archive ORDER BY time")]
    assert archived == ["one", "two", "three", "five", "eight"]
    after = {row[0]: row[1] for row in damaged.post.rows("SELECT id, uidvalidity FROM mailbox")}
    assert all(after[mailbox] > max(before.values()) for mailbox in before)
    damaged.stop()


def test_what_home_took_after_the_backup_is_not_owed_again(damaged: Damaged) -> None:
    copy = damaged.keep_copy()
    damaged.serve()
    damaged.home_takes("one")
    damaged.redirect("five")
    damaged.home_takes("five")
    damaged.redirect("six")
    damaged.stop()
    damaged.put_back(copy)
    mends(damaged)
    damaged.serve()
    assert damaged.owed() == {"one": "delivered", "two": "in_doubt", "five": "delivered", "six": "in_doubt"}
    assert damaged.ledger()
    damaged.stop()


def test_a_message_that_home_put_off_is_known_as_redirected_to_the_packs_too(damaged: Damaged) -> None:

    damaged.serve()
    damaged.post.home.answer = temporary(Stage.MESSAGE)
    damaged.relay("put off")
    damaged.stop()
    damaged.lose_database_for_an_empty_one()
    mends(damaged)
    damaged.serve()
    assert "put off" in damaged.subjects()
    damaged.stop()


def test_without_a_database_packs_name_domains_users_and_messages(damaged: Damaged) -> None:
    damaged.lose_database_for_an_empty_one()
    finds(damaged, "database", "older than the packs")
    said = mends(damaged).text
    assert "domain set example.org home=HOST mode=disabled" in said
    assert "user bob@example.org was not known" in said
    damaged.serve()
    assert damaged.subjects() == ["one", "two"]
    assert damaged.subjects("bob@example.org") == ["two"]
    assert damaged.subjects(folder="Drafts") == ["four"]
    assert damaged.owed() == {"one": "in_doubt", "two": "in_doubt"}
    assert damaged.ledger()
    damaged.redirect("later")
    assert damaged.subjects() == ["one", "two", "later"]
    damaged.stop()


def test_a_repair_of_a_lost_database_that_was_interrupted_goes_on(
    damaged: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged.lose_database_for_an_empty_one()
    calls = iter(range(99))

    def interrupted(content: bytes) -> bytes:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return render(content)

    monkeypatch.setattr(indexing, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        damaged.repair()
    mends(damaged)
    damaged.serve()
    assert damaged.subjects() == ["one", "two"]
    damaged.stop()


def test_damage_in_one_place_of_a_pack_hides_nothing_behind_it(damaged: Damaged) -> None:
    damaged.flip("one", at="redirect", bits=6)
    damaged.lose_database_for_an_empty_one()
    damaged.repair()
    damaged.serve()
    assert damaged.subjects() == ["two"]
    damaged.stop()


def test_a_message_cannot_pass_itself_off_as_another_entry_behind_damage(damaged: Damaged) -> None:
    forged = Head(
        id=5, time=1, direction="inbound", recipients=("bob@example.org",), decisions={"bob@example.org": "redirect"}
    )
    raw = layout.encode_head(forged)
    body = b"Subject: forged\r\n\r\n"
    entry = layout.entry_header(layout.Record.BODY, raw, len(body), crc32c.crc32c(body)) + body + raw
    damaged.serve()
    damaged.redirect("carrier", text=entry)
    damaged.redirect("behind")
    damaged.stop()
    pack = next(path for path in damaged.packs() if b"Subject: carrier" in path.read_bytes())
    content = bytearray(pack.read_bytes())
    place = content.rindex(b"Return-Path", 0, content.index(b"Subject: carrier"))
    for offset in (place - 8, place - 14, place - 20):  # its own header
        content[offset] ^= 0x5A
    pack.write_bytes(content)
    damaged.lose_database_for_an_empty_one()
    damaged.repair()
    damaged.serve()
    assert "behind" in damaged.subjects()
    assert "forged" not in damaged.subjects("bob@example.org")
    damaged.stop()


def test_an_older_database_takes_in_what_users_sent_and_asks_whether_to_send_it(damaged: Damaged) -> None:
    copy = damaged.keep_copy()
    damaged.serve()
    damaged.submit("five", "eve@world.example", "bob@example.org")
    ids = [row[0] for row in damaged.post.rows("SELECT id FROM outgoing ORDER BY id")]
    damaged.stop()
    damaged.put_back(copy)
    finds(damaged, "pack", "1 sent by users")
    mends(damaged)
    damaged.serve()
    assert damaged.subjects(folder="Sent") == ["five"]
    assert damaged.post.rows("SELECT id, state FROM outgoing ORDER BY id") == [(one, "failed") for one in ids]
    assert damaged.post.rows("SELECT count(*) FROM domain") == [(1,)]  # the world is none of ours
    assert damaged.post.rows("SELECT direction, sender FROM archive WHERE subject = 'five'") == [
        ("outbound", "ann@example.org")
    ]
    tracked = damaged.post.rows("SELECT status, count(*) FROM tracking WHERE subject = 'five' GROUP BY status")
    assert tracked == [("failed", 2)]
