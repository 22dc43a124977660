"""What sessions see of a mailbox, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.mailbox import change, mailboxes, picture, selected, view
from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.mailbox.view import Exists, Expunge, FlagsChanged, Gone, KeywordsChanged, View, Views
from mpcontinuity.model import flags, uidset
from mpcontinuity.model.errors import Temporary
from tests.fakes.nodes import Cluster
from tests.fakes.stores import result
from tests.mailbox.conftest import ACCOUNT, User


class Paced:
    """The store, but reads wait until the test lets them."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.waiting: list[tuple[Callable[..., Any], Deferred[Any]]] = []
        self.reads = 0
        self.listen = store.listen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read(self, work: Callable[..., Any]) -> Deferred[Any]:
        deferred: Deferred[Any] = Deferred()
        self.waiting.append((work, deferred))
        self.reads += 1
        return deferred

    def step(self) -> None:
        work, deferred = self.waiting.pop(0)
        deferred.callback(result(self._store.read(work)))

    def drain(self) -> None:
        while self.waiting:
            self.step()


@pytest.fixture
def views(user: User) -> Views:
    return Views(user.store)


def look(views: Views, user: User, name: str = "INBOX") -> View:
    return result(views.open(user.info(name)))


def mark(user: User, uids: tuple[int, ...], mask: int = flags.SEEN, names: tuple[str, ...] = ()) -> change.Changed:
    return user.run(
        change.store_flags, mailbox=user.mailbox(), uids=uidset.of(uids), how="add", flags=mask, keywords=names
    )


def remove(user: User, *uids: int) -> None:
    user.run(change.remove, mailbox=user.mailbox(), uids=uidset.of(uids))


def test_a_view_numbers_the_messages_that_were_there(user: User, views: Views) -> None:
    user.deliver(5)
    remove(user, 2)
    seen = look(views, user)
    assert seen.exists == 4
    assert [seen.uid(number) for number in range(1, 5)] == [1, 3, 4, 5]
    assert [seen.sequence(uid) for uid in range(1, 7)] == [1, 0, 2, 3, 4, 0]
    assert list(seen.uids()) == [1, 3, 4, 5]
    assert list(seen.uids(2, 99)) == [3, 4, 5]
    assert seen.poll(True) == []
    for number in (0, 5):
        with pytest.raises(IndexError):
            seen.uid(number)
        with pytest.raises(IndexError):
            seen.flags(number)
    info = user.info()
    assert (seen.mailbox, seen.uidvalidity, seen.modseq) == (info.id, info.uidvalidity, info.modseq)


def test_sequence_sets_become_numbers(user: User, views: Views) -> None:
    user.deliver(6)
    remove(user, 2, 3)
    seen = look(views, user)  # 1 4 5 6
    assert seen.sequences(uidset.parse(b"4:2,1"), uid=False) == ((1, 4),)
    assert seen.sequences(uidset.parse(b"*"), uid=False) == ((4, 4),)
    assert seen.sequences(uidset.parse(b"2:4,6:99"), uid=True) == ((2, 2), (4, 4))
    assert seen.sequences(uidset.parse(b"559:*"), uid=True) == ((4, 4),)
    assert seen.sequences(uidset.parse(b"2:3"), uid=True) == ()
    with pytest.raises(ValueError, match="4 messages"):
        seen.sequences(uidset.parse(b"1,5"), uid=False)
    empty = look(views, user, "Trash")
    assert empty.sequences(uidset.parse(b"1:*"), uid=True) == ()
    with pytest.raises(ValueError, match="0 messages"):
        empty.sequences(uidset.parse(b"*"), uid=False)


def test_new_messages_are_told_to_every_session(user: User, views: Views) -> None:
    first, second = look(views, user), look(views, user)
    user.deliver(3)
    assert first.exists == 0  # not before it was told
    for seen in (first, second):
        assert seen.poll(False) == [Exists(3)]
        assert seen.poll(True) == []


def test_expunges_wait_until_they_may_be_told(user: User, views: Views) -> None:
    user.deliver(5, flags=flags.FLAGGED)
    first, second = look(views, user), look(views, user)
    remove(user, 2, 4)
    user.deliver(2)
    assert first.poll(True) == [Expunge(4), Expunge(2), Exists(5)]
    assert second.poll(False) == []
    assert [second.uid(number) for number in (2, 4)] == [2, 4]
    assert second.flags(2) == flags.FLAGGED
    mark(user, (1, 5, 6))
    remove(user, 6)
    changed = second.poll(False)
    assert [(update.sequence, update.uid) for update in changed if isinstance(update, FlagsChanged)] == [(1, 1), (5, 5)]
    assert second.flags_of_all()[4] == flags.FLAGGED | flags.SEEN
    assert second.poll(True) == [Expunge(4), Expunge(2), Exists(4)]
    assert list(second.uids()) == [1, 3, 5, 7]
    assert [type(update) for update in first.poll(True)] == [Expunge, FlagsChanged, FlagsChanged]


