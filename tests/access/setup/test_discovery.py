"""What mail programs ask for by themselves, as it is served."""

from __future__ import annotations

import json
import plistlib
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from mpcontinuity.access.setup.site import routes
from mpcontinuity.control.operation import Control
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Public, Settings, Tls, Web
from mpcontinuity.protocols.discovery import useragent
from mpcontinuity.web.routes import RoutedSite
from tests.access.setup.test_invitation import services
from tests.control.conftest import Call
from tests.fakes.clock import ManualClock
from tests.fakes.judging import Court
from tests.protocols.discovery.test_autodiscover import MOBILE, request
from tests.web.test_pages import Transport

PORTS = {"imaps": 993, "pop3s": 995, "submissions": 465, "web": 443}
HOST = "mail.example.net"


class Server:
    def __init__(self, control: Control, clock: ManualClock, web: Web) -> None:
        tls = Tls(certificate="no such file", private_key="no such file")
        self.settings = Settings(hostname="mx.example.net", public=Public(host=HOST, ports=PORTS), tls=tls, web=web)
        self.control = replace(control, settings=self.settings)
        timer: Any = clock
        pages = routes(services(self.control, Court(clock).judge))
        self.site = RoutedSite(pages, timer, Rations(Limits(), clock.seconds), most=1 << 30)

    def ask(self, path: str, body: bytes | None = None, host: str = "evil.example") -> tuple[int, bytes, bytes]:
        """Status code, header and body."""
        channel = self.site.buildProtocol(None)
        transport: Any = Transport()
        channel.makeConnection(transport)
        head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: {host}\r\n"
        if body is not None:
            head += f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        channel.dataReceived(f"{head}\r\n".encode() + (body or b""))
        answer, _, content = transport.value().partition(b"\r\n\r\n")
        return int(answer.split()[1]), answer.lower(), content


@pytest.fixture
def server(control: Control, clock: ManualClock, call: Call) -> Server:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address="anna@example.org", password="secret")
    return Server(control, clock, Web())


AUTOCONFIG = ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"]


@pytest.mark.parametrize("path", AUTOCONFIG)
def test_autoconfig_tells_the_public_host_and_ports(server: Server, path: str) -> None:
    code, head, body = server.ask(f"{path}?emailaddress=anna%40example.org")
    assert code == 200
    assert b"content-type: text/xml" in head
    root = ElementTree.fromstring(body)
    assert [each.text for each in root.iter("hostname")] == [HOST] * 3
    assert [each.text for each in root.iter("port")] == ["993", "995", "465"]
    page = root.find("emailProvider/documentation")
    assert page is not None
    assert page.get("url") == f"https://{HOST}/setup"


@pytest.mark.parametrize("host", ["example.org", "autoconfig.example.org", "AutoConfig.Example.org:443"])
def test_autoconfig_without_an_address_goes_by_the_host_that_is_asked(server: Server, host: str) -> None:
    assert server.ask(AUTOCONFIG[0], host=host)[0] == 200
    assert server.ask(AUTOCONFIG[0], host=f"x{host}")[0] == 404


@pytest.mark.parametrize("address", ["x@other.example", "x@sub.example.org"])
def test_another_domain_gets_nothing(server: Server, address: str) -> None:
    for path in (f"{AUTOCONFIG[0]}?emailaddress={address}", f"/mobileconfig?email={address}"):
        assert server.ask(path)[0] == 404
    assert server.ask("/autodiscover/autodiscover.xml", request(address))[0] == 404
    assert server.ask(f"/autodiscover/autodiscover.json?Email={address}&Protocol=Autodiscoverv1")[0] == 404


def test_whether_there_is_such_a_user_makes_no_difference(server: Server) -> None:
    for ask in (
        lambda name: server.ask(f"{AUTOCONFIG[0]}?emailaddress={name}@example.org"),
        lambda name: server.ask(f"/mobileconfig?email={name}@example.org"),
        lambda name: server.ask("/autodiscover/autodiscover.xml", request(f"{name}@example.org")),
        lambda name: server.ask(f"/setup?email={name}@example.org"),
    ):
        (code, head, _), other = ask("anna"), ask("bert")
        assert (code, head.split(b"content-length")[0]) == (200, other[1].split(b"content-length")[0])


@pytest.mark.parametrize("address", ["", "x", "a@b@c", "%22a%01b%22@example.org", "a%00@example.org"])
def test_what_is_no_address_is_refused(server: Server, address: str) -> None:
    assert server.ask(f"/mobileconfig?email={address}")[0] == 400
    if address:
        assert server.ask(f"{AUTOCONFIG[0]}?emailaddress={address}")[0] == 400


