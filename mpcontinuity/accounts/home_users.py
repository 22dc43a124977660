"""Whether the users of a home server can use it: what a probe of their side found, and what somebody said.

A home server may take mail while nobody can log in there. Neither fact redirects mail. Every function is work for one
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

LONGEST_NOTE = 500  # characters
_LONGEST_REASON = 1000  # characters: several URLs, each with the words of a server

_COLUMNS = "domain, found, found_reason, said, said_by, said_note"
_LOAD = Statement(f"SELECT {_COLUMNS} FROM home_users WHERE domain IN [:domains]")
_OUT = Statement(f"SELECT {_COLUMNS} FROM home_users WHERE found > 0 OR said > 0")
_UNWATCHED = Statement("SELECT domain FROM home_users WHERE found = 0 AND said = 0 AND found_reason <> ''")
_UNWATCH = Statement("UPDATE home_users SET found = 0 WHERE domain = :domain")
_NOTE = Statement(
    """INSERT INTO home_users (domain, found, found_reason) VALUES (:domain, :found, :reason)
    ON CONFLICT (domain) DO UPDATE SET found = excluded.found, found_reason = excluded.found_reason"""
)
_SAY = Statement(
    """INSERT INTO home_users (domain, said, said_by, said_note) VALUES (:domain, :said, :by, :note)
    ON CONFLICT (domain) DO UPDATE SET said = excluded.said, said_by = excluded.said_by,
        said_note = excluded.said_note,
        found_reason = CASE WHEN home_users.found = 0 THEN '' ELSE home_users.found_reason END"""
)


@dataclass(frozen=True, slots=True)
class HomeUsers:
    """How the users' side of a home server stands. ``found`` is since when a probe finds it out of order, ``said``
    since when somebody says so, in µs; 0: nobody does."""

    domain: int
    found: int = 0
    reason: str = ""
    said: int = 0
    by: str = ""
    note: str = ""

    @property
    def out(self) -> str:
        """Why the users count as out, in one line; empty: they do not."""
        said = f"said by {self.by}{f': {self.note}' if self.note else ''}" if self.said else ""
        return "; ".join(part for part in (self.reason if self.found else "", said) if part)


def load(tx: Transaction, domains: Sequence[int]) -> dict[int, HomeUsers]:
    """Returns what is known of these domains, by their ids; of others than these nothing was ever found or said."""
    return {row.domain: row for row in tx.records(HomeUsers, _LOAD, domains=domains)}


def out(tx: Transaction) -> dict[int, str]:
    """Returns why the users of a home server count as out, by the id of the domain, of all where they do."""
    return {row.domain: row.out for row in tx.records(HomeUsers, _OUT)}


def found(tx: Transaction) -> list[int]:
    """Returns the ids of the domains whose users a probe finds out."""
    return [row.domain for row in tx.records(HomeUsers, _OUT) if row.found]


def find(tx: Transaction, domain: int) -> HomeUsers:
    """Returns what is known of one domain."""
    return load(tx, [domain]).get(domain, HomeUsers(domain))


def note(tx: Transaction, domain: int, reason: str) -> bool:
    """Notes what a probe found: ``reason`` says what is out of order, and is empty where nothing is. Returns whether
    that is news."""
    known = find(tx, domain)
    if bool(reason) is bool(known.found):
        return False
    tx.run(_NOTE, domain=domain, found=tx.now if reason else 0, reason=reason[:_LONGEST_REASON])
    return True


def unwatch(tx: Transaction, domain: int) -> None:
    """Notes that a probe that found users out looks no more. That says nothing of whether they are."""
    tx.run(_UNWATCH, domain=domain)


def unwatched(tx: Transaction) -> set[int]:
    """Returns the ids of the domains whose users do not count as out any more only because nobody looks (`unwatch`)."""
    return {domain for (domain,) in tx.all(_UNWATCHED)}


def say(tx: Transaction, domain: int, on: bool, by: str, note: str = "") -> HomeUsers:
    """Notes that somebody says that the users are out, or (``on`` false) that they are not, and returns how it stands.

    Said again, it keeps its beginning. Raises Refused for a note that is no line of at most LONGEST_NOTE characters.
    """
    if len(note) > LONGEST_NOTE or not note.isprintable():
        raise Refused(f"note: must be one line of at most {LONGEST_NOTE} characters")
    since = (find(tx, domain).said or tx.now) if on else 0
    tx.run(_SAY, domain=domain, said=since, by=by if on else "", note=note if on else "")
    return find(tx, domain)
