"""IMAP URLs as administrators write them: where a home server keeps its mailboxes, and how to log in there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from mpcontinuity.model.hosts import is_hostname

IMAP_PORT, IMAPS_PORT = 143, 993  # RFC 8314 §7.2
FORM = '"imaps://[NAME:PASSWORD@]HOST[:PORT]", where NAME may have {user} or {local} in it'

# Longer ones are no name of a host and no password, and each is shown, compared and stored with the domain.
_LONGEST = 2000
_PLACES = ("{user}", "{local}", "{domain}")
_PLACE = re.compile(r"\{[^}]*\}?|\}")
# Servers divide the name of a login at these, into a user and a master, a domain or a folder. (No address of ours has
# @ or % before its @.)
_DIVIDES = re.compile(r'[*/\\"\s]')


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """Where and how a session with an IMAP server begins.

    ``implicit``: TLS begins with the first octet. ``tls`` says what is asked of it: ``verify`` a certificate that is
    believed, ``required`` any certificate, ``off`` no TLS; empty: ``verify``, and on this machine itself any or none.
    ``name`` and ``password`` are empty where the login is by OAuth 2, or where there is none.
    """

    host: str
    port: int
    implicit: bool
    tls: Literal["", "verify", "required", "off"] = ""
    name: str = ""
    password: str = field(default="", repr=False)

    @property
    def master(self) -> bool:
        """Whether ``name`` is one for all users, who are named beside it (SASL PLAIN, RFC 4616 §2)."""
        return bool(self.name) and not any(place in self.name for place in _PLACES)

    @property
    def shown(self) -> str:
        """Host and port, as the log and replies have them."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def login(self, local: str, domain: str) -> str:
        """Returns the name by which the user with this local part and domain is logged in; the address, without one."""
        if not self.name or self.master:
            return f"{local}@{domain}"
        values = {"{user}": f"{local}@{domain}", "{local}": local, "{domain}": domain}
        return _PLACE.sub(lambda match: values[match.group()], self.name)


def is_one_name(local: str) -> bool:
    """Returns whether a login with this local part of an address names one user to every server.

    One with ``*``, or with what has to be quoted, could be taken for somebody else's name.
    """
    return _DIVIDES.search(local) is None


def parse(text: str) -> ImapUrl:
    """Returns what an IMAP URL says. Raises ValueError, whose text says what is wrong and shows no password.

    Name and password are percent-encoded (RFC 5092 §3); ``*``, ``{`` and ``}`` may stand as they are.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"has more than {_LONGEST} characters")
    if not text.isprintable() or " " in text:
        raise ValueError("has a blank or a control character; write it as %20 and the like")
    scheme, slashes, rest = text.partition("://")
    if scheme.lower() not in ("imap", "imaps") or not slashes:
        raise ValueError(f"must be {FORM}")
    login, at, place = rest.rpartition("@")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("its host or port is wrong; after the last @ stands HOST or HOST:PORT") from None
    implicit = scheme.lower() == "imaps"
    if port == 0 or not (is_hostname(host) or (":" in host and is_hostname(f"[{host}]"))):
        raise ValueError("its host or port is wrong; after the last @ stands HOST or HOST:PORT")
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError("has a path; a password with / in it needs %2F")
    tls = _tls(parts.query, implicit=implicit)
    name, colon, password = login.partition(":")
    if at and not name:
        raise ValueError(f"has no name before the @; it must be {FORM}")
    if at and colon and password in ("", "…"):  # as `domain show` has it
        raise ValueError("has no password behind the name")
    name, password = unquote(name), unquote(password)
    if "\0" in name + password:
        raise ValueError("has NUL in name or password")
    unknown = [place for place in _PLACE.findall(name) if place not in _PLACES]
    if unknown:
        raise ValueError(f"has {unknown[0]} in the name; there are {', '.join(_PLACES)}")
    return ImapUrl(host, port or (IMAPS_PORT if implicit else IMAP_PORT), implicit, tls, name, password)


def _tls(query: str, *, implicit: bool) -> Literal["", "verify", "required", "off"]:
    if not query:
        return ""
    key, _, value = query.partition("=")
    if key == "tls":
        if value == "off" and implicit:
            raise ValueError("imaps:// is TLS from the beginning; tls=off is for imap://")
        if value == "verify":
            return "verify"
        if value in ("required", "off"):
            return "off" if value == "off" else "required"
    raise ValueError('behind the "?" may stand tls=verify, tls=required or tls=off')
