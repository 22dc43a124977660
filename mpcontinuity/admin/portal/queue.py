"""What waits, ``/admin/queue``: for home servers and for the world, with where it is to go and what was answered."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from mpcontinuity.admin.portal.signed_in import Portal, Visit
from mpcontinuity.model.clock import MINUTE, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/queue"
_ROWS: Final = 100  # of a page: some milliseconds to write
_DESTINATIONS: Final = 20


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page."""
    return [portal.get(PATH, show), portal.post(PATH, act)]


async def show(visit: Visit, error: str = "") -> Answer:
    """Lists what waits, the oldest first, and the destinations in the world for which most waits."""
    of = visit.asked_by("domain")
    rows = await visit.call("queue list", limit=_ROWS, **visit.asked_by("domain", "after"))
    return visit.render(
        "queue.html",
        400 if error else 200,
        rows=rows,
        soon=iso(visit.control.store.clock.now() + MINUTE),  # what is due waits for home alone
        next_page=visit.next_page("queue list", rows, _ROWS),
        destinations=await visit.call("queue destinations", limit=_DESTINATIONS, **of),
        domains=await visit.domains(),
        domain=of.get("domain", ""),
        error=error,
    )


async def act(visit: Visit) -> Answer:
    """Tries again, or takes out, what was chosen; to try all again, nothing needs to be chosen."""
    form = visit.asked.form
    ids, domain, what = form.all("id"), form.get("domain"), form.get("act")
    of = {"domain": domain} if domain else {}
    try:
        if what == "retry all":
            done = (await visit.call("queue retry", **of)).retried
            said = f"{done} messages are tried again now."
        elif not ids:
            return await show(visit, "Choose messages first.")
        elif what == "retry":
            done = (await visit.call("queue retry", ids=ids, **of)).retried
            said = f"{done} messages are tried again now."
        else:
            done = (await visit.call("queue remove", ids=ids, **of)).removed
            said = f"{done} messages do not wait any more; they stay in the archive."
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show(visit, f"{refused.text[:1].upper()}{refused.text[1:]}.")
    return await visit.done(said, f"{PATH}?{urlencode(of)}" if of else PATH)
