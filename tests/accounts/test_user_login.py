from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import MINUTE, SECOND
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.protocols.sasl.scram import ITERATIONS, make_keys
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock
from tests.fakes.judging import ELSEWHERE, HERE, HOST_LIMIT, LIMIT, OFFICE, Court
from tests.fakes.stores import result


class Harness(Court):
    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(clock)
        self.store = store
        self.login = UserLogin(store, Directory(store), self.judge)
        domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings())))
        for name, hashed in (("anna", "$right"), ("bob", ""), ("olga", "$old$right")):
            added = partial(
                users.add_user,
                domain=domain.id,
                address=parse(f"{name}@example.org"),
                aliases=[parse(f"{name}.alias@example.org")],
                password_hash=hashed,
            )
            result(store.run(added))

    def check(self, name: str, password: str, peer: str = HERE) -> bool:
        return result(self.login.check(name, password, peer)) is not None


@pytest.fixture
def harness(store: Store, clock: ManualClock) -> Harness:
    return Harness(store, clock)


def test_the_right_password_logs_in_by_address_and_alias(harness: Harness) -> None:
    assert harness.check("anna@example.org", "right")
    assert harness.check(" Anna.Alias@EXAMPLE.org", "right")
    assert not harness.check("anna@example.org", "wrong")


def test_unknown_names_and_users_without_a_password_cost_as_much_as_a_wrong_one(harness: Harness) -> None:
    for name in ("nobody@example.org", "no address", "bob@example.org"):
        assert not harness.check(name, "right")
    assert harness.passwords.checked == ["", "", ""]


def test_an_inactive_user_does_not_log_in(harness: Harness) -> None:
    anna = result(harness.store.read(lambda tx: users.find(tx, parse("anna@example.org"))))
    assert anna is not None
    assert harness.check("anna@example.org", "right")
    result(harness.store.run(lambda tx: users.deactivate(tx, anna)))
    assert not harness.check("anna@example.org", "right")


def test_a_pending_user_logs_in_once_a_password_is_set(harness: Harness) -> None:
    bob = result(harness.store.read(lambda tx: users.find(tx, parse("bob@example.org"))))
    assert bob is not None
    result(harness.store.run(lambda tx: users.set_password(tx, bob, "$new")))
    assert harness.check("bob@example.org", "new")


def test_a_right_password_is_remembered_for_some_minutes_and_forgotten_when_it_changes(harness: Harness) -> None:
    for _ in range(3):
        assert harness.check("anna@example.org", "right")
    assert len(harness.passwords.checked) == 1
    harness.clock.advance(10 * MINUTE / SECOND)
    assert harness.check("anna@example.org", "right")
    assert len(harness.passwords.checked) == 2
    anna = result(harness.store.read(lambda tx: users.find(tx, parse("anna@example.org"))))
    assert anna is not None
    result(harness.store.run(lambda tx: users.set_password(tx, anna, "$other")))
    assert not harness.check("anna@example.org", "right")


def test_a_remembered_password_outlives_what_changes_for_others(harness: Harness) -> None:
    assert harness.check("anna@example.org", "right")
    bob = result(harness.store.read(lambda tx: users.find(tx, parse("bob@example.org"))))
    assert bob is not None
    result(harness.store.run(lambda tx: users.set_password(tx, bob, "$new")))
    assert harness.check("anna@example.org", "right")
    assert len(harness.passwords.checked) == 1


def test_a_remembered_password_of_a_user_who_was_deactivated_is_as_slow_as_a_wrong_one(harness: Harness) -> None:
    assert harness.check("anna@example.org", "right")
    anna = result(harness.store.read(lambda tx: users.find(tx, parse("anna@example.org"))))
    assert anna is not None
    result(harness.store.run(lambda tx: users.deactivate(tx, anna)))
    assert not harness.check("anna@example.org", "right")
    assert len(harness.passwords.checked) == 2
    assert harness.login.outcomes == {"succeeded": 1, "failed": 1, "throttled": 0}


def test_failures_from_one_host_cost_a_growing_delay_and_then_a_refusal(harness: Harness) -> None:
    for _ in range(2 * LIMIT):
        assert not harness.check("anna@example.org", "wrong")
    assert harness.slept == [1.0, 2.0, 4.0]
    checked = len(harness.passwords.checked)
    assert not harness.check("anna@example.org", "right")
    assert len(harness.passwords.checked) == checked  # refused unseen


def test_failures_of_others_never_refuse_a_right_password(harness: Harness) -> None:
    for _ in range(3 * LIMIT):
        harness.check("anna@example.org", "wrong", ELSEWHERE)
    harness.slept.clear()
    assert harness.check("anna@example.org", "right", HERE)
    assert harness.slept == []


def test_a_right_password_within_the_delay_is_taken_and_ends_it(harness: Harness) -> None:
    for _ in range(LIMIT + 1):
        harness.check("anna@example.org", "wrong")
    assert harness.check("anna@example.org", "right")
    harness.slept.clear()
    assert not harness.check("anna@example.org", "wrong")
    assert harness.slept == []


