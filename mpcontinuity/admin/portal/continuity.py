"""The Continuity Service of a domain, ``/admin/domain/DOMAIN/continuity``: all of its settings, its home servers, who
is alerted, and the addresses for which mail is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args, get_type_hints

from twisted.web import http

from mpcontinuity.admin.portal.domain import PATH, path_of
from mpcontinuity.admin.portal.signed_in import Portal, Visit, at_field, refused_at
from mpcontinuity.control.domain_settings import SETTINGS, DomainRow
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

PAGE: Final = f"{PATH}continuity"
_HELD: Final = 100  # addresses that are shown
_LONGEST_ADOPTION: Final = 64 * 1024  # a form with as many addresses of 320 characters

# The settings of each form, by the words that administrators of such services know. The sentences are beside what
# `domain set` says of each (control/domain_settings.py).
_SERVICE: Final = {
    "continuity": ("Continuity Service", "Off makes the domain a plain relay: nothing is kept while home is away."),
    "sent-to-home": (
        "Send outgoing e-mails to own mail server during server failure",
        "The home server gets a copy of what users send here, as soon as it is back.",
    ),
    "mode": (
        "Business Continuity mode",
        "Disabled: in an outage only. Optional: users who opt in find a copy of their mail here at all times. Enabled: "
        "all mail stays here, as in an outage that is declared.",
    ),
    "bounce-policy": (
        "Bounce policy",
        "Whether senders hear of redeliveries that failed: always, never, or only outside of an outage.",
    ),
    "redirect-on": (
        "Redirect on",
        "Any: every 4xx of the home server, and no answer, is redirected. Outage: refusals by policy (4.2.x, 4.7.x and "
        "4.1.8 to MAIL or RCPT) go to the sender's server as home gave them, so that it tries again.",
    ),
    "unregistered": (
        "Unregistered addresses in an outage",
        "Defer: their senders' servers try again. Hold: those that home took in the last 30 days are kept without a "
        "mailbox; you may adopt them below.",
    ),
    "relay-check": ("Add users by relay check", "An address that the home server accepts becomes a user."),
    "relay-check-days": ("Forget users of relay check after", "Days without mail."),
    "notify-users": ("Notify users", "They are told when continuity begins and ends, past the home server."),
    "pop3-delete": ("Deleting by POP3", "Keep: what a program deletes by POP3 goes home all the same."),
    "kept-days": ("Keep redelivered mail here for", "Days; 0: it goes from here at once."),
    "retention-days": ("Archive mail for", "Days; 0: nothing is archived."),
    "alert-hour": ("Alert at errors per hour", "0: no alert."),
    "alert-day": ("Alert at errors per 24 hours", "0: no alert."),
}
_STORAGE: Final = {
    "quota": ("Space of each user", "Octets, as 1073741824 for 1 GiB; 0: as the server has it."),
    "mailboxes": ("Folders of each user", "At most 10000; 0: as the server has it."),
    "total-quota": ("Space of all users together", "Octets; 0: no limit. Mail above it is refused for a while."),
}
_HOME: Final = {
    "home": ("Home servers", "HOST or HOST:PORT, with commas between several, in order of preference."),
    "home-tls": ("TLS to the home server", "Verify: its certificate has to be of an authority and of its name."),
    "home-tls-name": ("Name in its certificate", "Where it is another than that of the host."),
    "home-tls-ca": (
        "Authorities that are believed",
        "The whole path of a PEM file; empty: those of the system.",
    ),
    "home-tls-certificate": ("Client certificate", "The whole path of a PEM file; none; empty: the server's own."),
    "home-users": ("Users' side of home", "imap(s):// and https:// URLs that are watched, with commas between."),
    "home-networks": ("Networks that may send", "Who may send the domain's mail through port 25 without a login."),
    "home-tenant": ("Tenant", "As in X-OriginatorOrg, where the networks are shared by many (Microsoft 365)."),
    "home-imap": ("Mailboxes of home", "An IMAP URL through which mail goes back into its folders."),
    "home-imap-oauth": (
        "Access tokens for them",
        "Where home takes no passwords (Microsoft 365, Google): https://CLIENT-ID:SECRET@HOST/PATH?scope=SCOPE, or the "
        "whole path of a service account's key.",
    ),
    "outbound-route": ("Route of outgoing mail", "As [outbound] route; empty: that of the server."),
}

# Reply codes as the field explains them (RFC 5321 §4.2.3, RFC 3463).
CODES: Final = (
    ("4xx to the connection, EHLO or TLS", "the home server does not serve", "redirected"),
    ("no connection, no answer in time, connection lost", "the home server is away", "redirected"),
    ("421", "the home server closes the session", "asked once more, then redirected"),
    ("450, 451, 452, 4.3.x, 4.4.x", "it cannot take the message now", "redirected"),
    ("4.2.x, 4.7.x, 4.1.8 to MAIL or RCPT", "it refuses by policy for now (greylisting, mailbox full)",
     "redirected, or given to the sender with 'Redirect on: outage'"),
    ("452 or 552, too many recipients", "it wants fewer at a time", "452 4.5.3: the sender's server sends the rest"),
    ("5xx to the greeting or EHLO, 530, 535, 538", "it wants a login, or serves nobody", "redirected"),
    ("5xx to MAIL, RCPT or the message", "it refuses the message for good", "given to the sender as home said it"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A setting in a form: ``value`` is the one in force, ``options`` what may be chosen; none: it is typed.

    Where ``fixed`` is set, somebody else has to change it.
    """

    key: str
    label: str
    hint: str
    value: str
    options: Sequence[tuple[str, str]]
    fixed: bool


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(PAGE, show),
        portal.post(PAGE, change),
        portal.post(f"{PAGE}/all-users", all_users),
        portal.post(f"{PAGE}/test", test),
        portal.post(f"{PAGE}/alerts", add_alert),
        portal.post(f"{PAGE}/alerts/remove", remove_alert),
        portal.post(f"{PAGE}/adopt", adopt, _LONGEST_ADOPTION),
    ]


