"""Mail Autoconfig as Thunderbird, K-9, Evolution and others ask for it (draft-ietf-mailmaint-autoconfig)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from mpcontinuity.model.public import Place

PATHS: Final = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
CONTENT_TYPE: Final = "text/xml; charset=utf-8"

_SOCKETS: Final = {"SSL/TLS": "SSL", "STARTTLS": "STARTTLS"}


def document(domain: str, places: Sequence[Place], help_url: str | None = None) -> bytes:
    """Returns the configuration for users of a domain, in XML.

    The program puts the user's address into ``%EMAILADDRESS%`` itself. ``help_url`` is a page for people.
    """
    servers = "".join(_server(place) for place in places)
    named = escape(domain)
    about = (
        ""
        if help_url is None
        else f'    <documentation url={_quoted(help_url)}><descr lang="en">How to set up '
        "this account</descr></documentation>\n"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<clientConfig version="1.1">\n'
        f"  <emailProvider id={_quoted(domain)}>\n"
        f"    <domain>{named}</domain>\n"
        f"    <displayName>Mail of {named}</displayName>\n"
        f"    <displayShortName>{named}</displayShortName>\n"
        f"{servers}{about}"
        "  </emailProvider>\n"
        "</clientConfig>\n"
    ).encode()


def _server(place: Place) -> str:
    """``password-cleartext`` is what a program calls PLAIN and LOGIN, which TLS hides."""
    side = "outgoingServer" if place.protocol == "SMTP" else "incomingServer"
    return (
        f'    <{side} type="{place.protocol.lower()}">\n'
        f"      <hostname>{escape(place.host)}</hostname>\n"
        f"      <port>{place.port}</port>\n"
        f"      <socketType>{_SOCKETS[place.security]}</socketType>\n"
        "      <authentication>password-cleartext</authentication>\n"
        "      <username>%EMAILADDRESS%</username>\n"
        f"    </{side}>\n"
    )


def _quoted(text: str) -> str:
    return '"' + escape(text, {'"': "&quot;"}) + '"'
