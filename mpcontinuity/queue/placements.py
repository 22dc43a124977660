r"""Where a message lies in the mailboxes of its user, and with which flags: as it is to be brought home into folders.

A message that was copied lies in several places. What is flagged ``\Deleted``, or lies in Trash, is no place of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpcontinuity.mailbox import keywords
from mpcontinuity.model import flags
from mpcontinuity.model.body import Body
from mpcontinuity.queue.lineage import LIVE
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST = 10  # places of one message: each is a search and an APPEND at home

_PLACES = Statement(
    f"""SELECT entry.flags, entry.internaldate, mailbox.id, mailbox.name, mailbox.use,
        body.id, pack, body."offset", length, prefix, crc
    FROM entry JOIN mailbox ON mailbox.id = entry.id >> 32 JOIN body ON body.id = entry.body
    WHERE {LIVE} ORDER BY entry.id LIMIT :most"""
)
_USES = Statement("SELECT name, use FROM mailbox WHERE account = :account AND use <> ''")
_ADDRESS = Statement("SELECT address FROM account WHERE id = :account AND status <> 'removed'")
_IDS = Statement("SELECT id FROM owed WHERE body = :body AND account = :account ORDER BY id LIMIT :most")
_BESIDES = Statement(
    """SELECT 1 FROM owed WHERE body = :body AND account = :account AND id <> :besides AND way = 'imap'
    AND state IN ('delivered', 'in_flight', 'in_doubt') LIMIT 1"""
)


@dataclass(frozen=True, slots=True)
class Placement:
    r"""One place of a message.

    ``folder`` is the name of the mailbox with ``/`` between its levels. ``use`` is its special use, such as ``\Sent``,
    or that of the mailbox ``above`` it; both are empty where there is none. ``flags`` are names as IMAP has them, and
    ``date`` is the internal date in µs since 1970. ``body`` is what lies there: the message, or what the user's client
    made of it.
    """

    folder: str
    use: str
    above: str
    flags: tuple[str, ...]
    date: int
    body: Body


@dataclass(frozen=True, slots=True)
class Placed:
    """The places of a message, in the order in which it came there.

    ``address`` is the main one of its user, empty where they were removed. ``ids`` are those of all owed rows of the
    message for this user, who may have got it by several addresses. ``doubted``: home has it by IMAP for another of
    these addresses, or may have it; that may have been somebody else's mailbox, if users were merged since.
    """

    address: str
    places: tuple[Placement, ...]
    ids: tuple[int, ...]
    doubted: bool = False


def placed(tx: Transaction, account: int, body: int, besides: int = 0) -> Placed:
    """Returns where a message lies in the mailboxes of its user; of more than MOST places, the first.

    ``besides`` is the id of the owed row that is to be brought: what became of the others is told.
    """
    uses = dict(tx.all(_USES, account=account))
    known: dict[int, dict[int, str]] = {}  # keywords of each mailbox, by their bits
    places = []
    for mask, date, mailbox, name, use, *where in tx.all(
        _PLACES, account=account, body=body, deleted=flags.DELETED, most=MOST
    ):
        if mailbox not in known:
            known[mailbox] = keywords.of(tx, mailbox)
        names = [flag for flag, bit in flags.SYSTEM.items() if mask & bit]
        names += [keyword for bit, keyword in known[mailbox].items() if mask >> bit & 1]
        above, inherited = ("", use) if use else _above(name, uses)
        places.append(Placement(name, inherited, above, tuple(names), date, Body(*where)))
    ids = tuple(id_ for (id_,) in tx.all(_IDS, body=body, account=account, most=MOST))
    address = tx.one(_ADDRESS, account=account)
    doubted = tx.one(_BESIDES, body=body, account=account, besides=besides) is not None
    return Placed(address[0] if address else "", tuple(places), ids, doubted)


def _above(name: str, uses: dict[str, str]) -> tuple[str, str]:
    """The nearest mailbox above that has a special use."""
    above = name
    while above := above.rpartition("/")[0]:
        if above in uses:
            return above, uses[above]
    return "", ""
