"""Email Archive is filled in steps and in bounds, once for each message, and keeps nothing from being dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import users
from mpcontinuity.accounts.domain_storage import stored
from mpcontinuity.archive import folder
from mpcontinuity.archive.folder import AGAIN, EmailArchives
from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.mailbox import archived, change, mailboxes, quota
from mpcontinuity.mailbox.append import MAX_UID, UID_BITS
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, HOUR, SECOND
from mpcontinuity.model.flags import SEEN
from mpcontinuity.queue import lineage, unreported
from mpcontinuity.store.statement import Statement
from tests.archive.archived import archive, text
from tests.archive.test_holds import House
from tests.fakes.clock import ManualClock
from tests.fakes.jobs import Here
from tests.fakes.stores import result

SHOWN = Statement(
    """SELECT entry.id & 4294967295, archive.subject FROM entry JOIN archive ON archive.body = entry.body
    WHERE entry.id BETWEEN :first AND :last ORDER BY entry.id"""
)
ENTRIES = Statement("SELECT COUNT(*) FROM entry")


class Reader:
    """Anna, who looks into her folder."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.archives = EmailArchives(house.store, Here(), house.clock)

    def look(self) -> list[str]:
        return [subject for _, subject in self.rows()]

    def rows(self) -> list[tuple[int, str]]:
        info = result(Deferred.fromCoroutine(self.archives.make(self.house.anna)))
        assert info is not None
        self.house.clock.advance(AGAIN)
        result(Deferred.fromCoroutine(self.archives.look(self.house.anna)))
        span = {"first": info.id << UID_BITS, "last": info.id << UID_BITS | MAX_UID}
        return self.house.run(lambda tx: tx.all(SHOWN, **span))


@pytest.fixture
def house(tmp_path: Path, clock: ManualClock) -> House:
    return House(tmp_path, clock)


@pytest.fixture
def anna(house: House) -> Reader:
    return Reader(house)


def test_what_came_to_a_user_and_what_they_sent_is_shown_oldest_first_once(house: House, anna: Reader) -> None:
    house.run(users.add_alias, user=house.anna, alias=parse("a@example.org"))
    house.archive("to her")
    house.clock.advance(1)
    house.archive("to her alias and bert", "A@Example.org")
    house.archive("to bert", "bert@example.org", sender="anna@example.org")
    house.clock.advance(1)
    house.archive("from her", "x@world.example", sender="anna+tag@example.org", direction=OUTBOUND)
    house.archive("from bert", "x@world.example", sender="bert@example.org", direction=OUTBOUND)
    expected = ["to her", "to her alias and bert", "from her"]
    assert anna.look() == expected
    before = anna.rows()
    assert [subject for _, subject in before] == expected
    house.clock.advance(HOUR / SECOND)
    house.archive("new")
    assert anna.rows() == [*before, (before[-1][0] + 1, "new")]


def test_two_processes_that_fill_a_folder_at_once_list_each_message_once(house: House, anna: Reader) -> None:
    other = Reader(house)
    for number in range(5):
        house.archive(f"{number}")
    first = Deferred.fromCoroutine(anna.archives.look(house.anna))
    assert other.look() == [f"{number}" for number in range(5)]
    assert anna.look() == other.look()
    result(first)


