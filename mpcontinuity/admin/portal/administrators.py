"""Who administers, ``/admin/administrators``: for administrators of all domains."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.control.arguments import PAGE
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/administrators"


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(PATH, add),
        portal.get(f"{PATH}/<name>", show_one),
        portal.post(f"{PATH}/<name>/password", set_password),
        portal.post(f"{PATH}/<name>/totp/remove", remove_totp),
        portal.post(f"{PATH}/<name>/sessions", revoke),
        portal.post(f"{PATH}/<name>/remove", remove),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Lists administrators, with a form for another one; ``errors`` are sentences by the field that is wrong."""
    rows = await visit.call("admin list", after=visit.asked.query.get("after"))
    return visit.render(
        "administrators.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        next_page=visit.next_page("admin list", rows, PAGE),
        domains=await visit.domains(),
        typed=visit.asked.form,
        errors=errors or {},
    )


async def add(visit: Visit) -> Answer:
    """Takes a name, a password twice, and perhaps a domain."""
    form = visit.asked.form
    name, password = form.get("name").strip(), form.get("password")
    if password != form.get("again"):
        return await show(visit, {"again": "The two passwords are not the same."})
    try:
        await visit.call("admin add", name=name, password=password, domain=form.get("domain") or None)
    except Refused as refused:
        return await show(visit, at_field(refused, "name", "password", "domain"))
    return await visit.done(f"{name} is an administrator now.", PATH)


async def show_one(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Shows one administrator with their sessions and what can be done for them."""
    name = visit.asked.parts["name"]
    return visit.render(
        "administrator.html",
        http.BAD_REQUEST if errors else http.OK,
        name=name,
        totp=await visit.call("admin totp show", name=name),
        sessions=await visit.call("admin session list", name=name),
        errors=errors or {},
    )


async def set_password(visit: Visit) -> Answer:
    """Takes another password for somebody else."""
    name, form = visit.asked.parts["name"], visit.asked.form
    if form.get("password") != form.get("again"):
        return await show_one(visit, {"again": "The two passwords are not the same."})
    try:
        await visit.call("admin password", name=name, password=form.get("password"))
    except Refused as refused:
        return await show_one(visit, {"password": refused_at(refused)})
    return await visit.done(f"{name} has another password, and is signed out everywhere.", _path(name))


async def remove_totp(visit: Visit) -> Answer:
    """Takes the second factor of somebody else away."""
    name = visit.asked.parts["name"]
    await visit.call("admin totp remove", name=name)
    return await visit.done(f"{name} has no second factor any more.", _path(name))


async def revoke(visit: Visit) -> Answer:
    """Signs somebody else out, in one browser or in all of them."""
    name, id_ = visit.asked.parts["name"], visit.asked.form.get("id")
    await visit.call("admin session revoke", name=name, id=id_ or None, all=not id_)
    return await visit.done(f"{name} is signed out.", _path(name))


async def remove(visit: Visit) -> Answer:
    """Removes an administrator."""
    name = visit.asked.parts["name"]
    try:
        await visit.call("admin remove", name=name)
    except Refused as refused:
        return await show_one(visit, {"remove": refused_at(refused)})
    return await visit.done(f"{name} is removed.", PATH)


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"
