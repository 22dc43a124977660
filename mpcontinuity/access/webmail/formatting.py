"""Letters with formatting: what was typed is judged before it is kept, and the documents around it are made here.

The editor is a document of its own in a frame without an origin, and so is what a letter quotes: neither has anything
of the page, and the page has no HTML of either in its own document (docs/decisions/0054).
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import msgspec

from mpcontinuity.access.webmail.letter_form import LetterForm, id_of
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox.enclosures import Attached
from mpcontinuity.message.display.document import around
from mpcontinuity.message.display.show import PICTURES
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import HTML, TEXT, Answer, Stream
from mpcontinuity.web.headers import DATA, DOCUMENT, EDITOR
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route
from mpcontinuity.writing import composition
from mpcontinuity.writing.composition import Quote

_DRAFT: Final = "/write/<draft>"
_QUOTE: Final = DOCUMENT.but({"img-src": "data:"})
_PICTURE: Final = re.compile(r'"cid:([^"]++)"')
_MOST_SHOWN: Final = 4 << 20  # octets of pictures that the document of a quote shows; more are sent all the same

_TOO_MUCH: Final = marked(
    "There is more formatting in this text than can be sent. Make plain text of it, or send a file."
)
_DIED: Final = marked("The formatting of this text cannot be read here, so it is not saved. Make plain text of it.")
_LOST: Final = marked("The text was changed without its formatting, which is gone.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these documents."""
    return [
        webmail.get("/write/editor", show_editor, EDITOR),
        webmail.get(f"{_DRAFT}/quote", show_quote, _QUOTE),
        webmail.get(f"{_DRAFT}/quote.txt", show_quoted_text, DATA),
        webmail.get(f"{_DRAFT}/attachments/<attachment>", show_picture, DATA),
    ]


async def judged(visit: Visit, form: LetterForm) -> tuple[LetterForm, str]:
    """Returns a form whose HTML can do nothing, with its plain text, and what is to be said of that.

    Where no script had it in hand and its plain text was changed, that counts. Raises Refused where it cannot be kept
    as it is, and Temporary.
    """
    written = form.written
    if not written.rich or form.action == "discard":
        return form, ""
    found = await visit.services.reading.composed(visit.user.id, written.html)
    if found is None or found.too_much:
        raise Refused(visit.said(_DIED if found is None else _TOO_MUCH))
    if not form.scripted and written.text.split() != found.text.split():
        quote = await _find_quote(visit, form.draft) if written.quoted else None
        text = f"{written.text}\n\n{quote[0].text}" if quote is not None else written.text
        plain = msgspec.structs.replace(written, text=text, rich=False, html="", quoted=False)
        return replace(form, written=plain), visit.said(_LOST)
    return replace(form, written=msgspec.structs.replace(written, html=found.html, text=found.text)), ""


async def show_editor(visit: Visit) -> Answer:
    """Answers the document of the editor, which has nothing of anybody in it."""
    return await visit.render("editor.html")


async def show_quote(visit: Visit) -> Answer:
    """Answers what a draft quotes as a document."""
    found, attached = await _quote(visit)
    shown, room = Counter(_PICTURE.findall(found.html)), _MOST_SHOWN
    data: dict[str, str] = {}
    for one in attached:
        octets = shown[one.content_id] * one.size  # each place where it is shown has it anew
        if 0 < octets <= room and one.complete and one.kind in PICTURES:
            room -= octets
            picture = b"".join([piece async for piece in composition.pieces(visit.services.desk.store, one)])
            data[one.content_id] = f'"data:{one.kind};base64,{base64.b64encode(picture).decode()}"'
    html = _PICTURE.sub(lambda match: data.get(match[1], match[0]), found.html)
    return Answer(around(html, coloured=True).encode("utf-8", "replace"), content_type=HTML)


async def show_quoted_text(visit: Visit) -> Answer:
    """Answers the same as text."""
    found, _ = await _quote(visit)
    return Answer(found.text.encode("utf-8", "replace"), content_type=TEXT)


async def _quote(visit: Visit) -> tuple[Quote, list[Attached]]:
    found = await _find_quote(visit, id_of(visit.asked.parts["draft"]))
    if found is None:
        raise Refused(visit.said("Nothing is quoted here"), "unknown")
    return found


async def _find_quote(visit: Visit, id_: int) -> tuple[Quote, list[Attached]] | None:
    draft = await visit.services.desk.find(visit.user, id_)
    if draft is not None:
        written = msgspec.structs.replace(draft[0].written, rich=True, quoted=True)
        contents = await composition.contents(visit.services.desk.store, written, draft[1])
        if contents.quote is not None:
            return contents.quote, draft[1]
    return None


async def show_picture(visit: Visit) -> Stream:
    """Streams a picture of a draft, for its editor."""
    draft = await visit.services.desk.find(visit.user, id_of(visit.asked.parts["draft"]))
    wanted = id_of(visit.asked.parts["attachment"])
    one = next((each for each in draft[1] if each.id == wanted), None) if draft is not None else None
    if one is None or not one.complete or one.kind not in PICTURES:
        raise Refused(visit.said("There is no such picture"), "unknown")
    return Stream(_octets(visit, one), one.kind)


async def _octets(visit: Visit, one: Attached) -> AsyncGenerator[bytes, None]:
    async for piece in composition.pieces(visit.services.desk.store, one):
        yield piece
