"""The rows of `outgoing`, which are mail to the world: taken in, claimed, and ended.

Each function runs in one transaction.

A claim is a lease with a token that every later update names, so that whoever has lost a lease changes nothing. What
was claimed by a process that died is queued again when its lease ends, and may then arrive twice, with the same
Message-ID: SMTP has no way to ask the other side (RFC 1047).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import msgspec

from mpcontinuity.model import events
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.events import OutgoingChanged, ReportDue, TrackingEvent
from mpcontinuity.model.outgoing import ALERT, DSN, OUTBOUND, PASSED_ON, RELAYED
from mpcontinuity.queue.owed import Parameters, decode_parameters, encode_one
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import add_event, end_of_all_outgoing, end_of_outgoing

# Longer than a message of 50 MiB takes over a slow line; extended while it is being sent.
LEASE = 10 * MINUTE

STEP = 500  # rows of one transaction
DUE_STEP = 1000  # due rows looked at for their destinations

REPORTS = 0  # the share of all reports together: strangers make them happen
ALERTS = 1  # of what the server itself has to say: it waits for no user's mail, and no id is as small

_PLAIN = Parameters()


class NewOutgoing(msgspec.Struct, frozen=True):
    """A message to one recipient that is to be taken in. Its ``id`` is also that of its row of `tracking`."""

    id: int
    domain: int  # 0: the server's own mail
    account: int | None  # the sender; None: none of ours
    body: int
    recipient: str  # as given to RCPT
    destination: str  # its domain, in lower case, A-labels
    reverse_path: str  # empty: the null one
    received: int  # µs
    expires: int  # µs, when it is given up
    kind: str = OUTBOUND
    parameters: Parameters = _PLAIN
    subject: str = ""
    message_id: str = ""
    size: int = 0

    @property
    def share(self) -> int:
        """The share of the lanes that it takes: that of the user, of the home server (minus its domain), of reports,
        or of alerts."""
        if self.kind == DSN:
            return REPORTS
        if self.kind == ALERT:
            return ALERTS
        return self.account if self.account is not None else -self.domain


class Due(NamedTuple):
    """A destination for which something of this share is due."""

    destination: str
    share: int

    @property
    def key(self) -> str:
        """Destination and share as one text."""
        return f"{self.destination} {self.share}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A claimed row, with all that is needed to send it and to report about it."""

    id: int
    domain: int
    account: int | None
    kind: str
    reverse_path: str
    recipient: str
    destination: str
    parameters: Parameters
    received: int
    expires: int
    attempts: int  # before this one
    told: int  # when the sender was told of the delay; 0: not
    body: Body
    token: int


_TAKE_IN = Rows(
    """INSERT INTO outgoing (id, domain, account, body, kind, reverse_path, recipient, destination, parameters, subject,
        message_id, size, received, expires, share) VALUES [15]"""
)


def take_in(tx: Transaction, rows: Sequence[NewOutgoing]) -> None:
    """Takes rows in, which are due at once.

    Their bodies are in the table already, or are inserted by the same transaction.
    """
    tx.rows(
        _TAKE_IN,
        [
            (
                new.id,
                new.domain,
                new.account,
                new.body,
                new.kind,
                new.reverse_path,
                new.recipient,
                new.destination,
                encode_one(new.parameters),
                new.subject,
                new.message_id,
                new.size,
                new.received,
                new.expires,
                new.share,
            )
            for new in rows
        ],
    )
    if rows:
        tx.announce(OutgoingChanged())


_WANTED = """destination NOT IN [:closed] AND share NOT IN [:used_up]
        AND destination || ' ' || share NOT IN [:busy]"""
