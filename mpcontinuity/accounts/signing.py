"""Signs the mail of our domains that leaves, by DKIM (RFC 6376).

It is signed when it is sent, so that a message that has waited is signed by the key that DNS has by then; the field
stands before the message, which stays as its sender wrote it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import msgspec
from twisted.logger import Logger

from mpcontinuity.accounts import dkim as table
from mpcontinuity.message import addresses, dkim, fields
from mpcontinuity.message.dkim import BodyHash, PrivateKey
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.model.address import ascii_domain
from mpcontinuity.model.body import Content
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.events import DomainsChanged, Everything, Notice
from mpcontinuity.store.store import Store

_PIECE = 65_536  # octets hashed at a time: about a millisecond
_OURS = 64 * 1024  # octets of a header that we add to what came, at most
_AUTHORS = 32 * 1024  # octets of From, as for what users send: to take a longer one apart would keep others waiting
_REMEMBERED = 1000  # signatures of messages that go to several destinations, or are tried again
_REMEMBERED_FOR = 3600  # s: a verifier may mind one that is days old

_log = Logger()


class _Key(msgspec.Struct, frozen=True):
    domain: str
    selector: str
    key: PrivateKey


class Signer:
    """Signs for the domains of one store, in the reactor thread; the arithmetic is done beside it."""

    def __init__(self, store: Store, hostname: str) -> None:
        self._store = store
        self._hostname = hostname.lower()
        self._keys: dict[int, _Key] | None = None
        self._generation = 0
        self._signed: OrderedDict[tuple[int, str, str], tuple[int, bytes]] = OrderedDict()
        store.listen(self._heard)

    def _heard(self, notices: Sequence[Notice]) -> None:
        if any(isinstance(notice, DomainsChanged | Everything) for notice in notices):
            self._keys = None
            self._generation += 1

    async def sign(self, domain: int, body: int, content: Content, *, trusted: bool) -> bytes:
        """Returns the DKIM-Signature field that stands before a message, with its CRLF; empty where none of our domains
        may sign it.

        ``domain`` and ``body`` are ids of the domain that sends it and of what is stored. ``trusted`` says that From
        was checked to be the sender's own; else that domain alone signs, and only what is written in its name. Raises
        Corrupt for a stored message that is damaged, and Temporary where the store is away.
        """
        keys = self._keys if self._keys is not None else await self._load()
        if not keys:
            return b""
        for octets in (fields.MAX_HEADER, LONGEST + _OURS):  # mostly the first is enough
            header = fields.block(await content.read(0, min(content.length, octets)), octets)
            if len(header) < octets:
                break
        else:  # where it ends is not known
            return b""
        key = self._key_for(_author(header), [keys[domain]] if domain in keys else [], keys if trusted else {})
        if key is None:
            return b""
        known = self._signed.get(place := (body, key.domain, key.selector))
        now = self._store.clock.now() // SECOND
        if known is not None and now - known[0] < _REMEMBERED_FOR:
            return known[1]
        field = await self._sign(key, header, content, now)
        self._signed[place] = (now, field)
        if len(self._signed) > _REMEMBERED:
            self._signed.popitem(last=False)
        return field

    async def _load(self) -> dict[int, _Key]:
        while True:
            generation = self._generation
            rows = await self._store.read(table.listing)
            if generation == self._generation:
                break
        self._keys = {}
        for row in rows:
            try:
                self._keys[row.domain] = _Key(row.name, row.selector, dkim.load_key(row.key))
            except ValueError as error:
                _log.error("mail of {domain} is not signed: {error}", domain=row.name, error=error)
        return self._keys

    def _key_for(self, author: str, own: Sequence[_Key], others: dict[int, _Key]) -> _Key | None:
        """By the domain of From, which is what DMARC asks for (RFC 9989 §4.4). Our own reports are in the name of this
        host: a domain that it lies in may sign these."""
        for key in [*own, *others.values()]:
            if key.domain == author or (author == self._hostname and author.endswith(f".{key.domain}")):
                return key
        return None

    async def _sign(self, key: _Key, header: bytes, content: Content, now: int) -> bytes:
        hashed = BodyHash("relaxed")
        background = self._store.bodies.background
        # The blank line is in the header block, where there is one.
        for start in range(len(header), content.length, _PIECE):
            piece = await content.read(start, min(_PIECE, content.length - start))
            if content.length <= _PIECE:
                hashed.feed(piece)
            else:
                await background(partial(hashed.feed, piece))
        work = partial(dkim.sign, domain=key.domain, selector=key.selector, key=key.key, time=now)
        return await background(lambda: work(header, hashed.digest()))


def _author(header: bytes) -> str:
    """The domain of From, in lower case, A-labels."""
    value = fields.index(header).get(b"from", b"")
    for mailbox in addresses.parse(value) if len(value) <= _AUTHORS else ():
        if mailbox.mailbox is not None and mailbox.host:
            host = mailbox.host.decode("utf-8", "replace").lower()
            try:
                return host if host.isascii() else ascii_domain(host)
            except UnicodeError:
                return host
    return ""
