"""Finds what has changed for the domains that have webhooks, since those were told last. Work for one transaction.

Changes of the home server's state are read from its history, so that one which lasted for a moment is told as well.
What has no history (a pause, a declared outage) is compared with what was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.routing.health import State
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.webhooks import hooks

AT_ONCE = 100  # domains of one transaction: each takes some 60 µs with SQLite, and more with PostgreSQL
_STEP = 100  # changes of one domain in one transaction; the rest is told by the next

_HOOKED = Statement("SELECT DISTINCT domain.name FROM webhook JOIN domain ON domain.id = webhook.domain ORDER BY name")
_CONTAINED = Statement("SELECT contained_note FROM domain WHERE id = :domain")
_TOLD = Statement("SELECT change, state, paused, declared, contained, behind FROM webhook_told WHERE domain = :domain")
_NOTE = Statement(
    """INSERT INTO webhook_told (domain, change, state, paused, declared, contained, behind)
    VALUES (:domain, :change, :state, :paused, :declared, :contained, :behind)
    ON CONFLICT (domain) DO UPDATE SET change = excluded.change, state = excluded.state,
        paused = excluded.paused, declared = excluded.declared, contained = excluded.contained,
        behind = excluded.behind"""
)
_CHANGES = Statement(
    "SELECT id, time, state, reason FROM home_change WHERE domain = :domain AND id > :after ORDER BY id LIMIT :step"
)
_LAST = Statement("SELECT COALESCE(MAX(id), 0) FROM home_change WHERE domain = :domain")
_HOME = Statement("SELECT state, since, reason, paused FROM domain WHERE id = :domain")
_OWED = Statement(
    """SELECT 1 FROM owed WHERE domain = :domain AND state IN ('owed', 'claimed', 'in_flight', 'in_doubt')
    LIMIT 1"""
)


class _Facts(NamedTuple):
    """What hooks are told of. ``behind``: there was an outage, and not all that it left owed has gone home."""

    change: int
    state: str
    paused: str
    declared: int
    contained: int
    behind: int


def hooked(tx: Transaction) -> list[str]:
    """Returns the names of the domains that have webhooks."""
    return [name for (name,) in tx.all(_HOOKED)]


def look(tx: Transaction, names: Sequence[str]) -> None:
    """Has the hooks of these domains, AT_ONCE at most, be told of what has changed."""
    for name in names:
        domain = domains.find(tx, name)
        if domain is not None:
            _compare(tx, domain)


def begin(tx: Transaction, domain: Domain) -> None:
    """Notes how a domain is that gets its first hook, which is not told of what was before."""
    if tx.one(_TOLD, domain=domain.id) is None:
        last = int(tx.value(_LAST, domain=domain.id))
        _note(tx, domain.id, _now(tx, domain, _Facts(last, "", "", 0, 0, 0)))


def _compare(tx: Transaction, domain: Domain) -> None:
    row = tx.one(_TOLD, domain=domain.id)
    if row is None:
        begin(tx, domain)
        return
    before = _Facts(*row)
    state, since, home_reason, _ = tx.one(_HOME, domain=domain.id) or ("", 0, "", "")

    def tell(event: str, reason: str = "", *, at: int = tx.now, of: str = state) -> None:
        hooks.tell(tx, domain.id, event, domain.name, time=at, state=of, reason=reason)

    last, known, fell = before.change, before.state, False
    changed = tx.all(_CHANGES, domain=domain.id, after=before.change, step=_STEP)
    for change, time, became, reason in changed:
        last, known = change, became
        tell(became, reason or (home_reason if became == state else ""), at=time, of=became)
        fell = fell or became != State.UP.value
    if known != state and len(changed) < _STEP:  # the history has no more rows for a home that flaps all day
        tell(state, home_reason, at=since)
    now = _now(tx, domain, before._replace(change=last, behind=int(before.behind or fell)))
    if now.paused != before.paused:
        tell("paused" if now.paused else "resumed", now.paused)
    if now.declared != before.declared:
        plan = domain.plan(tx.now)
        tell("declared" if now.declared else "declaration over", plan.note if plan is not None else "")
    if now.contained != before.contained:
        tell("contained" if now.contained else "containment over", str(tx.value(_CONTAINED, domain=domain.id)))
    if before.behind and not now.behind:
        tell("recovered", "all that was owed has gone home")
    if now != before:
        _note(tx, domain.id, now)


def _now(tx: Transaction, domain: Domain, before: _Facts) -> _Facts:
    state, _, _, paused = tx.one(_HOME, domain=domain.id) or (State.UP.value, 0, "", "")
    declared = domain.mode(tx.now) == "enabled"
    contained = bool(domain.contained)
    out = state != State.UP.value or declared or contained
    behind = out or (bool(before.behind) and tx.one(_OWED, domain=domain.id) is not None)
    return _Facts(before.change, state, paused, int(declared), int(contained), int(behind))


def _note(tx: Transaction, domain: int, facts: _Facts) -> None:
    tx.run(_NOTE, domain=domain, **facts._asdict())
