"""Whether mail of a domain could go home by IMAP now: tried by logging in as one of its users, and changing nothing."""

from __future__ import annotations

from functools import partial

import msgspec

from mpcontinuity.accounts import domains
from mpcontinuity.control.arguments import own_address
from mpcontinuity.control.operation import Control
from mpcontinuity.model import imapurl
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.outbound.imap.mailboxes import Interrupted
from mpcontinuity.outbound.imap.opening import NoSession
from mpcontinuity.redelivery.folders import ARCHIVE, DRAFTS, INBOX, JUNK, SENT, Folders


class FolderRow(msgspec.Struct, frozen=True):
    """One of our folders, and the folder at home that answers to it. ``missing``: that is made when it is needed."""

    folder: str
    home: str
    missing: bool


class ImapTrial(msgspec.Struct, frozen=True):
    """What came of a login as ``user`` at ``host``: one line in ``text``, and the folders where it was let in."""

    domain: str
    user: str
    host: str
    logged_in: bool
    text: str
    folders: list[FolderRow]


async def log_in(control: Control, name: str, address: str) -> ImapTrial:
    """Logs in by ``home-imap`` as the user with this address, and says which of home's folders answer to ours.

    Raises Refused for a domain without ``home-imap``, for an address of another domain, and where no server runs.
    """
    user = own_address(address)
    sessions = control.imap()
    if sessions is None:
        raise Refused("only a running server can test a home server", "conflict", Hint("serve", "starts it"))
    domain = await control.store.read(partial(domains.known, name=name))
    if user.domain != domain.name:
        raise Refused(f"{user}: is not in {domain.name}")
    settings = domain.settings
    if not settings.home_imap:
        raise Refused(f"{domain.name}: has no home-imap; set it by domain set", "conflict")
    host = imapurl.parse(settings.home_imap).shown
    mailboxes = await sessions.take(settings, user)
    if isinstance(mailboxes, NoSession):
        return ImapTrial(domain.name, user.text, host, False, mailboxes.reason, [])
    try:
        folders = Folders(await mailboxes.load(), mailboxes.namespace)
    except Interrupted as error:
        return ImapTrial(domain.name, user.text, host, False, str(error), [])
    finally:
        sessions.put(settings, user, mailboxes)
    rows = []
    for folder, use in ((INBOX, ""), ("Sent", SENT), ("Drafts", DRAFTS), ("Junk", JUNK), ("Archive", ARCHIVE)):
        target = folders.target(folder, use, "")
        rows.append(FolderRow(folder, target.shown, target.missing))
    return ImapTrial(domain.name, user.text, host, True, f"{host} lets us in", rows)
