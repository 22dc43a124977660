"""How far each flush has come, as the process that does it writes down for all others and for the command line."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mpcontinuity.model.clock import MINUTE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

STALE = 10 * MINUTE  # without a word of it the flush is over, and the next one counts anew
FRESH = 2 * MINUTE  # older than that the pace says nothing of now: its process may be gone, or home is down

_NOTE = Statement(
    """INSERT INTO progress (domain, began, done, per_minute, throttled, noted)
    VALUES (:domain, :began, :done, :per_minute, :throttled, :now)
    ON CONFLICT (domain) DO UPDATE SET
        began = CASE WHEN progress.noted > :stale THEN progress.began ELSE excluded.began END,
        done = excluded.done + CASE WHEN progress.noted > :stale THEN progress.done ELSE 0 END,
        per_minute = excluded.per_minute, throttled = excluded.throttled, noted = excluded.noted"""
)
_OVER = Statement("DELETE FROM progress WHERE domain = :domain")
_LOAD = Statement("SELECT domain, began, done, per_minute, throttled, noted FROM progress WHERE domain IN [:domains]")
_SINCE = Statement(
    """SELECT domain.name, began, done, per_minute, throttled, noted
    FROM progress JOIN domain ON domain.id = progress.domain WHERE noted > :since ORDER BY noted LIMIT :limit"""
)


class Progress(msgspec.Struct, frozen=True):
    """How far the flush of a domain has come, as it was at ``noted`` (µs).

    ``done`` are the messages that home has taken since ``began`` (µs), and ``per_minute`` how many of them in the last
    minute. ``throttled`` is what home says where it asks for less, else empty.
    """

    began: int
    done: int
    per_minute: int
    throttled: str
    noted: int

    def lasts(self, left: int, now: int) -> int | None:
        """Returns the µs until ``left`` messages will have gone at this pace; None where that cannot be told."""
        if self.per_minute <= 0 or now - self.noted > FRESH:
            return None
        return left * MINUTE // self.per_minute


def note(tx: Transaction, domain: int, *, began: int, done: int, per_minute: int, throttled: str) -> None:
    """Notes that home has taken ``done`` messages more of what it is owed, since this was noted last.

    ``began`` is when the flush began, in µs; it counts where no other process has noted anything of it.
    """
    tx.run(
        _NOTE,
        domain=domain,
        began=began,
        done=done,
        per_minute=per_minute,
        throttled=throttled,
        now=tx.now,
        stale=tx.now - STALE,
    )


def over(tx: Transaction, domain: int) -> None:
    """Forgets the progress of the flush, which is over."""
    tx.run(_OVER, domain=domain)


def load(tx: Transaction, domains: Sequence[int]) -> dict[int, Progress]:
    """Returns the progress of the flushes of these domains, by the domain's id, where there is any."""
    return {id_: Progress(*columns) for id_, *columns in tx.all(_LOAD, domains=list(domains))}


def noted(tx: Transaction, *, since: int, limit: int) -> list[tuple[str, Progress]]:
    """Returns up to ``limit`` flushes of which something was noted after ``since`` (µs), with their domains' names."""
    return [(name, Progress(*columns)) for name, *columns in tx.all(_SINCE, since=since, limit=limit)]
