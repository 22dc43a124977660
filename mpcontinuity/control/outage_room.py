"""The outage room of a domain: what happened, what users and senders notice now, and what to tell them."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

import msgspec

from mpcontinuity.accounts import declarations, domains, last_logins, users
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.alerts import outages as rows
from mpcontinuity.alerts import user_texts
from mpcontinuity.alerts.outages import Outage
from mpcontinuity.control import outages, status
from mpcontinuity.control.flow import FlowHour
from mpcontinuity.control.operation import Control
from mpcontinuity.control.outage_timeline import TimelineRow, span, timeline
from mpcontinuity.control.outages import OutageRow
from mpcontinuity.control.status import StatusRow
from mpcontinuity.model import identifier, public
from mpcontinuity.model.clock import DAY, HOUR, iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import Settings
from mpcontinuity.protocols.discovery.useragent import SETUP
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.tracking import flow

MOST_HOURS: Final = 72  # of an outage whose mail is shown: each costs a look at up to 20,000 rows
NEVER: Final = 20  # users who are named that have never logged in


class PlaceRow(msgspec.Struct, frozen=True):
    """Where users find a protocol: host, port, and how the connection is secured, as mail programs call it."""

    protocol: str
    host: str
    port: int
    security: str


class DoorRow(msgspec.Struct, frozen=True):
    """How many users came here by a protocol, each counted by what they used last."""

    protocol: str
    users: int


class DeclaredRow(msgspec.Struct, frozen=True):
    """What an administrator declared and is in force: the mode, a planned outage (plan), or a home server that is cut
    off (contain). Times are ISO 8601; None: not known, or without an end."""

    what: Literal["mode", "plan", "contain"]
    since: str | None
    until: str | None
    by: str
    note: str


class UserAccess(msgspec.Struct, frozen=True):
    """What users have here. ``webmail`` is where they read in a browser, and ``setup`` the page that helps them set up
    a mail program; None where no pages are served.

    ``came`` says how many have logged in since ``since`` (ISO 8601): since the outage began, or in the last day where
    there is none. ``never`` have not logged in ever; up to 20 of them are ``never_users``.
    """

    places: list[PlaceRow]
    webmail: str | None
    setup: str | None
    since: str
    came: list[DoorRow]
    users: int
    never: int
    never_users: list[str]


class RoomText(msgspec.Struct, frozen=True):
    """A text for users, to be passed on: as a mail, as a text message of a phone, or as a notice on an intranet."""

    kind: Literal["mail", "sms", "intranet"]
    subject: str
    text: str


class OutageRoom(msgspec.Struct, frozen=True):
    """All that is known of an outage of a domain, and of what users and senders notice now.

    ``outage`` is the one that was asked for, else the present one, else the last; None: there was none. ``timeline`` is
    what happened in it, newest first; ``whole`` is false where that is not all. ``hours`` have its mail, oldest first.
    ``declared`` is what administrators have declared now. ``senders`` are sentences about what senders notice now.
    ``texts`` tell users of the present outage, of the end of one in the last day (``end``), or are ready for the next
    (``prepared``), as ``texts_about`` says.
    """

    domain: str
    status: StatusRow
    outage: OutageRow | None
    declared: list[DeclaredRow]
    timeline: list[TimelineRow]
    whole: bool
    hours: list[FlowHour]
    access: UserAccess
    senders: list[str]
    texts_about: Literal["outage", "end", "prepared"]
    texts: list[RoomText]


class _Found(msgspec.Struct, frozen=True):
    """What one look at the store gives: the domain, the outage that is shown, the one that goes on or was last, and
    what is made of them; ``access`` without the numbers of users."""

    domain: Domain
    shown: Outage | None
    last: Outage | None
    declared: list[DeclaredRow]
    timeline: list[TimelineRow]
    whole: bool
    access: UserAccess


async def room(control: Control, domain: str, id: str | None = None, hours: int = MOST_HOURS) -> OutageRoom:
    """Shows the outage room of the domain. ``id`` is the outage that is shown; without it the present or last one is.
    ``hours`` are how many of its last hours are shown with their mail.

    Raises Refused for a domain that is not here, for text that is no id, where the domain has no such outage, and for
    a number of hours that is not 0 to 72.
    """
    if not 0 <= hours <= MOST_HOURS:
        raise Refused(f"hours: {hours}: must be 0 to {MOST_HOURS}")
    wanted = outages.number_of(id) if id is not None else None
    found = await control.store.read(partial(_find, name=domain, wanted=wanted, settings=control.settings))
    [row] = await status.status(control, domain=found.domain.name)
    about, texts = _texts(control.settings, found.domain.name, found.last, control.store.clock.now())
    return OutageRoom(
        domain=found.domain.name,
        status=row,
        outage=outages.row(found.shown) if found.shown is not None else None,
        declared=found.declared,
        timeline=found.timeline,
        whole=found.whole,
        hours=await _hours(control, found, hours),
        access=msgspec.structs.replace(found.access, users=row.users, never=row.never_logged_in),
        senders=_senders(found.domain, row, found.last),
        texts_about=about,
        texts=texts,
    )


def _find(tx: Transaction, name: str, wanted: int | None, settings: Settings) -> _Found:
    domain = domains.known(tx, name)
    last = rows.going_on(tx, domain.id)
    if last is None:
        newest = rows.listing(tx, domain=domain.id, since=0, before=identifier.LAST, limit=1)
        last = newest[0] if newest else None
    shown = outages.of_domain(tx, wanted, domain) if wanted is not None else last
    events, whole = timeline(tx, domain, shown) if shown is not None else ([], True)
    return _Found(domain, shown, last, _declared(tx, domain), events, whole, _access(tx, domain, last, settings))


def _declared(tx: Transaction, domain: Domain) -> list[DeclaredRow]:
    return [
        DeclaredRow(
            what=one.what,
            since=iso(one.since) if one.since else None,
            until=iso(one.until) if one.until else None,
            by=one.by,
            note=one.note,
        )
        for one in declarations.in_force(tx)
        if one.domain == domain.id
    ]


def _access(tx: Transaction, domain: Domain, last: Outage | None, settings: Settings) -> UserAccess:
    since = last.began if last is not None and not last.ended else tx.now - DAY
    never = users.listing(tx, domain=domain.id, step=NEVER, never=True)
    return UserAccess(
        places=[PlaceRow(*place) for place in public.places(settings)],
        webmail=public.url(settings),
        setup=public.url(settings, SETUP),
        since=iso(since),
        came=[DoorRow(one.door, one.users) for one in last_logins.by_door(tx, domain.id, since)],
        users=0,
        never=0,
        never_users=[one.user.address for one in never],
    )


async def _hours(control: Control, found: _Found, most: int) -> list[FlowHour]:
    if found.shown is None or not most:
        return []
    since, until = await control.store.read(partial(span, outage=found.shown))
    first = max(since, until - most * HOUR)
    hours = []
    for begins in range(first - first % HOUR, until, HOUR):
        figures = await control.store.read(partial(flow.of_hour, domain=found.domain.id, begins=begins))
        hours.append(FlowHour(iso(begins), *figures))
    return hours[-most:]


def _senders(domain: Domain, row: StatusRow, last: Outage | None) -> list[str]:
    """In the order in which they are asked for: who writes to users, who writes to others, who hears from users."""
    settings = domain.settings
    kept = row.state == "down" or row.mode == "enabled" or row.contained is not None
    if not kept:
        return [
            "Nothing: mail goes to the home server as it comes, and what that answers goes back to the sender's server."
        ]
    if not settings.continuity:
        return [
            "Their servers are told to try again later, and do so for some days as a rule. Nothing is kept here, "
            "because continuity is off for this domain."
        ]
    lines = ["Nothing, when they write to your users: their mail is taken at once, as always."]
    if settings.unregistered == "hold":
        lines.append(
            "Mail for addresses without a mailbox here is held as well, where the home server took mail for them in "
            "the last 30 days. For all others, their servers are told to try again later."
        )
    else:
        lines.append(
            "When they write to addresses that are no users here, their servers are told to try again later, and do so "
            "for some days as a rule. Nobody gets an error before that."
        )
    if settings.redirect_on == "outage":
        lines.append("What the home server refuses for a while by policy is said to their servers as it says it.")
    lines.append("Answers of your users come from this server, under the usual addresses.")
    return lines


def _texts(
    settings: Settings, name: str, last: Outage | None, now: int
) -> tuple[Literal["outage", "end", "prepared"], list[RoomText]]:
    if last is not None and last.ended and now - last.ended < DAY:
        subject = user_texts.end_subject(name)
        return "end", [
            RoomText("mail", subject, user_texts.end(name, last.ended)),
            RoomText("sms", "", user_texts.end_in_short(name)),
            RoomText("intranet", subject, user_texts.end_for_all(name, last.ended)),
        ]
    began = last.began if last is not None and not last.ended else 0
    subject = user_texts.beginning_subject(settings, name)
    return "outage" if began else "prepared", [
        RoomText("mail", subject, user_texts.beginning(settings, name, began)),
        RoomText("sms", "", user_texts.beginning_in_short(settings, name)),
        RoomText("intranet", subject, user_texts.beginning_for_all(settings, name, began)),
    ]
