from __future__ import annotations

import pytest

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.accounts.users import User
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import HOUR
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.stores import result


@pytest.fixture
def domain(store: Store) -> Domain:
    return result(store.run(lambda tx: domains.add(tx, "Example.org", DomainSettings(home=("home:25",)))))


def add(store: Store, domain: Domain, address: str, *aliases: str, password_hash: str = "") -> User:
    return result(
        store.run(
            lambda tx: users.add_user(
                tx,
                domain=domain.id,
                address=parse(address),
                aliases=[parse(alias) for alias in aliases],
                password_hash=password_hash,
            )
        )
    )


def find(store: Store, address: str) -> User | None:
    return result(store.read(lambda tx: users.find(tx, parse(address))))


def test_a_user_begins_with_the_standard_folders_subscribed(store: Store, domain: Domain) -> None:
    user = add(store, domain, "anna@example.org")

    def look(tx: Transaction) -> tuple[list[str], list[str]]:
        return [info.name for info in mailboxes.listing(tx, user.id)], mailboxes.subscriptions(tx, user.id)

    folders, subscribed = result(store.read(look))
    assert sorted(folders) == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"] == sorted(subscribed)


def test_a_user_is_active_with_a_password_and_pending_without_one(store: Store, domain: Domain) -> None:
    assert add(store, domain, "anna@example.org", password_hash="$x").status == "active"
    assert add(store, domain, "bob@example.org").status == "pending"


def test_an_address_reaches_its_user_without_case_by_alias_and_with_a_tag(store: Store, domain: Domain) -> None:
    anna = add(store, domain, "Anna@example.org", "a.example@example.org")
    for address in ("anna@EXAMPLE.org", "A.Example@example.org", "anna+news@example.org", '"anna"@example.org'):
        assert find(store, address) == anna
    assert find(store, "ann@example.org") is None


def test_an_address_with_a_tag_that_is_registered_itself_is_that_users(store: Store, domain: Domain) -> None:
    anna = add(store, domain, "anna@example.org")
    tagged = add(store, domain, "anna+news@example.org")
    assert find(store, "anna+news@example.org") == tagged
    assert find(store, "anna+other@example.org") == anna


def test_a_taken_address_is_refused_and_nothing_is_added(store: Store, domain: Domain) -> None:
    add(store, domain, "anna@example.org", "a@example.org")
    with pytest.raises(Refused, match=r"a@example\.org: is an alias of anna@example\.org already"):
        add(store, domain, "bob@example.org", "a@example.org")
    assert find(store, "bob@example.org") is None


def test_a_password_makes_a_pending_user_active_and_leaves_an_inactive_one(store: Store, domain: Domain) -> None:
    bob = add(store, domain, "bob@example.org")
    result(store.run(lambda tx: users.set_password(tx, bob, "$x")))
    assert (active := find(store, "bob@example.org")) is not None
    assert active.status == "active"
    result(store.run(lambda tx: users.deactivate(tx, bob)))
    result(store.run(lambda tx: users.set_password(tx, bob, "$y")))
    assert (inactive := find(store, "bob@example.org")) is not None
    assert not inactive.registered
    assert result(store.run(lambda tx: users.activate(tx, bob))) == "active"


def test_a_mode_with_an_end_is_over_then() -> None:
    domain = Domain(1, "example.org", DomainSettings(mode="enabled", mode_until=2 * HOUR))
    assert domain.mode(HOUR) == "enabled"
    assert domain.mode(2 * HOUR) == "disabled"


def test_settings_are_stored_as_what_differs_from_the_defaults(store: Store, domain: Domain) -> None:
    assert domains.encode(domain.settings) == '{"home":["home:25"]}'
    assert result(store.read(lambda tx: domains.find(tx, "EXAMPLE.ORG"))) == domain
