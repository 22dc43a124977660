"""All users of a domain are told something: in INBOX and elsewhere, each once whatever crashes, and never by home."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.alerts import announcing, outages, telling, tellings
from mpcontinuity.alerts.notices import MOST_A_DAY, Notices
from mpcontinuity.alerts.service import DOWN_FOR
from mpcontinuity.alerts.tellings import LEFT_ALONE, Telling
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.settings import Public, Settings
from mpcontinuity.routing.health import State
from mpcontinuity.store.transaction import Transaction
from tests.alerts.post_room import PostRoom
from tests.fakes.stores import result

SETTINGS = Settings(hostname="mx.example.net", public=Public(host="mail.example.net", ports={"imaps": 993}))


class Crash(BaseException):
    """The process ends."""


class House:
    """What is told to the users of example.org; some have an alternate address."""

    def __init__(self, room: PostRoom) -> None:
        self.room = room
        self.notices = Notices(room.store, SETTINGS)

    def add(self, count: int) -> None:
        for number in range(count):
            address = parse(f"user{number:03}@example.org")
            added = self.room.run(users.add_user, domain=self.room.domain.id, address=address, status="active")
            account = int(added.id)
            if number % 3 == 0:
                self.alternate(account, f"user{number:03}@elsewhere.example")

    def alternate(self, account: int, address: str) -> None:
        def work(tx: Transaction) -> None:
            user = users.by_id(tx, account)
            assert user is not None
            users.set_alternate(tx, user, address)

        self.room.run(work)

    def begin(self, subject: str = "News") -> int:
        return int(
            self.room.run(tellings.add, domain=self.room.domain.id, subject=subject, text="There is some.\n", by="root")
        )

    def tell(self, number: int, heard: Any = telling.unheard) -> Telling:
        done = result(telling.tell_all(self.room.store, SETTINGS, number, heard))
        assert done is not None
        return done

    def tell_left(self) -> None:
        result(telling.tell_left(self.room.store, SETTINGS))

    def look(self, seconds: float = 0) -> None:
        """As the watcher does, and what is told of it is told."""
        self.room.clock.advance(seconds)
        result(self.notices.look(result(outages.look(self.room.store))))
        self.room.clock.advance(LEFT_ALONE / SECOND)
        self.tell_left()

    def in_inboxes(self) -> list[tuple[str, int]]:
        """Addresses with the number of messages in their INBOX."""
        return [
            (str(address), int(count))
            for address, count in self.room.rows(
                "SELECT account.address, COUNT(entry.id) FROM account JOIN mailbox ON mailbox.account = account.id "
                "AND mailbox.name = 'INBOX' LEFT JOIN entry ON entry.id / 4294967296 = mailbox.id "
                "GROUP BY account.address ORDER BY account.address"
            )
        ]

    def elsewhere(self) -> list[str]:
        return sorted(recipient for recipient, _ in self.room.queued())


@pytest.fixture
def house(room: PostRoom) -> House:
    return House(room)


def test_everybody_is_told_in_inbox_and_elsewhere_and_home_is_neither_sent_nor_owed_anything(house: House) -> None:
    house.add(2 * telling.USERS)
    told: list[Telling] = []
    done = house.tell(house.begin(), told.append)
    assert {count for _, count in house.in_inboxes()} == {1}
    assert len(house.in_inboxes()) == 2 * telling.USERS + 2 == done.users
    assert len(house.elsewhere()) == done.mails == 34
    assert all(address.endswith("@elsewhere.example") for address in house.elsewhere())
    assert not house.room.rows("SELECT id FROM owed")
    assert [now.users for now in told] == [0, telling.USERS, 2 * telling.USERS, 2 * telling.USERS + 2]
    (message,) = house.room.inbox(house.room.anna)
    assert (message["Subject"], message.get_content()) == ("News", "There is some.\r\n")


def test_who_is_inactive_is_not_told_and_who_waits_for_a_password_is(house: House) -> None:
    def work(tx: Transaction) -> None:
        bert = users.by_id(tx, house.room.bert)
        assert bert is not None
        users.deactivate(tx, bert)

    house.alternate(house.room.bert, "bert@elsewhere.example")
    house.room.run(work)
    domain = house.room.domain.id
    house.room.run(users.add_user, domain=domain, address=parse("carl@example.org"), status="pending")
    house.tell(house.begin())
    assert house.in_inboxes() == [("anna@example.org", 1), ("bert@example.org", 0), ("carl@example.org", 1)]
    assert not house.elsewhere()


@pytest.mark.parametrize("at", [0, 1, 2])
def test_after_a_crash_another_process_goes_on_and_each_is_told_once(house: House, at: int) -> None:
    house.add(telling.USERS)
    left = [at]

    def crash(now: Telling) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    number = house.begin()
    with pytest.raises(Crash):
        house.tell(number, crash)
    if at:
        house.tell_left()
        assert {count for _, count in house.in_inboxes()} == ({0, 1} if at == 1 else {1})
        house.room.clock.advance(LEFT_ALONE / SECOND + 1)
    house.tell_left()
    assert {count for _, count in house.in_inboxes()} == {1}
    assert len(house.elsewhere()) == 17
    house.room.clock.advance(LEFT_ALONE / SECOND + 1)
    house.tell_left()
    assert {count for _, count in house.in_inboxes()} == {1}


def test_a_clock_that_was_ahead_leaves_no_telling_alone(house: House) -> None:
    house.add(telling.USERS + 1)
    number = house.begin()
    house.room.clock.jump(864_000)

    def crash(now: Telling) -> None:
        if now.reached:
            raise Crash

    with pytest.raises(Crash):
        house.tell(number, crash)
    house.room.clock.jump(-864_000)
    house.tell_left()
    assert {count for _, count in house.in_inboxes()} == {1}


def test_two_who_do_the_same_step_tell_each_user_once(house: House) -> None:
    house.add(telling.USERS)
    number = house.begin()
    again = [True]

    def heard(now: Telling) -> None:
        if again.pop() if again else False:  # another process does a step between our look and ours
            result(telling._step(house.room.store, SETTINGS, now))

    done = house.tell(number, heard)
    assert {count for _, count in house.in_inboxes()} == {1}
    assert done.users == telling.USERS + 2


def test_a_user_who_is_removed_meanwhile_is_not_told_by_home(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = announcing.announce

    async def late(store: Any, settings: Settings, made: Any, mark: Any) -> None:
        await store.run(partial(users.forget, account=house.room.bert, domain=house.room.domain.id))
        await seen(store, settings, made, mark)

    monkeypatch.setattr(telling, "announce", late)
    house.tell(house.begin())
    assert house.in_inboxes() == [("anna@example.org", 1), ("bert@example.org", 0)]
    assert not house.room.queued()


# Outages


def notify(house: House) -> None:
    house.look()
    house.room.set(notify_users=True)


def subjects(house: House) -> list[str]:
    return [str(message["Subject"]) for message in house.room.inbox(house.room.anna)]


def test_users_hear_of_the_beginning_with_where_to_go_and_of_the_end(house: House) -> None:
    notify(house)
    house.alternate(house.room.anna, "anna@elsewhere.example")
    house.room.home_becomes(State.DOWN, "no connection")
    house.look(DOWN_FOR / SECOND - 1)
    assert not subjects(house)
    house.look(1)
    house.look(3600)
    assert subjects(house) == ["Your mail of example.org goes on at mail.example.net"]
    text = house.room.inbox(house.room.anna)[0].get_content()
    assert "IMAP: mail.example.net, port 993, SSL/TLS" in text
    assert re.findall(r"https?:\S+", text) == [f"https://mail.example.net:8443/{page}" for page in ("", "setup")]
    house.room.home_becomes(State.UP)
    house.look()
    house.look(3600)
    assert subjects(house)[1:] == ["The mail server of example.org is back"]
    assert house.elsewhere() == ["anna@elsewhere.example"] * 2
    assert not house.room.rows("SELECT id FROM owed")


def test_of_a_declared_outage_users_hear_at_once(house: House) -> None:
    notify(house)
    house.room.set(mode="enabled")
    house.look()
    assert len(subjects(house)) == 1
    house.room.set(mode="disabled")
    house.look()
    assert len(subjects(house)) == 2


def test_without_the_setting_nobody_hears_and_a_short_outage_is_no_news(house: House) -> None:
    house.look()
    house.room.home_becomes(State.DOWN, "no connection")
    house.look(3600)
    house.room.home_becomes(State.UP)
    house.look()
    house.room.set(notify_users=True)
    house.look()
    house.room.home_becomes(State.DOWN, "no connection")
    house.look(60)
    house.room.home_becomes(State.UP)
    house.look(3600)
    assert not subjects(house)


def test_who_was_not_told_of_the_beginning_before_the_end_is_told_of_neither(house: House) -> None:
    house.add(2 * telling.USERS)
    notify(house)
    house.room.set(mode="enabled")
    result(house.notices.look(result(outages.look(house.room.store))))
    (begun,) = result(house.room.store.read(tellings.left))
    result(telling._step(house.room.store, SETTINGS, begun))
    house.room.set(mode="disabled")
    house.look()
    counts = [count for _, count in house.in_inboxes()]
    assert sorted(set(counts)) == [0, 2]
    assert counts.count(2) == telling.USERS


def test_a_home_that_comes_and_goes_all_day_is_told_of_so_often(house: House) -> None:
    notify(house)
    for _ in range(MOST_A_DAY):
        house.room.home_becomes(State.DOWN, "no connection")
        house.look(DOWN_FOR / SECOND)
        house.room.home_becomes(State.UP)
        house.look(1)
    assert len(subjects(house)) == MOST_A_DAY
