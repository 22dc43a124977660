from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcontinuity.accounts import administrator_login, administrators, domains, user_login, users, web_sessions
from mpcontinuity.accounts.administrator_login import Administrator
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR, SEEN_NOTED_EVERY, USER, Kind, SignedIn, WebSessions
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, HOUR, MINUTE, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.stores import open_memory_like_store, result

KEPT = Statement("SELECT digest, seen FROM web_session ORDER BY digest")


@dataclass
class Hall:
    """Sessions of the administrator ``root`` and of the user anna."""

    store: Store
    clock: ManualClock
    sessions: WebSessions[Administrator]
    of_users: WebSessions[User]
    password: int
    anna: User

    def run(self, work: Any, **more: Any) -> Any:
        return result(self.store.run(partial(work, **more)))

    def begin(self, **more: Any) -> str:
        return result(self.sessions.begin("root", self.password, **more))

    def find(self, secret: str) -> SignedIn[Administrator] | None:
        return result(self.sessions.find(secret))

    def begin_for_anna(self) -> str:
        return result(self.of_users.begin(str(self.anna.id), self.anna.password_changes))

    def listed(self, kind: Kind = ADMINISTRATOR) -> list[web_sessions.Session]:
        return self.run(web_sessions.listing, kind=kind)  # type: ignore[no-any-return]


def hall_in(store: Store, clock: ManualClock) -> Hall:
    def furnish(tx: Any) -> tuple[int, User]:
        administrators.add(tx, "root", "$right")
        kept = administrators.credentials(tx, "root")
        assert kept is not None
        domain = domains.add(tx, "x.org", DomainSettings()).id
        return kept.password_id, users.add_user(tx, domain=domain, address=parse("anna@x.org"), password_hash="$mine")

    password, anna = result(store.run(furnish))
    randomness = SeededRandomness()
    return Hall(
        store,
        clock,
        WebSessions(store, ADMINISTRATOR, randomness, administrator_login.signed_in),
        WebSessions(store, USER, randomness, user_login.signed_in),
        password,
        anna,
    )


@pytest.fixture
def hall(store: Store, clock: ManualClock) -> Hall:
    return hall_in(store, clock)


def test_a_session_says_who_is_signed_in_and_from_where(hall: Hall) -> None:
    secret = hall.begin(peer="192.0.2.1", agent="Browser/1 " * 100)
    found = hall.find(secret)
    assert found is not None
    assert found.who == Administrator("root", "", password=hall.password)
    assert (found.session.whose, found.session.peer, found.session.step) == ("root", "192.0.2.1", "")
    assert len(found.session.agent) == 200
    assert len(secret) == 43


def test_the_secret_itself_is_nowhere(hall: Hall) -> None:
    secret = hall.begin()
    rows = hall.run(lambda tx: tx.all(Statement("SELECT * FROM web_session")))
    assert len(rows) == 1
    assert secret not in repr(rows)


@pytest.mark.parametrize("secret", ["", "no such", "\0", "\ud800", "x" * 100_000])
def test_what_is_no_secret_finds_nobody(hall: Hall, secret: str) -> None:
    hall.begin()
    assert hall.find(secret) is None


def test_sessions_of_users_and_administrators_never_mix(hall: Hall) -> None:
    of_root, of_anna = hall.begin(), hall.begin_for_anna()
    assert hall.find(of_anna) is None
    assert result(hall.of_users.find(of_root)) is None
    found = result(hall.of_users.find(of_anna))
    assert found is not None
    assert found.who == hall.anna
    hall.run(web_sessions.end, kind=USER, secret=of_root)
    assert hall.find(of_root) is not None


def test_it_ends_when_it_is_not_used_and_in_any_case(hall: Hall) -> None:
    secret, idle = hall.begin(), hall.begin()
    hall.clock.advance(HOUR / SECOND - 1)
    assert hall.find(secret) is not None
    hall.clock.advance(1)
    assert hall.find(idle) is None
    for _ in range(20):
        hall.clock.advance(1800)
        assert hall.find(secret) is not None
    for _ in range(2):
        hall.clock.advance(1800)
        last = hall.find(secret)
    assert last is None


