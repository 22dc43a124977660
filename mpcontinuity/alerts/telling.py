"""Tells all users of a domain something: in INBOX, and at the alternate address where they have one.

Nothing of it goes to their home server, or is owed to it: it is about what is read while that is away. Ten thousand
users are told in steps of some dozens; whoever begins a telling may end at any moment, and another process goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from mpcontinuity.accounts import users
from mpcontinuity.accounts.users import Reachable
from mpcontinuity.alerts import tellings
from mpcontinuity.alerts.announcing import MOST, Announcement, announce
from mpcontinuity.alerts.tellings import Moved, Telling
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

EVERY: Final = 5.0  # s between two looks for tellings that nobody is at
USERS: Final = MOST // 2  # of a step: each has up to two mails
_STEPS: Final = 10  # of one telling, until others have their turn

Heard = Callable[[Telling], None]


def unheard(telling: Telling) -> None:
    """Drops what is said of how far a telling is."""


async def tell_all(store: Store, settings: Settings, telling: int, heard: Heard = unheard) -> Telling | None:
    """Does a telling to its end, and returns it; None where it is gone, with its domain.

    ``heard`` is told how far it is after each step. Raises Temporary.
    """
    while True:
        now = await store.read(partial(tellings.find, telling=telling))
        if now is None or now.ended:
            return now
        heard(now)
        await _step(store, settings, now)


async def tell_left(store: Store, settings: Settings) -> None:
    """Goes on with all tellings that nobody is at, in turns, to their end: to be done every `EVERY` seconds by one
    process. Raises Temporary."""
    going_on: dict[int, None] = {}
    while True:
        going_on.update(dict.fromkeys(each.id for each in await store.read(tellings.left)))
        if not going_on:
            return
        for telling in list(going_on):
            if not await _some_steps(store, settings, telling):
                del going_on[telling]


async def _some_steps(store: Store, settings: Settings, telling: int) -> bool:
    """Whether it goes on."""
    for _ in range(_STEPS):
        now = await store.read(partial(tellings.find, telling=telling))
        if now is None or now.ended:
            return False
        await _step(store, settings, now)
    return True


async def _step(store: Store, settings: Settings, telling: Telling) -> None:
    some = await store.read(
        partial(users.reachable, domain=telling.domain, after=telling.reached, last=telling.last, step=USERS)
    )
    if not some:
        await store.run(partial(tellings.end, telling=telling))
        return
    made = _announcements(telling, some)
    try:
        await announce(store, settings, made, partial(_mark, telling=telling, some=some))
    except Moved:
        return  # somebody else has told them: what was kept for it is dropped with its pack


def _announcements(telling: Telling, some: Sequence[Reachable]) -> list[Announcement]:
    made = []
    for each in some:
        made.append(_announcement(telling, each.address, in_inbox=True))
        if each.alternate:
            made.append(_announcement(telling, each.alternate, in_inbox=False))
    return made


def _announcement(telling: Telling, to: str, *, in_inbox: bool) -> Announcement:
    return Announcement(
        to=parse(to),
        domain=telling.domain,
        subject=telling.subject,
        text=telling.text,
        into_inbox=True if in_inbox else None,
        inbox_only=in_inbox,
        thread=telling.id,
        lasts=DAY,
    )


def _mark(tx: Transaction, telling: Telling, some: Sequence[Reachable]) -> None:
    mails = sum(bool(each.alternate) for each in some)
    tellings.advance(tx, telling, some[-1].id, len(some), mails)