def test_an_expunge_of_what_the_session_never_saw_does_not_hold_it_back(user: User, views: Views) -> None:
    seen = look(views, user)
    user.deliver(2)
    remove(user, 1)
    assert seen.poll(False) == [Exists(1)]
    assert seen.uid(1) == 2


def test_flags_are_told_but_the_sessions_own(user: User, views: Views) -> None:
    user.deliver(3)
    mine, other = look(views, user), look(views, user)
    changed = mark(user, (1, 2))
    mine.own(changed.modseq)
    assert mine.poll(False) == []
    assert [update for update in other.poll(False) if isinstance(update, FlagsChanged)] == [
        FlagsChanged(1, 1, flags.SEEN, changed.modseq),
        FlagsChanged(2, 2, flags.SEEN, changed.modseq),
    ]
    again = mark(user, (2,), flags.FLAGGED)
    assert mine.poll(False) == [FlagsChanged(2, 2, flags.SEEN | flags.FLAGGED, again.modseq)]


def test_a_new_keyword_is_told_before_flags_that_use_it(user: User, views: Views) -> None:
    user.deliver(1)
    seen = look(views, user)
    changed = mark(user, (1,), 0, ("$Work",))
    assert seen.poll(False) == [KeywordsChanged(), FlagsChanged(1, 1, 1 << 8, changed.modseq)]
    assert seen.keywords == {8: "$Work"}
    assert seen.names(seen.flags(1)) == ["$Work"]


def test_views_find_messages_by_flags(user: User, views: Views) -> None:
    user.deliver(2, flags=flags.SEEN)
    user.deliver(2, flags=flags.DELETED)
    seen = look(views, user)
    assert seen.first_unseen() == 3
    assert seen.flagged(flags.DELETED) == [3, 4]
    assert seen.flagged(flags.DELETED, present=False) == [1, 2]
    mark(user, (3, 4))
    seen.poll(False)
    assert seen.first_unseen() == 0


def test_a_deleted_mailbox_is_told_and_cannot_be_opened(user: User, views: Views) -> None:
    user.run(mailboxes.create, account=ACCOUNT, name="a")
    info = user.info("a")
    seen = look(views, user, "a")
    user.run(mailboxes.delete, account=ACCOUNT, name="a")
    assert seen.gone
    assert seen.poll(False) == [Gone()]
    result(seen.refresh())
    with pytest.raises(MailboxRefused):
        result(views.open(info))
    seen.close()


def test_idle_is_woken_once_per_read(user: User) -> None:
    paced = Paced(user.store)
    views = Views(paced)  # type: ignore[arg-type]
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.drain()
    seen = result(opening)
    woken: list[int] = []
    seen.on_change(lambda: woken.append(1))
    for _ in range(5):
        user.deliver()
    paced.drain()
    assert len(woken) == 1  # the second read, for what was announced during the first, found nothing new
    assert seen.poll(True) == [Exists(5)]
    user.run(change.store_flags, mailbox=user.mailbox(), uids=((9, 9),), how="add", flags=1, keywords=())
    paced.drain()
    assert len(woken) == 1
    seen.on_change(None)
    user.deliver()
    paced.drain()
    assert len(woken) == 1


def test_a_mailbox_is_read_once_for_all_its_sessions(user: User) -> None:
    paced = Paced(user.store)
    views = Views(paced)  # type: ignore[arg-type]
    openings = [Deferred.fromCoroutine(views.open(user.info())) for _ in range(10)]
    paced.drain()
    assert paced.reads == 1
    sessions = [result(opening) for opening in openings]
    user.deliver()
    paced.drain()
    assert paced.reads == 2
    assert all(seen.poll(True) == [Exists(1)] for seen in sessions)