def test_its_use_is_noted_once_a_minute_and_never_costs_a_request(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = hall.begin()
    before = hall.store.figures.transactions
    for _ in range(60):
        assert hall.find(secret) is not None
        hall.clock.advance(1)
    assert hall.store.figures.transactions == before

    async def full(*_: object, **__: object) -> None:
        raise Temporary("the disk is full")

    with monkeypatch.context() as context:
        context.setattr(hall.store, "run", full)
        assert hall.find(secret) is not None
    assert hall.find(secret) is not None
    assert hall.store.figures.transactions == before + 1
    (session,) = hall.listed()
    assert session.seen == hall.clock.now()
    assert session.seen - session.created == SEEN_NOTED_EVERY


@pytest.mark.parametrize("change", ["password", "removal", "removal and another of the name"])
def test_it_ends_with_the_password_and_with_the_administrator(hall: Hall, change: str) -> None:
    secret = hall.begin()
    if change == "password":
        older = "UPDATE administrator SET password_id = 1"  # as a server of an earlier version does it
        hall.run(lambda tx: tx.run(Statement(older)))
    else:
        hall.run(administrators.add, name="eve", password_hash="$right")
        hall.run(administrators.remove, name="root")
        if "another" in change:
            hall.run(administrators.add, name="root", password_hash="$right")
    assert hall.find(secret) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda tx, anna: users.set_password(tx, anna, "$other"),
        lambda tx, anna: users.deactivate(tx, anna),
        lambda tx, anna: users.forget(tx, anna.id, anna.domain),
    ],
)
def test_one_of_a_user_ends_with_the_password_and_with_the_user(hall: Hall, change: Any) -> None:
    secret = hall.begin_for_anna()
    hall.run(change, anna=hall.anna)
    assert result(hall.of_users.find(secret)) is None


def test_a_login_begins_another_one_and_ends_the_one_before(hall: Hall) -> None:
    first = hall.begin(step="code")
    second = hall.begin(replaces=first)
    assert hall.find(first) is None
    assert hall.find(second) is not None
    assert first != second


def test_of_an_account_there_are_so_many_and_the_oldest_ends(hall: Hall) -> None:
    secrets = []
    for _ in range(ADMINISTRATOR.most + 2):
        secrets.append(hall.begin())
        hall.clock.advance(1)
    assert [hall.find(secret) is not None for secret in secrets] == [False] * 2 + [True] * ADMINISTRATOR.most
    of_anna = hall.begin_for_anna()
    assert hall.find(secrets[2]) is not None
    assert result(hall.of_users.find(of_anna)) is not None


def test_who_knows_the_password_and_no_code_pushes_nobody_out(hall: Hall) -> None:
    secret = hall.begin()
    for _ in range(2 * ADMINISTRATOR.most):
        hall.clock.advance(1)
        hall.begin(step="code")
    assert hall.find(secret) is not None
    assert len(hall.run(lambda tx: tx.all(KEPT))) == 1 + ADMINISTRATOR.most
    assert [session.step for session in hall.listed()] == [""]


def test_who_knows_the_password_alone_does_not_push_out_its_owner_who_types_the_code(hall: Hall) -> None:
    secret = hall.begin(step="code", peer="192.0.2.1")
    for number in range(2 * ADMINISTRATOR.most):
        hall.clock.advance(0.5)
        hall.begin(step="code", peer=f"2001:db8::{number:x}")  # one network
    assert hall.find(secret) is not None
    assert len(hall.run(lambda tx: tx.all(KEPT))) == ADMINISTRATOR.most


def test_a_login_begins_though_others_have_begun_as_many_as_there_may_be(hall: Hall) -> None:
    for _ in range(ADMINISTRATOR.most):
        hall.begin(step="code", peer="198.51.100.1")
    secret = hall.begin(step="code", peer="192.0.2.1")
    for _ in range(ADMINISTRATOR.most):
        hall.begin(step="code", peer="198.51.100.1")
    assert hall.find(secret) is not None