_DUE = Statement(
    f"""SELECT [destination, share] FROM (
        SELECT destination, share FROM outgoing WHERE state = 'queued' AND next_attempt <= :now
        AND {_WANTED} ORDER BY next_attempt, id LIMIT :most) AS queued"""
)
_NEXT = Statement(
    f"""SELECT next_attempt FROM outgoing WHERE state = 'queued' AND {_WANTED}
    ORDER BY next_attempt, id LIMIT 1"""
)
# Recipients of one message have ids one after the other, and are put off together.
_CANDIDATES = Statement(
    """SELECT id FROM outgoing
    WHERE destination = :destination AND state = 'queued' AND share = :share AND next_attempt <= :now
    ORDER BY next_attempt, id LIMIT :most [FOR UPDATE SKIP LOCKED]"""
)
_FREE = Statement(
    """UPDATE outgoing SET state = 'queued', token = 0, lease_until = 0
    WHERE id IN (SELECT id FROM outgoing WHERE state = 'claimed'
        AND (lease_until <= :until OR lease_until > :farthest) LIMIT :step)"""
)
_BRING_NEAR = Statement(
    """UPDATE outgoing SET next_attempt = 0 WHERE id IN (
        SELECT id FROM outgoing WHERE state = 'queued' AND next_attempt > :farthest LIMIT :step)"""
)
_MAKE_DUE = Statement(
    """UPDATE outgoing SET next_attempt = 0 WHERE id IN (
        SELECT id FROM outgoing WHERE destination = :destination AND state = 'queued' AND next_attempt > :now
        LIMIT :step)"""
)
_FOR_EVER = (1 << 63) - 1
_CLAIM = Statement("UPDATE outgoing SET state = 'claimed', token = :token, lease_until = :until WHERE id IN [:ids]")
_CLAIMED = Statement(
    """SELECT outgoing.id, domain, account, kind, reverse_path, recipient, destination, parameters, received, expires,
        attempts, told, body.id, pack, body."offset", length, prefix, crc
    FROM outgoing JOIN body ON body.id = outgoing.body WHERE outgoing.id IN [:ids] ORDER BY body.id, outgoing.id"""
)


class Elsewhere(NamedTuple):
    """What is not asked about: destinations, shares, and the `Due.key` of both together."""

    closed: Sequence[str] = ()
    used_up: Sequence[int] = ()
    busy: Sequence[str] = ()


_NOTHING = Elsewhere()


def due(tx: Transaction, but: Elsewhere = _NOTHING) -> list[Due]:
    """Returns destination and share of up to DUE_STEP rows that are due, the oldest first."""
    return tx.records(Due, _DUE, now=tx.now, most=DUE_STEP, **but._asdict())


def next_due(tx: Transaction, but: Elsewhere = _NOTHING) -> int | None:
    """Returns when the next row is due (µs), which may be long ago, or None if nothing waits."""
    earliest = tx.value(_NEXT, **but._asdict())
    return None if earliest is None else int(earliest)


def free(tx: Transaction, *, all_holders_dead: bool = False) -> int:
    """Queues up to STEP rows again whose lease has ended. Returns how many: call it again while that is STEP.

    After a jump of the clock nothing is freed, as in `leases.sweep`. ``all_holders_dead`` is true at the start of the
    only process, where no lease can have a living holder.
    """
    # A lease that ends later than any was taken by a clock that was wrong.
    return tx.run(_FREE, until=_FOR_EVER if all_holders_dead else tx.now, farthest=tx.now + LEASE, step=STEP)


def bring_near(tx: Transaction, longest: int) -> int:
    """Makes up to STEP rows due whose next attempt is farther away than ``longest`` µs: a wrong clock had put them off.

    It returns how many. Call it again while that is STEP.
    """
    return tx.run(_BRING_NEAR, farthest=tx.now + longest, step=STEP)


def make_due(tx: Transaction, destination: str) -> int:
    """Makes up to STEP rows for that destination due that had been put off.

    It returns how many. Call it again while that is STEP.
    """
    made = tx.run(_MAKE_DUE, destination=destination, now=tx.now, step=STEP)
    if made:
        tx.announce(OutgoingChanged())
    return made


def claim(tx: Transaction, due: Due, most: int) -> list[Outgoing]:
    """Leases up to ``most`` rows that are due, and returns them. Those of one message follow each other."""
    destination, share = due
    values = {"destination": destination, "share": share, "now": tx.now, "most": min(most, STEP)}
    ids = [row[0] for row in tx.all(_CANDIDATES, **values)]
    if not ids:
        return []
    token = tx.identifier()
    tx.run(_CLAIM, ids=ids, token=token, until=tx.now + LEASE)
    return tx.records(partial(_claimed, token), _CLAIMED, ids=ids)


def _claimed(
    token: int,
    id_: int,
    domain: int,
    account: int | None,
    kind: str,
    reverse_path: str,
    recipient: str,
    destination: str,
    parameters: str,
    received: int,
    expires: int,
    attempts: int,
    told: int,
    *body: int,
) -> Outgoing:
    return Outgoing(
        id=id_,
        domain=domain,
        account=account,
        kind=kind,
        reverse_path=reverse_path,
        recipient=recipient,
        destination=destination,
        parameters=decode_parameters(parameters),
        received=received,
        expires=expires,
        attempts=attempts,
        told=told,
        body=Body(*body),
        token=token,
    )


