"""What the table `domain` remembers of a home server: its health, its offers, and why the flush is paused.

Every function is work for one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mpcontinuity.accounts import home_history
from mpcontinuity.model.events import HomeChanged, OwedChanged
from mpcontinuity.routing.health import Health, Proof, State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_LOAD = Statement(
    "SELECT id, state, since, reason, relapses, last_failure, recovered, proof, offers FROM domain"
    " WHERE (:domain = 0 OR id = :domain)"
)
_SAVE = Statement(
    """UPDATE domain SET state = :state, since = :since, reason = :reason, relapses = :relapses,
        last_failure = :last_failure, recovered = :recovered, proof = :proof
    WHERE id = :domain AND state = :known_state AND since = :known_since AND last_failure = :known_failure"""
)
_OFFERS = Statement("UPDATE domain SET offers = :offers WHERE id = :domain")
# While the flush is paused home takes nothing of ours: that time counts no more than an outage.
_UPTIME = Statement("UPDATE domain SET uptime = uptime + :time WHERE id = :domain AND paused = ''")
_STATE = Statement("SELECT state FROM domain WHERE id = :domain")
_PAUSE = Statement("UPDATE domain SET paused = :reason WHERE id = :domain")
_PAUSED = Statement("SELECT paused FROM domain WHERE id = :domain")
_PAUSES = Statement("SELECT id, paused FROM domain WHERE paused <> ''")


def load(tx: Transaction, domain: int = 0) -> dict[int, tuple[Health, str]]:
    """Returns how the home server of every domain, or of that one, was saved last, by the domain's id.

    With it comes the JSON of what its last EHLO offered; empty where that is not known.
    """
    return {id_: (_health(*health), offers) for id_, *health, offers in tx.all(_LOAD, domain=domain)}


def _health(
    state: str, since: int, reason: str, relapses: int, last_failure: int, recovered: int, proof: str
) -> Health:
    known = State(state)
    if known is State.UP and last_failure:
        known = State.SUSPECT
    if known is State.RECOVERING:
        recovered = recovered or since
    return Health(
        known, since, reason, relapses=relapses, last_failure=last_failure, recovered=recovered, proof=Proof(proof)
    )


def save(tx: Transaction, domain: int, known: Health, health: Health, node: str) -> bool:
    """Saves ``health`` where the row still has ``known``, which was saved or loaded last, and the change of state in
    the history, as noted by ``node``.

    Returns False, and changes nothing, where another process was first.
    """
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
        proof=health.proof.value,
    )
    if saved:
        home_history.note(tx, domain, known, health, node)
        tx.announce(HomeChanged(domain))
    return saved == 1


def same(known: Health, health: Health) -> bool:
    """Returns whether the table would hold the same for both."""
    return _kept(known) == _kept(health)


def _kept(health: Health) -> Health:
    """Returns it without what the table does not hold."""
    reason = "" if health.state is State.SUSPECT else health.reason
    return replace(health, reason=reason, good_probes=0, glimpsed=False, put_off=0)


def save_offers(tx: Transaction, domain: int, offers: str) -> None:
    """Saves what the last EHLO of the home server offered, as JSON."""
    tx.run(_OFFERS, domain=domain, offers=offers)


def add_uptime(tx: Transaction, times: Mapping[int, int]) -> None:
    """Adds to the time, in µs by domain, in which its home server was up and its mode not 'enabled'.

    That is the time that ``give_up`` counts.
    """
    tx.many(_UPTIME, [{"domain": domain, "time": time} for domain, time in times.items()])


def state(tx: Transaction, domain: int) -> State | None:
    """Returns the state of the domain's home server that was saved last; None where there is no such domain."""
    found = tx.value(_STATE, domain=domain)
    return None if found is None else State(found)


def pause(tx: Transaction, domain: int, reason: str) -> None:
    """Pauses the flush of the domain for that reason, home's reply; an empty one ends the pause."""
    tx.run(_PAUSE, domain=domain, reason=reason)
    if not reason:
        tx.announce(OwedChanged(domain))


def paused(tx: Transaction, domain: int) -> str:
    """Returns why the flush of the domain is paused; empty where it is not."""
    return str(tx.value(_PAUSED, domain=domain) or "")


def pauses(tx: Transaction) -> dict[int, str]:
    """Returns why the flush is paused, of the domains where it is, by their id."""
    return dict(tx.all(_PAUSES))
