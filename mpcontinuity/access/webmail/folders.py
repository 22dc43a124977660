"""The page where folders are made, renamed and deleted."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from twisted.web import http

from mpcontinuity.access.webmail.signed_in import Visit, Webmail
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.mailbox.mailboxes import MailboxInfo
from mpcontinuity.mailbox.names import INBOX, MailboxRefused
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web.answers import Answer, explained
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

FOLDERS: Final = "/folders"

_TAKEN: Final = marked("There is a folder of that name already.")
_FULL: Final = marked("You have as many folders as you may have. Delete one first.")


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of this page."""
    return [
        webmail.get(FOLDERS, show),
        webmail.post(f"{FOLDERS}/create", create),
        webmail.post(f"{FOLDERS}/<int:folder>/rename", rename),
        webmail.post(f"{FOLDERS}/<int:folder>/delete", delete),
    ]


def is_own(folder: MailboxInfo) -> bool:
    """Says whether a folder is one that the user has made, and may rename and delete."""
    return folder.name != INBOX and not folder.use


async def show(visit: Visit) -> Answer:
    """Shows all folders."""
    return await _page(visit)


async def create(visit: Visit) -> Answer:
    """Makes a folder."""
    name = visit.asked.form.get("name").strip()
    quota = await visit.services.quotas.of(visit.user)
    work = partial(_create, account=visit.user.id, name=name, most=quota.mailboxes or None)
    try:
        made = await visit.services.control.store.run(work)
    except MailboxRefused as refused:
        return await _page(visit, http.BAD_REQUEST, errors={"name": _why(visit, refused)}, typed=name)
    return await visit.done(visit.said("The folder %(name)s is made.", name=made.name), FOLDERS)


async def rename(visit: Visit) -> Answer:
    """Gives a folder another name, with all below it."""
    folder, name = await visit.folder(), visit.asked.form.get("name").strip()
    quota = await visit.services.quotas.of(visit.user)
    work = partial(mailboxes.rename, account=visit.user.id, old=folder.name, new=name, most=quota.mailboxes or None)
    try:
        if not is_own(folder):
            raise MailboxRefused("CANNOT", visit.said("This folder keeps its name"))
        await visit.services.control.store.run(work)
    except MailboxRefused as refused:
        return await _page(visit, http.BAD_REQUEST, errors={f"name-{folder.id}": _why(visit, refused)}, renamed=name)
    return await visit.done(visit.said("The folder %(old)s is now called %(new)s.", old=folder.name, new=name), FOLDERS)


async def delete(visit: Visit) -> Answer:
    """Deletes a folder with what is in it, once the box is checked that says so."""
    folder = await visit.folder()
    if folder.messages and visit.asked.form.get("sure") != "1":
        error = visit.counted(
            "There is %(number)d message in it. Check the box if it is to be deleted as well.",
            "There are %(number)d messages in it. Check the box if they are to be deleted as well.",
            folder.messages,
        )
        return await _page(visit, http.BAD_REQUEST, errors={f"sure-{folder.id}": error})
    try:
        await mailboxes.delete_in_steps(visit.services.control.store, visit.user.id, folder.name)
    except MailboxRefused as refused:
        return await _page(visit, http.BAD_REQUEST, errors={f"sure-{folder.id}": _why(visit, refused)})
    return await visit.done(visit.said("The folder %(name)s is deleted.", name=folder.name), FOLDERS)


async def _page(visit: Visit, code: int = http.OK, **values: Any) -> Answer:
    given = {"errors": {}, "typed": "", "renamed": "", **values}
    return await visit.render("folder_list.html", code, is_own=is_own, **given)


def _why(visit: Visit, refused: MailboxRefused) -> str:
    known = {"ALREADYEXISTS": _TAKEN, "LIMIT": _FULL}.get(refused.code)
    return visit.said(known) if known is not None else explained(refused, visit.language)[1]


def _create(tx: Transaction, account: int, name: str, most: int | None) -> MailboxInfo:
    """Subscribed to at once: mail programs show those that are."""
    made = mailboxes.create(tx, account, name, most=most)
    mailboxes.subscribe(tx, account, made.name)
    return made
