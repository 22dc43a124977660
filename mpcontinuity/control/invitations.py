"""Invitations: links by which users set a password, made for them by administrators and used once.

The mail with the link goes to the user's alternate address, past their home server, which may be away. Whoever has the
link can set the password: the database knows its digest only (accounts/links.py).
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from mpcontinuity.accounts import invitations, links, users
from mpcontinuity.accounts.links import INVITATION, Link
from mpcontinuity.accounts.users import User
from mpcontinuity.alerts.announcing import Announcement, announce
from mpcontinuity.control.operation import Control
from mpcontinuity.control.users import known
from mpcontinuity.model import public
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, iso
from mpcontinuity.model.errors import Hint, Refused
from mpcontinuity.store.transaction import Transaction

MOST_OF_USER: Final = 10  # a day: who does not find the mail asks again, and nobody's mailbox is filled
MOST_OF_ADMINISTRATOR: Final = 20_000  # a day: the largest domain, twice


class InvitationMade(msgspec.Struct, frozen=True):
    """An invitation that a user was given.

    ``sent_to`` is the alternate address that it was mailed to, and None where it was only made. ``link`` is the link
    itself, which nobody can be shown again; it is None where it was mailed. ``expires`` is ISO 8601.
    """

    address: str
    sent_to: str | None
    link: str | None
    expires: str


async def invite(control: Control, address: str, print: bool = False) -> InvitationMade:
    """Makes a link by which a user sets a password, once, and mails it to their alternate address.

    With ``print`` it is returned instead, to be handed out, and no mail is sent. The user's invitation before it ends.
    Raises Refused if there is no such user, if they are inactive, if they have no alternate address and the
    link is to be mailed, for too many invitations in a day, and where no web page is served.
    """
    secret = links.secret(control.randomness)
    url = links.url(control.settings, INVITATION, secret)
    by = control.caller.name
    if print:
        user, link = await control.store.run(partial(_make, address=address, secret=secret, by=by))
        return InvitationMade(user.address, None, url, iso(link.expires))
    user, alternate = await control.store.read(partial(_to_mail, address=address))
    made: list[Link] = []

    def mark(tx: Transaction) -> None:
        made[:] = [_make(tx, address, secret, by, to=alternate)[1]]

    expires = control.store.clock.now() + INVITATION.lasts
    mail = Announcement(
        to=parse(alternate),
        domain=user.domain,
        subject=f"Your password for mail in an outage of {parse(user.address).domain}",
        text=_text(user, public.host(control.settings), url, expires),
        into_inbox=False,
        lasts=INVITATION.lasts,
    )
    await announce(control.store, control.settings, [mail], mark)
    return InvitationMade(user.address, alternate, None, iso(made[0].expires))


def _to_mail(tx: Transaction, address: str) -> tuple[User, str]:
    """The user and their alternate address. Raises Refused, before a mail is written."""
    user = _invited(tx, address)
    alternate = users.listed(tx, user).alternate
    if not alternate:
        hint = Hint("user invite", "gives the link to hand out", {"address": user.address, "print": True})
        raise Refused(f"{user.address}: has no alternate address to mail an invitation to", "conflict", hint)
    return user, alternate


def _invited(tx: Transaction, address: str) -> User:
    user = known(tx, address)
    if user.status == "inactive":
        hint = Hint("user activate", "registers them again", {"address": user.address})
        raise Refused(f"{user.address}: is inactive, and could not log in", "conflict", hint)
    return user


def _make(tx: Transaction, address: str, secret: str, by: str, to: str = "") -> tuple[User, Link]:
    """``to`` is the address that a mail was written to; another one was set meanwhile, perhaps."""
    user = _invited(tx, address)
    if to and users.listed(tx, user).alternate != to:
        raise Refused(f"{user.address}: was changed meanwhile; try again", "conflict")
    since = tx.now - DAY
    if invitations.made(tx, user, since) >= MOST_OF_USER:
        raise Refused(f"{user.address}: was invited {MOST_OF_USER} times in a day; the newest link is good", "conflict")
    if invitations.made_by(tx, by, since) >= MOST_OF_ADMINISTRATOR:
        raise Refused(f"{by}: has invited {MOST_OF_ADMINISTRATOR} users in a day; go on tomorrow", "conflict")
    return user, invitations.make(tx, user, secret, by)


def _text(user: User, host: str, url: str, expires: int) -> str:
    domain = parse(user.address).domain
    greeting = f"Hello {user.name},\n\n" if user.name else ""
    return (
        f"{greeting}"
        f"when the mail server of {domain} is away, mail for {user.address}\n"
        f"is kept at {host}, and you can read and answer it there.\n"
        "Please set a password for it now, while all is well:\n\n"
        f"{url}\n\n"
        f"The link is good once, until {iso(expires)[:16].replace('T', ' ')} UTC. Whoever has it can set\n"
        "the password, so do not pass it on. If you did not expect this mail, you need\n"
        "not do anything.\n"
    )
