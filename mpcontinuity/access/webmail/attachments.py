"""Attachments: downloaded, looked at, all together, and the pictures that a message shows.

They come from the store piece by piece. What a browser shows by itself is of a few kinds, and begins as such; all
else is a file to be saved, whose kind is not said.
"""

from __future__ import annotations

import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import IO, Any, Final, cast

from twisted.web import http

from mpcontinuity.access.webmail.contents import PLACES, message
from mpcontinuity.access.webmail.kinds import BEGINNINGS, TEXTS
from mpcontinuity.access.webmail.reading import Message, Reading
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.message.display import names
from mpcontinuity.message.display.shown import Attachment
from mpcontinuity.model.address import parse
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import PIECE, TEXT, Answer, Stream
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.headers import DATA, PICTURES_OF_DOCUMENT
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

_FILE: Final = "application/octet-stream"
_FILES: Final = DATA.but({"sandbox": ""})
# A browser's own viewer of PDF is no page of ours: what it needs of the policy is that the document may be an object.
# Of a sandbox Chromium 150 takes no notice there, others show nothing; what a script in a PDF can do is the same.
_VIEWED: Final = DATA.but({"style-src": "'unsafe-inline'", "object-src": "'self'"})
_GONE: Final = marked("There is no such attachment")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        *(route for below in PLACES for route in _below(webmail, below)),
        Route("GET", "/images/<capability>/<part>", partial(show_picture, webmail), guards=PICTURES_OF_DOCUMENT),
    ]


def _below(webmail: Webmail, below: str) -> list[Route]:
    return [
        webmail.get(f"{below}/part/<part>", download, _FILES),
        webmail.get(f"{below}/view/<part>", view, _VIEWED),
        webmail.get(f"{below}/all.zip", download_all, _FILES),
    ]


async def _attachment(visit: Visit) -> tuple[Message, Attachment]:
    of = await message(visit)
    domain = parse(visit.user.address).domain
    found = await visit.services.reading.attachment(of, domain, visit.asked.parts["part"])
    if found is None:
        raise Refused(visit.said(_GONE), "unknown")
    return of, found


async def download(visit: Visit) -> Stream:
    """Streams an attachment as a file."""
    of, what = await _attachment(visit)
    fields = {b"content-disposition": names.disposition(what.name)}
    return Stream(visit.services.reading.decoded(of, what), _FILE, fields)


async def view(visit: Visit) -> Answer | Stream:
    """Streams an attachment for the browser to show, where it is of a kind that can do nothing."""
    of, what = await _attachment(visit)
    kind = what.kind if what.kind in BEGINNINGS else TEXT if what.kind in TEXTS else ""
    pieces = await _begun(visit.services.reading, of, what)
    if pieces is None or not kind:
        return await download(visit)
    fields = {b"content-disposition": names.disposition(what.name, kind="inline")}
    if kind != "application/pdf":
        fields[b"content-security-policy"] = _FILES.sent[b"content-security-policy"]
    return Stream(pieces, kind, fields)


async def show_picture(webmail: Webmail, asked: Asked) -> Answer | Stream:
    """Streams a picture of a message to whoever has its path: the message's own document has no session."""
    reading = webmail.services.reading
    of = await reading.of_pictures(asked.parts["capability"])
    what = None
    if of is not None:
        what = await reading.attachment(of, await reading.domain_of(of), asked.parts["part"])
    if of is None or what is None or not what.kind.startswith("image/"):
        return Answer(b"There is no such picture.\n", http.NOT_FOUND)
    pieces = await _begun(reading, of, what)
    if pieces is None:
        return Answer(b"This is no picture.\n", http.NOT_FOUND)
    return Stream(pieces, what.kind, {b"content-disposition": b"inline"})


async def _begun(reading: Reading, of: Message, what: Attachment) -> AsyncGenerator[bytes, None] | None:
    """The octets of what is what it says it is; None for others."""
    pieces = reading.decoded(of, what)
    first = await anext(pieces, b"")
    beginnings = BEGINNINGS.get(what.kind)
    if beginnings is None:
        known = what.kind in TEXTS
    else:
        known = first.startswith(beginnings) and (what.kind != "image/webp" or first[8:12] == b"WEBP")
    if not known:
        await pieces.aclose()
        return None
    return _with_first(first, pieces)


async def _with_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


async def download_all(visit: Visit) -> Stream:
    """Streams all attachments as one file."""
    of = await message(visit)
    shown = await visit.services.reading.taken_apart(of, parse(visit.user.address).domain)
    if not shown.attachments:
        raise Refused(visit.said(_GONE), "unknown")
    fields = {b"content-disposition": names.disposition(f"attachments-{of.archived or of.uid}.zip")}
    return Stream(_zipped(visit.services.reading, of, shown.attachments), _FILE, fields)


async def _zipped(reading: Reading, of: Message, files: tuple[Attachment, ...]) -> AsyncGenerator[bytes, None]:
    """As they are: most are compressed already, and a stream costs no memory. Times are left out."""
    sink = _Sink()
    files = tuple(sorted(files, key=lambda each: each.start))
    async with aclosing(reading.in_turn(of)) as turn:
        with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_STORED) as archive:
            for what, name in zip(files, names.unique(each.name for each in files), strict=True):
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=False) as entry:
                    async for piece in turn.decoded(what):
                        entry.write(piece)
                        for each in sink.taken():
                            yield each
    for each in sink.taken():
        yield each


class _Sink:
    """A file that cannot be sought in, of which what was written is taken at once."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> list[bytes]:
        """What was written since, in pieces that a connection takes in one turn."""
        data, self._written = b"".join(self._written), []
        return [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