async def show(visit: Visit, errors: dict[str, str] | None = None, code: int = http.BAD_REQUEST, **more: Any) -> Answer:
    """Shows the settings, in forms; ``errors`` are sentences by the field that is wrong."""
    name = visit.asked.parts["domain"]
    row = await visit.call("domain show", name=name)
    values = {
        "trial": None,
        "adopted": [],
        "name": row.domain,
        "row": row,
        "service": _fields(visit, row, _SERVICE),
        "storage": _fields(visit, row, _STORAGE),
        "home": _fields(visit, row, _HOME),
        "again": False,
        "limits": visit.control.settings.limits,
        "codes": CODES,
        "alerts": await visit.call("alert list", domain=name),
        "held": await visit.call("user adopt list", domain=name, limit=_HELD),
        "typed": visit.asked.form,
        "errors": errors or {},
    }
    return visit.render("continuity.html", code if errors else http.OK, **{**values, **more})


def _fields(visit: Visit, row: DomainRow, words: dict[str, tuple[str, str]]) -> list[Field]:
    return [_field(visit, row, key, label, hint) for key, (label, hint) in words.items()]


@cache
def _kinds() -> dict[str, Any]:
    """The types of a row, which take 0.2 ms to be found out."""
    return get_type_hints(DomainRow)


def _field(visit: Visit, row: DomainRow, key: str, label: str, hint: str) -> Field:
    setting = SETTINGS[key]
    kind = _kinds()[setting.field]
    choices = ("on", "off") if kind is bool else get_args(kind)
    fixed = visit.control.caller.scope < setting.scope
    return Field(key, label, hint, _written(row, key), [(each, each) for each in choices], fixed)


def _written(row: DomainRow, key: str) -> str:
    value = getattr(row, SETTINGS[key].field)
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


