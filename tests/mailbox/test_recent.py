r"""\Recent: whose it is, and what is written down of it."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox import change, recent, search
from mpcontinuity.mailbox.view import View, Views
from mpcontinuity.model.search import Recent
from tests.fakes.stores import result
from tests.mailbox.conftest import User


def select(views: Views, user: User, *, takes_recent: bool = True) -> View:
    return result(views.open(user.info(), takes_recent=takes_recent))


def recents(user: User, view: View) -> list[int]:
    found = result(search.search(user.store, view, Recent()))
    assert len(found) == view.recent
    return found


def test_the_first_session_that_selects_has_what_came_before(user: User) -> None:
    user.deliver(2)
    views = Views(user.store)
    assert recents(user, select(views, user, takes_recent=False)) == [1, 2]
    first, second = select(views, user), select(views, user)
    assert recents(user, first) == [1, 2]
    assert recents(user, second) == []
    assert recents(user, select(views, user, takes_recent=False)) == []
    assert user.info().recent == 2


def test_what_comes_meanwhile_belongs_to_the_session_that_is_told_first(user: User) -> None:
    user.deliver(1)
    views = Views(user.store)
    examined, first, second = select(views, user, takes_recent=False), select(views, user), select(views, user)
    user.deliver(2)
    examined.poll(True)
    assert recents(user, examined) == [1, 2, 3]
    second.poll(True)
    first.poll(True)
    assert recents(user, first) == [1]
    assert recents(user, second) == [2, 3]
    user.deliver(1)
    first.poll(True)
    second.poll(True)
    assert recents(user, first) == [1, 4]
    assert [uid for uid in range(1, 5) if first.is_recent(uid)] == [1, 4]


def test_the_watermark_is_written_when_the_session_leaves(user: User) -> None:
    views = Views(user.store)
    view = select(views, user)
    user.deliver(3)
    view.poll(True)
    assert user.info().recent == 0
    assert views.told(user.info()) == 3
    view.close()
    assert user.info().recent == 3
    assert recents(user, select(Views(user.store), user)) == []


def test_another_process_has_what_nobody_took(user: User) -> None:
    user.deliver(2)
    here, there = Views(user.store), Views(user.store)
    assert recents(user, select(here, user)) == [1, 2]
    user.deliver(1)
    assert recents(user, select(there, user)) == [3]


def test_recent_messages_that_went_count_no_more(user: User) -> None:
    user.deliver(3)
    view = select(Views(user.store), user)
    user.run(change.remove, mailbox=user.mailbox(), uids=((3, 3),))
    view.poll(True)
    user.deliver(1)
    view.poll(True)
    assert recents(user, view) == [1, 2, 4]


def test_status_counts_what_is_above_the_watermark(user: User) -> None:
    user.deliver(5)
    info = user.info()
    assert user.read(recent.count, mailbox=info.id, above=2, most=9) == 3
    assert user.read(recent.count, mailbox=info.id, above=5, most=9) == 0


def test_status_does_not_count_a_long_list_to_its_end(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "_COUNTED", 3)
    user.deliver(5)
    assert user.read(recent.count, mailbox=user.mailbox(), above=1, most=4) == 4
