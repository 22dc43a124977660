"""A domain's settings as they are written: ``KEY=VALUE`` read, checked, explained and shown."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from mpcontinuity.control.arguments import moment
from mpcontinuity.control.caller import Caller, Scope
from mpcontinuity.control.versions import version_of
from mpcontinuity.homes import user_side
from mpcontinuity.homes.user_side import MOST_URLS
from mpcontinuity.model import hosts, imapurl, oauth
from mpcontinuity.model.clock import iso
from mpcontinuity.model.errors import Refused
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.certificates import NONE, read_certificate
from mpcontinuity.outbound.imap.tokens import NoToken, read_key
from mpcontinuity.outbound.network import read_authorities

HOME_PORT = 25
_ON = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}


class DomainRow(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A domain with its settings. ``home`` and ``home_networks`` have commas between several;
    passwords in ``outbound_route``, ``home_imap`` and ``home_imap_oauth`` are not shown; ``mode_until`` is ISO 8601.
    ``users`` counts all that are registered or inactive. ``version`` is another text whenever a setting that is shown
    is another: who gives it with a change is refused where somebody else has changed one meanwhile."""

    domain: str
    home: str
    home_tls: Literal["opportunistic", "required", "verify", "off"]
    home_tls_name: str
    home_tls_ca: str
    home_tls_certificate: str
    home_users: str
    continuity: bool
    mode: Literal["disabled", "optional", "enabled"]
    bounce_policy: Literal["enabled", "disabled", "disabled-on-continuity"]
    relay_check: bool
    relay_check_days: int
    redirect_on: Literal["any", "outage"]
    unregistered: Literal["defer", "hold"]
    notify_users: bool
    sent_to_home: bool
    pop3_delete: Literal["keep", "delete"]
    retention_days: int
    kept_days: int
    alert_hour: int
    alert_day: int
    outbound_route: str
    quota: int
    mailboxes: int
    total_quota: int
    home_networks: str
    home_imap: str
    home_imap_oauth: str
    home_tenant: str
    mode_until: str | None
    users: int
    version: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a domain: its field in DomainSettings, what is allowed, what it is about, and how it is read.

    ``read`` raises ValueError, with a message where ``allowed`` says too little. ``scope`` is how far one has to reach
    to change it.
    """

    field: str
    allowed: str
    about: str
    read: Callable[[str], Any]
    scope: Scope


def _switch(text: str) -> bool:
    if text.lower() not in _ON:
        raise ValueError
    return _ON[text.lower()]


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return read


def _number(high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and int(text) <= high):
            raise ValueError
        return int(text)

    return read


def _days(text: str) -> int:
    days = _number(36500)(text)
    if not days:
        raise ValueError
    return days


def _homes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_home(part.strip()) for part in text.split(",")))


def _home(text: str) -> str:
    host, port = hosts.split(text, HOME_PORT)
    if not hosts.is_hostname(host) and not (":" in host and hosts.is_hostname(f"[{host}]")):
        raise ValueError(f'"{text}": not a host name or address')
    if not 1 <= port <= 65535:
        raise ValueError(f'"{text}": the port must be 1 to 65535')
    return f"[{host.lower()}]:{port}" if ":" in host else f"{host.lower()}:{port}"


def _networks(text: str) -> tuple[str, ...]:
    return tuple(hosts.network(part.strip()) for part in text.split(",") if part.strip())


def _name(text: str) -> str:
    if text and not hosts.is_hostname(text):
        raise ValueError
    return text.lower()


def readable_authorities(text: str) -> str:
    """Returns the path of a PEM file of authorities, which the server can read, or an empty one. Raises ValueError."""
    return _readable(text, read_authorities) if text else ""


def _readable(path: str, read: Callable[[str], object]) -> str:
    """By its whole path: the server reads it, wherever the command was given."""
    if not Path(path).is_absolute():
        raise ValueError(f'"{path}": give the whole path, beginning with /')
    try:
        read(path)
    except OSError as error:
        raise ValueError(f'"{path}": the server cannot read it: {error.strerror}') from None
    except ValueError as error:
        raise ValueError(f'"{path}": {error}') from None
    return path


def _client_certificate(text: str) -> str:
    if text in ("", NONE):
        return text
    return _readable(text, read_certificate)


def _imap_url(text: str) -> str:
    if text:
        imapurl.parse(text)
    return text


def _oauth(text: str) -> str:
    if text and isinstance(oauth.parse(text), oauth.ServiceAccount):
        try:
            read_key(text)
        except NoToken as error:
            raise ValueError(str(error)) from None
    return text


def _user_side(text: str) -> tuple[str, ...]:
    urls = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(urls) > MOST_URLS:
        raise ValueError(f"must be {MOST_URLS} URLs at most")
    for url in urls:
        try:
            user_side.read(url)
        except ValueError as error:
            raise ValueError(f"the URL {error}") from None
    return urls


def _route(text: str) -> str:
    if text and not hosts.is_route(text):
        raise ValueError
    return text


_ABOUT: dict[str, tuple[str, str, Callable[[str], Any] | None]] = {
    "home": ("host[:port], with commas between several", "the home servers, in order of preference", _homes),
    "home-tls": ("", "TLS to the home server", None),
    "home-tls-name": ("a host name, or empty", "the name in the home servers' certificate, where it is another", _name),
    "home-tls-ca": (
        "the whole path of a PEM file, or empty",
        "the authorities that home-tls=verify believes",
        readable_authorities,
    ),
    "home-tls-certificate": (
        'the whole path of a PEM file with certificate and key, "none", or empty',
        "the certificate that a home server gets if it asks for one; empty: the server's own",
        _client_certificate,
    ),
    "home-users": (
        "imap(s):// and https:// URLs, with commas between several, or empty",
        "home's users' side, which is watched and never acted upon alone; with a test account as NAME:PASSWORD@",
        _user_side,
    ),
    "continuity": ("", "off makes the domain a plain relay", None),
    "mode": ("", "continuity for all users now (enabled), for those who opt in, or in an outage only", None),
    "bounce-policy": ("", "whether senders hear of redeliveries that failed", None),
    "relay-check": (
        "",
        "on: an address that the home server accepts becomes a user, unless it accepts any",
        None,
    ),
    "relay-check-days": ("1 to 36500", "without mail, until a user whom relay-check found is forgotten", _days),
    "redirect-on": ("", "outage: policy refusals (4.2.x, 4.7.x, 4.1.8) go to the client as home gave them", None),
    "unregistered": ("", "hold: what home took in the last 30 days is owed in an outage without a mailbox", None),
    "notify-users": ("", "whether users are told when continuity begins and ends, past the home server", None),
    "sent-to-home": ("", "whether the home server gets a copy of what users send", None),
    "pop3-delete": ("", "what POP3's DELE means", None),
    "retention-days": ("0 to 36500", "how long messages are archived; 0: not at all", _number(36500)),
    "kept-days": ("0 to 36500", "how long a redelivered message stays in its mailbox here", _number(36500)),
    "alert-hour": ("0 to 999999999, 0 is off", "errors within an hour that alert", _number(999_999_999)),
    "alert-day": ("0 to 999999999, 0 is off", "errors within a day that alert", _number(999_999_999)),
    "outbound-route": (f"{hosts.ROUTE}, or empty", "as [outbound] route", _route),
    "quota": ("bytes, 0 is the server's", "what a user may store, as [limits] user_storage", _number(1 << 50)),
    "mailboxes": ("0 to 10000, 0 is the server's", "folders of a user, as [limits] user_mailboxes", _number(10_000)),
    "total-quota": ("bytes, 0 is no limit", "what all users of the domain may store together", _number(1 << 50)),
    "home-networks": (
        'networks as "192.0.2.0/24", with commas between several',
        "who may send the domain's outbound mail by port 25 without AUTH",
        _networks,
    ),
    "home-imap": (
        f"{imapurl.FORM}, or empty",
        "the home server's mailboxes, into whose folders mail goes after an outage",
        _imap_url,
    ),
    "home-imap-oauth": (
        f"{oauth.FORM}, or empty",
        "how access tokens for home-imap are got (Microsoft 365, Google)",
        _oauth,
    ),
    "home-tenant": (
        "a domain as in X-OriginatorOrg, or empty",
        "whose mail counts as the domain's own, where home-networks are shared by many (Microsoft 365)",
        _name,
    ),
}


# What steers other people's servers, lets others send from here, or takes room on this machine.
_FOR_ALL = frozenset(
    {
        *("home", "home-tls", "home-tls-name", "home-tls-ca", "home-tls-certificate", "home-users"),
        *("home-imap", "home-imap-oauth", "home-networks", "home-tenant", "outbound-route"),
        *("retention-days", "quota", "mailboxes", "total-quota"),
    }
)


def _settings() -> dict[str, Setting]:
    hints = get_type_hints(DomainSettings)
    table = {}
    for key, (allowed, about, read) in _ABOUT.items():
        field = key.replace("-", "_")
        scope = Scope.ALL if key in _FOR_ALL else Scope.DOMAIN
        if get_origin(hints[field]) is Literal:
            choices = get_args(hints[field])
            table[key] = Setting(field, ", ".join(choices), about, _one_of(choices), scope)
        elif hints[field] is bool:
            table[key] = Setting(field, "on or off", about, _switch, scope)
        else:
            assert read is not None
            table[key] = Setting(field, allowed, about, read, scope)
    return table


SETTINGS = _settings()
# Fields that may have a password in them.
WITH_SECRETS = ("outbound_route", "home_imap", "home_imap_oauth", "home_users")


def refuse_beyond(caller: Caller, given: Iterable[str]) -> None:
    """Raises Refused for the first of these settings that the caller does not reach far enough to change."""
    for key in given:
        if key in SETTINGS and caller.scope < SETTINGS[key].scope:
            raise Refused(f"{key}: is for administrators of all domains only", "forbidden")


def change(settings: DomainSettings, given: Mapping[str, str], until: str | None, now: int) -> DomainSettings:
    """Returns the settings with what is ``given`` changed. Raises Refused for the first that will not do.

    ``until`` ends the mode that is given with it; a mode without it has no end.
    """
    fields: dict[str, Any] = {}
    for key, text in given.items():
        setting = SETTINGS.get(key)
        if setting is None:
            near = difflib.get_close_matches(key, SETTINGS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETTINGS)}"
            raise Refused(f"{hosts.without_password(key)}: no such setting; {hint}", "unknown")
        try:
            fields[setting.field] = setting.read(text)
        except ValueError as error:
            shown = hosts.without_password(text)
            raise Refused(f"{key}: {error}" if str(error) else f'{key}: "{shown}": must be {setting.allowed}') from None
    if "mode" in fields:
        fields["mode_until"] = 0
    if until is not None:
        if fields.get("mode", settings.mode) == "disabled":
            raise Refused("until: is the end of mode=optional or mode=enabled; give one of them")
        fields["mode_until"] = moment(until, now, ahead=True)
        if fields["mode_until"] <= now:
            raise Refused(f'until: "{until}": is in the past')
    return msgspec.structs.replace(settings, **fields)


def row(name: str, settings: DomainSettings, users: int) -> DomainRow:
    """Returns the row of the domain of that name with so many users."""
    shown: dict[str, Any] = {setting.field: getattr(settings, setting.field) for setting in SETTINGS.values()}
    shown["home"] = ",".join(settings.home)
    shown["home_networks"] = ",".join(settings.home_networks)
    secret = {field: shown[field] for field in WITH_SECRETS if field != "home_users"}
    shown |= {field: hosts.without_password(text) for field, text in secret.items()}
    shown["home_users"] = ",".join(user_side.shown(url) for url in settings.home_users)
    shown["mode_until"] = iso(settings.mode_until) if settings.mode_until else None
    return DomainRow(domain=name, users=users, version=version_of(shown), **shown)
