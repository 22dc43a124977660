"""Users, ``/admin/users`` and ``/admin/user/ADDRESS/``: who may log in here while their home server is away."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/users"
ONE: Final = "/admin/user"
_ROWS: Final = 100  # of a page: some milliseconds to write
_CHANGED: Final = (
    "Somebody else has changed this user meanwhile, so nothing was saved. What you typed is still here; what they have "
    "set stands beside it. Press Change again if yours is to hold."
)


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    acts = {
        "password": set_password,
        "set": change,
        "alias": add_alias,
        "alias/remove": remove_alias,
        "status": set_status,
        "continuity": set_continuity,
        "invite": invite,
        "app-passwords": end_app_password,
        "second-factor": remove_second_factor,
        "remove": remove,
    }
    return [
        portal.get(PATH, show),
        portal.post(PATH, add),
        portal.get(f"{ONE}/<address>/", show_one),
        *(portal.post(f"{ONE}/<address>/{name}", act) for name, act in acts.items()),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Lists users by address, with a form for a new one; ``errors`` are sentences by the field that is wrong."""
    never = visit.asked.query.get("never") == "on"
    rows = await visit.call("user list", limit=_ROWS, never=never, **visit.asked_by("domain", "search", "after"))
    return visit.render(
        "users.html",
        http.BAD_REQUEST if errors else http.OK,
        rows=rows,
        next_page=visit.next_page("user list", rows, _ROWS),
        domains=await visit.domains(),
        typed=visit.asked.query,
        form=visit.asked.form,
        errors=errors or {},
    )


async def add(visit: Visit) -> Answer:
    """Takes a new user, with a password or without."""
    form = visit.asked.form
    address, password = form.get("address").strip(), form.get("password")
    given = {"name": form.get("name").strip(), "alternate": form.get("alternate").strip()}
    try:
        await visit.call("user add", address=address, password=password or None, **given)
    except Refused as refused:
        return await show(visit, at_field(refused, "address", "password", "name", "alternate"))
    return await visit.done(f"{address} is a user now.", _path(address))


async def show_one(visit: Visit, errors: dict[str, str] | None = None, link: str = "") -> Answer:
    """Shows a user with all that can be done for them; ``link`` is a new invitation, which is shown this once."""
    address = visit.asked.parts["address"]
    user = await visit.call("user show", address=address)
    return visit.render(
        "user.html",
        http.BAD_REQUEST if errors else http.OK,
        user=user,
        app_passwords=await visit.call("user app-password list", address=user.address),
        factor=await visit.call("user second-factor show", address=user.address),
        link=link,
        path=_path(user.address),
        form=visit.asked.form,
        errors=errors or {},
    )


async def set_password(visit: Visit) -> Answer:
    """Takes another password."""
    if visit.asked.form.get("password") != visit.asked.form.get("again"):
        return await show_one(visit, {"again": "The two passwords are not the same."})
    return await _act(visit, "password", "The password is set.", "user password", "password")


async def change(visit: Visit) -> Answer:
    """Takes another name and alternate address, unless somebody else has changed the user since the form was shown."""
    form, address = visit.asked.form, visit.asked.parts["address"]
    user = await visit.call("user show", address=address)
    if form.get("version") not in ("", user.version):
        return await show_one(visit, {"changed": _CHANGED})
    return await _act(visit, "alternate", "That is changed.", "user set", "name", "alternate", "version")


async def add_alias(visit: Visit) -> Answer:
    """Takes another address that reaches the user."""
    return await _act(visit, "alias", "The alias is added.", "user alias add", "alias")


async def remove_alias(visit: Visit) -> Answer:
    """Takes an alias away."""
    return await _act(visit, "alias", "The alias is removed.", "user alias remove", "alias")


async def set_status(visit: Visit) -> Answer:
    """Activates the user, or deactivates them."""
    if visit.asked.form.get("active") == "on":
        return await _act(visit, "status", "The user is active.", "user activate")
    return await _act(visit, "status", "The user is inactive, and logged in nowhere.", "user deactivate")


async def set_continuity(visit: Visit) -> Answer:
    """Opts the user in to continuity, or out."""
    address, on = visit.asked.parts["address"], visit.asked.form.get("on") == "on"
    await visit.call("user continuity", address=address, on=on)
    return await visit.done("That is changed.", _path(address))


async def invite(visit: Visit) -> Answer:
    """Makes a link by which the user sets a password: mails it, or shows it to be handed out."""
    address, hand_out = visit.asked.parts["address"], visit.asked.form.get("print") == "on"
    try:
        made = await visit.call("user invite", address=address, print=hand_out)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show_one(visit, {"invite": refused_at(refused)})
    if made.link is not None:
        return await show_one(visit, link=made.link)
    return await visit.done(f"The link is on its way to {made.sent_to}.", _path(address))


async def end_app_password(visit: Visit) -> Answer:
    """Ends the app password of one device."""
    return await _act(visit, "app", "The device is logged in no more.", "user app-password remove", "id")


async def remove_second_factor(visit: Visit) -> Answer:
    """Takes the second factor of a user away who has lost it."""
    said = "The second factor is removed. The user is signed out of webmail, and was told by a message in INBOX."
    return await _act(visit, "factor", said, "user second-factor remove")


async def remove(visit: Visit) -> Answer:
    """Removes the user; mail that is owed to their home is released where that was asked for."""
    address, force = visit.asked.parts["address"], visit.asked.form.get("force") == "on"
    try:
        await visit.call("user remove", address=address, force=force)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show_one(visit, {"remove": refused_at(refused)})
    return await visit.done(f"{address} is removed.", f"{PATH}?{urlencode({'domain': address.rpartition('@')[2]})}")


async def _act(visit: Visit, field: str, said: str, operation: str, *names: str) -> Answer:
    """Calls an operation with fields of the form; what is refused stands at ``field``."""
    address = visit.asked.parts["address"]
    given = {name: visit.asked.form.get(name) for name in names}
    try:
        await visit.call(operation, address=address, **given)
    except Refused as refused:
        if refused.kind == "forbidden":
            raise
        return await show_one(visit, {field: refused_at(refused)})
    return await visit.done(said, _path(address))


def _path(address: str) -> str:
    return f"{ONE}/{quote(address, safe='@')}/"
