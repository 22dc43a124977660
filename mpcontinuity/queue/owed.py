"""The rows of `owed` and their life: taken in, claimed, in flight, in doubt, ended (model/owed.py).

A claim is a lease with a token, and every update of a claimed row names the token, so that whoever has lost a lease
changes nothing. A row that is in doubt keeps that state while it is claimed, and while somebody waits for home's late
reply, so that giving it back never forgets the doubt. Each function runs in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from mpcontinuity.accounts import counters
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import MINUTE
from mpcontinuity.model.events import OwedChanged, ReportDue, TrackingEvent
from mpcontinuity.model.owed import DELETED, DELIVERED, EXPIRED, FAILED, IN_DOUBT, NEVER, OWED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Verdict
from mpcontinuity.queue import kept
from mpcontinuity.queue.lineage import judge_deleted
from mpcontinuity.routing.refusal import About, about
from mpcontinuity.store import meta
from mpcontinuity.store.statement import Rows, Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking.record import add_event, end_of_owed

LEASE = 3 * MINUTE  # kept up by redelivery; what a process that died had claimed waits so long for another one
LEFT_AT_FINAL_DOT = MINUTE  # the final dot is sent only with this much of the lease left
LATE_REPLY = (
    11 * MINUTE
)  # a session waits 10 minutes for home's late reply (RFC 5321 §4.5.3.2.6); its lease a bit longer

# Kinds: mail from outside, copies of what users sent, and drafts that they wrote here.
REDELIVERY, SENT, DRAFT = "redelivery", "sent", "draft"
SMTP, IMAP = "", "imap"  # ways home: the column ``way``

REPORTED = (FAILED, EXPIRED)


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client asked for, as it was given: the column ``parameters``."""

    mail: MailParameters = MailParameters()
    rcpt: RcptParameters = RcptParameters()
    shown: str = ""  # the id that home was shown when it was asked for several recipients at once; empty: the row's own


_parameters = msgspec.json.Decoder(Parameters)
_PLAIN = Parameters()


def encode_one(parameters: Parameters) -> str:
    """Returns the value of the column, which is empty where there is nothing special."""
    return "" if parameters == _PLAIN else msgspec.json.encode(parameters).decode()


def encode_parameters(mail: MailParameters, recipients: Sequence[RcptParameters], shown: str = "") -> tuple[str, ...]:
    """Returns the value of the column for each recipient, for the head of a message in its pack; () where all are
    empty.

    ``shown`` is the id of the first recipient's row, where home is asked for all of them at once.
    """
    texts = [encode_one(Parameters(mail, rcpt, shown if place else "")) for place, rcpt in enumerate(recipients)]
    return tuple(texts) if any(texts) else ()


def decode_parameters(text: str) -> Parameters:
    """Returns the parameters in a value of the column, or of a head."""
    return _parameters.decode(text) if text else _PLAIN


class NewOwed(msgspec.Struct, frozen=True):
    """A message to one recipient that home is to be owed.

    ``account`` is None where there is no mailbox. ``state`` is OWED or IN_DOUBT. Whoever waits for home's late reply
    gives any ``token``, and answers by `late_reply`.
    """

    id: int
    domain: int
    account: int | None
    body: int
    recipient: str  # as given to RCPT
    reverse_path: str  # empty: the null one
    received: int
    size: int = 0
    subject: str = ""
    message_id: str = ""
    parameters: Parameters = _PLAIN
    kind: str = REDELIVERY
    state: str = OWED
    token: int = 0
    next_attempt: int = 0  # µs; 0: as soon as home is up


@dataclass(frozen=True, slots=True)
class Owed:
    """A claimed row, with all that is needed to send it."""

    id: int
    domain: int
    account: int | None
    body: Body
    kind: str
    recipient: str
    reverse_path: str
    parameters: Parameters
    attempts: int  # before this one
    token: int
    doubted: bool = False  # it was in doubt when it was claimed
    way: str = SMTP  # on which it went in flight last
    message_id: str = ""
    verdict: str = ""  # what was found of it when it came (verdicts/); empty: nothing


_UPTIMES = Statement("SELECT [id, uptime] FROM domain WHERE id IN [:domains]")
_TAKE_IN = Rows(
    """INSERT INTO owed (id, domain, account, body, kind, reverse_path, recipient, parameters, subject, message_id,
        size, received, state, token, lease_until, next_attempt, uptime_at) VALUES [17]"""
)


