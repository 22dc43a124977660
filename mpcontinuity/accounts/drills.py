"""Rows of the tables ``drill`` and ``drill_login``: outages that are played for some users of a domain, on live mail.

A drill is under way until its end by the clock of whoever asks (`domains.Domain.drilled`); `turn` only notes that it
has ended. Every function is work for one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.model.events import DomainsChanged, OwedChanged
from mpcontinuity.model.identifier import show
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

MOST_USERS = 100  # of one drill: their ids are looked at with every message to the domain
MOST_KEPT = 500  # drills of a domain that are remembered with their reports: one a week for ten years

Users = tuple[tuple[int, str], ...]  # accounts, with their addresses

_users = msgspec.json.Decoder(Users)


@dataclass(frozen=True, slots=True)
class Drill:
    """An outage that is played for some users of a domain. Times are in µs.

    ``users`` are their accounts and addresses as they were at the beginning. ``by`` is the administrator who began it.
    ``ended`` is when it ended; 0: nobody has noted that yet. ``report`` is JSON (control/drill_report.py), empty until
    all of its mail is home.
    """

    id: int
    domain: int
    starts: int
    ends: int
    users: Users
    by: str
    ended: int
    report: str = ""

    @property
    def accounts(self) -> frozenset[int]:
        """The ids of the users' accounts."""
        return frozenset(account for account, _ in self.users)

    @property
    def over(self) -> int:
        """When it ends or has ended, in µs."""
        return self.ended or self.ends


class Login(msgspec.Struct, frozen=True):
    """That a user has logged in during a drill by one door: how often, first and last (µs)."""

    account: int
    door: str
    first: int
    last: int
    times: int


_COLUMNS = "id, domain, starts, ends, users, administrator, ended"
_OPEN = Statement(f"SELECT {_COLUMNS} FROM drill WHERE (:domain = 0 OR domain = :domain) AND ended = 0 ORDER BY id")
_OPEN_OF = Statement(f"SELECT {_COLUMNS} FROM drill WHERE domain = :domain AND ended = 0 ORDER BY id")
_PAGE = Statement(
    f"""SELECT {_COLUMNS} FROM drill WHERE (:domain = 0 OR domain = :domain) AND id > :after ORDER BY id LIMIT :limit"""
)
_FIND = Statement(f"SELECT {_COLUMNS}, report FROM drill WHERE id = :id")
_UNREPORTED = Statement(f"SELECT {_COLUMNS} FROM drill WHERE ended > 0 AND report = '' ORDER BY id LIMIT :limit")
_ADD = Statement(
    """INSERT INTO drill (id, domain, starts, ends, users, administrator)
    VALUES (:id, :domain, :starts, :ends, :users, :by)"""
)
_END = Statement("UPDATE drill SET ended = :now WHERE id = :id AND ended = 0")
_END_DUE = Statement("UPDATE drill SET ended = ends WHERE ended = 0 AND ends <= :now RETURNING domain")
_REPORT = Statement("UPDATE drill SET report = :report WHERE id = :id AND report = ''")
_MAKE_ROOM = Statement(
    """DELETE FROM drill WHERE id IN (
        SELECT id FROM drill WHERE domain = :domain AND ended > 0 ORDER BY id DESC LIMIT 10 OFFSET :most)"""
)
# Two transactions that begin a drill for one domain come one after the other.
_LOCK = Statement("SELECT id FROM domain WHERE id = :domain [FOR UPDATE]")
_LOGIN = Statement(
    """INSERT INTO drill_login (drill, account, door, first, last, times)
    VALUES (:drill, :account, :door, :first, :last, :times)
    ON CONFLICT (drill, account, door) DO UPDATE SET last = :last, times = drill_login.times + :times"""
)
_LOGINS = Statement(
    "SELECT account, door, first, last, times FROM drill_login WHERE drill = :drill ORDER BY account, first"
)


def _drill(id_: int, domain: int, starts: int, ends: int, users: str, by: str, ended: int, report: str = "") -> Drill:
    return Drill(id_, domain, starts, ends, _users.decode(users), by, ended, report)


def open_drills(tx: Transaction, domain: int = 0) -> dict[int, Drill]:
    """Returns the drills whose end nobody has noted yet, by the id of their domain; that of one ``domain``, or those of
    all for 0."""
    return {drill.domain: drill for drill in tx.records(_drill, _OPEN, domain=domain)}


def page(tx: Transaction, domain: int, after: int, limit: int) -> list[Drill]:
    """Returns up to ``limit`` drills of a domain, or of all for 0, in the order in which they began, those with an id
    above ``after``, without their reports."""
    return tx.records(_drill, _PAGE, domain=domain, after=after, limit=limit)


def find(tx: Transaction, drill: int) -> Drill | None:
    """Returns the drill of that id with its report; None where there is none."""
    return tx.record(_drill, _FIND, id=drill)


def unreported(tx: Transaction, limit: int) -> list[Drill]:
    """Returns up to ``limit`` drills that have ended and whose reports are not kept yet."""
    return tx.records(_drill, _UNREPORTED, limit=limit)


def begin(tx: Transaction, domain: int, users: Sequence[tuple[int, str]], lasts: int, by: str) -> Drill:
    """Begins a drill for these accounts, with their addresses, that lasts so many µs, and returns it.

    Raises Refused while another one of the domain is under way.
    """
    tx.all(_LOCK, domain=domain)
    for other in tx.records(_drill, _OPEN_OF, domain=domain):
        if other.ends > tx.now:
            raise Refused(
                f"a drill of this domain is under way until {iso(other.ends)} ({show(other.id)})",
                "conflict",
                Hint("drill end", "ends it"),
            )
    drill = Drill(tx.identifier(), domain, tx.now, tx.now + lasts, tuple(users), by, 0)
    text = msgspec.json.encode(drill.users).decode()
    tx.run(_ADD, id=drill.id, domain=domain, starts=drill.starts, ends=drill.ends, users=text, by=by)
    tx.run(_MAKE_ROOM, domain=domain, most=MOST_KEPT)
    tx.announce(DomainsChanged())
    return drill


def end(tx: Transaction, domain: int) -> Drill:
    """Ends the drill of a domain that is under way, and returns it. Raises Refused where there is none."""
    for drill in tx.records(_drill, _OPEN_OF, domain=domain):
        if drill.ends > tx.now:
            tx.run(_END, id=drill.id, now=tx.now)
            tx.announce(DomainsChanged())
            tx.announce(OwedChanged(domain))
            return Drill(drill.id, domain, drill.starts, drill.ends, drill.users, drill.by, tx.now)
    raise Refused("no drill of this domain is under way", "unknown")


def turn(tx: Transaction) -> int:
    """Notes which drills have ended by now. Returns how many; listeners hear of it where any has."""
    ended = tx.all(_END_DUE, now=tx.now)
    if ended:
        tx.announce(DomainsChanged())
    for (domain,) in ended:
        tx.announce(OwedChanged(domain))
    return len(ended)


def keep_report(tx: Transaction, drill: int, report: str) -> None:
    """Keeps the report of a drill, as JSON, where none is kept yet."""
    tx.run(_REPORT, id=drill, report=report)


def note_logins(tx: Transaction, drill: int, logins: Sequence[Login]) -> None:
    """Adds logins of users of a drill to those that were noted before."""
    tx.many(_LOGIN, [{"drill": drill, **msgspec.structs.asdict(login)} for login in logins])


def logins(tx: Transaction, drill: int) -> list[Login]:
    """Returns who of the users of a drill has logged in, by account, door and time."""
    return tx.records(Login, _LOGINS, drill=drill)
