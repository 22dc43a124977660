from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from mpcontinuity.model.public import Place
from mpcontinuity.protocols.discovery.autodiscover import BadRequest, answer, answer_in_json, error, read

OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
MOBILE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
NAMES = {"o": OUTLOOK, "a": "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"}


def request(address: str = "anna@example.org", schema: str = OUTLOOK, begin: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{begin}<Autodiscover '
        'xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
        f"<EMailAddress>{address}</EMailAddress>"
        f"<AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


def test_what_outlook_asks_is_read() -> None:
    wanted = read(request(" anna@example.org "))
    assert wanted.address == "anna@example.org"
    assert wanted.mail
    assert read(request("bj&#246;rn&amp;co@example.org")).address == "björn&co@example.org"


def test_a_prefix_of_the_namespace_and_utf_16_make_no_difference() -> None:
    text = '<x:Autodiscover xmlns:x="y"><x:Request><x:EMailAddress>a@b</x:EMailAddress></x:Request></x:Autodiscover>'
    assert read(text.encode()).address == "a@b"
    assert read(f'<?xml version="1.0" encoding="utf-16"?>{text}'.encode("utf-16")).address == "a@b"


def test_telephones_that_ask_for_activesync_are_known_by_their_schema() -> None:
    assert not read(request(schema=MOBILE)).mail


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"<a",
        b"<Autodiscover/>",
        b"<a><EMailAddress></EMailAddress></a>",
        request(begin="<!DOCTYPE a>"),
        request("&x;", begin='<!DOCTYPE a [<!ENTITY x "y@z">]>'),
        request("&x;", begin='<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        request("&x;"),
        request("x" * 1025),
        request("x" * 8192),
        b"<a>" * 17 + b"</a>" * 17,
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b'<?xml version="1.0" encoding="no such"?><a/>',
        b"<EMailAddress>\xff</EMailAddress>",
    ],
)
def test_what_no_mail_program_sends_is_refused(octets: bytes) -> None:
    with pytest.raises(BadRequest):
        read(octets)


def test_the_answer_has_all_places_and_no_ntlm(places: list[Place]) -> None:
    root = ElementTree.fromstring(answer("anna@example.org", places))
    account = root.find("o:Response/o:Account", NAMES)
    assert account is not None
    assert account.findtext("o:Action", None, NAMES) == "settings"
    found = [
        tuple(protocol.findtext(f"o:{name}", None, NAMES) for name in ("Type", "Server", "Port", "LoginName", "SPA"))
        for protocol in account.findall("o:Protocol", NAMES)
    ]
    assert found == [
        ("IMAP", "mx.example.org", "993", "anna@example.org", "off"),
        ("POP3", "mx.example.org", "995", "anna@example.org", "off"),
        ("SMTP", "mx.example.org", "465", "anna@example.org", "off"),
    ]


def test_starttls_is_told_as_encryption(plain: list[Place], places: list[Place]) -> None:
    for given, said in ((plain, "TLS"), (places, "SSL")):
        found = ElementTree.fromstring(answer("a@b", given)).iter(f"{{{OUTLOOK}}}Encryption")
        assert {each.text for each in found} == {said}


@pytest.mark.parametrize("address", ["a<b>&c@example.org", 'a"b@example.org', "a\0b\x0b@example.org"])
def test_no_address_breaks_the_answer(places: list[Place], address: str) -> None:
    root = ElementTree.fromstring(answer(address, places))
    name = root.findtext("o:Response/o:User/o:DisplayName", None, NAMES)
    assert name == address.replace("\0", "").replace("\x0b", "")


def test_errors_have_the_code_that_outlook_knows() -> None:
    assert ElementTree.fromstring(error(601, "no such <schema>")).findtext(".//a:ErrorCode", None, NAMES) == "601"


def test_the_json_form_leads_to_the_xml_and_knows_no_other_protocol() -> None:
    code, body = answer_in_json("AutodiscoverV1", "https://mx.example.org/autodiscover/autodiscover.xml")
    assert code == 200
    assert json.loads(body) == {
        "Protocol": "Autodiscoverv1",
        "Url": "https://mx.example.org/autodiscover/autodiscover.xml",
    }
    for protocol in ("ActiveSync", "Ews", ""):
        code, body = answer_in_json(protocol, "https://mx.example.org/")
        assert (code, json.loads(body)["ErrorCode"]) == (400, "InvalidProtocol")