def unregistered_counter(domain: int) -> str:
    """Returns the key in `meta` under which is counted what was taken in without an account."""
    return f"owed unregistered {domain}"


def take_in(tx: Transaction, rows: Sequence[NewOwed]) -> None:
    """Takes rows in, which home is owed from then on. Their bodies are held already (keep_until 0)."""
    counts = Counter((new.domain, new.account) for new in rows)
    domains = {domain for domain, _ in counts}
    uptimes = dict(tx.all(_UPTIMES, domains=domains))
    tx.run_rows(_TAKE_IN, [_columns(new, uptimes.get(new.domain), tx.now) for new in rows])
    counters.take_in(tx, [(account, count) for (_, account), count in counts.items() if account is not None])
    meta.count(
        tx, [(unregistered_counter(domain), count) for (domain, account), count in counts.items() if account is None]
    )
    for domain in domains:
        tx.announce(OwedChanged(domain))


def _columns(new: NewOwed, uptime: int | None, now: int) -> tuple[Any, ...]:
    return (
        new.id,
        new.domain,
        new.account,
        new.body,
        new.kind,
        new.reverse_path,
        new.recipient,
        encode_one(new.parameters),
        new.subject,
        new.message_id,
        new.size,
        new.received,
        new.state,
        new.token,
        now + LATE_REPLY if new.token else 0,
        new.next_attempt,
        uptime,
    )


# A CASE, so that the planner takes the ids and not the index by state: that would be all the backlog for one claim.
_FREE = """CASE WHEN next_attempt > :now THEN 0 WHEN state = 'owed' THEN 1
    WHEN state = 'in_doubt' AND lease_until <= :now THEN 1 ELSE 0 END = 1"""
# Of what is cut off nothing is sent, whatever a process remembers of the domain.
_NOT_CONTAINED = "(SELECT contained FROM domain WHERE domain.id = owed.domain) = 0"
_CANDIDATES = Statement(
    f"""SELECT id, account, body,
        attempts > 0 AND (SELECT uptime FROM domain WHERE domain.id = owed.domain) - uptime_at >= :give_up
    FROM owed WHERE id IN [:ids] AND {_FREE} AND {_NOT_CONTAINED}
        AND (account IS NULL OR account NOT IN [:spared]) [FOR UPDATE SKIP LOCKED]"""
)
_CLAIM = Statement(
    f"""UPDATE owed SET state = CASE state WHEN 'owed' THEN 'claimed' ELSE state END, token = :token,
        lease_until = :until
    WHERE id IN [:ids] AND {_FREE} RETURNING id"""
)
_CLAIMED = Statement(
    """SELECT owed.id, domain, account, kind, recipient, reverse_path, parameters, attempts, state, way, message_id,
        COALESCE(details, ''), body.id, pack, body."offset", length, prefix, crc
    FROM owed JOIN body ON body.id = owed.body LEFT JOIN verdict ON verdict.body = owed.body
    WHERE owed.id IN [:ids] ORDER BY owed.id"""
)


def claim(tx: Transaction, ids: Sequence[int], *, give_up: int, spared: Collection[int] = ()) -> list[Owed]:
    """Leases those of ``ids`` that are due and free, and returns them; none of the accounts in ``spared``.

    A row that its user has deleted ends here as deleted. One that was tried in vain while home was up for ``give_up``
    µs ends as expired.
    """
    token = tx.identifier()
    wanted = []
    for owed_id, account, body, too_old in tx.all(_CANDIDATES, ids=ids, now=tx.now, give_up=give_up, spared=spared):
        if account is not None and judge_deleted(tx, account, body):
            _end(tx, owed_id, DELETED, "Deleted by the user: not sent to the home server")
        elif too_old:
            _end(tx, owed_id, EXPIRED, "Given up: the home server was up long enough and did not take it")
        else:
            wanted.append(owed_id)
    if not wanted:
        return []
    claimed = tx.all(_CLAIM, ids=wanted, token=token, until=tx.now + LEASE, now=tx.now)
    return tx.records(partial(_claimed, token), _CLAIMED, ids=[owed_id for (owed_id,) in claimed])


