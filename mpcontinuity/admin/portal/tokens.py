"""Tokens for programs that use the API, ``/admin/tokens``: for administrators of all domains."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field
from mpcontinuity.control.grants import ABOUT
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/tokens"


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [portal.get(PATH, show), portal.post(PATH, make), portal.post(f"{PATH}/remove", remove)]


async def show(visit: Visit, errors: dict[str, str] | None = None, made: object = None) -> Answer:
    """Lists the tokens of one administrator, oneself where none is named.

    ``made`` is a new token, which is shown this once; ``errors`` are sentences by the field that is wrong.
    """
    form = visit.asked.form
    name = form.get("administrator") or visit.asked.query.get("administrator") or visit.name
    return visit.render(
        "tokens.html",
        http.BAD_REQUEST if errors else http.OK,
        administrator=name,
        administrators=[(row.name, row.name) for row in await visit.call("admin list")],
        rows=await visit.call("admin token list", name=name),
        domains=await visit.domains(),
        scopes=ABOUT.items(),
        made=made,
        typed=form,
        errors=errors or {},
    )


async def make(visit: Visit) -> Answer:
    """Takes what a new token is to be good for, and shows it."""
    form = visit.asked.form
    scopes = form.all("scope")
    if not scopes:
        return await show(visit, {"scope": "Choose at least one scope."})
    try:
        made = await visit.call(
            "admin token",
            name=form.get("administrator"),
            expires=form.get("expires").strip() or None,
            domain=form.get("domain") or None,
            scopes=scopes,
        )
    except Refused as refused:
        return await show(visit, at_field(refused, "expires", "domain", name="administrator"))
    return await show(visit, made=made)


async def remove(visit: Visit) -> Answer:
    """Ends a token."""
    name = visit.asked.form.get("administrator")
    await visit.call("admin token remove", name=name, id=visit.asked.form.get("id"))
    return await visit.done("The token is removed.", f"{PATH}?administrator={quote(name, safe='')}")
