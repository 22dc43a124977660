"""The operations on a real store, without a socket between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import succeed

from mpcontinuity.accounts.passwords import Passwords
from mpcontinuity.control.caller import Caller
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.hosts import listeners
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.store import Store
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.jobs import Here
from tests.fakes.stores import result
from tests.queue.ledgers import Books

Call = Callable[..., Any]


@pytest.fixture
def control(store: Store) -> Control:
    settings = Settings()
    return Control(
        store,
        settings,
        Passwords("ldap_salted_sha256", ()),  # or hashing would be a third of what is measured
        lambda work: succeed(work()),
        SeededRandomness(),
        listening=lambda: listeners(settings.listen),
        caller=Caller("root", None, None, "inside the server"),
        jobs=Here(),
    )


@pytest.fixture
def call(control: Control) -> Call:
    """An operation by name, with arguments as they come from outside; its result as JSON shows it."""
    import msgspec

    def call(operation: str, **arguments: Any) -> Any:
        return msgspec.to_builtins(result(OPERATIONS[operation](control, arguments)))

    return call


@pytest.fixture
def books(store: Store, clock: ManualClock) -> Books:
    """The domain example.org with Anna and Bert, and mail that is owed."""
    return Books(store, clock)
