"""A user turns their vacation text on by webmail, and strangers on the network, by real SMTP, hear it once or not at
all: with the home server up, in an outage, and after the server was killed."""

from __future__ import annotations

import http.cookiejar
import re
import signal
import smtplib
import ssl
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mpcontinuity.message import dkim
from tests.app.running import Server
from tests.fakes.home import ScriptedHome
from tests.fakes.nameserver import Nameserver, a, mx, txt
from tests.journeys.world import World, configuration, message

pytestmark = pytest.mark.sqlite

TEXT = "I am back on Monday."
_HIDDEN = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)">')


class Browser:
    """One that knows no JavaScript, and any certificate."""

    def __init__(self, port: int) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._origin = f"https://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusting),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def get(self, path: str) -> str:
        return str(self._opener.open(f"{self._origin}{path}", timeout=60).read().decode())

    def send(self, path: str, on: str, **form: str) -> str:
        page = self.get(on)
        page = page[page.index(f'method="post" action="{path}"') :]
        hidden = {name: unescape(value) for name, value in _HIDDEN.findall(page[: page.index("</form>")])}
        request = urllib.request.Request(
            f"{self._origin}{path}",
            urlencode({**hidden, **form}).encode(),
            {"Origin": self._origin, "Sec-Fetch-Site": "same-origin"},
        )
        return str(self._opener.open(request, timeout=60).read().decode())


class Office(World):
    """A domain whose mail to the world goes to ``far``."""

    far: ScriptedHome

    def away(self, when: str, user: str = "") -> None:
        browser = Browser(self.server.ports["web"])
        browser.send("/login", "/", address=user or self.anna, password="secret")
        said = browser.send("/settings/vacation", "/settings/vacation", when=when, text=TEXT)
        assert "Your vacation text is on." in said

    def comes(self, subject: str, sender: str = "bob@sender.example", header: str = "", to: str = "") -> None:
        to = to or self.anna
        content = message(subject, sender=sender).replace(b"someone@example.org", to.encode())
        with self.smtp() as client:
            assert client.sendmail(sender, [to], header.encode() + content) == {}

    def answers(self, to: str) -> list[Any]:
        found = [each for each in self.far.messages if each.recipients == [to]]
        assert all(each.sender == "" for each in found)
        return [message_from_bytes(each.data, policy=policy.SMTP) for each in found]

    def logged(self, text: str) -> None:
        self.wait_for(lambda: text in self.server.log.read_text())


@pytest.fixture(scope="module")
def dns() -> Iterator[Nameserver]:
    zone: dict[str, Any] = {"mx.sender.example": [a("127.0.0.1")]}
    for name, hosts in (("sender.example", "127.0.0.1"), ("forged.example", "192.0.2.1")):
        zone[name] = [mx(10, "mx.sender.example"), txt(f"v=spf1 ip4:{hosts} -all")]
    with Nameserver(zone) as running:
        yield running


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, dns: Nameserver) -> Iterator[Office]:
    with ScriptedHome() as home, ScriptedHome() as far:
        text = configuration().replace("web = []", 'web = ["tcp:0:interface=127.0.0.1"]')
        text = text.replace("submission = []", 'submission = ["tcp:0:interface=127.0.0.1"]')
        text += f'\n[outbound]\nport = {far.port}\nresolvers = ["{dns.address}"]\nallow_private = true\n'
        with Server(Path(tmp_path_factory.mktemp("vacation")), text) as server:
            opened = Office(server, home)
            opened.far = far
            yield opened
            assert "Traceback" not in server.log.read_text(), server.log.read_text()[-6000:]


def test_a_vacation_text_goes_once_to_who_is_proven_and_to_nobody_else(office: Office) -> None:
    """In one journey, since a server and a domain take a second."""
    office.cli("domain", "dkim", office.domain)
    office.away("always")
    office.comes("with home up")
    assert office.at_home("with home up")
    office.wait_for(lambda: bool(office.answers("bob@sender.example")))
    (found,) = office.answers("bob@sender.example")
    assert (found["From"], found["Subject"]) == (f"Anna <{office.anna}>", "Auto: with home up")
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["In-Reply-To"] == "<with-home-up@sender.example>"
    assert found.get_content().strip() == TEXT
    signature = dkim.read(next(one for one in dkim.fields(found.as_bytes()) if one.name == b"dkim-signature"), 0)
    assert signature.domain == office.domain

    office.comes("forged", "carl@forged.example")
    office.logged("to <carl@forged.example>: nothing proves who sent it")
    office.comes("a list", "list@sender.example", "List-Id: <all.sender.example>\r\n")
    office.logged("to <list@sender.example>: it is of a mailing list")
    assert {each.recipients[0] for each in office.far.messages} == {"bob@sender.example"}

    office.home.stop()
    before = office.server.log.read_text().count("spf=pass")
    office.comes("in an outage", "eve@sender.example")
    office.wait_for(lambda: office.server.log.read_text().count("spf=pass") > before)
    office.server.stop(signal.SIGKILL)  # with the note alone, or with the answer in the queue
    office.server.start()
    office.comes("again", "bob@sender.example")
    office.comes("the last one", "fred@sender.example")
    office.wait_for(lambda: bool(office.answers("fred@sender.example")))
    office.wait_for(lambda: bool(office.answers("eve@sender.example")))
    assert [len(office.answers(f"{who}@sender.example")) for who in ("bob", "eve", "fred")] == [1, 1, 1]


def test_two_users_who_are_away_do_not_answer_each_other_in_circles(office: Office) -> None:
    for user in (office.anna, office.ben):
        office.away("always", user)
    content = message("between us", sender=office.ben).replace(b"someone@example.org", office.anna.encode())
    with smtplib.SMTP("127.0.0.1", office.server.ports["submission"], timeout=60) as client:
        client.login(office.ben, "secret")
        assert client.sendmail(office.ben, [office.anna], content) == {}
    office.wait_for(lambda: "Auto: between us" in office.subjects(office.ben))
    office.comes("later", "grace@sender.example", to=office.ben)  # whose answer is behind one to the answer
    office.wait_for(lambda: bool(office.answers("grace@sender.example")))
    assert office.subjects(office.ben).count("Auto: between us") == 1
    assert not [each for each in office.subjects() if each.startswith("Auto:")]
