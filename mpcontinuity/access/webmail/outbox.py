"""What is about to leave, and can be called back: ``/outbox``."""

from __future__ import annotations

from functools import partial

from mpcontinuity.access.webmail.invitations import is_there
from mpcontinuity.access.webmail.letter_form import id_of
from mpcontinuity.access.webmail.letter_page import WRITE
from mpcontinuity.access.webmail.reading import path_of
from mpcontinuity.access.webmail.saving import OUTBOX
from mpcontinuity.access.webmail.signed_in import HOME, Visit, Webmail
from mpcontinuity.mailbox import drafts
from mpcontinuity.mailbox.drafts import UNDO, Draft
from mpcontinuity.model import identifier
from mpcontinuity.model.clock import SECOND
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [webmail.get(OUTBOX, show), webmail.post(f"{OUTBOX}/undo", undo)]


async def show(visit: Visit) -> Answer:
    """Shows what leaves in the next seconds; what could not be sent stands on every page."""
    store = visit.services.control.store
    leaving = await store.read(partial(drafts.leaving, account=visit.user.id))
    now = store.clock.now()
    return await visit.render(
        "outbox.html",
        leaving=[(identifier.show(each.id), each.written, _seconds(each, now)) for each in leaving],
    )


def _seconds(draft: Draft, now: int) -> int:
    """Until it leaves: at least one, since it is there."""
    return max(-(-min(draft.due - now, UNDO) // SECOND), 1)


async def undo(visit: Visit) -> Answer:
    """Calls a message back, and shows it as a draft again."""
    id_ = id_of(visit.asked.form.get("draft"))
    if await visit.services.outbox.undo(visit.user, id_):
        found = await visit.services.desk.find(visit.user, id_)
        if found is not None and found[0].written.calendar:
            await visit.services.desk.discard(visit.user, id_)
            about = found[0].written.about
            there = await is_there(visit, about)  # who has answered may have moved it meanwhile
            return await visit.done(
                visit.said("Not sent. Your answer is taken back."), path_of(about) if there else HOME
            )
        return await visit.done(visit.said("Not sent. Here is your draft."), f"{WRITE}?draft={identifier.show(id_)}")
    return await visit.done(visit.said("This message is on its way already and cannot be called back."), HOME)