def test_refresh_waits_for_what_was_committed_before(user: User) -> None:
    paced = Paced(user.store)
    views = Views(paced)  # type: ignore[arg-type]
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.drain()
    seen = result(opening)
    user.deliver()
    paced_work = paced.waiting[0]
    user.deliver()
    done: list[None] = []
    seen.refresh().addCallback(done.append)
    assert paced.waiting == [paced_work]
    paced.step()
    assert not done
    paced.drain()
    assert done
    assert seen.poll(False) == [Exists(2)]
    assert seen.refresh().called


def test_a_mailbox_that_changes_while_it_is_loaded_is_loaded_right(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "STEP", 3)
    monkeypatch.setattr(selected, "STEP", 3)
    user.deliver(7)
    paced = Paced(user.store)
    views = Views(paced)  # type: ignore[arg-type]
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.step()
    remove(user, 2, 6)
    mark(user, (1, 3, 4, 5, 7))
    user.deliver(1)
    paced.drain()
    seen = result(opening)
    assert list(seen.uids()) == [1, 3, 4, 5, 7, 8]
    assert list(seen.flags_of_all()) == [flags.SEEN] * 5 + [0]


def test_a_picture_is_kept_for_the_next_session_and_brought_up_to_date(user: User) -> None:
    paced = Paced(user.store)
    views = Views(paced)  # type: ignore[arg-type]
    user.deliver(4)
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.drain()
    result(opening).close()
    user.deliver(1)
    mark(user, (2,))
    remove(user, 1)
    assert paced.reads == 1  # nobody looks
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.drain()
    seen = result(opening)
    assert paced.reads == 2
    assert list(seen.uids()) == [2, 3, 4, 5]
    assert seen.flagged(flags.SEEN) == [2]
    assert seen.poll(True) == []


def test_idle_pictures_are_bounded(user: User, views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "_IDLE_PICTURES", 2)
    monkeypatch.setattr(view, "MOST_CHANGES", 1)
    for name in ("INBOX", "Sent", "Drafts", "Trash"):
        look(views, user, name).close()
    assert len(views._idle) == 2
    user.deliver(3)
    look(views, user).close()
    mark(user, (1, 2))
    assert user.mailbox() not in views._selected
    monkeypatch.setattr(view, "_IDLE_MESSAGES", 2)
    look(views, user).close()
    assert views._idle_messages == 0


def test_a_picture_older_than_the_floor_compares_all_uids(user: User) -> None:
    user.deliver(6, flags=flags.DELETED)
    info = user.info()
    remove(user, 1, 4, 6)
    news = user.read(picture.read_news, mailbox=info.id, uidvalidity=info.uidvalidity, since=-1, last_uid=6, changed=[])
    assert news is not None
    assert news.expunged == [(1, 1), (4, 4), (6, 6)]


def test_a_read_that_fails_is_told_to_who_waits_and_made_good_later(user: User) -> None:
    paced = Paced(user.store)
    views = Views(paced)  # type: ignore[arg-type]
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.waiting.pop()[1].errback(Temporary("no"))
    with pytest.raises(Temporary):
        result(opening)
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.drain()
    seen = result(opening)
    user.deliver(2)
    mark(user, (1,))
    waiting = seen.refresh()
    paced.waiting.pop()[1].errback(Temporary("no"))
    with pytest.raises(Temporary):
        result(waiting)
    refreshed = seen.refresh()
    paced.drain()
    result(refreshed)
    assert seen.poll(False) == [Exists(2)]
    assert seen.flags(1) == flags.SEEN


def test_what_another_node_changed_is_told_when_its_notice_comes(user: User) -> None:
    cluster = Cluster(user.store)
    here = cluster.node()
    user.deliver(3)
    seen = look(Views(here), user)
    told: list[int] = []
    seen.on_change(lambda: told.append(1))
    mark(user, (1,))
    remove(user, 2)
    user.deliver(1)
    assert seen.poll(True) == []
    assert [seen.uid(number) for number in (1, 2, 3)] == [1, 2, 3]
    here.hear()
    assert told
    assert seen.poll(True) == [Expunge(2), Exists(3), FlagsChanged(1, 1, flags.SEEN, 3)]


def test_changes_that_went_unheard_are_read_again_flags_too(user: User) -> None:
    cluster = Cluster(user.store)
    here = cluster.node()
    user.deliver(3)
    views = Views(here)
    idling, busy, left = look(views, user), look(views, user, "Sent"), look(views, user, "Drafts")
    idling.on_change(lambda: None)
    left.close()
    mark(user, (3,))
    remove(user, 1)
    user.deliver(1)
    user.deliver(1, "Sent")
    user.deliver(1, "Drafts")
    here.hear_again()
    assert idling.poll(True) == [Expunge(1), Exists(3), FlagsChanged(2, 3, flags.SEEN, 3)]
    assert busy.poll(True) == []  # nobody waits for it: with its next command
    result(busy.refresh())
    assert busy.poll(True) == [Exists(1)]
    assert look(views, user, "Drafts").exists == 1