def test_a_refusal_is_over_after_a_quarter_of_an_hour(harness: Harness) -> None:
    for _ in range(2 * LIMIT):
        harness.check("anna@example.org", "wrong")
    assert not harness.check("anna@example.org", "right")
    harness.clock.advance(16 * MINUTE / SECOND)
    assert harness.check("anna@example.org", "right")


def test_aliases_do_not_multiply_the_attempts(harness: Harness) -> None:
    for _ in range(LIMIT):
        harness.check("anna@example.org", "wrong")
    harness.check("anna.alias@example.org", "wrong")
    assert harness.slept == [1.0]


def test_a_trusted_office_is_slowed_down_and_never_refused(harness: Harness) -> None:
    for _ in range(5 * LIMIT):
        harness.check("anna@example.org", "wrong", OFFICE)
    assert harness.check("anna@example.org", "right", OFFICE)
    assert max(harness.slept) == 30


def test_a_check_that_could_not_be_made_is_no_failure(harness: Harness) -> None:
    harness.failing = Temporary("too much waits")
    for _ in range(3 * LIMIT):
        with pytest.raises(Temporary):
            harness.check("anna@example.org", "right")
    harness.failing = None
    assert harness.check("anna@example.org", "right")
    assert harness.slept == []


def hash_of(harness: Harness, name: str) -> str:
    user = result(harness.login._find(f"{name}@example.org"))
    assert user is not None
    return result(harness.store.read(lambda tx: users.credentials(tx, user.id).hash))


def test_a_hash_of_another_scheme_is_renewed_when_its_user_logs_in(store: Store, clock: ManualClock) -> None:
    harness = Harness(store, clock)
    assert not harness.check("olga@example.org", "wrong")
    assert hash_of(harness, "olga") == "$old$right"
    assert harness.check("olga@example.org", "right")
    assert hash_of(harness, "olga") == "$right"
    assert harness.check("olga@example.org", "right")
    assert harness.check("anna@example.org", "right")
    assert hash_of(harness, "anna") == "$right"


def test_a_password_that_was_changed_meanwhile_is_not_overwritten(store: Store, clock: ManualClock) -> None:
    harness = Harness(store, clock)
    user = result(harness.login._find("anna@example.org"))
    assert user is not None
    result(store.run(lambda tx: users.replace_hash(tx, user.id, "$before", "$renewed")))
    assert hash_of(harness, "anna") == "$right"


@pytest.mark.parametrize(
    "name",
    [
        "{0}@example.org",
        " {0}@Example.ORG ",
        "{0}+tag@example.org",
        '"{0}"@example.org',
        "{0}@example.org.",
        "{0}@EXAMPLE.org",
    ],
)
@pytest.mark.parametrize("local", ["anna", "nobody"])
def test_what_scram_shows_depends_on_the_spelling_of_no_name(harness: Harness, local: str, name: str) -> None:
    anna = result(harness.login._find("anna@example.org"))
    assert anna is not None
    keys = str(make_keys("right", b"a salt of sixteen", ITERATIONS))
    result(harness.store.run(lambda tx: users.keep_keys(tx, anna.id, "$right", keys)))
    plain = result(harness.login.keys(f"{local}@example.org"))
    assert result(harness.login.keys(name.format(local))) == plain
    assert result(harness.login.keys(name.format(local.upper()))) == plain
    assert [keys.iterations for keys in plain] == [ITERATIONS]


def test_spellings_of_an_unknown_name_do_not_multiply_the_attempts(harness: Harness) -> None:
    for spelling in ("nobody@example.org", "NOBODY+x@example.org", '"nobody"@example.org', "nobody@example.org"):
        harness.check(spelling, "wrong")
    assert harness.slept == [1.0]


def test_a_host_that_fails_at_many_names_waits_and_is_told_to_come_again_but_never_that_a_right_password_is_wrong(
    harness: Harness,
) -> None:
    assert harness.check("olga@example.org", "right")  # she has logged in from here before
    for number in range(HOST_LIMIT):
        harness.check(f"user{number}@example.org", "wrong")
    assert harness.slept == []
    assert harness.check("anna@example.org", "right")
    assert harness.slept == [2.0]
    assert harness.check("olga@example.org", "right")
    assert harness.check("anna@example.org", "right")
    assert harness.slept == [2.0]


def test_addresses_of_one_64_bit_network_are_one_host(harness: Harness) -> None:
    for number in range(2 * LIMIT):
        harness.check("anna@example.org", "wrong", f"2001:db8::{number:x}")
    assert not harness.check("anna@example.org", "right", "2001:db8::ffff")
    assert harness.check("anna@example.org", "right", "2001:db8:0:1::1")


def test_a_password_that_changes_while_the_old_one_is_checked_does_not_let_it_in(harness: Harness) -> None:
    anna = result(harness.login._find("anna@example.org"))
    assert anna is not None

    def change(hashed: str) -> str:
        result(harness.store.run(lambda tx: users.set_password(tx, anna, hashed)))
        return hashed

    verify = harness.passwords.verify
    harness.passwords.verify = lambda password, hashed: verify(password, hashed) and bool(change("$new"))
    assert not harness.check("anna@example.org", "right")
    harness.passwords.verify = verify
    user = result(harness.login.check("anna@example.org", "new", HERE))
    assert user is not None
    assert user.password_changes == anna.password_changes + 1
