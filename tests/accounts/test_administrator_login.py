from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcontinuity.accounts import administrators, domains, tokens, users
from mpcontinuity.accounts.administrator_login import Administrator, AdministratorLogin
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.judging import ELSEWHERE, HERE, HOST_LIMIT, LIMIT, Court
from tests.fakes.stores import open_memory_like_store, result

PASSWORDS = Statement("SELECT password FROM administrator WHERE name = :name")
LAST_USED = Statement("SELECT last_used FROM token WHERE id = :id")
REFUSED_AFTER = 2 * LIMIT  # failures


class Desk(Court):
    """``root`` administers all domains, ``eve`` x.org."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(clock)
        self.store = store
        self.login = AdministratorLogin(store, self.judge)
        result(store.run(lambda tx: administrators.add(tx, "root", "$right")))
        result(store.run(lambda tx: administrators.add(tx, "eve", "$old$right", "x.org")))

    def password(self, name: str, password: str, peer: str = HERE) -> Administrator | None:
        return result(self.login.by_password(name, password, peer))

    def token(self, token: str, peer: str = HERE) -> Administrator | None:
        return result(self.login.by_token(token, peer))

    def give(
        self, token: str, name: str = "root", *, expires: int = 0, domain: str = "", scopes: tuple[str, ...] = ()
    ) -> int:
        return result(
            self.store.run(lambda tx: tokens.add(tx, name, token, expires=expires, domain=domain, scopes=scopes))
        )

    def last_used(self, token: int) -> int:
        return int(result(self.store.read(lambda tx: tx.value(LAST_USED, id=token))))


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    return Desk(store, clock)


def test_a_right_password_lets_an_administrator_in_for_what_they_administer(desk: Desk) -> None:
    root, eve = desk.password("root", "right"), desk.password(" eve ", "right")
    assert root is not None
    assert eve is not None
    assert (root.name, root.domain, root.scopes) == ("root", "", None)
    assert (eve.name, eve.domain, eve.scopes) == ("eve", "x.org", None)
    assert desk.password("root", "wrong") is None
    assert desk.login.outcomes == {"succeeded": 2, "failed": 1, "throttled": 0}


@pytest.mark.parametrize("name", ["nobody", "Root", "", "no name", "a\0b", "\ud800", "x" * 100_000])
def test_unknown_names_cost_as_much_as_a_wrong_password(desk: Desk, name: str) -> None:
    assert desk.password(name, "right") is None
    assert desk.passwords.checked == [""]


def test_a_right_password_is_remembered_until_it_is_changed(desk: Desk) -> None:
    for _ in range(3):
        assert desk.password("root", "right") is not None
    assert desk.passwords.checked == ["$right"]
    result(desk.store.run(lambda tx: administrators.set_password(tx, "root", "$other")))
    assert desk.password("root", "right") is None
    assert desk.password("root", "other") is not None


def test_an_outdated_hash_is_renewed_and_ends_nothing(desk: Desk) -> None:
    eve = desk.password("eve", "right")
    assert eve is not None
    assert result(desk.store.read(lambda tx: tx.value(PASSWORDS, name="eve"))) == "$right"
    assert result(desk.login.still(eve)) == eve


def test_a_session_ends_with_its_password_and_with_its_administrator(desk: Desk) -> None:
    root, eve = desk.password("root", "right"), desk.password("eve", "right")
    assert root is not None
    assert eve is not None
    assert (result(desk.login.still(root)), result(desk.login.still(eve))) == (root, eve)
    result(desk.store.run(lambda tx: administrators.set_password(tx, "root", "$right")))
    result(desk.store.run(lambda tx: administrators.remove(tx, "eve")))
    assert (result(desk.login.still(root)), result(desk.login.still(eve))) == (None, None)
    assert desk.password("eve", "right") is None
    result(desk.store.run(lambda tx: administrators.add(tx, "eve", "$right", "x.org")))
    assert result(desk.login.still(eve)) is None  # another of the same name


def test_failures_are_counted_as_those_of_users_are_but_never_with_theirs(desk: Desk) -> None:
    domain = result(desk.store.run(lambda tx: domains.add(tx, "x.org", DomainSettings()))).id
    address = parse("root@x.org")
    result(desk.store.run(lambda tx: administrators.add(tx, address.text, "$right")))
    result(desk.store.run(lambda tx: users.add_user(tx, domain=domain, address=address, password_hash="$mine")))
    user_login = UserLogin(desk.store, Directory(desk.store), desk.judge)
    for _ in range(REFUSED_AFTER):
        assert desk.password(address.text, "wrong") is None
    assert desk.slept == [1.0, 2.0, 4.0]
    assert desk.password(address.text, "right") is None  # guessed too often from here
    assert desk.login.outcomes["throttled"] == 1
    assert desk.password(address.text, "right", ELSEWHERE) is not None
    assert result(user_login.check(address.text, "mine", HERE)) is not None


def test_a_host_that_fails_at_many_names_is_slowed_down_for_users_and_administrators_together(desk: Desk) -> None:
    user_login = UserLogin(desk.store, Directory(desk.store), desk.judge)
    for number in range(HOST_LIMIT // 2):
        assert desk.password(f"name{number}", "wrong") is None
        assert result(user_login.check(f"name{number}@x.org", "wrong", HERE)) is None
    assert desk.slept == []
    assert desk.password("root", "right") is not None
    assert desk.slept == [2.0]


def test_a_check_that_could_not_be_made_is_no_failure(desk: Desk) -> None:
    desk.failing = Temporary("too much waits")
    for _ in range(REFUSED_AFTER):
        with pytest.raises(Temporary):
            desk.password("root", "right")
    desk.failing = None
    assert desk.password("root", "right") is not None
    assert desk.slept == []


def test_a_token_reaches_as_far_as_its_administrator_or_less(desk: Desk) -> None:
    desk.give("all")
    desk.give("look", scopes=("read",))
    desk.give("one", domain="x.org")
    desk.give("eve's", "eve")
    desk.give("eve's one", "eve", domain="x.org")
    reach = {
        token: (found.name, found.domain, found.scopes)
        for token in ("all", "look", "one", "eve's", "eve's one")
        if (found := desk.token(token))
    }
    assert reach == {
        "all": ("root", "", None),
        "look": ("root", "", {"read"}),
        "one": ("root", "x.org", None),
        "eve's": ("eve", "x.org", None),
        "eve's one": ("eve", "x.org", None),
    }
    with pytest.raises(Refused, match=r"administrator of x\.org only"):
        desk.give("further", "eve", domain="y.org")
    with pytest.raises(Refused, match="no such administrator"):
        desk.give("whose", "nobody")


def test_a_token_of_one_domain_is_worth_nothing_to_an_administrator_of_another(desk: Desk) -> None:
    desk.give("one", domain="y.org")
    restrict = Statement("UPDATE administrator SET domain = 'x.org' WHERE name = 'root'")
    result(desk.store.run(lambda tx: tx.run(restrict)))
    assert desk.token("one") is None


@pytest.mark.parametrize("token", ["", "no such token", "\0", "\ud800", "x" * 100_000])
def test_what_is_no_token_lets_nobody_in(desk: Desk, token: str) -> None:
    desk.give("right")
    assert desk.token(token) is None
    assert desk.token("right") is not None


def test_a_token_ends_when_it_expires_is_removed_or_loses_its_administrator(desk: Desk) -> None:
    short = desk.give("short", expires=desk.clock.now() + MINUTE)
    gone, eves = desk.give("gone"), desk.give("eve's", "eve")
    held = {token: desk.token(token) for token in ("short", "gone", "eve's")}
    assert all(held.values())
    desk.clock.advance(MINUTE / SECOND)
    result(desk.store.run(lambda tx: tokens.remove(tx, "root", gone)))
    result(desk.store.run(lambda tx: administrators.remove(tx, "eve")))
    for token, administrator in held.items():
        assert desk.token(token) is None
        assert administrator is not None
        assert result(desk.login.still(administrator)) is None
    assert [row.id for row in result(desk.store.read(lambda tx: tokens.listing(tx, "root")))] == [short]
    result(desk.store.run(lambda tx: administrators.add(tx, "eve", "$right", "x.org")))
    assert result(desk.store.read(lambda tx: tokens.listing(tx, "eve"))) == []
    assert eves not in (short, gone)


def test_a_domain_takes_its_administrators_and_the_tokens_for_it_with_it(desk: Desk) -> None:
    domain = result(desk.store.run(lambda tx: domains.add(tx, "x.org", DomainSettings())))
    for token, name, of in (("root's", "root", ""), ("for x", "root", "x.org"), ("eve's", "eve", "")):
        desk.give(token, name, domain=of)
    eve = desk.password("eve", "right")
    assert eve is not None
    result(desk.store.run(lambda tx: domains.remove(tx, domain)))
    result(desk.store.run(lambda tx: domains.add(tx, "x.org", DomainSettings())))  # by somebody else
    assert result(desk.login.still(eve)) is None
    assert desk.password("eve", "right") is None
    assert [desk.token(token) is not None for token in ("root's", "for x", "eve's")] == [True, False, False]


def test_a_changed_password_ends_no_token(desk: Desk) -> None:
    desk.give("right")
    root = desk.token("right")
    assert root is not None
    result(desk.store.run(lambda tx: administrators.set_password(tx, "root", "$other")))
    assert desk.token("right") == root
    assert result(desk.login.still(root)) == root


def test_tokens_are_removed_by_their_owners_name_and_id(desk: Desk) -> None:
    token = desk.give("right")
    with pytest.raises(Refused, match="is no token of eve"):
        result(desk.store.run(lambda tx: tokens.remove(tx, "eve", token)))
    assert desk.token("right") is not None
    result(desk.store.run(lambda tx: tokens.remove(tx, "root", token)))
    with pytest.raises(Refused, match="is no token of root"):
        result(desk.store.run(lambda tx: tokens.remove(tx, "root", token)))


def test_the_use_of_a_token_is_noted_once_a_minute_and_never_costs_a_request(desk: Desk) -> None:
    token = desk.give("right")
    assert desk.last_used(token) == 0
    before = desk.store.figures.transactions
    first = desk.clock.now()
    for _ in range(59):
        assert desk.token("right") is not None
        assert desk.last_used(token) == first
        desk.clock.advance(1)
    assert desk.store.figures.transactions == before + 1
    desk.clock.advance(1)
    assert desk.token("right") is not None
    assert desk.last_used(token) == desk.clock.now()
    assert desk.store.figures.transactions == before + 2


def test_a_use_that_another_process_noted_is_not_noted_again(desk: Desk) -> None:
    token = desk.give("right")
    now = desk.clock.now()
    result(desk.store.run(lambda tx: tokens.note_use(tx, token, now)))
    result(desk.store.run(lambda tx: tokens.note_use(tx, token, now + MINUTE - 1)))
    assert desk.last_used(token) == now


def test_a_use_that_cannot_be_noted_is_still_a_use(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.give("right")

    async def full(*_: object) -> None:
        raise Temporary("the disk is full")

    with monkeypatch.context() as context:
        context.setattr(desk.store, "run", full)
        assert desk.token("right") is not None
    assert desk.last_used(token) == 0
    assert desk.token("right") is not None
    assert desk.last_used(token) == desk.clock.now()


def test_a_removed_token_that_is_tried_on_is_refused_unseen_and_others_from_there_are_not(desk: Desk) -> None:
    desk.give("right")
    for _ in range(REFUSED_AFTER):
        assert desk.token("removed") is None
    assert desk.slept == [1.0, 2.0, 4.0]
    assert desk.token("removed") is None
    assert desk.login.token_outcomes == {"succeeded": 0, "failed": REFUSED_AFTER, "throttled": 1}
    assert desk.token("right") is not None
    assert desk.slept == [1.0, 2.0, 4.0]


def test_who_guesses_tokens_is_slowed_down_and_who_has_used_one_from_there_is_not(desk: Desk) -> None:
    desk.give("right")
    assert desk.token("right") is not None
    for number in range(HOST_LIMIT):
        assert desk.token(f"guess {number}") is None
    assert desk.slept == []
    assert desk.token("right") is not None
    assert desk.slept == []
    assert desk.token("one more guess") is None
    assert desk.slept == [2.0]


@dataclass
class Given:
    """A token as its maker knows it."""

    owner: str
    domain: str
    expires: int
    id: int
    ended: bool = False


STEPS = st.one_of(
    st.tuples(st.just("give"), st.sampled_from(["root", "eve"]), st.sampled_from(["", "x.org"]), st.integers(0, 3)),
    st.tuples(st.just("use"), st.integers(0, 5)),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("remove eve")),
)


@pytest.mark.sqlite
@settings(max_examples=40)
@given(steps=st.lists(STEPS, max_size=25))
def test_a_token_lets_in_from_its_making_to_its_end_and_never_further_than_it_reaches(
    steps: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = ManualClock()
    store = open_memory_like_store(tmp_path_factory.mktemp("tokens"), clock=clock)
    desk = Desk(store, clock)
    given_: list[Given] = []
    for step, *what in steps:
        match step:
            case "give":
                owner, domain, minutes = what
                expires = clock.now() + minutes * MINUTE if minutes else 0
                token = desk.give(f"token {len(given_)}", owner, expires=expires, domain=domain)
                given_.append(Given(owner, domain, expires, token))
            case "use" if what[0] < len(given_):
                one = given_[what[0]]
                found = desk.token(f"token {what[0]}")
                good = not one.ended and not 0 < one.expires <= clock.now()
                domain = "x.org" if one.owner == "eve" else one.domain
                assert found == (Administrator(one.owner, domain, token=one.id) if good else None)
            case "remove" if what[0] < len(given_) and not given_[what[0]].ended:
                one = given_[what[0]]
                result(store.run(partial(tokens.remove, name=one.owner, token=one.id)))
                one.ended = True
            case "wait":
                clock.advance(what[0])
            case "remove eve":
                result(store.run(partial(administrators.remove, name="eve")))
                result(store.run(partial(administrators.add, name="eve", password_hash="$new", domain="x.org")))
                for one in given_:
                    one.ended = one.ended or one.owner == "eve"
    result(store.close())
