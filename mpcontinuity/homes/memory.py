"""What the table `domain` remembers of a home server. All functions are work for one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.events import HomeChanged
from mpcontinuity.routing.health import Health, State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_LOAD = Statement(
    "SELECT id, state, since, reason, relapses, last_failure, recovered, offers FROM domain"
    " WHERE (:domain = 0 OR id = :domain)"
)
_SAVE = Statement(
    """UPDATE domain SET state = :state, since = :since, reason = :reason, relapses = :relapses,
        last_failure = :last_failure, recovered = :recovered
    WHERE id = :domain AND state = :known_state AND since = :known_since AND last_failure = :known_failure"""
)
_OFFERS = Statement("UPDATE domain SET offers = :offers WHERE id = :domain")
# While the flush is paused home takes nothing of ours: that time counts no more than an outage.
_UPTIME = Statement("UPDATE domain SET uptime = uptime + :time WHERE id = :domain AND paused = ''")
# One after the other: a fault of one mailbox would be taken for the server's for ever.
_KNOWN_USER = Statement(
    """SELECT account.id, account.address, taken.time FROM account
    JOIN address ON address.account = account.id AND address.alias = 0 LEFT JOIN taken ON taken.key = address.key
    WHERE account.domain = :domain AND account.status IN ('active', 'pending') AND account.id > :after
    ORDER BY account.id LIMIT 1"""
)
_SOME_USERS = Statement(
    "SELECT address FROM account WHERE domain = :domain AND status IN ('active', 'pending') ORDER BY id DESC LIMIT 4"
)
_RENEW = DAY


@dataclass(frozen=True, slots=True)
class KnownUser:
    """``noted``: it stands in the database that home took the address lately."""

    id: int
    address: str
    noted: bool


def load(tx: Transaction, domain: int = 0) -> dict[int, tuple[Health, str]]:
    """Of every domain, or of one: how its home server was, and the JSON of what its last EHLO offered, if known."""
    return {row[0]: (_health(*row[1:7]), row[7]) for row in tx.all(_LOAD, domain=domain)}


def _health(state: str, since: int, reason: str, relapses: int, last_failure: int, recovered: int) -> Health:
    known = State(state)
    if known is State.UP and last_failure:
        known = State.SUSPECT
    if known is State.RECOVERING:
        recovered = recovered or since
    return Health(known, since, reason, relapses=relapses, last_failure=last_failure, recovered=recovered)


def save(tx: Transaction, domain: int, known: Health, health: Health) -> bool:
    """By compare-and-set against ``known``, what was last saved or loaded. False: another process was first."""
    saved = tx.run(
        _SAVE,
        domain=domain,
        known_state=known.state.shown.value,
        known_since=known.since,
        known_failure=known.last_failure,
        state=health.state.shown.value,
        since=health.since,
        reason=health.reason if health.state is not State.SUSPECT else "",
        relapses=health.relapses,
        last_failure=health.last_failure,
        recovered=health.recovered,
    )
    if saved:
        tx.announce(HomeChanged(domain))
    return saved == 1


def same(known: Health, health: Health) -> bool:
    """Whether the table would hold the same for both."""
    return _kept(known) == _kept(health)


def _kept(health: Health) -> Health:
    """Without what the table does not hold."""
    reason = "" if health.state is State.SUSPECT else health.reason
    return replace(health, reason=reason, good_probes=0)


def save_offers(tx: Transaction, domain: int, offers: str) -> None:
    tx.run(_OFFERS, domain=domain, offers=offers)


def add_uptime(tx: Transaction, times: Mapping[int, int]) -> None:
    """µs in which a home server was up and the mode not 'enabled', by domain: what ``give_up`` counts."""
    tx.many(_UPTIME, [{"domain": domain, "time": time} for domain, time in times.items()])


def known_user(tx: Transaction, domain: int, after: int = 0) -> KnownUser | None:
    """A user whom home should know, for the probe: the next one ``after`` that id, or the first."""
    row = tx.one(_KNOWN_USER, domain=domain, after=after) or tx.one(_KNOWN_USER, domain=domain, after=0)
    return None if row is None else KnownUser(row[0], row[1], tx.now - (row[2] or 0) < _RENEW)


def some_users(tx: Transaction, domain: int) -> list[str]:
    """The latest, for a question about another than the one whose mailbox ends sessions."""
    return [row[0] for row in tx.all(_SOME_USERS, domain=domain)]


def end_modes(tx: Transaction) -> int:
    """Modes whose `--until` has come become 'disabled' for everyone to see. Returns how many."""
    ended = [domain for domain in domains.listing(tx) if 0 < domain.settings.mode_until <= tx.now]
    for domain in ended:
        domains.change(tx, domain, msgspec.structs.replace(domain.settings, mode="disabled", mode_until=0))
    return len(ended)