def test_an_unfinished_login_ends_after_some_minutes(hall: Hall) -> None:
    secret = hall.begin(step="code")
    hall.clock.advance(600 - 1)
    found = hall.find(secret)
    assert found is not None
    assert found.session.step == "code"
    hall.clock.advance(1)
    assert hall.find(secret) is None


def test_sessions_are_listed_and_ended_by_their_ids(hall: Hall) -> None:
    secrets = [hall.begin() for _ in range(3)]
    ids = [session.id for session in hall.listed()]
    assert ids == sorted(ids, reverse=True)
    assert hall.run(web_sessions.listing, kind=ADMINISTRATOR, after=ids[0], limit=1) == hall.listed()[1:2]
    assert not hall.run(web_sessions.end_one, kind=ADMINISTRATOR, whose="eve", session=ids[0])
    assert not hall.run(web_sessions.end_one, kind=USER, whose="root", session=ids[0])
    assert hall.run(web_sessions.end_one, kind=ADMINISTRATOR, whose="root", session=ids[0])
    assert [hall.find(secret) is not None for secret in secrets] == [True, True, False]
    assert hall.run(web_sessions.end_all, kind=ADMINISTRATOR, whose="root") == 2
    assert hall.listed() == []


def test_what_has_ended_is_swept(hall: Hall) -> None:
    hall.begin()
    of_anna = hall.begin_for_anna()
    hall.clock.advance(HOUR / SECOND)
    result(web_sessions.sweep(hall.store))
    assert len(hall.run(lambda tx: tx.all(KEPT))) == 1
    assert result(hall.of_users.find(of_anna)) is not None
    hall.clock.advance(14 * DAY / SECOND)
    result(web_sessions.sweep(hall.store))
    assert hall.run(lambda tx: tx.all(KEPT)) == []


def test_what_a_page_has_to_say_waits_for_the_next_one(hall: Hall) -> None:
    secret = hall.begin()
    result(hall.sessions.flash(secret, "done" * 2000))
    found = hall.find(secret)
    assert found is not None
    assert found.session.flash == ("done" * 2000)[:4_000]
    result(hall.sessions.flash(secret, ""))
    assert hall.listed()[0].flash == ""


STEPS = st.one_of(
    st.tuples(st.just("begin"), st.sampled_from(["", "code"])),
    st.tuples(st.just("use"), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("wait"), st.integers(1, 4000)),
    st.tuples(st.just("sweep"), st.just(0)),
    st.tuples(st.just("password"), st.just(0)),
)


@pytest.mark.sqlite
@settings(max_examples=40)
@given(steps=st.lists(STEPS, max_size=25))
def test_a_session_is_good_from_its_beginning_to_its_end(
    steps: list[tuple[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    clock = ManualClock()
    store = open_memory_like_store(tmp_path_factory.mktemp("sessions"), clock=clock)
    hall = hall_in(store, clock)
    begun: list[tuple[str, int, int]] = []  # secret, idle end to a minute, end
    for step, what in steps:
        now = clock.now()
        match step:
            case "begin":
                lasts = 10 * MINUTE if what else ADMINISTRATOR.lasts
                begun.append((hall.begin(step=what), now + min(lasts, ADMINISTRATOR.idle), now + lasts))
            case "use" if what < len(begun):
                secret, idle_end, ends = begun[what]
                found = hall.find(secret)
                assert (found is not None) or now >= idle_end - MINUTE
                assert (found is None) or now < min(idle_end, ends)
                if found is not None and not found.session.step:
                    begun[what] = (secret, now + ADMINISTRATOR.idle, ends)
            case "end" if what < len(begun):
                result(hall.sessions.end(begun[what][0]))
                begun[what] = (begun[what][0], 0, 0)
            case "wait":
                clock.advance(what)
            case "sweep":
                result(web_sessions.sweep(store))
            case "password":
                hall.run(administrators.set_password, name="root", password_hash="$x")
                kept = hall.run(administrators.credentials, name="root")
                hall.password = kept.password_id
                begun = [(secret, 0, 0) for secret, *_ in begun]
        alive = [each for each in begun if clock.now() < each[1]]
        begun = begun if len(alive) <= ADMINISTRATOR.most else []  # the oldest end: another test
    result(store.close())
