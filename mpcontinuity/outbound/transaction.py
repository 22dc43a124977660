"""One mail transaction with another server: recipients, perhaps while a client talks, then the message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf

from twisted.internet.defer import Deferred

from mpcontinuity.model.address import Address
from mpcontinuity.model.body import Content
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.reply import Outcome, Reply, Stage, Verdict
from mpcontinuity.outbound.holding import FREE, Holding
from mpcontinuity.outbound.late import late_reply
from mpcontinuity.outbound.opening import lost_outcome
from mpcontinuity.outbound.peer import Peer
from mpcontinuity.outbound.repeating import Again, Repeating
from mpcontinuity.outbound.session import Lost, Response, Session
from mpcontinuity.protocols.smtp.client import outcome
from mpcontinuity.routing.fault import puts_off_all
from mpcontinuity.routing.health import Observation

PIECE = 65_536
MOST_FAULTS = 5  # sessions that its recipients may end: a home that answers all like that is asked no further

Recipient = tuple[Address, RcptParameters]

_GIVEN_UP = Outcome(Verdict.FAILED, Stage.DATA, None, "the transaction was given up")


class PeerTransaction:
    """One mail transaction with a peer. ``host`` is the ``host:port`` that was used. End it by `message` or
    `abandon`."""

    def __init__(
        self, peer: Peer, reverse_path: Address | None, parameters: MailParameters, *, client: str = ""
    ) -> None:
        self.host = ""
        self.before_final_dot: Callable[[], Awaitable[bool]] | None = None
        self.late: Deferred[Outcome] | None = None
        self.utf8_header = False  # the header is in UTF-8, and goes to no server without SMTPUTF8 (RFC 6531 §3.2)
        self.bare = parameters.bare  # the content has a bare CR or LF: BDAT, or not at all
        self._peer = peer
        self._reverse_path = reverse_path
        self._parameters = parameters
        self._client = client
        self._session: Session | None = None
        self._accepted: list[Recipient] = []
        self._began = 0.0  # when it got its session
        self._data_begun: Response | None = None  # DATA went with the recipients
        self._ended: Outcome | None = None  # stands for all that is asked afterwards
        self._holding = Holding(peer.timer, peer.holds if client else inf)
        self._cut_short = False  # the time for the last reply
        self._repeating = Repeating(peer)
        self._faults = 0  # sessions that ended at a recipient
        self._abandoned = False

    @property
    def dsn(self) -> bool:
        """Whether the other server is told, and reports, what the sender wants to hear of (RFC 3461)."""
        return self._peer.offers.dsn

    @property
    def _mailboxes(self) -> frozenset[str]:
        return frozenset(address.key for address, _ in self._accepted)

    # Recipients

    async def recipient(self, address: Address, parameters: RcptParameters) -> Outcome:
        """Returns the peer's answer for this recipient. The first also takes a session and says MAIL."""
        if self._ended is not None:
            return self._ended
        recipient = (address, parameters)
        self._holding.begins()
        try:
            if self._session is None:
                result = await self._start([*self._accepted, recipient])
            else:
                result = self._unable(address) or await self._rcpt(self._session, recipient)
            while (before := self._repeating.again) is not None:
                result = await self._repeat([*self._accepted, recipient], before)
        finally:
            self._holding.ends(free=FREE if self._accepted else 0.0)
        if result.verdict is Verdict.ACCEPTED:
            self._accepted.append(recipient)
        return result

    async def recipients(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        """Returns the answers for all of these, which are asked in one write with DATA behind them.

        It is called once, instead of `recipient`, and `message` is to follow at once.
        """
        results = await self._ask_all(recipients)
        before = self._repeating.again
        if before is not None:
            results = await self._ask_all(recipients, fresh=True)
            self._repeating.learn(
                before, next((each for each in results if each.verdict is Verdict.ACCEPTED), results[0])
            )
        both = zip(recipients, results, strict=True)
        self._accepted = [recipient for recipient, result in both if result.verdict is Verdict.ACCEPTED]
        return results

    async def _ask_all(self, recipients: Sequence[Recipient], *, fresh: bool = False) -> list[Outcome]:
        session = await self._take(recipients[0][0].key, fresh=fresh)
        if isinstance(session, Outcome):
            return [session] * len(recipients)
        refusals = [self._unable(address) for address, _ in recipients]
        able = [recipient for recipient, refusal in zip(recipients, refusals, strict=True) if refusal is None]
        if not able:
            self._peer.pool.put(session)
        answers = iter(await self._begin(session, able, data=not self.bare) if able else ())
        return [next(answers) if refusal is None else refusal for refusal in refusals]

    async def _start(self, recipients: list[Recipient], *, fresh: bool = False) -> Outcome:
        """A session, then MAIL and RCPT in one write. The outcome is that of the last recipient; where it does not
        take an earlier one again, the transaction ends."""
        session = await self._take(recipients[0][0].key, fresh=fresh)
        if isinstance(session, Outcome):
            return session
        refusal = self._unable(recipients[-1][0])
        if refusal is not None:
            self._peer.pool.put(session)
            return refusal
        *again, last = await self._begin(session, recipients)
        if self._session is session:
            for result in again:
                if result.verdict is not Verdict.ACCEPTED:
                    return self._give_up(f"{session.host} took a recipient and then did not: {result.text}")
        return last

    async def _repeat(self, recipients: list[Recipient], before: Again) -> Outcome:
        """On a fresh session, whose answer shows what the one before was about."""
        result = await self._start(recipients, fresh=True)
        self._repeating.learn(before, result)
        return result

    async def _take(self, mailbox: str, *, fresh: bool) -> Session | Outcome:
        self._repeating.again = None
        self._ended = None
        taken = await self._peer.pool.take(
            self._peer.patience,
            mailbox,
            fresh=fresh,
            client=self._client,
            gone=lambda: self._abandoned,
            opening=self._holding.left,
        )
        if isinstance(taken, Outcome):
            return self._end(taken)
        if self._abandoned:  # while it waited
            self._peer.pool.put(taken)
            return self._end(_GIVEN_UP)
        self._holding.forgive(taken.queued)
        self.host = taken.host
        self._peer.offers = taken.offers
        return taken

    async def _begin(self, session: Session, recipients: Sequence[Recipient], *, data: bool = False) -> list[Outcome]:
        """MAIL and RCPT, and DATA with them. Where the session ends on the way, so do the outcomes from there on."""
        self._session = session
        self._began = self._peer.timer.seconds()
        self._repeating.begins(session)
        mail = session.mail(self._reverse_path, self._parameters)
        responses = [session.rcpt(*recipient) for recipient in recipients]
        self._data_begun = session.data() if data and session.offers.pipelining else None
        answer = await session.reply(mail, self._seconds_for(self._peer.settings.reply_timeout))
        if isinstance(answer, Lost):
            return [self._lost(Stage.MAIL, answer)] * len(recipients)
        result = outcome(Stage.MAIL, answer)
        if result.verdict is not Verdict.ACCEPTED:
            return [self._mail_failed(session, result, answer)] * len(recipients)
        results: list[Outcome] = []
        for recipient, response in zip(recipients, responses, strict=True):
            result = await self._rcpt(session, recipient, response)
            results.append(result)
            if self._session is not session:
                return results + [result] * (len(recipients) - len(results))
        if self._data_begun is not None and all(result.verdict is not Verdict.ACCEPTED for result in results):
            await self._call_off(session, self._data_begun)
        return results

    async def _call_off(self, session: Session, data: Response) -> None:
        """RFC 2920 §3.1: who takes DATA although they took no recipient is given an empty message."""
        wait = self._peer.settings.reply_timeout
        answer = await session.reply(data, wait)
        if isinstance(answer, Reply) and answer.code == 354:
            await session.reply(session.final_dot(), wait)

    async def _rcpt(self, session: Session, recipient: Recipient, response: Response | None = None) -> Outcome:
        seconds = self._seconds_for(self._peer.settings.reply_timeout)
        answer = await session.reply(response or session.rcpt(*recipient), seconds)
        if isinstance(answer, Lost):
            return self._recipient_failed(session, recipient, lost_outcome(Stage.RCPT, answer), silent=answer.silent)
        result = outcome(Stage.RCPT, answer)
        if answer.code == 421:
            return self._recipient_failed(session, recipient, result)
        if result.verdict is Verdict.ACCEPTED:
            self._peer.recipient_taken(recipient[0])
        else:
            self._note_put_off(result, recipient[0].key)
            if self._data_begun is None and self._repeating.answered(session, result):
                self._leave(session)
            session.tainted = True
        return result

    def _recipient_failed(
        self, session: Session, recipient: Recipient, result: Outcome, *, silent: bool = False
    ) -> Outcome:
        """The session is gone, and perhaps it was that or the server; else only this recipient is concerned, and the
        others go on with another session."""
        self._session = None
        again = not silent and self._repeating.closed(session, result)
        self._discard(session)
        if silent and self._cut_short:
            self._slow(frozenset({recipient[0].key}), result.text)
            return self._end(result)
        if again:
            return self._end(result)
        self._peer.recipient_failed(recipient[0], result)
        self._faults += 1
        return self._end(result) if silent or self._faults >= MOST_FAULTS else result

    def _unable(self, address: Address) -> Outcome | None:
        """What this server cannot be asked."""
        path = self._reverse_path
        ascii_path = path is None or path.ascii
        if self._peer.offers.smtputf8 or (address.ascii and ascii_path and not self.utf8_header):
            return None
        what = "addresses with non-ASCII characters" if not (address.ascii and ascii_path) else "a header in UTF-8"
        text = f"{self._peer.title} does not take {what}"
        return Outcome(Verdict.REFUSED, Stage.RCPT, Reply(553, "5.6.7", text))

    def _mail_failed(self, session: Session, result: Outcome, answer: Reply) -> Outcome:
        """A refused sender is the sender's trouble."""
        if answer.code == 421 and self._repeating.closed(session, result):
            self._session = None
            self._discard(session)
            return self._end(result)
        if result.verdict is Verdict.FAILED:
            return self._lost(Stage.MAIL, Lost(result.reason))
        if answer.code != 421 and self._repeating.answered(session, result):
            self._leave(session)
            return self._end(result)
        session.tainted = True
        self._session = None
        if result.verdict is Verdict.REFUSED:
            self._note_put_off(result, "")
            self._peer.background(reset(self._peer, session))
        elif answer.code == 421 and self._peer.balked(result):
            self._discard(session)
        elif answer.code == 421 and self._peer.pool.others(session):
            self._discard(session)
            self._peer.throttled(result.text)
        else:
            self._peer.sender_failed(session, self._reverse_path, result)
        return self._end(result)

    def _leave(self, session: Session) -> None:
        """For a fresh one."""
        self._session = None
        self._peer.pool.leave(session)

    # The message

    async def message(self, head: bytes, content: Content) -> Outcome:
        """Sends DATA, ``head``, the content and the final dot; returns the outcome for all recipients that were
        taken."""
        if self._ended is not None:
            return self._ended
        if self._session is None and not self._accepted:
            raise RuntimeError("no recipient was taken")
        self._holding.begins()
        result = await self._hand_over(head, content)
        while (before := self._repeating.again) is not None:
            result = await self._hand_over(head, content)
            self._repeating.learn(before, result)
        return result

    async def _hand_over(self, head: bytes, content: Content) -> Outcome:
        """In the session that has the recipients; where it is gone, in another."""
        if self._session is None:
            begun = await self._start(self._accepted, fresh=self._repeating.again is not None)
            if begun.verdict is not Verdict.ACCEPTED:
                return self._not_again(begun)
        session = self._session
        if session is None:
            return self._ended or _GIVEN_UP
        self._repeating.goes_on(session)
        result = await (self._chunk(session, head, content) if self.bare else self._data(session))
        if result.verdict is not Verdict.ACCEPTED:
            return self._not_begun(session, result)
        try:
            return await self._send(session, head, content)
        except BaseException:
            self.abandon()
            raise

    def _not_again(self, begun: Outcome) -> Outcome:
        """A recipient that was taken before is not now, which must not refuse the message for the others."""
        if self._repeating.again is not None:
            return begun
        if begun.verdict is Verdict.REFUSED and len(self._accepted) > 1:
            return self._give_up(f"{self.host} took a recipient and then did not: {begun.text}")
        self.abandon()
        return begun

    def _not_begun(self, session: Session, result: Outcome) -> Outcome:
        if self._session is not session:  # it is gone, and the transaction ended or to be repeated
            return result
        if self._repeating.answered(session, result):
            self._leave(session)
            return self._end(result)
        session.tainted = True
        put_off = self._note_put_off(result, *self._mailboxes)
        if result.verdict is Verdict.REFUSED and not put_off:
            self._peer.answered(self._mailboxes)
        elif result.verdict is Verdict.TEMPORARY:
            self._peer.balked(result)
        self.abandon()
        return result

    async def _chunk(self, session: Session, head: bytes, content: Content) -> Outcome:
        """All of the message as one chunk that is not the last (RFC 3030): there is still a final dot to be sent."""
        if not session.offers.chunking:
            text = f"{self._peer.title} does not offer CHUNKING, which a message with a bare CR or LF needs"
            return Outcome(Verdict.REFUSED, Stage.DATA, Reply(550, "5.6.11", text))
        response = session.chunk(len(head) + content.length)
        lost = await self._send_content(session, head, content)
        answer = lost or await session.reply(response, self._peer.settings.message_timeout)
        if isinstance(answer, Lost):
            return self._lost(Stage.DATA, answer, waited=True)
        result = outcome(Stage.DATA, answer)
        return self._closing(result, waited=True) if answer.code == 421 else result

    async def _data(self, session: Session) -> Outcome:
        begun, self._data_begun = self._data_begun, None
        seconds = self._seconds_for(self._peer.settings.reply_timeout)
        answer = await session.reply(begun or session.data(), seconds)
        if isinstance(answer, Lost):
            return self._lost(Stage.DATA, answer, waited=True)
        result = outcome(Stage.DATA, answer)
        if answer.code == 421:
            return self._closing(result, waited=True)
        if answer.code != 354 and result.verdict is Verdict.ACCEPTED:
            return self._lost(Stage.DATA, Lost(f"{session.host} answered DATA by {answer}"))
        return result

    async def _send(self, session: Session, head: bytes, content: Content) -> Outcome:
        lost = None if self.bare else await self._send_content(session, head, content)
        if lost is None and self.before_final_dot is not None:
            session.flush()  # goes while the caller does its work
            if not await self.before_final_dot():
                return self._give_up("not sent: withdrawn before the final dot")
        lost = lost or session.lost
        if lost is not None:
            return self._lost(Stage.DATA, lost)
        response, asked = session.final_dot(), self._peer.timer.seconds()
        answer = await session.reply(response, self._seconds_for(self._peer.settings.message_timeout))
        if isinstance(answer, Lost):
            return self._doubtful(session, response, answer, asked)
        return self._answered(session, answer)

    async def _send_content(self, session: Session, head: bytes, content: Content) -> Lost | None:
        """A small message is not flushed: its final dot goes in the same write."""
        whole = content.whole
        session.message(head)
        if whole is not None and len(whole) <= PIECE:
            session.message(whole)
            return session.lost
        patience = self._peer.settings.message_timeout
        for offset in range(0, content.length, PIECE):
            if not await session.room(patience):
                return session.lost or Lost(f"{session.host} took no more of it for {patience:g} s", silent=True)
            length = min(PIECE, content.length - offset)
            piece = whole[offset : offset + length] if whole is not None else await content.read(offset, length)
            session.message(piece)
        session.end_of_message()
        return session.lost

    def _answered(self, session: Session, answer: Reply) -> Outcome:
        result = outcome(Stage.MESSAGE, answer)
        put_off = self._note_put_off(result, *self._mailboxes)
        if result.verdict in (Verdict.ACCEPTED, Verdict.REFUSED) and not put_off:
            self._peer.answered(self._mailboxes)
        if result.verdict is Verdict.FAILED:  # neither 2xx nor an error: it may have the message
            return self._doubtful(session, None, Lost(result.reason))
        if result.verdict is Verdict.TEMPORARY:
            # It has it not. Who had to give leave for the final dot is to decide about another one, on a fresh session.
            leaves = self.before_final_dot is not None
            if session.served > 1 if leaves else self._repeating.answered(session, result):
                self._leave(session)
                return self._end(result)
            if answer.code == 421:
                return self._closing(result)
            self._peer.balked(result)
        session.tainted = session.tainted or result.verdict is not Verdict.ACCEPTED
        self._session = None
        self._peer.pool.put(session)
        return self._end(result)

    def _doubtful(self, session: Session, response: Response | None, lost: Lost, asked: float = 0.0) -> Outcome:
        """The session, if it lives, is kept for the late reply and no longer counts against the cap."""
        self._session = None
        if response is not None and lost.silent and self._peer.late:
            self.late = late_reply(self._peer, session, response, self._mailboxes)
            self._peer.pool.beside(session)
        else:
            self._discard(session)
        if not self._abandoned:
            if lost.silent:
                self._slow(self._mailboxes, lost.reason, asked)
            else:
                self._peer.observe(Observation.SILENT, lost.reason)
        return self._end(Outcome(Verdict.DOUBTFUL, Stage.MESSAGE, None, lost.reason))

    # Ends

    def abandon(self) -> None:
        """Gives the transaction up, wherever it is. May be called at any time, and again."""
        self._abandoned = True
        session, self._session = self._session, None
        if session is not None:
            if session.idle:
                self._peer.background(reset(self._peer, session))
            else:
                self._discard(session)
        if self._ended is None:
            self._end(_GIVEN_UP)

    def _give_up(self, reason: str) -> Outcome:
        session, self._session = self._session, None
        if session is not None:
            self._discard(session)
        return self._end(Outcome(Verdict.FAILED, Stage.DATA, None, reason))

    def _lost(self, stage: Stage, lost: Lost, *, waited: bool = False) -> Outcome:
        """No reply, before the final dot. ``waited``: the session had nothing to do before."""
        return self._trouble(lost_outcome(stage, lost), closed=not lost.silent, waited=waited)

    def _closing(self, result: Outcome, *, waited: bool = False) -> Outcome:
        """421: it closes the session."""
        return self._trouble(result, closed=True, waited=waited)

    def _trouble(self, result: Outcome, *, closed: bool, waited: bool) -> Outcome:
        session, self._session = self._session, None
        if session is not None:
            repeated = result.stage is not Stage.MESSAGE and closed
            again = repeated and self._repeating.closed(session, result, waited=waited)
            self._discard(session)
            if not again:
                self._judge(session, result)
        return self._end(result)

    def _seconds_for(self, usual: float) -> float:
        """How long a reply is waited for. Whoever leaves less than half of the usual time has answered before, and so
        is slow, not silent."""
        given = min(usual, self._holding.left)
        self._cut_short = given < usual / 2
        return given

    def _note_put_off(self, result: Outcome, *mailboxes: str) -> bool:
        """Whether it says that the server takes none of our messages, which is noted then. What is redelivered has a
        pace and a pause of its own, and begins no outage."""
        if not puts_off_all(result):
            return False
        sender = self._reverse_path.key if self._reverse_path is not None else ""
        self._peer.put_off((sender, *sorted(mailboxes)), result.text, redelivered=not self._client)
        return True

    def _slow(self, mailboxes: frozenset[str], reason: str, asked: float | None = None) -> None:
        asked = self._peer.timer.seconds() if asked is None else asked
        self._peer.slow(mailboxes, self._began, asked, reason, answers=self._cut_short)

    def _judge(self, session: Session, result: Outcome) -> None:
        if result.reply is None and self._cut_short and self._holding.over:
            self._slow(self._mailboxes, result.text)
            return
        says_421 = result.reply is not None and result.reply.code == 421
        if says_421 and self._peer.balked(result):
            return
        if says_421 and self._peer.pool.others(session):
            self._peer.throttled(result.text)
        else:
            self._peer.observe(Observation.SILENT, result.text)

    def _discard(self, session: Session) -> None:
        session.abort()
        self._peer.pool.drop(session)

    def _end(self, result: Outcome) -> Outcome:
        self._ended = result
        self._peer.ended(self)
        return result


async def reset(peer: Peer, session: Session) -> None:
    """Sends RSET, and gives the session back to the pool when that is answered."""
    session.tainted = True
    answer = await session.reply(session.rset(), peer.settings.reply_timeout)
    if isinstance(answer, Reply) and answer.positive:
        peer.pool.put(session)
    else:
        session.abort()
        peer.pool.drop(session)
