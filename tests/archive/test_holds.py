"""What is held outlives its time, whole packs go when theirs has come, and a purge drops what retention allows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, leaving_users, users
from mpcontinuity.archive import holds, retention
from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.append import NewEntry, append
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, HOUR, LATEST, SECOND
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.queue.owed import NewOwed, take_in
from mpcontinuity.store.bodies.head import TAKEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.upkeep import retention as packs
from mpcontinuity.store.upkeep.reconcile import reconcile
from mpcontinuity.store.upkeep.verify import Packed, walk
from tests.archive.archived import archive, text
from tests.fakes.clock import ManualClock
from tests.fakes.stores import open_memory_like_store, result
from tests.store.messages import PACKS

T = TypeVar("T")

LEFT = Statement("SELECT subject FROM archive ORDER BY time, id")
ID = Statement("SELECT id FROM archive WHERE subject = :subject")


class House:
    """A store with the domain example.org and its users anna, who has an alias, and bert."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.folder, self.clock = folder, clock
        self.store = open_memory_like_store(folder, clock=clock)
        self.domain = self.run(domains.add, name="example.org", settings=DomainSettings(home=("127.0.0.1:25",)))
        self.anna, self.bert = (
            self.run(users.add_user, domain=self.domain.id, address=parse(f"{name}@example.org"))
            for name in ("anna", "bert")
        )

    def run(self, work: Callable[..., T], **arguments: Any) -> T:
        return result(self.store.run(partial(work, **arguments)))

    def archive(self, subject: str, to: str = "anna@example.org", **more: Any) -> int:
        return archive(self.store, text(subject), recipients=[to], domain=self.domain.id, **more).id

    def hold_user(self, user: str = "anna@example.org") -> int:
        known = self.run(users.find_exactly, address=parse(user))
        keys = self.run(users.keys, account=known.id) if known else [parse(user).key]
        more = {"domain": 0, "query": "", "user": user, "keys": keys, "note": "", "name": "root"}
        hold = self.run(holds.add, **more)
        assert hold is not None
        return hold

    def hold_messages(self, *subjects: str) -> int:
        more = {"domain": 0, "query": "x", "user": "", "keys": (), "note": "", "name": "root"}
        hold = self.run(holds.add, **more)
        assert hold is not None
        ids = [self.run(lambda tx, subject: tx.value(ID, subject=subject), subject=subject) for subject in subjects]
        assert self.run(holds.keep, hold=hold, messages=ids) == len(ids)
        self.run(holds.complete, hold=hold)
        return hold

    def pass_days(self, days: float) -> None:
        """Days, with a round of housekeeping at the end of each, as of a process that was started anew."""
        while days > 0:
            self.clock.advance(min(days, 1) * DAY / SECOND)
            days -= 1
            self.sweep()

    def sweep(self) -> None:
        result(Deferred.fromCoroutine(retention.sweep(self.store)))
        result(Deferred.fromCoroutine(packs.sweep(self.store)))

    def restart(self) -> None:
        """What was written is in packs that nothing is appended to any more."""
        result(self.store.close())
        self.store = open_memory_like_store(self.folder, clock=self.clock)
        result(Deferred.fromCoroutine(reconcile(self.store, lambda *_: None)))

    def purge(self, before: int = LATEST) -> tuple[int, int]:
        done = result(Deferred.fromCoroutine(retention.purge(self.store, before)))
        return done.dropped, done.held

    def keep_for(self, days: int) -> None:
        settings = msgspec.structs.replace(self.domain.settings, retention_days=days)
        self.run(domains.change, domain=self.domain, settings=settings)

    @property
    def left(self) -> list[str]:
        return [row[0] for row in self.run(lambda tx: tx.all(LEFT))]

    @property
    def files(self) -> int:
        return len(list(self.store.packs.folder.glob("*.pack")))


@pytest.fixture
def house(tmp_path: Path, clock: ManualClock) -> House:
    return House(tmp_path, clock)


def test_for_ninety_days_everything_is_there_and_then_it_goes_with_its_packs(house: House) -> None:
    for day in range(5):
        house.archive(f"day {day}")
        house.pass_days(1)
    house.restart()
    house.pass_days(84.9)
    assert house.left == [f"day {day}" for day in range(5)]
    whole = house.files
    house.pass_days(3)
    assert house.left == ["day 3", "day 4"]
    house.pass_days(8)
    assert house.left == []
    assert (whole, house.files) == (5, 0)


def test_what_a_user_gets_and_sends_is_held_also_what_comes_later_and_by_an_alias(house: House) -> None:
    house.archive("before")
    hold = house.hold_user()
    house.run(users.add_alias, user=house.anna, alias=parse("a@example.org"))
    house.pass_days(1)
    house.archive("to her alias", "A@Example.org")
    house.archive("to her tag", "anna+tag@example.org")
    house.archive("to bert", "bert@example.org", sender="anna@example.org")
    house.archive("from her", "x@world.example", sender="anna@example.org", direction=OUTBOUND)
    house.run(users.remove_alias, user=house.anna, alias=parse("a@example.org"))
    house.pass_days(100)
    assert house.left == ["before", "to her alias", "to her tag", "from her"]
    house.run(users.forget, account=house.anna.id, domain=house.domain.id)
    house.pass_days(30)
    assert len(house.left) == 4
    assert house.run(holds.lift, hold=hold)
    house.pass_days(2)
    assert house.left == []


