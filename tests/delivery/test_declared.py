"""What administrators declare of a home server (mode, plan, contain) keeps mail away from it from that moment on."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.accounts import containment, domains, drills, plans, users
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.events import CONTAINED, DECLARED, DRILLED
from mpcontinuity.store.transaction import Transaction
from tests.delivery.conftest import Post
from tests.fakes.stores import result

ANN, NOBODY, ROLE = "ann@example.org", "nobody@example.org", "postmaster@example.org"


def contain(post: Post, name: str = "example.org") -> None:
    def work(tx: Transaction) -> None:
        containment.begin(tx, domains.known(tx, name).id, "root", "")

    result(post.store.run(work))


def plan(post: Post, begin: int, until: int) -> None:
    now = post.clock.now()

    def work(tx: Transaction) -> None:
        domain = domains.known(tx, "example.org")
        plans.add(tx, domain.id, now + begin * SECOND, now + until * SECOND, "", "root")

    result(post.store.run(work))


def answers(post: Post, *recipients: str) -> list[int]:
    return [post.rcpt(post.begin(), recipient).code for recipient in recipients]


def test_a_plan_keeps_home_from_being_asked_between_its_times(post: Post) -> None:
    plan(post, 60, 120)
    assert answers(post, NOBODY) == [250]
    post.clock.advance(60)
    asked = len(post.home.transactions)
    assert answers(post, ANN, NOBODY, ROLE) == [250, 451, 250]
    assert len(post.home.transactions) == asked
    post.clock.advance(60)
    assert answers(post, NOBODY) == [250]


def test_a_home_that_is_cut_off_is_not_asked(post: Post) -> None:
    contain(post)
    assert answers(post, ANN, NOBODY, ROLE) == [250, 451, 250]
    assert post.home.transactions == []
    assert post.send(ANN).code == 250
    assert len(post.inbox(ANN)) == 1
    assert post.owed() == [(ANN, 1, "owed")]
    assert post.track()[-1].text.endswith(CONTAINED)


def test_nor_for_a_domain_without_continuity(post: Post) -> None:
    post.set(continuity=False)
    contain(post)
    assert answers(post, ANN, NOBODY) == [451, 451]
    assert post.home.transactions == []


def test_a_domain_of_the_same_home_server_that_is_not_cut_off_is_asked_separately(post: Post) -> None:
    post.domain("example.net")
    post.user("zoe@example.net")
    contain(post)
    incoming = post.begin()
    assert [post.rcpt(incoming, each).code for each in (ANN, "zoe@example.net")] == [250, 452]
    incoming.abandon()
    post.homes.homes["example.net"] = post.home
    assert answers(post, "zoe@example.net") == [250]
    assert len(post.home.transactions) == 1


class TestDrill:
    def begin(self, post: Post, seconds: int = 60) -> None:
        def work(tx: Transaction) -> None:
            domain = domains.known(tx, "example.org")
            user = users.find(tx, parse(ANN))
            assert user is not None
            drills.begin(tx, domain.id, [(user.id, ANN)], seconds * SECOND, "root")

        result(post.store.run(work))

    def test_its_users_mail_is_kept_and_everybody_elses_passes(self, post: Post) -> None:
        self.begin(post)
        assert post.send(ANN).code == 250
        assert post.send("bob@example.org").code == 250
        assert post.send(NOBODY).code == 250
        assert post.owed() == [(ANN, 1, "owed")]
        assert len(post.inbox(ANN)) == 1
        assert [recipients for *_, recipients in post.home.received] == [["bob@example.org"], [NOBODY]]
        assert post.track()[0].text.endswith(DRILLED)

    def test_they_go_separately(self, post: Post) -> None:
        self.begin(post)
        for first, second in ((ANN, "bob@example.org"), ("bob@example.org", ANN)):
            incoming = post.begin()
            assert [post.rcpt(incoming, each).code for each in (first, second)] == [250, 452]
            incoming.abandon()

    def test_an_alias_and_a_tag_reach_a_user_in_a_drill(self, post: Post) -> None:
        self.begin(post)
        assert post.send("ann+news@example.org").code == 250
        assert post.home.received == []

    def test_it_ends_by_the_clock(self, post: Post) -> None:
        self.begin(post)
        post.clock.advance(60)
        assert post.send(ANN).code == 250
        assert post.owed() == []

    def test_without_continuity_nothing_is_kept(self, post: Post) -> None:
        self.begin(post)
        post.set(continuity=False)
        assert post.send(ANN).code == 250
        assert post.owed() == []


@pytest.mark.parametrize(("declare", "why"), [(contain, CONTAINED), (partial(plan, begin=0, until=60), DECLARED)])
def test_a_message_that_home_was_asked_about_before_is_kept_here(post: Post, declare: object, why: str) -> None:
    """It was cut off between RCPT, which home has answered, and the end of the message."""
    incoming = post.begin()
    for recipient in (ANN, NOBODY):
        assert post.rcpt(incoming, recipient).code == 250
    assert post.home.transactions[0].recipients == [ANN, NOBODY]
    declare(post)  # type: ignore[operator]
    assert result(post.data(incoming)).code == 250
    assert post.home.received == []
    assert post.owed() == [(ANN, 1, "owed"), (NOBODY, 0, "owed")]
    assert {row.text.removeprefix("Redirect because: ") for row in post.track()} == {why}


def test_without_continuity_such_a_message_is_put_off(post: Post) -> None:
    post.set(continuity=False)
    incoming = post.begin()
    assert post.rcpt(incoming, ANN).code == 250
    contain(post)
    assert result(post.data(incoming)).code == 451
    assert post.home.received == []
    assert post.owed() == []


def test_such_a_message_for_nobody_who_is_registered_is_put_off(post: Post) -> None:
    incoming = post.begin()
    assert post.rcpt(incoming, NOBODY).code == 250
    contain(post)
    assert result(post.data(incoming)).code == 451
    assert post.home.received == []
