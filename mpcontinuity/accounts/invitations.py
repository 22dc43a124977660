"""Invitations: the links (accounts/links.py) by which users set a password, once. Functions are work for a transaction.

The user's newest invitation alone is good. It ends with a password, with another alternate address, and when the user
is made inactive or removed (accounts/users.py).
"""

from __future__ import annotations

from mpcontinuity.accounts import links, users
from mpcontinuity.accounts.links import INVITATION, Link
from mpcontinuity.accounts.users import User
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.texts import marked, said
from mpcontinuity.store.transaction import Transaction


def make(tx: Transaction, user: User, secret: str, by: str) -> Link:
    """Makes an invitation with that secret for a user, and returns it. ``by`` is the administrator who invites."""
    return links.make(tx, INVITATION, secret, str(user.id), about=by)


def made(tx: Transaction, user: User, since: int) -> int:
    """Returns how many invitations were made for a user after ``since`` (µs)."""
    return links.made_for(tx, INVITATION, str(user.id), since)


def made_by(tx: Transaction, by: str, since: int) -> int:
    """Returns how many invitations an administrator has made after ``since`` (µs)."""
    return links.made_about(tx, INVITATION, by, since)


def opened(tx: Transaction, token: str) -> User | None:
    """Returns the user whom the invitation with that secret is for; None where there is no such invitation.

    Raises Refused for one that is good no more.
    """
    link = links.look(tx, INVITATION, token)
    return _holder(tx, link) if link is not None else None


def redeem(tx: Transaction, token: str, user: User) -> None:
    """Uses up the invitation with that secret, which has to be for ``user``.

    Raises Refused where it is not, and where it is not good (any more); nothing is changed then.
    """
    if _holder(tx, links.use(tx, INVITATION, token)).id != user.id:
        raise Refused(said("this invitation is not for %(address)s", address=user.address), "conflict")


def _holder(tx: Transaction, link: Link) -> User:
    user = users.by_id(tx, int(link.subject))
    if user is None or user.status == "inactive":  # a server of an earlier version has not ended the link
        raise Refused(marked("this invitation is needed no more; ask for a new one"), "conflict")
    return user
