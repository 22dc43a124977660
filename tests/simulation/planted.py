"""Bugs that are planted to see that the simulation finds them: a patch of the product by name.

An entry is a function that returns the patches (unittest.mock) of one bug. `scripts/simulate --bug NAME` plays with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from mpcontinuity.delivery import answered
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.queue import contained, leases, lineage
from mpcontinuity.redelivery import attempt, filing
from mpcontinuity.redelivery.folders import Folders, Target
from mpcontinuity.routing.decision import policy_of
from mpcontinuity.store.bodies.packs import Packs
from mpcontinuity.store.statement import Statement
from tests.simulation.disk import Mounted
from tests.simulation.vfs import SimulatedDriver

Patches = list[Any]
Bug = Callable[[], Patches]

BUGS: dict[str, Bug] = {}


def bug(name: str) -> Callable[[Bug], Bug]:
    def register(plant: Bug) -> Bug:
        BUGS[name] = plant
        return plant

    return register


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with that bug; empty: as it is."""
    with ExitStack() as stack:
        for patch in BUGS[name]() if name else []:
            stack.enter_context(patch)
        yield


@bug("250-before-sync")
def _before_sync() -> Patches:
    """The sync of a pack returns before anything is durable."""
    create = Packs.create

    def lying(*args: Any) -> Any:
        pack = create(*args)
        pack.file.sync = lambda: None  # type: ignore[method-assign]
        return pack

    return [mock.patch.object(Packs, "create", lying)]


@bug("250-before-commit")
def _before_commit() -> Patches:
    """``synchronous = OFF``: a commit returns before it is durable."""
    return [mock.patch.object(SimulatedDriver, "synchronous", "OFF")]


@bug("forgets-answers")
def _forgets() -> Patches:
    """A client that tries again has its message taken twice."""
    return [
        mock.patch.object(answered, "note", lambda tx, fingerprints: set(fingerprints)),
        mock.patch.object(answered, "find", return_value=set()),
    ]


@bug("no-folder-sync")
def _no_folder_sync() -> Patches:
    """The name of a new pack is not made durable."""
    return [mock.patch.object(Mounted, "sync_folder")]


@bug("in-flight-is-owed")
def _in_flight_is_owed() -> Patches:
    """What was being sent when the process ended counts as not sent."""
    return [
        mock.patch.object(leases, "_SWEEP", Statement(leases._SWEEP.sqlite.replace("ELSE 'in_doubt'", "ELSE 'owed'")))
    ]


@bug("move-is-deletion")
def _move_is_deletion() -> Patches:
    """Only INBOX is looked at when it is judged whether the user has a message."""
    has = lineage._HAS.sqlite.replace("AND NOT EXISTS", "AND mailbox.name = 'INBOX' AND NOT EXISTS")
    return [mock.patch.object(lineage, "_HAS", Statement(has))]


@bug("no-doubt")
def _no_doubt() -> Patches:
    """No reply to the final dot is taken for a message that did not arrive, and its id is made anew."""
    head = attempt.head
    count = itertools.count(1)
    return [mock.patch.object(attempt, "head", lambda owed: head(replace(owed, id=owed.id + next(count))))]


@bug("contain-lets-new-mail-pass")
def _contain_lets_new_mail_pass() -> Patches:
    """A home server that is cut off gets new mail: only what is owed is kept away from it."""
    return [
        mock.patch(
            "mpcontinuity.delivery.incoming.policy_of", lambda settings, mode, *, contained: policy_of(settings, mode)
        ),
        mock.patch.object(Incoming, "_look_again", None),
    ]


@bug("lifted-is-released")
def _lifted_is_released() -> Patches:
    """What was kept while home was cut off goes there as soon as that is lifted."""
    return [
        mock.patch.object(
            contained, "_KEEP", Statement(contained._KEEP.sqlite.replace("WHERE id IN", "WHERE 0 = 1 AND id IN"))
        )
    ]


@bug("home-imap-is-not-searched")
def _home_imap_is_not_searched() -> Patches:
    """What home may have already, since its reply to APPEND was lost, is appended again."""

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    return [mock.patch.object(filing._Trip, "_hit", nothing)]


@bug("filed-in-inbox")
def _filed_in_inbox() -> Patches:
    """Whatever folder a user has put a message into, home gets it into INBOX."""
    return [mock.patch.object(Folders, "target", return_value=Target(b"INBOX"))]