async def change(visit: Visit) -> Answer:
    """Takes the settings of one of the forms, and changes those that were changed in it.

    What somebody else has changed since the form was shown is left as it is, since the form has what was shown. Where
    both have changed the same, nothing is: the form says so, and takes it when it is sent again.
    """
    name, form = visit.asked.parts["domain"], visit.asked.form
    keys = [key for key in (*_SERVICE, *_STORAGE, *_HOME) if key in form]
    given = {key: form.get(key).strip() for key in keys if form.get(key).strip() != form.get(f"was-{key}")}
    until = form.get("until").strip() or None
    if until is not None and "mode" in keys:
        given["mode"] = form.get("mode")
    if not given:
        return await visit.done("Nothing was changed.", path_of(name, "continuity"))
    row = await visit.call("domain show", name=name)
    if row.version != form.get("version"):
        theirs = {key: _written(row, key) for key in given if _written(row, key) != form.get(f"was-{key}")}
        if theirs:
            return await _show_theirs(visit, theirs)
    try:
        await visit.call("domain set", name=name, settings=given, until=until, version=row.version)
    except Refused as refused:
        now = await visit.call("domain show", name=name)
        if now.version != row.version:  # within these milliseconds
            return await _show_theirs(visit, {key: _written(now, key) for key in given})
        return await show(visit, at_field(refused, *given, "until"))
    return await visit.done("The settings are changed, and hold from now on.", path_of(name, "continuity"))


async def _show_theirs(visit: Visit, theirs: dict[str, str]) -> Answer:
    """Shows what was typed, with what somebody else has set meanwhile by each of these settings."""
    errors = {key: f"Somebody else has set this to {value or 'nothing'} meanwhile." for key, value in theirs.items()}
    return await show(visit, errors, http.CONFLICT, again=True)


async def all_users(visit: Visit) -> Answer:
    """Opts all users in or out."""
    name, on = visit.asked.parts["domain"], visit.asked.form.get("to") == "on"
    changed = await visit.call("user continuity all", name=name, on=on)
    said = f"{changed.changed} users were opted {'in' if on else 'out'}; the mode is {changed.mode}."
    return await visit.done(said, path_of(name, "continuity"))


async def test(visit: Visit) -> Answer:
    """Sends a message each way to the home server, and shows what it said."""
    name, form = visit.asked.parts["domain"], visit.asked.form
    recipient = form.get("recipient").strip() or None
    try:
        trial = await visit.call("domain test", name=name, recipient=recipient)
    except Refused as refused:
        return await show(visit, {"recipient": refused_at(refused)})
    return await show(visit, trial=trial)


async def add_alert(visit: Visit) -> Answer:
    """Subscribes an address to the alerts of the domain."""
    name, email = visit.asked.parts["domain"], visit.asked.form.get("email").strip()
    try:
        await visit.call("alert add", domain=name, email=email)
    except Refused as refused:
        return await show(visit, {"email": refused_at(refused)})
    return await visit.done(f"{email} hears of {name} from now on.", path_of(name, "continuity"))


async def remove_alert(visit: Visit) -> Answer:
    """Ends the subscription of an address."""
    name, email = visit.asked.parts["domain"], visit.asked.form.get("email")
    await visit.call("alert remove", domain=name, email=email)
    return await visit.done(f"{email} hears of {name} no more.", path_of(name, "continuity"))


async def adopt(visit: Visit) -> Answer:
    """Makes users of addresses for which mail is held, and shows what became of each."""
    name, addresses = visit.asked.parts["domain"], visit.asked.form.all("address")
    if not addresses:
        return await show(visit, {"address": "Choose at least one address."})
    adopted = await visit.call("user adopt", domain=name, addresses=addresses)
    refused = [each for each in adopted if each.result == "refused"]
    if refused:
        return await show(visit, adopted=refused)
    messages = sum(each.messages for each in adopted)
    said = f"{len(adopted)} addresses are users now, with {messages} messages in INBOX."
    return await visit.done(said, path_of(name, "continuity"))
