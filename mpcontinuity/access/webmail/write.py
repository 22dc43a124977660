"""Where a user writes: ``/write`` shows the form. It works without JavaScript, and who looks at it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import msgspec

from mpcontinuity.access.webmail import originals
from mpcontinuity.access.webmail.invitations import is_there
from mpcontinuity.access.webmail.letter_form import LONGEST_FIELDS, LetterForm, id_of
from mpcontinuity.access.webmail.letter_page import WRITE, form_of, page
from mpcontinuity.access.webmail.reading import path_of
from mpcontinuity.access.webmail.saving import OUTBOX, WritePages
from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import drafts, signature
from mpcontinuity.mailbox.drafts import Written
from mpcontinuity.model import identifier
from mpcontinuity.model.address import Address
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.texts import taken
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.asked import Fields
from mpcontinuity.web.headers import PAGES_WITH_DOCUMENT
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route
from mpcontinuity.writing import answering
from mpcontinuity.writing.composition import Fault
from mpcontinuity.writing.desk import is_own
from mpcontinuity.writing.signature import signed

_LONGEST_LINKED: Final = 1_000  # characters of a field that a link fills in
_LONGEST_TEXT_LINKED: Final = 4_096  # of the text: those of a whole link in a message
_PICTURES_LEFT_OUT: Final = marked(
    "This draft shows pictures from elsewhere, which are left out here. To keep them, go on in your mail program."
)
_GONE: Final = marked("There is no such draft any more: it was sent or discarded")
_LEFT_OUT: Final = marked(
    "This message was for %(number)d more people, who are too many to stand here: they do not get your answer."
)


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    pages = WritePages(webmail)
    longest = webmail.services.desk.limits.message_size + LONGEST_FIELDS
    return [
        webmail.get(WRITE, show, PAGES_WITH_DOCUMENT),
        Route("POST", WRITE, pages.take, longest, guards=PAGES_WITH_DOCUMENT, pieces=True),
    ]


async def show(visit: Visit) -> Answer:
    """Shows the form: empty, with a draft, or with what an answer begins with."""
    query, desk = visit.asked.query, visit.services.desk
    if query.get("draft"):
        return await _open_draft(visit, query.get("draft"))
    begun = id_of(query.get("new"))
    if begun:
        there = await _begun_before(visit, begun)
        if there is not None:
            return there
    form = LetterForm(draft=begun or desk.new_id(), written=_linked(query))
    faults: list[Fault] = []
    for name in ("reply", "replyall", "forward"):
        if query.get(name):
            enclosed = query.get("as") == "attachment"
            form, faults = await _about(visit, form, name, query.get(name), enclosed=enclosed)
    below = await visit.services.control.store.read(partial(signature.find, account=visit.user.id))
    return await page(visit, replace(form, written=signed(form.written, below)), faults=faults)


async def _begun_before(visit: Visit, draft: int) -> Answer | None:
    """Where a letter is by now that a script has put the id of into the address: who goes back in the history of the
    browser writes the same one, and cannot send it twice. None: nobody has saved it."""
    desk = visit.services.desk
    if await desk.find(visit.user, draft) is not None:
        return redirect(f"{WRITE}?draft={identifier.show(draft)}")
    if await desk.sent(visit.user, draft) is not None:
        raise Refused(visit.said(_GONE), "unknown")
    return None


def _linked(query: Fields) -> Written:
    """What a link to an address begins a letter with, as message/display/sanitised.py writes it. No blind copy is among
    it: nobody looks for one in a letter that they did not begin (RFC 6068 §4)."""
    to, cc, subject = (query.get(name)[:_LONGEST_LINKED] for name in ("to", "cc", "subject"))
    text = query.get("body")[:_LONGEST_TEXT_LINKED]
    return Written(to=to, cc=cc, subject=subject, text=text.replace("\r\n", "\n"))


async def _about(
    visit: Visit, form: LetterForm, name: str, place: str, *, enclosed: bool
) -> tuple[LetterForm, list[Fault]]:
    own = await _own(visit)
    original = await originals.original(visit, await originals.find(visit, place))
    if name == "forward":
        written = answering.forward(original, own, visit.said, enclosed=enclosed)
        form = replace(form, enclose=f"{'message' if enclosed else 'files'} {place}")
        missing = 0
    else:
        written = answering.reply(original, own, visit.said, everybody=name == "replyall")
        missing = answering.left_out(original, own, everybody=name == "replyall")
    if not enclosed:
        written = msgspec.structs.replace(written, original=place)
    below = len(written.text.lstrip("\n").encode("utf-16-le", "replace")) // 2
    faults = [Fault("to" if not written.cc else "cc", visit.said(_LEFT_OUT, number=missing))] if missing else []
    return replace(form, written=written, below=below), faults


async def _own(visit: Visit) -> answering.Own:
    addresses = await visit.services.desk.addresses(visit.user)

    def own(address: Address) -> bool:
        return is_own(addresses, address)

    return own


async def _open_draft(visit: Visit, named: str) -> Answer:
    desk, store = visit.services.desk, visit.services.control.store
    if "." in named:
        place = await originals.find(visit, named)
        draft = await store.read(partial(drafts.of_entry, account=visit.user.id, entry=place.entry))
        if draft is None:  # a mail program has written it
            if not place.is_draft:  # what is sent or discarded would take the original along
                raise Refused(visit.said("This message is not a draft"), "conflict")
            begun = await originals.draft(visit, place)
            form = LetterForm(draft=desk.new_id(), enclose=f"draft {named}", written=begun.written)
            said = visit.said(_PICTURES_LEFT_OUT) if begun.missing else ""
            return await page(visit, form, said=said, coming=begun.files)
        return redirect(f"{WRITE}?draft={identifier.show(draft.id)}")
    found = await desk.find(visit.user, id_of(named))
    if found is None:
        raise Refused(visit.said(_GONE), "unknown")
    draft, attached = found
    if draft.due:
        return redirect(OUTBOX)
    if draft.written.calendar and await is_there(visit, draft.written.about):  # it is answered on that page
        return redirect(path_of(draft.written.about))
    faults = (
        [Fault("", visit.said("This was not sent: %(why)s", why=" ".join(map(visit.said, taken(draft.fault)))))]
        if draft.fault
        else []
    )
    return await page(visit, form_of(draft), attached=attached, faults=faults)