@pytest.mark.parametrize("folder", ["autodiscover", "Autodiscover", "AutoDiscover", "AUTODISCOVER", "aUTOdISCOVER"])
def test_outlook_is_answered_in_any_case_of_the_path(server: Server, folder: str) -> None:
    code, head, body = server.ask(f"/{folder}/{folder}.xml", request())
    assert code == 200
    assert b"content-type: text/xml" in head
    assert body.count(b"<SPA>off</SPA>") == 3
    assert server.ask(f"/{folder}/{folder}.XML", request())[0] == 200
    assert server.ask(f"/{folder}/other.xml", b"")[0] == 404


def test_outlook_is_told_what_is_wrong_in_its_own_words(server: Server) -> None:
    path = "/autodiscover/autodiscover.xml"
    for body, code, said in (
        (b"nothing", 400, b"<ErrorCode>600<"),
        (request(begin="<!DOCTYPE a>"), 400, b"<ErrorCode>600<"),
        (request("no address"), 404, b"<ErrorCode>500<"),
        (request(schema=MOBILE), 200, b"<ErrorCode>601<"),
    ):
        answer = server.ask(path, body)
        assert answer[0] == code
        assert said in answer[2]
    assert server.ask(path, b"x" * 8193)[0] == 413
    assert server.ask(path)[0] == 405


def test_the_json_form_leads_to_the_public_host(server: Server) -> None:
    for path in (
        "/autodiscover/autodiscover.json?Email=anna@example.org&Protocol=Autodiscoverv1",
        "/Autodiscover/Autodiscover.json/v1.0/anna@example.org?Protocol=AutodiscoverV1",
    ):
        code, _, body = server.ask(path)
        assert code == 200
        assert json.loads(body)["Url"] == f"https://{HOST}/autodiscover/autodiscover.xml"
    assert server.ask("/autodiscover/autodiscover.json?Email=anna@example.org&Protocol=ActiveSync")[0] == 400


def test_apple_gets_a_profile_that_its_devices_know_by_its_type(server: Server) -> None:
    code, head, body = server.ask("/mobileconfig?email=anna@example.org")
    assert code == 200
    assert b"content-type: application/x-apple-aspen-config\r\n" in head
    assert plistlib.loads(body)["PayloadContent"][0]["IncomingMailServerHostName"] == HOST


def test_the_user_agent_configuration_is_the_very_octets_that_dns_vouches_for(server: Server) -> None:
    code, head, body = server.ask("/.well-known/user-agent-configuration.json", host="ua-auto-config.example.org")
    assert (code, body) == (200, useragent.document(server.settings))
    assert b"content-type: application/json\r\n" in head


def test_health_and_whom_to_tell_of_a_hole(server: Server, control: Control, clock: ManualClock) -> None:
    assert server.ask("/healthz")[::2] == (200, b"ok\n")
    code, head, body = server.ask("/.well-known/security.txt")
    lines = dict(line.split(": ", 1) for line in body.decode().splitlines())
    assert code == 200
    assert b"content-type: text/plain; charset=utf-8" in head
    assert lines["Contact"] == "mailto:postmaster@example.org"
    assert lines["Canonical"] == f"https://{HOST}/.well-known/security.txt"
    clock.advance(DAY / SECOND)
    later = server.ask("/.well-known/security.txt")[2].decode()
    assert lines["Expires"] < later[later.index("Expires: ") + 9 :][:20]
    other = Server(control, clock, Web(security_contact="https://example.org/security"))
    assert b"Contact: https://example.org/security\n" in other.ask("/.well-known/security.txt")[2]


@pytest.mark.parametrize("host", ["", "example.org:99999999", "example.org:", "[::1]", "[1:2]", ".", "%", "a" * 300])
def test_a_host_header_that_names_no_host_is_no_domain_of_ours(server: Server, host: str) -> None:
    code, _, body = server.ask(AUTOCONFIG[0], host=host)
    assert (code, body) == (404, b"no domain of this server\n")


@pytest.mark.parametrize("host", ["[", "[::1", "a:b:c", "exa mple.org", "\xe9\xff"])
def test_a_host_header_that_is_no_host_is_400(server: Server, host: str) -> None:
    assert server.ask(AUTOCONFIG[0], host=host)[0] == 400