def _claimed(
    token: int,
    id_: int,
    domain: int,
    account: int | None,
    kind: str,
    recipient: str,
    reverse_path: str,
    parameters: str,
    attempts: int,
    state: str,
    way: str,
    message_id: str,
    verdict: str,
    *body: int,
) -> Owed:
    return Owed(
        id=id_,
        domain=domain,
        account=account,
        kind=kind,
        recipient=recipient,
        reverse_path=reverse_path,
        parameters=decode_parameters(parameters),
        attempts=attempts,
        doubted=state == IN_DOUBT,
        way=way,
        message_id=message_id,
        verdict=verdict,
        body=Body(*body),
        token=token,
    )


# What of it the sender is to hear, reports/ decides; the null sender hears of nothing. Success interests those who
# asked for it: what the user deletes was delivered to them, and what home took it reports itself, if it speaks DSN.
UNREPORTED = """CASE WHEN reverse_path = '' THEN 0 WHEN {0} IN ('failed', 'expired') THEN 1
    WHEN {0} = 'deleted' AND parameters LIKE '%SUCCESS%' THEN 1 ELSE 0 END"""
_RELAYED = "CASE WHEN :relayed = 1 AND reverse_path <> '' THEN 1 ELSE {0} END"

_END = Statement(
    f"""UPDATE owed SET state = :outcome, ended = :now, token = 0, lease_until = 0, run = 0,
        unreported = {UNREPORTED.format(":outcome")}
    WHERE id = :id"""
)


def _end(tx: Transaction, owed_id: int, outcome: str, text: str) -> None:
    tx.run(_END, id=owed_id, outcome=outcome, now=tx.now)
    end_of_owed(tx, owed_id, outcome, TrackingEvent(tx.now, "", 0, text))
    if outcome in REPORTED:
        tx.announce(ReportDue())


_EXTEND = Statement("UPDATE owed SET lease_until = :until WHERE id = :id AND token = :token AND lease_until > :now")
_IN_FLIGHT = Statement(
    f"""UPDATE owed SET state = 'in_flight', lease_until = :until, way = :way
    WHERE id = :id AND token = :token AND state IN ('claimed', 'in_doubt', 'in_flight') AND lease_until >= :enough
        AND {_NOT_CONTAINED}"""
)


def extend(tx: Transaction, owed_id: int, token: int) -> bool:
    """Keeps the lease of a row whose transmission takes long. Returns False if it is lost."""
    return tx.run(_EXTEND, id=owed_id, token=token, until=tx.now + LEASE, now=tx.now) == 1


def in_flight(tx: Transaction, owed_id: int, token: int, way: str = SMTP) -> bool:
    """Marks a row as in flight on its ``way`` home. Returns False if that is not permitted.

    The final dot may be sent only after this has returned True and is committed. What was refused on one way may go in
    flight again on the other.
    """
    until, enough = tx.now + LEASE, tx.now + LEFT_AT_FINAL_DOT
    return tx.run(_IN_FLIGHT, id=owed_id, token=token, until=until, enough=enough, way=way) == 1


_FINISH = Statement(
    f"""UPDATE owed SET state = :outcome, ended = :now, token = 0, lease_until = 0, run = 0, attempts = attempts + 1,
        last_code = :code, last_text = :text, unreported = {_RELAYED.format(UNREPORTED.format(":outcome"))}
    WHERE id = :id AND token = :token AND token <> 0"""
)
_GIVE_BACK = Statement(
    """UPDATE owed SET state = CASE state WHEN 'claimed' THEN 'owed' ELSE state END, token = 0, lease_until = 0
    WHERE id = :id AND token = :token AND token <> 0 AND state <> 'in_flight'"""
)
# What was kept while an attempt was under way stays kept.
_LATER_OR_NEVER = f"CASE WHEN next_attempt >= {NEVER} THEN next_attempt ELSE :next END"
# A row in doubt that failed before its final dot is in doubt as before; a reply to the final dot ends the doubt.
_LATER = Statement(
    f"""UPDATE owed
    SET state = CASE WHEN :doubted = 1 OR (state = 'in_doubt' AND :late = 0) THEN 'in_doubt' ELSE 'owed' END,
        token = 0, lease_until = 0, attempts = attempts + 1, next_attempt = {_LATER_OR_NEVER}, run = :run,
        last_code = :code, last_text = :text
    WHERE id = :id AND token = :token AND token <> 0"""
)
_DOUBT = Statement(
    f"""UPDATE owed SET state = 'in_doubt', lease_until = :until, attempts = attempts + 1,
        next_attempt = {_LATER_OR_NEVER},
        last_code = 0, last_text = :text
    WHERE id = :id AND token = :token AND token <> 0"""
)
_UNLEASE = Statement("UPDATE owed SET token = 0, lease_until = 0 WHERE id = :id AND token = :token AND token <> 0")


