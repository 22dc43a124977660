"""Says how many of the addresses that home takes may become users (`relay-check`): none where it takes any address.

Before the first one of a day home is asked for an address that nobody can have. Behind a home server that takes that
one too, what it takes says nothing of who is there, and whoever guesses names would make a user of each. What it said
is remembered in the database for a day; if it refuses nobody, as many users are added a day as a large office has
people.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts import relay_check
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address, parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.model.timer import Timer
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.store.store import Store

MOST: Final = 1000  # users a day that are added

_PATIENCE: Final = 3.0  # s that a message waits for what home says of nobody; it goes on without that
_AGAIN: Final = 300 * 1_000_000  # µs until home is asked again that did not say
_DOMAINS: Final = 10_000  # that are remembered
_RENEW: Final = DAY  # as accounts/taken.py renews its rows
_KEYS: Final = 50_000  # addresses that were noted of late; another note costs no more than a look

_log = Logger()


class Newcomers:
    """What home servers said of an address that nobody can have. It lives in the reactor thread, one per process."""

    def __init__(self, store: Store, timer: Timer) -> None:
        self._store = store
        self._timer = timer
        self._not_before: dict[int, int] = {}  # by domain: when home is asked again that did not say
        self._asking: dict[int, list[Deferred[None]]] = {}  # by domain: who waits for the answer
        self._nobody: dict[int, Address] = {}  # by domain: one that greylists knows it the second time
        self._noted: OrderedDict[str, int] = OrderedDict()  # addresses that home took, and when that was noted

    async def most(self, domain: Domain, home: HomeServer) -> int:
        """Returns how many users may have been added within a day, for another one to be added now. Raises
        Temporary."""
        facts = await self._facts(domain)
        if facts.found >= MOST:
            return 0
        if not self._known(facts):
            await self._asked(domain, home)
            facts = await self._facts(domain)
        return MOST if self._known(facts) and not facts.takes else 0

    def unnoted(self, keys: Collection[str]) -> set[str]:
        """Returns those addresses that home took of which that was not noted within a day, and takes them as noted."""
        now = self._store.clock.now()
        fresh = {key for key in keys if not now - _RENEW < self._noted.get(key, 0) <= now}
        for key in fresh:
            self._noted[key] = now
            self._noted.move_to_end(key)
        while len(self._noted) > _KEYS:
            self._noted.popitem(last=False)
        return fresh

    async def _facts(self, domain: Domain) -> relay_check.Facts:
        return await self._store.read(partial(relay_check.facts, domain=domain.id, most=MOST))

    def _known(self, facts: relay_check.Facts) -> bool:
        now = self._store.clock.now()
        return now - relay_check.KNOWN < facts.asked <= now

    async def _asked(self, domain: Domain, home: HomeServer) -> None:
        """Waits for an answer, but not for long."""
        if self._not_before.get(domain.id, 0) > self._store.clock.now():
            return
        if domain.id not in self._asking:
            self._asking[domain.id] = []
            Deferred.fromCoroutine(self._ask(domain, home)).addErrback(self._failed, domain).addBoth(
                self._answered, domain.id
            )
        waiting = self._asking.get(domain.id)
        if waiting is None:  # the answer came at once
            return
        done: Deferred[None] = Deferred()
        waiting.append(done)
        alarm = self._timer.callLater(_PATIENCE, self._waited, domain.id, done)
        await done
        if alarm.active():
            alarm.cancel()

    def _waited(self, domain: int, done: Deferred[None]) -> None:
        waiting = self._asking.get(domain, [])
        if done in waiting:
            waiting.remove(done)
        done.callback(None)

    def _answered(self, _: object, domain: int) -> None:
        for done in self._asking.pop(domain, []):
            done.callback(None)

    async def _ask(self, domain: Domain, home: HomeServer) -> None:
        self._not_before[domain.id] = self._store.clock.now() + _AGAIN
        nobody = self._nobody.setdefault(domain.id, _nobody(self._store, domain))
        if len(self._not_before) > _DOMAINS:
            self._not_before.clear()
            self._nobody.clear()
        outcome = await _recipient(home, None, nobody)
        if outcome.verdict is not Verdict.ACCEPTED and outcome.stage is not Stage.RCPT:  # the null sender, perhaps
            outcome = await _recipient(home, parse(f"postmaster@{domain.name}"), nobody)
        takes = outcome.verdict is Verdict.ACCEPTED
        if takes:
            _log.warn(
                "relay-check adds no users of {domain}: home takes any address, such as {address}",
                domain=domain.name,
                address=nobody.text,
            )
        if takes or _refuses(outcome):
            self._nobody.pop(domain.id, None)
            await self._store.run(partial(relay_check.note_nobody, domain=domain.id, takes=takes))

    def _failed(self, failure: object, domain: Domain) -> None:
        _log.warn("home of {domain} cannot be asked for nobody: {failure}", domain=domain.name, failure=failure)


def _nobody(store: Store, domain: Domain) -> Address:
    return parse(f"nobody-{identifier.show(store.identifiers.next())}@{domain.name}")


async def _recipient(home: HomeServer, sender: Address | None, nobody: Address) -> Outcome:
    transaction = home.transaction(sender, MailParameters())
    try:
        return await transaction.recipient(nobody, RcptParameters())
    finally:
        transaction.abandon()


def _refuses(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.REFUSED and outcome.stage is Stage.RCPT
