"""Decides which of the addresses that home takes become users (`relay-check`), as home may take any address at all.

Behind a home server that is a catch-all, whoever guesses names would make a user of each. A few a day may be made:
those are the people of a small office. Before there are more, home is asked for an address that nobody can have. If it
takes that one, what it takes says nothing of who is there, and nobody is added for a day; if it refuses, as many are as
a large office has people.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.accounts import users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.model import identifier
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Stage, Verdict
from mpcontinuity.outbound.home import HomeServer
from mpcontinuity.store.store import Store

UNASKED = 50  # users a day that are added before home is asked whether it takes anybody
MOST = 1000  # users a day that are added

_KNOWN = DAY  # µs for which it is remembered what home said
_AGAIN = 300 * 1_000_000  # µs until home is asked again that did not say
_DOMAINS = 10_000  # that are remembered

_log = Logger()


@dataclass(slots=True)
class _Answer:
    until: int  # µs
    chooses: bool  # home refuses whom it does not know


class Newcomers:
    """What home servers said of an address that nobody can have. It lives in the reactor thread, one per process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answers: dict[int, _Answer] = {}  # by domain

    async def most(self, domain: Domain, home: HomeServer) -> int:
        """Returns how many users may have been added within a day, for another one to be added now. Raises
        Temporary."""
        now = self._store.clock.now()
        found = await self._store.read(partial(users.found_by_home, domain=domain.id, since=now - DAY, most=UNASKED))
        if found < UNASKED:
            return UNASKED
        answer = self._answers.get(domain.id)
        if answer is None or answer.until <= now:
            answer = self._note(domain, now + _AGAIN, chooses=False)
            Deferred.fromCoroutine(self._ask(domain, home)).addErrback(self._failed, domain)
        return MOST if answer.chooses else 0

    async def _ask(self, domain: Domain, home: HomeServer) -> None:
        nobody = parse(f"nobody-{identifier.show(self._store.identifiers.next())}@{domain.name}")
        transaction = home.transaction(None, MailParameters())
        try:
            outcome = await transaction.recipient(nobody, RcptParameters())
        finally:
            transaction.abandon()
        if outcome.verdict is Verdict.ACCEPTED:
            _log.warn(
                "relay-check adds no more users of {domain}: home takes any address, such as {address}",
                domain=domain.name,
                address=nobody.text,
            )
        if outcome.verdict is Verdict.ACCEPTED or _refuses(outcome):
            self._note(domain, self._store.clock.now() + _KNOWN, chooses=_refuses(outcome))

    def _note(self, domain: Domain, until: int, *, chooses: bool) -> _Answer:
        if len(self._answers) >= _DOMAINS:
            self._answers.clear()
        answer = self._answers[domain.id] = _Answer(until, chooses)
        return answer

    def _failed(self, failure: object, domain: Domain) -> None:
        _log.warn("home of {domain} cannot be asked for nobody: {failure}", domain=domain.name, failure=failure)


def _refuses(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.REFUSED and outcome.stage is Stage.RCPT
