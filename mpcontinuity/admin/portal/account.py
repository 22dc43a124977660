"""One's own account, ``/admin/account``: password, second factor, and the browsers where one is signed in.

Whatever changes how an administrator logs in ends all their sessions; the browser in which that was done goes on by a
new one.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.web import http

from mpcontinuity.accounts import second_factor, totp
from mpcontinuity.admin.portal.signed_in import LOGIN, Portal, Visit, at_field, refused_at, with_secret
from mpcontinuity.model import identifier, public
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer, redirect
from mpcontinuity.web.qr import drawn
from mpcontinuity.web.routes import Route

PATH: Final = "/admin/account"


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PATH, show),
        portal.post(f"{PATH}/password", change_password),
        portal.post(f"{PATH}/totp", begin_totp),
        portal.post(f"{PATH}/totp/confirm", confirm_totp),
        portal.post(f"{PATH}/totp/remove", remove_totp),
        portal.post(f"{PATH}/sessions", revoke),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None) -> Answer:
    """Shows the account; ``errors`` are sentences by the field that is wrong."""
    return visit.render(
        "account.html",
        http.BAD_REQUEST if errors else http.OK,
        totp=await visit.call("admin totp show", name=visit.name),
        required=visit.control.settings.web.require_totp,
        sessions=await visit.call("admin session list", name=visit.name),
        this=identifier.show(visit.session.id),
        errors=errors or {},
    )


async def change_password(visit: Visit) -> Answer:
    """Takes the old password and a new one, twice."""
    form = visit.asked.form
    if form.get("password") != form.get("again"):
        return await show(visit, {"again": "The two passwords are not the same."})
    arguments = {"name": visit.name, "password": form.get("password"), "old": form.get("old")}
    try:
        await visit.call("admin password", **arguments)
    except Refused as refused:
        return await show(visit, at_field(refused, "password", "old"))
    message = "The password is changed. All other browsers are signed out."
    return await _go_on(visit, message)


async def begin_totp(visit: Visit) -> Answer:
    """Takes the password and shows a new secret for an authenticator."""
    try:
        begun = await visit.call("admin totp begin", name=visit.name, password=visit.asked.form.get("password"))
    except Refused as refused:
        return await show(visit, {"totp_password": refused_at(refused)})
    return visit.render("account_totp.html", key=begun.secret, qr=drawn(begun.uri), error="")


async def confirm_totp(visit: Visit) -> Answer:
    """Takes a code of the new secret, and shows the recovery codes."""
    try:
        done = await visit.call("admin totp confirm", name=visit.name, code=visit.asked.form.get("code"))
    except Refused as refused:
        if refused.kind != "invalid":
            return await show(visit, {"totp_password": refused_at(refused)})
        return await _ask_code_again(visit, refused_at(refused))
    again = await visit.begin_again()
    page = again.render("recovery_codes.html", codes=done.recovery_codes, onward=PATH)
    return with_secret(page, again.secret, visit.services)


async def _ask_code_again(visit: Visit, error: str) -> Answer:
    begun = (await visit.control.store.read(partial(second_factor.find, name=visit.name))).begun
    uri = totp.uri(begun, visit.name, public.host(visit.control.settings))
    return visit.render("account_totp.html", http.BAD_REQUEST, key=begun, qr=drawn(uri), error=error)


async def remove_totp(visit: Visit) -> Answer:
    """Takes the password, and takes the second factor away."""
    try:
        await visit.call("admin totp remove", name=visit.name, password=visit.asked.form.get("password"))
    except Refused as refused:
        return await show(visit, {"remove_password": refused_at(refused)})
    if visit.control.settings.web.require_totp:  # another one is set up at the login
        return with_secret(redirect(LOGIN), "", visit.services)
    return await _go_on(visit, "The second factor is removed. All other browsers are signed out.")


async def revoke(visit: Visit) -> Answer:
    """Ends one session, or all of them, this one included."""
    id_ = visit.asked.form.get("id")
    if not id_:
        await visit.call("admin session revoke", name=visit.name, all=True)
        return with_secret(redirect(LOGIN), "", visit.services)
    await visit.call("admin session revoke", name=visit.name, id=id_)
    return await visit.done("That browser is signed out.", PATH)


async def _go_on(visit: Visit, message: str) -> Answer:
    again = await visit.begin_again()
    return with_secret(await again.done(message, PATH), again.secret, visit.services)
