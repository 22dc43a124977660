"""What `relay-check` goes by: which addresses are people's, what home says of nobody, and who is not to come back.

Home takes mail for an address: then its owner is a user. That holds only where home refuses addresses that nobody has,
and for addresses that somebody reads: a sender's own server makes others up, for one message each. All functions with a
transaction are work for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mpcontinuity.mailbox.names import ARCHIVED_USE
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.clock import DAY
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

# What is made up for one message: BATV (draft-levine-smtp-batv: prvs=0123456789=anna), SRS (SRS0=…, SRS1=…, with + or -
# as well), and VERP, which writes another address with = for its @, or counts behind the name of a bounce address
# (bounce+123, list-return-5).
_MADE_UP: Final = re.compile(r"=|^srs[01][-+]|(?:^|[-+_.])(?:bounce|bounces|return|returns)[-+].", re.IGNORECASE)

KNOWN: Final = DAY  # for which it is remembered what home said of nobody
_STEP: Final = 100  # users of one transaction
_TRACKED: Final = 90 * DAY  # as long as tracking remembers

_FACTS = Statement(
    """SELECT nobody_asked, takes_nobody, (SELECT COUNT(*) FROM (SELECT 1 AS one FROM account
        WHERE source = 'relay-check' AND account.domain = domain.id AND created >= :since LIMIT :most) AS counted)
    FROM domain WHERE id = :domain"""
)
_NOTE = Statement("UPDATE domain SET nobody_asked = :now, takes_nobody = :takes WHERE id = :domain")
_REMOVED = Statement("SELECT 1 FROM removed_address WHERE key = :key")
# Whom home has had no mail for, as far as is known, and who has nothing here that anybody could miss.
_UNUSED = f"""SELECT account.id, own.key, taken.time FROM account
    JOIN address AS own ON own.account = account.id AND own.alias = 0
    LEFT JOIN taken ON taken.key = own.key
    WHERE account.domain = :domain AND account.source = 'relay-check' AND account.status = 'pending'
        AND account.created < :before AND account.alternate = '' AND COALESCE(taken.time, 0) < :before
        AND NOT EXISTS (SELECT 1 FROM address AS other WHERE other.account = account.id AND other.alias = 1)
        AND NOT EXISTS (SELECT 1 FROM mailbox WHERE mailbox.account = account.id AND mailbox.messages > 0
            AND mailbox.use <> '{ARCHIVED_USE}')
        AND NOT EXISTS (SELECT 1 FROM tracking WHERE recipient_key = own.key AND received >= :tracked)"""
_SOME_UNUSED = Statement(f"{_UNUSED} AND account.id > :after ORDER BY account.id LIMIT {_STEP}")
_STILL_UNUSED = Statement(f"{_UNUSED} AND account.id = :account")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a domain: when home was last ``asked`` for nobody (µs, 0: never), whether it ``takes`` mail for
    nobody, and how many users were ``found`` within a day."""

    asked: int
    takes: bool
    found: int


@dataclass(frozen=True, slots=True)
class Unused:
    """A user whom nobody knows any more; ``noted``: the database knows when home last took mail for them."""

    account: int
    key: str
    noted: bool


def person(address: Address) -> Address | None:
    """Returns the address of whoever reads what goes to an address, without its ``+tag``; None where it was made up for
    one message (BATV, SRS, VERP), or might be relayed to somewhere else."""
    if address.relays or _MADE_UP.search(address.local):
        return None
    if address.untagged_key == address.key:
        return address
    try:
        return parse(address.untagged_key)
    except BadAddress:
        return None


def facts(tx: Transaction, domain: int, most: int) -> Facts:
    """Returns what is known of a domain; users that were found within a day are counted up to ``most``."""
    row = tx.one(_FACTS, domain=domain, since=tx.now - DAY, most=most)
    if row is None:
        return Facts(0, True, 0)
    asked, takes, found = row
    return Facts(asked, bool(takes), found)


def note_nobody(tx: Transaction, domain: int, *, takes: bool) -> None:
    """Notes whether home takes mail for an address that nobody has."""
    tx.run(_NOTE, domain=domain, now=tx.now, takes=int(takes))


def was_removed(tx: Transaction, address: Address) -> bool:
    """Returns whether an administrator has removed the user or the alias with that address, and nobody has it since."""
    return tx.one(_REMOVED, key=address.key) is not None


def unused(tx: Transaction, domain: int, before: int, after: int = 0) -> list[Unused]:
    """Returns users of a domain whom `relay-check` has found, and for whom home took nothing since ``before`` (µs): the
    next ones above the id ``after``.

    Whoever has a password, an alias, an alternate address, a message, or a row in tracking is none of them.
    """
    rows = tx.all(_SOME_UNUSED, domain=domain, before=before, tracked=tx.now - _TRACKED, after=after)
    return [Unused(account, key, time is not None) for account, key, time in rows]


def still_unused(tx: Transaction, domain: int, before: int, account: int) -> bool:
    """Returns whether `unused` would name that user now."""
    row = tx.one(_STILL_UNUSED, domain=domain, before=before, tracked=tx.now - _TRACKED, account=account)
    return row is not None
