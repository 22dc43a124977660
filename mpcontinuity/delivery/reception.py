"""What all messages have in common that come in by SMTP: they are written down as they come, and answered once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from twisted.logger import Logger

from mpcontinuity.accounts.domains import Domain
from mpcontinuity.delivery import replies
from mpcontinuity.delivery.answered import Digest
from mpcontinuity.delivery.envelope import Client
from mpcontinuity.delivery.handover import copied_draft
from mpcontinuity.delivery.service import Delivery
from mpcontinuity.message.trace import Untrusted
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Reply
from mpcontinuity.store.bodies.draft import Draft

HOPS_OF_OURS = 3
MAX_HOPS = 50


_log = Logger()


class Reception(ABC):
    """Writes a message down while it comes, and has it settled once, by whichever sessions it may have come.

    After `end`, which its heirs have, its owner says whether the client has read the answer (`went_on`) or not (`lost`;
    inbound/receipt.py). The constructor raises Full where no message can be taken, which is better said at MAIL than
    after all recipients.
    """

    def __init__(
        self, delivery: Delivery, client: Client, reverse_path: Address | None, parameters: MailParameters
    ) -> None:
        delivery.store.bodies.check_room(parameters.size)
        self._delivery = delivery
        self._store = delivery.store
        self._client = client
        self._reverse_path = reverse_path
        self._sender = str(reverse_path) if reverse_path is not None else ""
        self._parameters = parameters
        self._domain: Domain | None = None
        self._abandoned = False
        self._id = 0
        self._received = 0
        self._prefix = 0
        self._retention = 0  # days
        self._draft: Draft | None = None
        self._digest = Digest()
        self._fault: Reply | None = None
        self._receipt: set[bytes] = set()  # answered 250, and not known to have been read

    @abstractmethod
    async def _settle(self, ours: set[bytes]) -> Reply:
        """The answer to the message. Recipients with the fingerprints ``ours`` are in no other session's hands."""

    @abstractmethod
    def _refuse_all(self, reply: Reply) -> Reply:
        """The whole message is refused by us."""

    def on_its_way(self, look: Callable[[], None]) -> None:
        """Notes that a positive answer to the message is being written; ``look`` calls `went_on` where it has
        arrived."""
        self._delivery.answered.on_its_way(self._receipt, look)

    def went_on(self) -> None:
        """Notes that the client has sent something since the answer to its message, or closed in order after it had
        come."""
        self._delivery.answered.went_on(self._receipt)

    def lost(self) -> None:
        """Notes that the client has vanished before it could have read the answer."""
        self._delivery.answered.lost(self._receipt)

    def _open(self, retention_days: int) -> Reply:
        """354 if there is room."""
        try:
            self._draft = self._store.bodies.draft(retention_days=retention_days, announced=self._parameters.size)
            self._retention = retention_days
        except Temporary as error:
            _log.warn("no room for a message: {error}", session=self._client.session, error=error, often=True)
            return replies.NO_ROOM
        self._id = self._store.identifiers.next()
        self._received = self._store.clock.now()
        return replies.GO_ON

    def _keep(self, data: bytes) -> None:
        """Writes down the next piece, unless something is wrong with the message already."""
        if self._fault is not None:
            return
        assert self._draft is not None
        try:
            self._draft.write(data)
        except Temporary as error:
            _log.warn("no room for a message: {error}", session=self._client.session, error=error, often=True)
            self._fault = replies.NO_ROOM
            self._draft.discard()

    async def _answer(self, fingerprints: set[bytes]) -> Reply:
        """The message is complete and fit: it is settled, once for all sessions it may have come by."""
        answered = self._delivery.answered
        ours = await answered.claim(fingerprints)
        if ours is None:
            return self._refuse_all(replies.IN_HAND)
        try:
            reply = await self._settle(ours)
            while reply is replies.KNOWN and ours and not await answered.told_elsewhere(ours):
                self._renew()
                reply = await self._settle(ours)
        except Temporary as error:
            _log.warn(
                "not stored: {error}",
                session=self._client.session,
                message=identifier.show(self._id),
                error=error,
                often=True,
            )
            reply = self._refuse_all(replies.NO_ROOM)
        except BaseException:
            answered.release(ours)
            self._discard()
            raise
        if reply.positive:
            answered.answered(ours)
            self._receipt = ours
        else:
            answered.release(ours)
        self._discard()
        return reply

    def _renew(self) -> None:
        """What was kept for nothing, as it seemed to be a message that was answered before, is another message after
        all: it is written down anew. Raises Temporary.
        """
        draft = self._draft
        assert draft is not None
        self._draft = copied_draft(self._store, draft, self._retention)
        draft.discard()
        self._id = self._store.identifiers.next()

    def _discard(self) -> None:
        if self._draft is not None:
            self._draft.discard()
            self._draft = None


def looped(untrusted: Untrusted, recipients: Iterable[Address]) -> Reply | None:
    """Returns a refusal, where the message has gone round in a loop (RFC 5321 §6.3)."""
    if untrusted.received > MAX_HOPS:
        return replies.LOOP
    if any(untrusted.ours(recipient.text) >= HOPS_OF_OURS for recipient in recipients):
        return replies.LOOP
    return None
