"""What was kept since the home server of a domain was cut off, ``/admin/domain/DOMAIN/kept``, and its release."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from twisted.web import http

from mpcontinuity.admin.portal.domain import PATH, path_of
from mpcontinuity.admin.portal.signed_in import Portal, Visit, refused_at
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PAGE: Final = f"{PATH}kept"
_ROWS: Final = 100  # of a page: some milliseconds to write


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of this page."""
    return [portal.get(PAGE, show), portal.post(PAGE, release)]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Lists what is kept, the oldest first: all of it, or what a query finds, which is what its release takes."""
    name, errors = visit.asked.parts["domain"], errors or {}
    [status] = await visit.call("status", domain=name)
    query = (visit.asked.form.get("query") or visit.asked.query.get("query")).strip()
    after = visit.asked.query.get("after").strip()
    rows = []
    try:
        rows = await visit.call("contain list", domain=name, after=after, limit=_ROWS, query=query or None)
    except Refused as refused:
        if not query or refused.kind in ("forbidden", "unknown"):
            raise
        errors = {"query": refused_at(refused), **errors}
    return visit.render(
        "kept.html",
        http.BAD_REQUEST if errors else http.OK,
        name=status.domain,
        row=status,
        rows=rows,
        next_page=visit.next_page("contain list", rows, _ROWS),
        query=query,
        chosen=visit.asked.form.all("id"),
        errors=errors,
    )


async def release(visit: Visit) -> Answer:
    """Lets messages go home: those that are chosen, those that the query finds, or all, which is to be confirmed."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    query, wanted = form.get("query").strip(), {"ids": form.all("id")}
    if form.get("act") == "chosen":
        if not wanted["ids"]:
            return await show(visit, {"chosen": "Choose messages first."})
    elif form.get("sure") != "yes":
        return await show(visit, {"sure": "Please say that you mean it: what has gone home cannot be taken back."})
    try:
        if form.get("act") == "chosen":
            done = await visit.call("contain release", name=name, **wanted)
        else:
            done = await visit.call("contain release", name=name, query=query or None)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show(visit, {"chosen" if form.get("act") == "chosen" else "sure": refused_at(refused)})
    said = f"To the home server go now: {done.released}. Still kept: {done.kept}."
    of = f"?{urlencode({'query': query})}" if query else ""
    return await visit.done(said, path_of(name, "kept") + of)