_EXTEND = Statement("UPDATE outgoing SET lease_until = :until WHERE token = :token AND id IN [:ids]")
_GIVE_BACK = Statement(
    "UPDATE outgoing SET state = 'queued', token = 0, lease_until = 0 WHERE token = :token AND id IN [:ids]"
)
_SENT = Statement("DELETE FROM outgoing WHERE id = :id AND token = :token AND token <> 0")
_ALL_SENT = Statement("DELETE FROM outgoing WHERE id IN [:ids] AND token IN [:tokens] AND token <> 0 RETURNING id")
_LATER = Statement(
    """UPDATE outgoing SET state = 'queued', token = 0, lease_until = 0, attempts = attempts + 1, next_attempt = :next,
        last_code = :code, last_text = :text
    WHERE id = :id AND token = :token AND token <> 0"""
)
_END = Statement(
    """UPDATE outgoing SET state = :state, token = 0, lease_until = 0, attempts = attempts + 1, ended = :now,
        last_code = :code, last_text = :text, unreported = :unreported
    WHERE id = :id AND token = :token AND token <> 0"""
)


def extend(tx: Transaction, ids: Sequence[int], token: int) -> None:
    """Keeps the lease of rows whose transmission takes long."""
    tx.run(_EXTEND, ids=ids, token=token, until=tx.now + LEASE)


def give_back(tx: Transaction, ids: Sequence[int], token: int) -> None:
    """Gives rows back of which nothing was sent."""
    tx.run(_GIVE_BACK, ids=ids, token=token)


def delivered(tx: Transaction, outgoing: Outgoing, event: TrackingEvent, status: str, *, how: str = RELAYED) -> bool:
    """Ends a row that the next host has: the row goes, and tracking tells of it. Returns False if the lease was lost.

    ``how`` is DELIVERED into a mailbox of ours, RELAYED to a host that does not offer DSN, or PASSED_ON to one that was
    told what the sender asked for. After the first two the row stays where its sender asked to hear of success. If the
    lease was lost, nothing is changed.
    """
    if stays(outgoing, how):
        return _ended(tx, outgoing, how, event, status)
    if not tx.run(_SENT, id=outgoing.id, token=outgoing.token):
        return False
    end_of_outgoing(tx, outgoing.id, status, event)
    return True


def stays(outgoing: Outgoing, how: str) -> bool:
    """Returns whether the row is still needed when it is delivered, because success is to be reported.

    ``how`` is as for `delivered`.
    """
    return how != PASSED_ON and bool(outgoing.reverse_path) and asks(outgoing.parameters, "SUCCESS")


def all_delivered(tx: Transaction, sent: Sequence[tuple[Outgoing, TrackingEvent]], status: str) -> None:
    """Does `delivered` with many rows, none of which `stays`."""
    ids, tokens = [row.id for row, _ in sent], {row.token for row, _ in sent}
    gone = {row[0] for row in tx.all(_ALL_SENT, ids=ids, tokens=list(tokens))}
    end_of_all_outgoing(tx, status, [(row.id, event) for row, event in sent if row.id in gone])


def undelivered(kind: str, reverse_path: str) -> str:
    """Returns the status in tracking of what does not arrive: 'bounced' where its sender hears of it."""
    return events.BOUNCED if kind == OUTBOUND and reverse_path else events.FAILED


def asks(parameters: Parameters, what: str) -> bool:
    """Returns whether NOTIFY names ``what`` (RFC 3461 §4.1): SUCCESS, FAILURE, DELAY or NEVER."""
    return what in parameters.rcpt.notify.upper().split(",")


def later(tx: Transaction, outgoing: Outgoing, event: TrackingEvent, next_attempt: int) -> bool:
    """Puts a row off until ``next_attempt``. Returns False, and changes nothing, if the lease was lost."""
    values = {"id": outgoing.id, "token": outgoing.token, "code": event.code, "text": event.text}
    if not tx.run(_LATER, next=next_attempt, **values):
        return False
    add_event(tx, outgoing.id, event)
    return True


def end(tx: Transaction, outgoing: Outgoing, state: str, event: TrackingEvent, status: str) -> bool:
    """Ends a row as FAILED or EXPIRED, to be reported. Returns False, and changes nothing, if the lease was lost."""
    return _ended(tx, outgoing, state, event, status)


def _ended(tx: Transaction, outgoing: Outgoing, state: str, event: TrackingEvent, status: str) -> bool:
    values = {"id": outgoing.id, "token": outgoing.token, "code": event.code, "text": event.text}
    unreported = outgoing.kind == OUTBOUND and (outgoing.account is not None or bool(outgoing.reverse_path))
    if not tx.run(_END, state=state, now=tx.now, unreported=int(unreported), **values):
        return False
    end_of_outgoing(tx, outgoing.id, status, event)
    if unreported:
        tx.announce(ReportDue())
    return True