def test_a_folder_is_bounded_and_has_the_newest(house: House, anna: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST", 7)
    for number in range(12):
        house.archive(f"{number}")
        house.clock.advance(HOUR / SECOND)
    assert anna.look() == [f"{number}" for number in range(5, 12)]
    for number in range(12, 15):
        house.archive(f"{number}")
        house.clock.advance(HOUR / SECOND)
    uids = anna.rows()
    assert [subject for _, subject in uids] == [f"{number}" for number in range(8, 15)]
    assert [uid for uid, _ in uids] == sorted({uid for uid, _ in uids})


def test_it_is_in_no_quota_and_nothing_that_the_user_has_or_has_seen(house: House, anna: Reader) -> None:
    body = house.archive("x")
    assert anna.look() == ["x"]
    assert house.run(quota.used, account=house.anna.id) == quota.Quota()
    assert house.run(stored, domain=house.domain.id) == 0
    assert house.run(users.listing, domain=house.domain.id)[0].messages == 0
    assert house.run(lineage.judge_deleted, account=house.anna.id, body=body)
    assert not house.run(unreported.seen, account=house.anna.id, body=body)
    (entry,) = house.run(lambda tx: tx.all(Statement("SELECT flags, size FROM entry")))
    assert entry[0] == SEEN


def test_what_it_lists_is_dropped_with_the_archive_and_its_pack(house: House, anna: Reader) -> None:
    for number in range(3):
        house.archive(f"{number}")
    house.pass_days(1)
    house.archive("later")
    assert anna.look() == ["0", "1", "2", "later"]
    house.restart()
    house.pass_days(89.9)
    reader = Reader(house)
    assert reader.look() == ["later"]
    house.pass_days(8)
    assert reader.look() == []
    assert house.run(lambda tx: tx.value(ENTRIES)) == 0
    assert house.files == 0


def test_what_was_copied_out_of_it_is_the_users_own_and_stays(house: House, anna: Reader) -> None:
    body = house.archive("precious")
    anna.look()
    source = house.run(archived.find, account=house.anna.id)
    assert source is not None
    inbox = house.run(mailboxes.inbox, account=house.anna.id)
    house.run(change.copy, source=source.id, uids=((1, 1),), target=inbox)
    house.restart()
    house.pass_days(100)
    there = Statement("SELECT id FROM body")
    assert [row[0] for row in house.run(lambda tx: tx.all(there))] == [body]
    assert not house.run(lineage.judge_deleted, account=house.anna.id, body=body)


def test_a_damaged_message_is_listed_as_an_empty_one(house: House, anna: Reader) -> None:
    house.archive("damaged")
    house.archive("whole")
    house.run(lambda tx: tx.run(Statement("UPDATE body SET crc = crc + 1 WHERE id = (SELECT MIN(id) FROM body)")))
    assert anna.look() == ["damaged", "whole"]


def test_where_nothing_is_archived_there_is_no_folder_and_a_name_that_is_taken_is_the_users(
    house: House, anna: Reader
) -> None:
    house.run(mailboxes.create, account=house.anna.id, name="Email Archive")
    assert result(Deferred.fromCoroutine(anna.archives.make(house.anna))) is None
    house.keep_for(0)
    assert result(Deferred.fromCoroutine(anna.archives.make(house.bert))) is None


def test_it_waits_no_longer_than_its_patience(house: House, anna: Reader) -> None:
    """Reading hangs: whoever opens the folder has it all the same, and looks again later."""
    house.archive("x")
    result(Deferred.fromCoroutine(anna.archives.make(house.anna)))
    hanging: Deferred[None] = Deferred()
    anna.archives._filling[house.anna.id] = hanging
    looked = Deferred.fromCoroutine(anna.archives.look(house.anna))
    assert not looked.called
    house.clock.advance(folder.PATIENCE)
    assert looked.called


def test_mail_to_oneself_that_is_huge_is_listed(house: House, anna: Reader) -> None:
    archive(house.store, text("huge", "x" * 5_000_000), recipients=["anna@example.org"], domain=house.domain.id)
    for number in range(3):
        content = text(f"{number}", "y" * 3_000_000)
        archive(house.store, content, recipients=["anna@example.org"], domain=house.domain.id)
    assert sorted(anna.look()) == ["0", "1", "2", "huge"]


def test_a_large_folder_is_filled_step_by_step_with_rests_and_few_at_a_time(house: House, anna: Reader) -> None:
    for number in range(120):
        house.archive(f"{number}")
    infos = [result(Deferred.fromCoroutine(anna.archives.make(user))) for user in (house.anna, house.bert)]
    assert all(infos)
    looks = [Deferred.fromCoroutine(anna.archives.look(house.anna))]
    info = infos[0]
    assert info is not None
    sizes = []
    while not looks[0].called:
        sizes.append(house.run(archived.extent, folder=info).messages)
        house.clock.advance(folder.REST)
    assert sizes == [50, 100, 120]


def test_what_came_while_the_clock_was_ahead_hides_nothing_that_comes_after(house: House, anna: Reader) -> None:
    house.archive("before")
    house.clock.jump(10 * DAY / SECOND)
    house.archive("ahead")
    assert anna.look() == ["before", "ahead"]
    house.clock.jump(-10 * DAY / SECOND)
    house.clock.advance(HOUR / SECOND)
    house.archive("after")
    assert anna.look() == ["before", "ahead", "after"]


def test_whoever_gets_an_address_anew_is_not_shown_the_mail_of_who_had_it_before(house: House, anna: Reader) -> None:
    """Nor to an alias; what was archived before anybody had it is theirs."""
    house.archive("before bert came", "carl@example.org")
    house.run(users.add_alias, user=house.bert, alias=parse("sales@example.org"))
    house.archive("to bert", "bert@example.org")
    house.archive("to bert as sales", "sales@example.org")
    house.archive("from bert", "x@world.example", sender="bert@example.org", direction=OUTBOUND)
    house.clock.advance(1)
    house.run(users.remove_alias, user=house.bert, alias=parse("sales@example.org"))
    house.run(users.forget, account=house.bert.id, domain=house.domain.id)
    house.run(users.add_alias, user=house.anna, alias=parse("bert@example.org"))
    for alias in ("sales", "carl"):
        house.run(users.add_alias, user=house.anna, alias=parse(f"{alias}@example.org"))
    house.archive("to the new sales", "sales@example.org")
    house.archive("to the new bert", "Bert+tag@example.org")
    assert anna.look() == ["before bert came", "to the new sales", "to the new bert"]


def test_mail_of_a_domain_that_was_removed_is_not_found_in_one_that_has_its_name(house: House, anna: Reader) -> None:
    house.archive("of the new one")
    archive(house.store, text("of the old one"), recipients=["anna@example.org"], domain=house.domain.id + 1_000)
    assert anna.look() == ["of the new one"]