def finish(
    tx: Transaction, owed_id: int, token: int, outcome: str, event: TrackingEvent, *, relayed: bool = False
) -> bool:
    """Ends a row as delivered or failed. Returns False, and changes nothing, if the lease was lost.

    ``relayed`` is true where home has the message, the sender asked to hear of that, and home does not tell them.
    """
    values = {"outcome": outcome, "code": event.code, "text": event.text, "relayed": int(relayed)}
    if not tx.run(_FINISH, id=owed_id, token=token, now=tx.now, **values):
        return False
    end_of_owed(tx, owed_id, outcome, event)
    if outcome == DELIVERED:
        kept.delivered(tx, owed_id)
    if outcome in REPORTED or relayed:
        tx.announce(ReportDue())
    return True


def give_back(tx: Transaction, owed_id: int, token: int) -> bool:
    """Gives a row back of which nothing was sent. Returns False, and changes nothing, if the lease was lost."""
    return tx.run(_GIVE_BACK, id=owed_id, token=token) == 1


def try_later(
    tx: Transaction,
    owed_id: int,
    token: int,
    event: TrackingEvent,
    *,
    next_attempt: int,
    run: int = 0,
    late: bool = False,
    doubted: bool = False,
) -> bool:
    """Puts a row off: it is owed again, but not before ``next_attempt``.

    Returns False, and changes nothing, if the lease was lost.

    ``doubted`` is true for a row in flight whose final dot was not sent after all, and which was in doubt when it was
    claimed. ``late`` is true where the answer ends a doubt. With ``run`` the row is refused, and fails when that run of
    the flush ends without a pause (refusals.py).
    """
    if not tx.run(
        _LATER,
        id=owed_id,
        token=token,
        next=next_attempt,
        run=run,
        late=int(late),
        doubted=int(doubted),
        code=event.code,
        text=event.text,
    ):
        return False
    add_event(tx, owed_id, event)
    return True


def doubt(tx: Transaction, owed_id: int, token: int, event: TrackingEvent, *, next_attempt: int, waiting: bool) -> bool:
    """Marks a row as in doubt, because no reply came to the final dot.

    Returns False, and changes nothing, if the lease was lost.

    ``waiting`` is true where the session lives on, and `late_reply` follows.
    """
    until = tx.now + LATE_REPLY if waiting else 0
    if not tx.run(_DOUBT, id=owed_id, token=token, until=until, next=next_attempt, text=event.text):
        return False
    if not waiting:
        tx.run(_UNLEASE, id=owed_id, token=token)
    add_event(tx, owed_id, event)
    return True


def late_reply(
    tx: Transaction,
    owed_id: int,
    token: int,
    outcome: Outcome,
    host: str,
    *,
    next_attempt: int,
    paused: bool = False,
) -> bool:
    """Settles a row in doubt by what came after all on its session.

    Without a reply the row stays in doubt, and is free again. A refusal ends it if it is about the message or its
    mailbox; else it is owed, and the flush asks again. ``paused`` is true where the flush of its domain is paused, so
    that nothing fails.
    """
    event = event_of(outcome, host, tx.now)
    if outcome.verdict is Verdict.ACCEPTED:
        return finish(tx, owed_id, token, DELIVERED, event)
    if outcome.verdict is Verdict.REFUSED and not paused and about(outcome) in (About.MESSAGE, About.MAILBOX):
        return finish(tx, owed_id, token, FAILED, event)
    if outcome.verdict in (Verdict.TEMPORARY, Verdict.REFUSED):
        return try_later(tx, owed_id, token, event, next_attempt=next_attempt, late=True)
    return tx.run(_UNLEASE, id=owed_id, token=token) == 1


def event_of(outcome: Outcome, host: str, now: int) -> TrackingEvent:
    """Returns an attempt as tracking shows it. The code is 0 where no reply came."""
    if outcome.reply is None:
        return TrackingEvent(now, host, 0, outcome.reason)
    return TrackingEvent(now, host, outcome.reply.code, outcome.reply.line)
