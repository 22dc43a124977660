"""What a child process reads of a message in order to judge it: who it is from, and what its signatures say.

The child (children/child.py) cannot ask DNS. It first tells which signatures depend on their keys, and is then asked
about these with the keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from mpcontinuity.message import addresses, dkim, fields
from mpcontinuity.message.dkim import BadSignature, BodyHash, Signature
from mpcontinuity.message.header_limits import LONGEST
from mpcontinuity.model.address import ascii_domain, quote

KIND: Final = __name__
MOST: Final = 5  # signatures that are looked at; a message with more does not mean well (RFC 6376 §8.4)
# Octets of a header: as long as it may come, with our own fields before it and what marks others' as untrusted.
_HEADER: Final = 2 * LONGEST

PASS, FAIL, NONE = "pass", "fail", "none"
TEMPERROR, PERMERROR = "temperror", "permerror"


class SignatureResult(msgspec.Struct, frozen=True):
    """What was found out about one signature.

    ``result`` is empty where it depends on the key. ``why`` is for people. ``domain`` and ``selector`` are empty where
    they could not be read.
    """

    result: str
    domain: str = ""
    selector: str = ""
    why: str = ""


class Examined(msgspec.Struct, frozen=True):
    """What shows without the keys.

    ``author`` is the domain of From as A-labels, empty where there is none or several. ``address`` is the one address
    in From, empty where there is none or several.
    """

    author: str
    signatures: tuple[SignatureResult, ...]
    address: str = ""


class Question(msgspec.Struct, frozen=True):
    """The question to the child: the key record of each signature in their order, or None where there is none.

    The first question has no keys at all.
    """

    keys: tuple[str | None, ...] = ()


class Work:
    """The work of the child. ``argument`` is the time in seconds since 1970.

    After the content was fed, the first question is answered with Examined, the second one with a
    list of SignatureResult.
    """

    def __init__(self, argument: bytes) -> None:
        self._now = int(argument)
        self._header = bytearray()
        self._complete = False  # the header has ended
        self._present: list[dkim.Field] = []
        self._read: list[Signature | SignatureResult] = []
        self._hashes: dict[tuple[str, int | None], BodyHash] = {}
        self._digests: dict[tuple[str, int | None], bytes] = {}

    def feed(self, piece: bytes) -> bool:
        """Takes the next piece of the message.

        The body is wanted only where there is a signature to compare it with.
        """
        if self._complete:
            for each in self._hashes.values():
                each.feed(piece)
            return bool(self._hashes)
        self._header += piece
        header = bytes(self._header)  # from its beginning: that is some dozen pieces at most, and mostly one
        end = fields.end(header, 0, len(header))
        if end < 0 and len(header) < _HEADER:
            return True
        self._end_header(end if end >= 0 else len(header))
        return bool(self._hashes)

    def _end_header(self, end: int) -> None:
        self._complete = True
        body = bytes(self._header[end:])
        del self._header[end:]
        self._present = dkim.fields(bytes(self._header))
        for field in [field for field in self._present if field.name == b"dkim-signature"][:MOST]:
            try:
                self._read.append(dkim.read(field, self._now))
            except BadSignature as error:
                self._read.append(SignatureResult(PERMERROR, why=str(error)))
        self._hashes = {(one.body, one.length): BodyHash(one.body, one.length) for one in self._usable()}
        self.feed(body)

    def _usable(self) -> list[Signature]:
        return [one for one in self._read if isinstance(one, Signature)]

    def ask(self, question: bytes) -> bytes:
        """Answers a question, which is encoded, with an encoded answer."""
        if not self._complete:
            self._end_header(len(self._header))
        asked = msgspec.msgpack.decode(question, type=Question)
        if asked.keys:
            return msgspec.msgpack.encode(list(map(self._verified, self._read, asked.keys)))
        self._digests = {way: each.digest() for way, each in self._hashes.items()}
        return msgspec.msgpack.encode(Examined(self._author(), tuple(map(self._seen, self._read)), self._address()))

    def _authors(self) -> list[tuple[str, str]]:
        """Local part and domain of each address in From."""
        value = b",".join(field.raw.partition(b":")[2] for field in self._present if field.name == b"from")
        return [
            (one.mailbox.decode("utf-8", "replace"), one.host.decode("utf-8", "replace").lower().rstrip("."))
            for one in addresses.parse(value)
            if one.mailbox is not None and one.host
        ]

    def _author(self) -> str:
        try:
            domains = {host if host.isascii() else ascii_domain(host) for _, host in self._authors()}
        except UnicodeError:
            return ""
        return domains.pop() if len(domains) == 1 else ""

    def _address(self) -> str:
        authors = self._authors()
        return f"{quote(authors[0][0])}@{authors[0][1]}" if len(authors) == 1 else ""

    def _seen(self, one: Signature | SignatureResult) -> SignatureResult:
        """As far as it shows without its key."""
        if isinstance(one, SignatureResult):
            return one
        why = ""
        if self._digests[one.body, one.length] != one.body_hash:
            why = "the body has changed"
        elif one.length is not None and not one.length:
            why = "it covers nothing of the body"
        return SignatureResult(FAIL if why else "", one.domain, one.selector, why)

    def _verified(self, one: Signature | SignatureResult, key: str | None) -> SignatureResult:
        seen = self._seen(one)
        if isinstance(one, SignatureResult) or seen.result or key is None:
            return seen
        try:
            good = dkim.verify(one, self._present, key)
        except BadSignature as error:
            return SignatureResult(PERMERROR, one.domain, one.selector, str(error))
        return SignatureResult(
            PASS if good else FAIL, one.domain, one.selector, "" if good else "the header has changed"
        )


def decode_examined(answer: bytes) -> Examined:
    """Decodes the answer to the first question."""
    return msgspec.msgpack.decode(answer, type=Examined)


def decode_found(answer: bytes) -> Sequence[SignatureResult]:
    """Decodes the answer to the second question."""
    return msgspec.msgpack.decode(answer, type=list[SignatureResult])


def encode(question: Question) -> bytes:
    """Encodes a question for the child."""
    return msgspec.msgpack.encode(question)
