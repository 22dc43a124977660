"""Looks for mail that a vacation text is to answer, and answers it. One process at a time does this.

What may be answered stands in rows (queue/vacation.py), noted by whoever took the message. A row waits here until it is
known who sent the message, and goes in the transaction that queues the answer, so that none is forgotten or given
twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from twisted.logger import Logger

from mpcontinuity.accounts import domains, users
from mpcontinuity.accounts import vacation as texts
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.vacation import OFF, Vacation
from mpcontinuity.message import automatic
from mpcontinuity.message.automatic import Circumstances
from mpcontinuity.message.fields import MAX_HEADER
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.errors import Corrupt, Stopping, Temporary
from mpcontinuity.model.identifier import show
from mpcontinuity.model.outgoing import DSN
from mpcontinuity.model.settings import Settings
from mpcontinuity.queue import vacation
from mpcontinuity.queue.unreported import Changed
from mpcontinuity.queue.vacation import MOST_A_DAY, START, STEP, Due
from mpcontinuity.reports.proof import proven
from mpcontinuity.store.bodies.head import Head
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.vacation import answer
from mpcontinuity.vacation.answer import NewAnswer
from mpcontinuity.vacation.decision import Ruling, SenderFacts, address_of, by_message, by_sender
from mpcontinuity.verdicts import record

EVERY: Final = 2.0  # s between looks: nobody waits for such an answer, and a verdict takes a second or so as well

_FAIL: Final = "fail"  # a result of DMARC (RFC 8601 §2.7.1)

_log = Logger()


@dataclass(frozen=True, slots=True)
class _Found:
    """What one transaction reads about a row. ``user`` is None where there is no such user any more."""

    user: User | None
    written: Vacation
    facts: SenderFacts


@dataclass(frozen=True, slots=True)
class Vacations:
    """Answers mail in the name of users who are away."""

    store: Store
    settings: Settings

    async def look(self) -> None:
        """Answers what may be answered now. Raises Temporary and Stopping."""
        after = START
        while rows := await self.store.read(partial(vacation.due, after=after)):
            for row in rows:
                await self._settle(row)
            after = rows[-1].account, rows[-1].sender
            if len(rows) < STEP:
                return

    async def _settle(self, row: Due) -> None:
        """One row. A fault of one stops no other."""
        try:
            ruling, why = await self._ruled(row)
        except (Stopping, Temporary):
            raise
        except Changed:  # another process has answered it
            return
        except Exception:
            _log.failure("no vacation text to <{sender}>", message=show(row.body.id), sender=row.reverse_path)
            ruling, why = Ruling.AUTOMATIC, "a fault of ours"
        if ruling in (Ruling.WAIT, Ruling.ANSWER):
            return
        await self.store.run(partial(vacation.drop, row=row))
        _log.info(
            "no vacation text of <{recipient}> to <{sender}>: {why}",
            message=show(row.body.id),
            recipient=row.recipient,
            sender=row.reverse_path,
            why=why or ruling.value,
        )

    async def _ruled(self, row: Due) -> tuple[Ruling, str]:
        """What is done about it, and why; it is answered already where that is ANSWER."""
        found = await self.store.read(partial(_found, row=row))
        ruling = by_sender(found.facts)
        if ruling is not Ruling.ANSWER or found.user is None:
            return ruling, ""
        try:
            circumstances = await self._circumstances(row)
        except Corrupt as error:
            return Ruling.AUTOMATIC, f"it cannot be read: {error}"
        ruling = by_message(circumstances, parse(row.recipient))
        if ruling is Ruling.ANSWER:
            await self._answer(row, found.user, found.written, circumstances)
        return ruling, circumstances.automatic

    async def _circumstances(self, row: Due) -> Circumstances:
        """What its header says, which is read beside the reactor: a stranger wrote it."""
        body = row.body
        longest = min(body.length, body.prefix + MAX_HEADER)
        content = await self.store.bodies.read(body, body.prefix, longest)
        return await self.store.bodies.background(partial(automatic.read, content))

    async def _answer(self, row: Due, user: User, written: Vacation, circumstances: Circumstances) -> None:
        """Raises Changed, Temporary and Stopping."""
        store, to = self.store, address_of(row.reverse_path)
        assert to is not None
        identifier, now = store.identifiers.next(), store.clock.now()
        message_id = f"<{show(identifier)}@{self.settings.hostname}>"
        sender = parse(row.recipient)
        content = answer.compose(
            written, circumstances, user=user, sender=sender, to=to, message_id=message_id, time=now
        )
        new = NewAnswer(
            id=identifier,
            due=row,
            user=user,
            sender=sender,
            to=to,
            time=now,
            expires=now + int(self.settings.retry.give_up * SECOND),
            subject=answer.subject_of(written, circumstances),
            message_id=message_id,
            plain=content.isascii(),
        )
        head = Head(
            id=identifier,
            time=now,
            direction=DSN,  # an index that is built anew sends it to nobody again
            recipients=(to.text,),
            subject=new.subject,
            message_id=message_id,
            owed=(identifier,),
        )
        draft = store.bodies.draft(retention_days=0)
        try:
            draft.write(content)
            # It is needed as long as it is on its way, which its row says.
            await store.keep(draft, head, partial(answer.place, answer=new), keep_until=now)
        finally:
            draft.discard()
        _log.info(
            "vacation text of <{sender}> to <{recipient}>",
            message=show(row.body.id),
            owed=show(identifier),
            sender=sender.text,
            recipient=to.text,
        )


def _found(tx: Transaction, row: Due) -> _Found:
    user = users.by_id(tx, row.account)
    written = texts.find(tx, row.account)
    facts = SenderFacts(
        reverse_path=row.reverse_path,
        own=frozenset(users.keys(tx, row.account)),
        proven=_proven(tx, row),
        junk=_is_junk(tx, row),
        on=user is not None and user.registered and user.vacation != OFF and bool(written.text),
        answered=vacation.was_answered(tx, row.account, row.sender),
        today=vacation.today(tx, row.account),
        most=MOST_A_DAY,
    )
    return _Found(user, written, facts)


def _proven(tx: Transaction, row: Due) -> bool | None:
    """As for reports: users of ours log in, and whoever uses a domain of ours without that is not of it."""
    address = address_of(row.reverse_path)
    if row.submitted or address is None:
        return row.submitted
    if domains.find(tx, address.domain) is not None:
        return False
    return proven(tx, row.body.id, row.received, address)


def _is_junk(tx: Transaction, row: Due) -> bool:
    verdict = None if row.submitted else record.find(tx, row.body.id)
    return verdict is not None and verdict.dmarc == _FAIL
