"""Rows of the table ``link``: secrets that stand in links, by which somebody may do one thing without logging in.

An invitation lets a user set a password, once. The link of an alert lets whoever got the mail steer an outage for a
day. All functions are work for one transaction. A secret is known to whoever holds the link and to nobody else: the
table has its digest, and no log, audit or error repeats it.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from mpcontinuity.model import public
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.randomness import Randomness
from mpcontinuity.model.settings import Settings
from mpcontinuity.model.texts import marked, said
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.store import Store
from mpcontinuity.store.transaction import Transaction

_OCTETS: Final = 25  # of randomness: 40 letters and digits, so that a link fits into a line of mail
_LONGEST: Final = 100  # characters of what is looked up; a secret of ours has 40
REMEMBERED: Final = 30 * DAY  # after its end, so that it can be said what became of a link
STEP: Final = 500  # rows of one transaction


@dataclass(frozen=True, slots=True)
class Purpose:
    """What links of one kind are for.

    ``path`` is the part of the URL before the secret, ``lasts`` how long a link is good, in µs, ``once`` whether it is
    good for one use only. Of one subject there are ``most`` open links: a further one ends the oldest. ``said`` is what
    people call such a link.
    """

    name: str
    path: str
    lasts: int
    once: bool
    most: int
    said: str


# A week: whoever is on leave finds it, and what lies in an old mailbox is of no use. The newest link alone is good.
INVITATION: Final = Purpose("invitation", "/invite/", 7 * DAY, once=True, most=1, said=marked("invitation"))
# As long as the contract has it. A subscriber hears of an outage a few times a day.
ALERT: Final = Purpose("alert", "/outage/", DAY, once=False, most=20, said=marked("link"))


class Link(NamedTuple):
    """A link that is good, or was until it was used just now. Times are in µs.

    ``subject`` is whom it was made for: links are counted by it. ``about`` is what its maker wanted to be told again.
    ``used`` is when it was used before, 0: never.
    """

    subject: str
    about: str
    created: int
    expires: int
    used: int


_ADD = Statement(
    "INSERT INTO link (digest, purpose, subject, about, created, expires) "
    "VALUES (:digest, :purpose, :subject, :about, :now, :expires)"
)
_FIND = Statement(
    "SELECT subject, about, created, expires, used, ended FROM link WHERE digest = :digest AND purpose = :purpose"
)
# Two who use it at the same time: the second waits for the first, and then finds it used.
_USE = Statement("UPDATE link SET used = :now, ended = :ended WHERE digest = :digest AND ended = 0 AND expires > :now")
_END_ALL = Statement("UPDATE link SET ended = :now WHERE purpose = :purpose AND subject = :subject AND ended = 0")
_END_OLDEST = Statement(
    """UPDATE link SET ended = :now WHERE ended = 0 AND digest IN (SELECT digest FROM link
        WHERE purpose = :purpose AND subject = :subject AND ended = 0
        ORDER BY created DESC, digest LIMIT 1000 OFFSET :kept)"""
)
_MADE_FOR = Statement("SELECT COUNT(*) FROM link WHERE purpose = :purpose AND subject = :subject AND created > :since")
_MADE_ABOUT = Statement("SELECT COUNT(*) FROM link WHERE purpose = :purpose AND about = :about AND created > :since")
_OPEN = Statement(
    "SELECT subject, about, created, expires, used FROM link "
    "WHERE purpose = :purpose AND subject = :subject AND ended = 0 AND expires > :now ORDER BY created DESC LIMIT 1"
)
_FORGET = Statement(
    "DELETE FROM link WHERE digest IN (SELECT digest FROM link WHERE expires <= :before ORDER BY expires LIMIT :step)"
)


def secret(randomness: Randomness) -> str:
    """Returns a new secret for a link: letters and digits that survive being read out and typed."""
    return base64.b32encode(randomness.bytes(_OCTETS)).decode().lower()


def url(settings: Settings, purpose: Purpose, secret: str) -> str:
    """Returns the link itself, built from ``[public]``. Raises Refused where no page could be reached."""
    found = public.url(settings, purpose.path + secret)
    if found is None:
        raise Refused("[listen] web: is off, so that no link would lead anywhere; turn it on, or set [public] ports")
    return found


def make(tx: Transaction, purpose: Purpose, secret: str, subject: str, about: str = "") -> Link:
    """Keeps the digest of a new secret for a subject, and returns the link.

    ``subject`` is whom it is made for, ``about`` what `find` and `use` are to tell again; both are text of the maker's
    choice. Where the subject has as many open links as the purpose allows, the oldest ends.
    """
    tx.run(_END_OLDEST, now=tx.now, purpose=purpose.name, subject=subject, kept=purpose.most - 1)
    link = Link(subject, about, tx.now, tx.now + purpose.lasts, 0)
    tx.run(
        _ADD,
        digest=_digest(secret),
        purpose=purpose.name,
        subject=subject,
        about=about,
        now=tx.now,
        expires=link.expires,
    )
    return link


def find(tx: Transaction, purpose: Purpose, secret: str) -> Link:
    """Returns the link with that secret, which stays as it is.

    Raises Refused, in one line for whoever opened it, where there is none (it was altered, or is long past), where it
    has expired, and where it has ended: used, replaced by a newer one, or needed no more.
    """
    link = look(tx, purpose, secret)
    if link is None:
        raise Refused(
            said(
                "there is no such %(what)s: copy the whole link from the mail, or ask for a new one",
                what=said(purpose.said),
            ),
            "unknown",
        )
    return link


def look(tx: Transaction, purpose: Purpose, secret: str) -> Link | None:
    """Returns what `find` does, but None where there is no link with that secret: it may be a guess."""
    row = tx.one(_FIND, digest=_digest(secret), purpose=purpose.name)
    if row is None:
        return None
    *columns, ended = row
    link = Link(*columns)
    if ended and link.used:
        raise Refused(said("this %(what)s was used already; ask for a new one", what=said(purpose.said)), "conflict")
    if ended:
        raise Refused(
            said("this %(what)s was replaced by a newer one, or is needed no more", what=said(purpose.said)), "conflict"
        )
    if link.expires <= tx.now:
        raise Refused(said("this %(what)s has expired; ask for a new one", what=said(purpose.said)), "conflict")
    return link


def use(tx: Transaction, purpose: Purpose, secret: str) -> Link:
    """Uses the link with that secret and returns it as it was before. One that is good once ends by it.

    Raises Refused as `find` does; nothing is changed then. What the link lets somebody do belongs into the same
    transaction.
    """
    link = find(tx, purpose, secret)
    if not tx.run(_USE, digest=_digest(secret), now=tx.now, ended=tx.now if purpose.once else 0):
        raise Refused(said("this %(what)s was used already; ask for a new one", what=said(purpose.said)), "conflict")
    return link


def end(tx: Transaction, purpose: Purpose, subject: str) -> None:
    """Ends all links of a subject, because what they were for is done or is no longer to be."""
    tx.run(_END_ALL, now=tx.now, purpose=purpose.name, subject=subject)


def newest(tx: Transaction, purpose: Purpose, subject: str) -> Link | None:
    """Returns the newest good link of a subject, without its secret, which nobody has; None where there is none."""
    return tx.record(Link, _OPEN, purpose=purpose.name, subject=subject, now=tx.now)


def made_for(tx: Transaction, purpose: Purpose, subject: str, since: int) -> int:
    """Returns how many links were made for a subject after ``since`` (µs), for those who ration them."""
    return int(tx.value(_MADE_FOR, purpose=purpose.name, subject=subject, since=since))


def made_about(tx: Transaction, purpose: Purpose, about: str, since: int) -> int:
    """Returns how many links with that ``about`` were made after ``since`` (µs), for those who ration them."""
    return int(tx.value(_MADE_ABOUT, purpose=purpose.name, about=about, since=since))


def forget(tx: Transaction, before: int) -> int:
    """Forgets up to STEP links that expired before. Returns how many: call it again while that is STEP."""
    return tx.run(_FORGET, before=before, step=STEP)


async def sweep(store: Store) -> None:
    """Forgets links that expired longer than `REMEMBERED` ago, in steps of the bulk lane. Raises Temporary."""
    before = store.clock.now() - REMEMBERED
    while await store.run(partial(forget, before=before), bulk=True) == STEP:
        pass


def _digest(secret: str) -> bytes:
    """SHA-256; the secret is long and random, so no salt is needed. Read in capitals, it is the same."""
    plain = secret.strip().lower()[:_LONGEST]
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()