def test_a_flag_that_went_unheard_is_found_behind_later_changes_that_were_heard(user: User) -> None:
    here = Cluster(user.store).node()
    user.deliver(2)
    seen = look(Views(here), user)
    seen.on_change(lambda: None)
    mark(user, (1,))
    here.unheard.clear()
    user.deliver(1)
    here.hear()
    assert seen.poll(True) == [Exists(3)]
    here.hear_again()
    assert seen.poll(True) == [FlagsChanged(1, 1, flags.SEEN, 3)]


def test_where_nothing_went_unheard_nothing_is_read_again(user: User) -> None:
    paced = Paced(Cluster(user.store).node())
    user.deliver(2)
    views = Views(paced)  # type: ignore[arg-type]
    opening = Deferred.fromCoroutine(views.open(user.info()))
    paced.drain()
    seen = result(opening)
    mark(user, (1,))
    user.deliver(1)
    paced.hear()
    refreshed = seen.refresh()
    paced.drain()
    result(refreshed)
    reads = paced.reads
    paced.hear_again()
    paced.drain()
    assert paced.reads == reads + 1  # of all mailboxes together
    assert not seen._selected.busy


def test_after_a_failure_to_look_again_the_next_command_does(user: User) -> None:
    paced = Paced(Cluster(user.store).node())
    user.deliver(1)
    opening = Deferred.fromCoroutine(Views(paced).open(user.info()))  # type: ignore[arg-type]
    paced.drain()
    seen = result(opening)
    mark(user, (1,))
    paced.hear_again()
    paced.waiting.pop()[1].errback(Temporary("the database is away"))
    refreshed = seen.refresh()
    paced.drain()
    result(refreshed)
    assert seen.poll(True) == [FlagsChanged(1, 1, flags.SEEN, 3)]


def test_a_mailbox_that_another_node_deleted_unheard_is_gone(user: User) -> None:
    cluster = Cluster(user.store)
    here = cluster.node()
    user.run(mailboxes.create, account=ACCOUNT, name="Letters")
    seen = look(Views(here), user, "Letters")
    user.run(mailboxes.delete, account=ACCOUNT, name="Letters")
    here.hear_again()
    result(seen.refresh())
    assert seen.poll(True) == [Gone()]


def test_much_news_is_told_in_portions_each_as_it_is_by_then(
    user: User, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_AT_A_STRETCH", 2)
    user.deliver(6)
    seen = look(views, user)
    first = mark(user, (1, 2, 3, 6))
    remove(user, 4, 5)
    assert seen.poll(True) == [Expunge(5), Expunge(4)]
    left = seen.untold
    assert left
    last = mark(user, (6,), flags.FLAGGED, ("fresh",))
    told = []
    while seen.untold:
        told += seen.poll(True)
    both = flags.SEEN | flags.FLAGGED | 1 << 8
    assert told.index(KeywordsChanged()) < told.index(FlagsChanged(4, 6, both, last.modseq))
    assert [update.uid for update in told if isinstance(update, FlagsChanged)] == [1, 2, 3, 6]
    assert told.count(FlagsChanged(1, 1, flags.SEEN, first.modseq)) == 1


def test_many_own_changes_are_left_out_in_portions_too(
    user: User, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_AT_A_STRETCH", 2)
    user.deliver(5)
    seen = look(views, user)
    seen.own(mark(user, (1, 2, 3, 4, 5)).modseq)
    assert (seen.poll(True), seen.untold) == ([], True)
    assert (seen.poll(True), seen.untold) == ([], True)
    assert (seen.poll(True), seen.untold) == ([], False)


def test_sessions_that_are_as_far_share_what_went_and_one_that_lags_does_not(user: User, views: Views) -> None:
    user.deliver(5)
    lagging, first, second = (look(views, user) for _ in range(3))
    remove(user, 4)
    assert first.poll(True) == second.poll(True) == [Expunge(4)]
    remove(user, 1, 5)
    assert first.poll(True) == second.poll(True) == [Expunge(4), Expunge(1)]
    assert lagging.poll(False) == []
    assert lagging.poll(True) == [Expunge(5), Expunge(4), Expunge(1)]