def test_a_hold_outlives_its_domain(house: House) -> None:
    house.archive("evidence")
    house.archive("nothing", "bert@example.org")
    house.hold_user()
    for user in (house.anna, house.bert):
        house.run(users.forget, account=user.id, domain=house.domain.id)
        house.run(mailboxes.delete_all, account=user.id)
        house.run(leaving_users.delete, account=user.id)
    house.run(domains.remove, domain=house.domain)
    house.pass_days(200)
    assert house.left == ["evidence"]


def test_what_a_query_found_is_held_until_no_hold_has_it_any_more(house: House) -> None:
    for subject in ("one", "two", "three"):
        house.archive(subject)
    first, second = house.hold_messages("one", "two"), house.hold_messages("two")
    house.pass_days(100)
    assert house.left == ["one", "two"]
    house.run(holds.lift, hold=first)
    house.pass_days(2)
    assert house.left == ["two"]
    house.run(holds.lift, hold=second)
    house.pass_days(2)
    assert house.left == []
    held = Statement("SELECT COUNT(*) FROM archive_held")
    assert house.run(lambda tx: tx.value(held)) == 0


def test_what_is_held_is_read_from_a_new_pack_and_owed_to_nobody_there(house: House) -> None:
    for number in range(4):
        house.archive(f"drop {number}", "bert@example.org")
    kept = house.archive("keep")
    house.hold_user()
    house.restart()
    house.pass_days(100)
    assert house.left == ["keep"]
    kinds = [row[1] for row in house.run(lambda tx: tx.all(PACKS)) if row[4] == 0]
    assert kinds == ["kept"]
    body = Statement('SELECT id, pack, "offset", length, prefix, crc FROM body WHERE id = :id')
    found = house.run(lambda tx: tx.records(lambda *columns: columns, body, id=kept))
    assert len(found) == 1

    async def heads() -> list[dict[str, str]]:
        said = []
        async for step in walk(house.store, [found[0][1]]):
            said += [one.head.decisions for one in step if isinstance(one, Packed)]
        return said

    decisions = result(Deferred.fromCoroutine(heads()))
    assert all(set(each.values()) <= {TAKEN} for each in decisions)


def test_a_purge_goes_by_the_retention_of_now_and_takes_whole_packs(house: House) -> None:
    for day in range(10):
        house.archive(f"day {day}")
        house.pass_days(1)
    house.restart()
    assert house.purge() == (0, 0)
    house.keep_for(5)
    house.pass_days(0.1)
    assert len(house.left) == 10  # nothing goes by a setting alone
    assert house.purge(before=house.clock.now() - 8 * DAY) == (3, 0)
    assert house.left[0] == "day 3"
    assert house.purge() == (3, 0)
    assert house.left == [f"day {day}" for day in range(6, 10)]
    house.keep_for(0)
    house.hold_messages("day 7")
    assert house.purge() == (3, 1)
    house.pass_days(0.1)
    assert house.left == ["day 7"]
    assert house.files == 1


def test_what_is_kept_longer_by_now_is_kept_as_long(house: House) -> None:
    house.archive("x")
    house.keep_for(200)
    house.pass_days(199)
    assert house.left == ["x"]
    house.pass_days(2)
    assert house.left == []


def test_what_is_owed_or_in_a_mailbox_can_be_read_after_any_purge(house: House) -> None:
    owed, listed, loose = (house.archive(subject) for subject in ("owed", "listed", "loose"))
    inbox = house.run(mailboxes.inbox, account=house.anna.id)
    house.run(append, mailbox=inbox, entries=[NewEntry(listed, 1, 0, 0, (), b"")])
    row = NewOwed(house.store.identifiers.next(), house.domain.id, None, owed, "anna@example.org", "", 0)
    house.run(take_in, rows=[row])
    house.restart()
    house.keep_for(0)
    house.pass_days(1)
    assert house.purge() == (3, 0)
    house.clock.advance(HOUR / SECOND)
    house.sweep()
    there = Statement("SELECT id FROM body ORDER BY id")
    assert [row[0] for row in house.run(lambda tx: tx.all(there))] == sorted([owed, listed])
    assert loose not in (owed, listed)


def test_mail_to_a_role_that_the_archive_alone_has_is_not_purged_by_a_lower_number(house: House) -> None:
    house.archive("to a role", "Postmaster@example.org")
    house.keep_for(0)
    house.pass_days(1)
    assert house.purge() == (0, 0)
    house.pass_days(90)
    assert house.left == []


def test_many_are_held_without_a_step_that_does_not_end(house: House) -> None:
    for number in range(retention.STEP + 5):
        house.archive(f"{number}")
    house.hold_user()
    house.pass_days(92)
    assert len(house.left) == retention.STEP + 5


def test_the_holds_of_one_domain_leave_room_for_the_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "MOST_OF_DOMAIN", 2)
    monkeypatch.setattr(holds, "MOST", 4)

    def hold(domain: int) -> bool:
        more = {"query": "", "user": "x@example.org", "keys": (), "note": "", "name": "root"}
        return house.run(holds.add, domain=domain, **more) is not None

    assert [hold(7) for _ in range(3)] == [True, True, False]
    assert [hold(8), hold(0), hold(0)] == [True, True, False]
