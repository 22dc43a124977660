"""Brings facts to subscribers: each fact once to each, several together in one mail, and so many mails a day.

A batch of facts is one transaction: what is placed for all who hear of them, and the marks that say so. A crash before
it has told nobody, one after it everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import msgspec
from twisted.logger import Logger

from mpcontinuity.accounts import links
from mpcontinuity.alerts import announcing, subscribers
from mpcontinuity.alerts.announcing import Announcement, Mark, announce
from mpcontinuity.alerts.outages import Told
from mpcontinuity.alerts.subscribers import Subscriber
from mpcontinuity.alerts.wording import Fact, digest, last_of_the_day, link_lines, room_lines
from mpcontinuity.model import public
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

# To one address, of all domains together: more are read by nobody, and somebody may have subscribed a stranger.
MOST_A_DAY = 50
FACTS = 200  # of one batch: its marks are rows of the same transaction
_FORGET = 500  # rows of one step

_COUNTS = Statement("SELECT key, mails FROM alerted WHERE since > :since AND since <= :now AND key IN [:keys]")
_COUNT = Statement(
    """INSERT INTO alerted (key, since, mails) VALUES (:key, :now, 1) ON CONFLICT (key) DO UPDATE SET
        mails = CASE WHEN alerted.since > :day AND alerted.since <= :now THEN alerted.mails + 1 ELSE 1 END,
        since = CASE WHEN alerted.since > :day AND alerted.since <= :now THEN alerted.since ELSE excluded.since END"""
)
_SWEEP = Statement("DELETE FROM alerted WHERE key IN (SELECT key FROM alerted WHERE since <= :before LIMIT :step)")

_log = Logger()


class LinkAbout(msgspec.Struct, frozen=True, array_like=True):
    """What a link in an alert is about: a domain and an outage by their ids, 0 for none, and who was sent it."""

    domain: int
    outage: int
    to: str


class _Links(msgspec.Struct, frozen=True):
    """The secret of a link that is to be made, and what `links.make` is told with it."""

    secret: str
    subject: str
    about: str


class Mailing:
    """Mails facts to the subscribers of their domains. It lives in the reactor thread; ``sent`` counts mails."""

    def __init__(self, store: Store, settings: Settings, randomness: Randomness) -> None:
        self.sent = 0
        self._store = store
        self._settings = settings
        self._randomness = randomness

    async def mail(self, facts: Sequence[Fact]) -> None:
        """Tells all of these facts, and marks them as told, also where nobody hears.

        What somebody else has told meanwhile is left out. Raises Temporary; facts that were not marked by then are to
        be given again.
        """
        hearing = await self._store.read(
            partial(subscribers.of_domains, domains=sorted({fact.domain for fact in facts}))
        )
        for batch in _batches(facts, hearing):
            if not await self._told(batch, hearing) and len(batch) > 1:
                for fact in batch:
                    await self._told([fact], hearing)

    async def _told(self, facts: Sequence[Fact], hearing: Mapping[int, Sequence[Subscriber]]) -> bool:
        """Whether it could be told: what cannot stops nothing else."""
        try:
            await self._tell(facts, hearing)
        except Told:
            _log.info("told already: {subject}", subject=facts[0].subject)
        except (Stopping, Temporary):
            raise
        except Exception:
            _log.failure("an alert failed: {subject}", subject=facts[0].subject)
        else:
            return True
        return False

    async def _tell(self, facts: Sequence[Fact], hearing: Mapping[int, Sequence[Subscriber]]) -> None:
        of: dict[str, list[Fact]] = {}
        address = {}
        for fact in facts:
            for one in hearing.get(fact.domain, ()):
                of.setdefault(one.key, []).append(fact)
                address[one.key] = one.address
        counts: dict[str, int] = await self._store.read(partial(_counted, keys=list(of)))
        heard = {key: told for key, told in of.items() if counts.get(key, 0) < MOST_A_DAY}
        made: list[_Links] = []
        told = [
            self._announcement(address[key], of_one, made, last=counts.get(key, 0) == MOST_A_DAY - 1)
            for key, of_one in heard.items()
        ]
        mark = partial(_mark, marks=[fact.mark for fact in facts], keys=list(heard), made=made)
        await announce(self._store, self._settings, told, mark)
        self.sent += len(told)
        for fact in facts:
            to = [one.address for one in hearing.get(fact.domain, ()) if one.key in heard]
            _log.info("alert: {subject}: to {to}", subject=fact.subject, to=", ".join(to) or "nobody")

    def _announcement(self, to: str, facts: Sequence[Fact], made: list[_Links], *, last: bool) -> Announcement:
        fact = facts[0]
        subject, text = (fact.subject, fact.text) if len(facts) == 1 else digest(facts)
        if any(one.link for one in facts) and {one.domain for one in facts} == {fact.domain}:
            text += self._link(to, fact, made)
            room = public.outage_room(self._settings, fact.name) if fact.outage else None
            text += room_lines(room) if room is not None else ""
        if last:
            text += last_of_the_day(MOST_A_DAY)
        return Announcement(to=parse(to), domain=fact.domain, subject=subject, text=text, thread=fact.outage)

    def _link(self, to: str, fact: Fact, made: list[_Links]) -> str:
        secret = links.secret(self._randomness)
        try:
            url = links.url(self._settings, links.ALERT, secret)
        except Refused:  # no page is served
            return ""
        about = msgspec.json.encode(LinkAbout(fact.domain, fact.outage, to)).decode()
        made.append(_Links(secret, f"{fact.domain} {to.lower()}", about))
        return link_lines(url)


def _batches(facts: Sequence[Fact], hearing: Mapping[int, Sequence[Subscriber]]) -> Iterator[list[Fact]]:
    """As many facts together as one transaction may tell."""
    batch: list[Fact] = []
    keys: set[str] = set()
    for fact in facts:
        more = keys | {one.key for one in hearing.get(fact.domain, ())}
        if batch and (len(more) > announcing.MOST or len(batch) >= FACTS):
            yield batch
            batch, more = [], {one.key for one in hearing.get(fact.domain, ())}
        batch.append(fact)
        keys = more
    if batch:
        yield batch


def _counted(tx: Transaction, keys: list[str]) -> dict[str, int]:
    return dict(tx.all(_COUNTS, keys=keys, since=tx.now - DAY, now=tx.now))


def _mark(tx: Transaction, marks: Sequence[Mark], keys: Sequence[str], made: Sequence[_Links]) -> None:
    for mark in marks:
        mark(tx)
    for key in sorted(keys):
        tx.run(_COUNT, key=key, now=tx.now, day=tx.now - DAY)
    for link in made:
        links.make(tx, links.ALERT, link.secret, link.subject, link.about)


def _sweep(tx: Transaction, before: int) -> int:
    return tx.run(_SWEEP, before=before, step=_FORGET)


async def sweep(store: Store) -> None:
    """Forgets how many mails went to whom more than a day ago, in steps of the bulk lane. Raises Temporary."""
    before = store.clock.now() - DAY
    while await store.run(partial(_sweep, before=before), bulk=True) == _FORGET:
        pass
