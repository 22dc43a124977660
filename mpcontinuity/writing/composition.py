"""Makes a message of what stands in a draft, and says what is wrong with it by the field of the form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from typing import Final

import msgspec

from mpcontinuity.mailbox import enclosures
from mpcontinuity.mailbox.drafts import Draft, Written
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.message import composing, scheduling, typed_addresses
from mpcontinuity.message.composing import Correspondent, Enclosure, Letter
from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.texts import again, said
from mpcontinuity.store.store import Store

LONGEST_TEXT: Final = 512 * 1024  # characters: a book; what is longer is a file
LONGEST_PLACE: Final = 60  # characters of the name of a message
LONGEST_FIELD: Final = 128 * 1024  # characters of a field of addresses: a thousand people with their names
RECIPIENTS: Final = ("to", "cc", "bcc")
QUOTE: Final = "quote"  # the role of an enclosure
# Octets of a message beside its text and its enclosures, at most: header, boundaries and the headers of parts.
_BESIDE: Final = 64 * 1024
_HEADER: Final = 1024  # of it, without what the user writes
_PART: Final = 512  # of the header of a part


class Fault(msgspec.Struct, frozen=True):
    """What is wrong: a sentence, and the field of the form that it is about; empty: the whole message."""

    field: str
    text: str


class Quote(msgspec.Struct, frozen=True):
    """What a letter quotes below its own text: HTML that can do nothing, and the same as text."""

    html: str
    text: str


class Contents(msgspec.Struct, frozen=True):
    """What the message of a draft is made of, beside what stands in the form."""

    attached: Sequence[Attached]
    quote: Quote | None = None


class Envelope(msgspec.Struct, frozen=True):
    """Who sends a message, and to whom: each recipient once, with the field in which they were typed first."""

    sender: Correspondent
    to: Sequence[Correspondent]
    cc: Sequence[Correspondent]
    bcc: Sequence[Correspondent]

    @property
    def recipients(self) -> list[tuple[str, Address]]:
        """All recipients, each once, with the name of their field."""
        found: dict[str, tuple[str, Address]] = {}
        for field in RECIPIENTS:
            for one in getattr(self, field):
                found.setdefault(one.address.key, (field, one.address))
        return list(found.values())

    @property
    def ascii(self) -> bool:
        """Whether all addresses can be used without SMTPUTF8 (RFC 6531)."""
        return all(address.local.isascii() for _, address in self.recipients) and self.sender.address.local.isascii()


def bounded(written: Written) -> Written:
    """Returns what was typed without what no form takes: it is cut where it is longer than anybody types."""
    fields = {name: getattr(written, name)[:LONGEST_FIELD] for name in RECIPIENTS}
    return msgspec.structs.replace(
        written,
        **fields,
        sender=written.sender[: composing.LONGEST_NAME],
        subject=composing.shown(written.subject, composing.LONGEST_SUBJECT),
        text=written.text[:LONGEST_TEXT],
        html=written.html[:LONGEST_TEXT] if written.rich else "",
        original=written.original[:LONGEST_PLACE],
    )


def envelope(written: Written, name: str, own: str) -> tuple[Envelope, list[Fault]]:
    """Returns who is written to, and what is wrong with the fields.

    ``name`` is the user's, and ``own`` the address by which they write where the draft names none.
    """
    faults: list[Fault] = []
    people = {}
    for field in RECIPIENTS:
        typed = typed_addresses.read(getattr(written, field))
        people[field] = typed.people
        faults += [Fault(field, text) for text in typed.faults[:5]]
    try:
        sender = parse(written.sender or own)
    except BadAddress as error:
        faults.append(Fault("sender", said("This is not a mail address: %(why)s.", why=again(error.args[0]))))
        sender = parse(own)
    return Envelope(Correspondent(name, sender), people["to"], people["cc"], people["bcc"]), faults


async def contents(store: Store, written: Written, attached: Sequence[Attached]) -> Contents:
    """Returns what the message of a draft is made of: pictures that its text does not show are not, nor is what it does
    not quote. Raises Temporary."""
    quote = None
    for one in attached:
        if one.role == QUOTE and one.complete and written.rich and written.quoted:
            octets = b"".join([piece async for piece in pieces(store, one)])
            quote = _as_quote(octets)
    shown = _html(written, quote)
    whole = {one.content_id for one in attached if one.complete}
    wanted = [one for one in attached if one.role == "" or _is_wanted(shown, one, whole)]
    return Contents(wanted, quote)


def needed(contents: Contents, attached: Sequence[Attached]) -> list[Attached]:
    """Returns those of what is attached to a draft that its message is made of, for `size`."""
    quotes = [one for one in attached if one.role == QUOTE and one.complete and contents.quote is not None]
    return [*contents.attached, *quotes]


def _is_wanted(html: str, one: Attached, whole: Collection[str]) -> bool:
    """Whether a picture is shown. One that was cut off and came anew is there twice."""
    return one.role == "picture" and _shows(html, one) and (one.complete or one.content_id not in whole)


def letter(
    draft: Draft, addressed: Envelope, contents: Contents, *, message_id: str, time: int, boundary: str
) -> Letter:
    """Returns the message of a draft, to be composed."""
    written, quote = draft.written, contents.quote
    html = _html(written, quote)
    return Letter(
        sender=addressed.sender,
        to=addressed.to,
        cc=addressed.cc,
        bcc=addressed.bcc,
        subject=written.subject,
        text=f"{written.text}\n\n{quote.text}" if quote is not None else written.text,
        also=_also(written, html),
        time=time,
        message_id=message_id,
        in_reply_to=written.in_reply_to,
        references=written.references,
        enclosures=[
            Enclosure(one.name, one.kind, one.content_id if _shows(html, one) else "") for one in contents.attached
        ],
        boundary=boundary,
    )


def _also(written: Written, html: str) -> list[tuple[str, str]]:
    """The other forms of the text. An answer to an invitation is what a calendar reads (RFC 6047 §4.3)."""
    if written.calendar:
        return [(scheduling.KIND, written.calendar)]
    return [("text/html", f"{_BEGINS}{html}{_ENDS}")] if written.rich else []


_BEGINS: Final = '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>\n'
_ENDS: Final = "\n</body></html>\n"


def _html(written: Written, quote: Quote | None) -> str:
    """Each of the two can do nothing, and neither has anything that keeps a reader of HTML from taking what follows for
    HTML: so both together can do nothing."""
    if not written.rich:
        return ""
    return f"{written.html}\n{quote.html}" if quote is not None else written.html


def _shows(html: str, one: Attached) -> bool:
    return bool(one.content_id) and f'"cid:{one.content_id}"' in html


def size(written: Written, attached: Sequence[Attached]) -> int:
    """Returns about how many octets a message has, rather more than fewer."""
    text = len(written.text.encode("utf-8", "replace"))
    quoted = text if written.text.isascii() else 3 * text
    names = len(written.subject) + sum(len(getattr(written, field)) for field in RECIPIENTS)
    header = _HEADER + 4 * names + sum(map(len, written.references))  # as encoded words
    if written.rich:
        quoted += _PART + 3 * len(written.html.encode("utf-8", "replace"))
    if written.calendar:
        quoted += _PART + 3 * len(written.calendar.encode("utf-8", "replace"))
    return header + quoted + sum(_PART + _encoded_size(one) for one in attached)


def _encoded_size(one: Attached) -> int:
    return 3 * one.size if one.role == QUOTE else composing.encoded_size(one.kind, one.size)


def quote_octets(quote: Quote) -> bytes:
    """Returns a quote as it is kept in an enclosure."""
    return msgspec.json.encode(quote)


_as_quote = msgspec.json.Decoder(Quote).decode


def room(message_size: int) -> int:
    """Returns how many octets may be attached to a message, of which base64 makes ``message_size``."""
    return max((message_size - _BESIDE) // 78 * 57, 0)


async def octets(store: Store, message: Letter, contents: Contents) -> AsyncIterator[bytes]:
    """Yields the message in pieces; what it encloses is read as it is needed. Raises Temporary."""
    for piece in composing.compose(message):
        if isinstance(piece, bytes):
            yield piece
            continue
        one = contents.attached[piece]
        encoder = composing.encoder(composing.media_type(one.kind))
        async for data in pieces(store, one):
            yield encoder.feed(data)
        yield encoder.finish()


async def pieces(store: Store, attached: Attached) -> AsyncIterator[bytes]:
    """Yields the octets of an enclosure, as far as they have come.

    Raises Temporary, also where octets that had come are not there: no message is made of a part of a file.
    """
    start = 0
    while start < attached.received:
        data = await store.read(partial(enclosures.read, id_=attached.id, start=start))
        if not data:
            raise Temporary("what is attached to a message is gone")
        start += len(data)
        yield data
