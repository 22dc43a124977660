from __future__ import annotations

from xml.etree import ElementTree

import pytest

from mpcontinuity.model.public import Place
from mpcontinuity.protocols.discovery.autoconfig import document


def servers(octets: bytes) -> list[tuple[str | None, ...]]:
    """As Thunderbird reads them (comm-central, readFromXML): in document order, the first that works is taken."""
    provider = ElementTree.fromstring(octets).find("emailProvider")
    assert provider is not None
    return [
        (server.tag, server.get("type"), *(server.findtext(name) for name in ("hostname", "port", "socketType")))
        for server in provider
        if server.tag in ("incomingServer", "outgoingServer")
    ]


def test_all_places_are_given_with_imap_before_pop3(places: list[Place]) -> None:
    assert servers(document("example.org", places)) == [
        ("incomingServer", "imap", "mx.example.org", "993", "SSL"),
        ("incomingServer", "pop3", "mx.example.org", "995", "SSL"),
        ("outgoingServer", "smtp", "mx.example.org", "465", "SSL"),
    ]


def test_starttls_and_other_ports(plain: list[Place]) -> None:
    assert [server[2:] for server in servers(document("example.org", plain))] == [
        ("mx.example.org", "1143", "STARTTLS"),
        ("mx.example.org", "587", "STARTTLS"),
    ]


def test_the_user_name_is_the_address_which_the_program_puts_in(places: list[Place]) -> None:
    found = ElementTree.fromstring(document("example.org", places)).iter("username")
    assert [each.text for each in found] == ["%EMAILADDRESS%"] * 3


def test_provider_domain_and_the_page_for_people(places: list[Place]) -> None:
    root = ElementTree.fromstring(document("example.org", places, "https://mx.example.org/setup?a=1&b=2"))
    assert (root.tag, root.get("version")) == ("clientConfig", "1.1")
    provider = root.find("emailProvider")
    assert provider is not None
    assert provider.get("id") == provider.findtext("domain") == "example.org"
    page = provider.find("documentation")
    assert page is not None
    assert page.get("url") == "https://mx.example.org/setup?a=1&b=2"


@pytest.mark.parametrize("domain", ['a"b', "a<b>", "a&b", "xn--bcher-kva.example", "bücher.example"])
def test_no_domain_breaks_the_document(places: list[Place], domain: str) -> None:
    assert ElementTree.fromstring(document(domain, places)).findtext("emailProvider/domain") == domain
