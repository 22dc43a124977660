from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.model.address import parse
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from tests.fakes.nodes import Cluster
from tests.fakes.stores import result

T = TypeVar("T")

ANNA = parse("anna@example.org")


@pytest.fixture
def directory(store: Store) -> Directory:
    return Directory(store)


def test_changes_are_seen_at_once(store: Store, directory: Directory) -> None:
    assert result(directory.domain("example.org")) is None
    domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings())))
    assert result(directory.domain("example.org")) == domain
    assert result(directory.user(ANNA)) is None
    user = result(store.run(lambda tx: users.add_user(tx, domain=domain.id, address=ANNA)))
    assert result(directory.user(ANNA)) == user
    result(store.run(lambda tx: users.deactivate(tx, user)))
    changed = result(directory.user(ANNA))
    assert changed is not None
    assert changed.status == "inactive"


def test_what_is_known_is_not_read_again(store: Store, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings())))
    result(directory.domains())
    result(directory.user(ANNA))
    monkeypatch.setattr(store, "read", None)
    assert [domain.name for domain in result(directory.domains())] == ["example.org"]
    assert result(directory.user(ANNA)) is None


def test_what_was_read_before_a_change_is_not_kept(store: Store, directory: Directory) -> None:
    """The change is committed between the snapshot and its arrival in the reactor."""
    domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings())))
    read = store.read
    pending: list[int] = []

    def slow(work: Callable[[Transaction], T]) -> Deferred[T]:
        outcome = read(work)
        if not pending:
            pending.append(1)
            result(store.run(lambda tx: users.add_user(tx, domain=domain.id, address=ANNA)))
        return outcome

    store.read = slow  # type: ignore[method-assign]
    user = result(directory.user(ANNA))
    assert user is not None


def test_what_another_node_changed_is_read_again_when_it_is_heard_of(store: Store) -> None:
    here = Cluster(store).node()
    directory = Directory(here)
    assert result(directory.domain("example.org")) is None
    domain = result(store.run(lambda tx: domains.add(tx, "example.org", DomainSettings())))
    here.hear()
    assert result(directory.domain("example.org")) == domain
    assert result(directory.user(ANNA)) is None
    user = result(store.run(lambda tx: users.add_user(tx, domain=domain.id, address=ANNA)))
    here.hear_again()  # and its notice is lost
    assert result(directory.user(ANNA)) == user
    result(store.run(lambda tx: domains.add(tx, "example.net", DomainSettings())))
    here.hear_again()
    assert result(directory.domain("example.net")) is not None
