"""`relay-check`: addresses that home takes become users, where home refuses nobody, and only those that people have."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import relay_check, users
from mpcontinuity.delivery import newcomers
from mpcontinuity.model.address import parse
from mpcontinuity.model.reply import Outcome, Stage
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.transaction import Transaction
from tests.delivery.conftest import Post
from tests.delivery.homes import accepted, refused, temporary
from tests.fakes.stores import result

DAY = 86_400


@pytest.fixture
def checked(post: Post) -> Post:
    """Home knows some and refuses all others."""
    post.set(relay_check=True)
    post.home.unknown = refused(Stage.RCPT)
    for name in ("new", "new+tag", "ann", "bob", *(f"u{number}" for number in range(10))):
        post.home.recipients[f"{name}@example.org"] = accepted(Stage.RCPT)
    return post


def found(post: Post) -> list[str]:
    rows = post.rows("SELECT address FROM account WHERE source = 'relay-check' ORDER BY address")
    return [row[0].partition("@")[0] for row in rows]


def asked(post: Post) -> int:
    return len([one for one in post.home.transactions if one.abandoned])


def test_it_makes_a_pending_user_of_the_base_address_that_home_takes(checked: Post) -> None:
    assert checked.send("new+tag@example.org").code == 250
    rows = checked.rows("SELECT address, status, source FROM account WHERE address LIKE 'new%'")
    assert rows == [("new@example.org", "pending", "relay-check")]
    checked.home.decision = Gate.SHUT
    assert checked.send("new@example.org").code == 250
    assert len(checked.inbox("new@example.org")) == 1


def test_of_a_home_that_takes_any_address_nobody_becomes_a_user_also_after_a_restart(post: Post) -> None:
    post.set(relay_check=True)
    for number in range(3):
        assert post.send(f"u{number}@example.org").code == 250
    post.start()
    assert post.send("u3@example.org").code == 250
    assert found(post) == []
    assert asked(post) == 1
    post.home.unknown = refused(Stage.RCPT)
    post.home.recipients["u4@example.org"] = accepted(Stage.RCPT)
    assert post.send("u4@example.org").code == 250
    assert found(post) == []
    post.clock.advance(DAY)
    assert post.send("u4@example.org").code == 250
    assert (found(post), asked(post)) == (["u4"], 2)


def test_home_is_asked_once_a_day_and_so_many_users_are_added_in_one(
    checked: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcomers, "MOST", 3)
    for number in range(5):
        assert checked.send(f"u{number}@example.org").code == 250
    assert (found(checked), asked(checked)) == (["u0", "u1", "u2"], 1)
    checked.clock.advance(DAY + 1)
    assert checked.send("u5@example.org", "u6@example.org", "u7@example.org", "u8@example.org").code == 250
    assert found(checked) == ["u0", "u1", "u2", "u5", "u6", "u7"]


def test_a_home_that_refuses_the_null_sender_is_asked_in_the_name_of_postmaster(
    checked: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = checked.home.transaction

    def transaction(sender: Any, *more: Any, **options: Any) -> Any:
        made = begin(sender, *more, **options)
        if sender is None:

            async def refuses(*_: Any) -> Outcome:
                return refused(Stage.MAIL)

            made.recipient = refuses  # type: ignore[assignment]
        return made

    monkeypatch.setattr(checked.home, "transaction", transaction)
    assert checked.send("new@example.org").code == 250
    assert found(checked) == ["new"]


def test_a_home_that_puts_off_what_it_does_not_know_is_asked_again_later_for_the_same_name(checked: Post) -> None:
    checked.home.unknown = temporary(Stage.RCPT)
    names = []
    for _ in range(2):
        assert checked.send("new@example.org").code == 250
        names.append(asked(checked))
        checked.clock.advance(1)
    assert (found(checked), names) == ([], [1, 1])
    checked.clock.advance(301)
    checked.home.unknown = refused(Stage.RCPT)
    assert checked.send("new@example.org").code == 250
    assert found(checked) == ["new"]


def test_a_message_waits_some_seconds_for_what_home_says_of_nobody_and_goes_on_without(checked: Post) -> None:
    silent: Deferred[Outcome] = Deferred()
    checked.home.unknown = silent  # type: ignore[assignment]
    assert checked.send("new@example.org").code == 250
    assert found(checked) == []
    silent.callback(refused(Stage.RCPT))
    assert checked.send("new@example.org").code == 250
    assert found(checked) == ["new"]


@pytest.mark.parametrize("how", ["removed", "inactive", "alias"])
def test_who_was_removed_or_is_inactive_does_not_come_back_until_an_administrator_says_so(
    checked: Post, how: str
) -> None:
    def work(tx: Transaction) -> None:
        ann = users.find(tx, parse("ann@example.org"))
        assert ann is not None
        if how == "removed":
            users.forget(tx, ann.id, ann.domain)
        elif how == "inactive":
            users.deactivate(tx, ann)
        else:
            users.add_alias(tx, ann, parse("new@example.org"))
            users.remove_alias(tx, ann, parse("new@example.org"))

    result(checked.store.run(work))
    name = "new" if how == "alias" else "ann"
    assert checked.send(f"{name}@example.org").code == 250
    assert found(checked) == []
    if how == "removed":
        checked.user("ann@example.org")

        def again(tx: Transaction) -> None:
            ann = users.find(tx, parse("ann@example.org"))
            assert ann is not None
            users.forget(tx, ann.id, ann.domain, for_good=False)

        result(checked.store.run(again))
        assert checked.send("ann@example.org").code == 250
        assert found(checked) == ["ann"]


@pytest.mark.parametrize(
    "local",
    [
        "prvs=1234abcdef=anna",
        "btv1==123==anna",
        "SRS0=HHH=TT=example.net=anna",
        "srs0+abcd=xy=example.net=anna",
        "srs1=HHH=example.net==HHH=TT=example.com=anna",
        "SRS0-abc",
        "list-return-5-anna=example.net",
        "bounces+anna=example.net",
        "bounce-123456",
        "news.bounces+77",
        "list-return-123-",
        "a%b",
    ],
)
def test_an_address_that_was_made_up_for_one_message_is_nobodys(local: str) -> None:
    assert relay_check.person(parse(f"{local}@example.org")) is None


@pytest.mark.parametrize(
    ("local", "person"),
    [
        ("anna", "anna"),
        ("Anna+shop", "anna"),
        ("bounce", "bounce"),
        ("list-bounces", "list-bounces"),
        ("return.policy", "return.policy"),
        ("prvs", "prvs"),
        ("srs", "srs"),
    ],
)
def test_an_address_that_somebody_reads_is_theirs(local: str, person: str) -> None:
    found = relay_check.person(parse(f"{local}@example.org"))
    assert found is not None
    assert found.key == f"{person}@example.org"


def test_that_home_took_mail_for_a_user_is_noted_once_a_day(checked: Post) -> None:
    assert checked.send("new@example.org").code == 250
    times = []
    for _ in range(3):
        assert checked.send("new@example.org", "ann@example.org").code == 250
        times.append(checked.rows("SELECT key, time FROM taken ORDER BY key"))
        checked.clock.advance(DAY / 2 + 60)
    assert times[0] == times[1]
    assert [key for key, _ in times[0]] == ["ann@example.org", "new@example.org"]
    assert all(after > before for (_, before), (_, after) in zip(times[1], times[2], strict=True))
