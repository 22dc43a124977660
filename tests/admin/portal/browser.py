"""A browser without JavaScript at the portal: it keeps cookies, follows links and sends forms, as people would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from urllib.parse import urlencode

from mpcontinuity.accounts import administrator_login
from mpcontinuity.accounts.administrator_login import AdministratorLogin
from mpcontinuity.accounts.web_sessions import ADMINISTRATOR, WebSessions
from mpcontinuity.admin.portal import site
from mpcontinuity.control.operation import Control
from mpcontinuity.model.rations import Rations
from mpcontinuity.model.settings import Limits, Public, Settings, Web
from mpcontinuity.web.routes import RoutedSite
from tests.fakes.clock import ManualClock, SeededRandomness
from tests.fakes.judging import Court
from tests.web.test_pages import Transport

HOST = "mail.example.net"
_HIDDEN = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)">')
_COOKIE = re.compile(rb"(?i)\r\nset-cookie: ([^=]+)=([^;]*);([^\r]*)")
_LOCATION = re.compile(rb"(?i)\r\nlocation: ([^\r]*)\r\n")


@dataclass
class Shown:
    """An answer: its status code, the header as it came, the page, and where it sends the browser."""

    code: int
    head: bytes
    page: str
    location: str

    def hidden(self, form: str = "") -> dict[str, str]:
        """The hidden fields of the form whose action is that path; of the first one, where none is named."""
        page = self.page[self.page.index(f'method="post" action="{form}"') :] if form else self.page
        page = page[: page.index("</form>")]
        return {name: unescape(value) for name, value in _HIDDEN.findall(page)}


class Portal:
    """The portal as it is served, with the court that judges passwords."""

    def __init__(self, control: Control, clock: ManualClock, *, require_totp: bool = False) -> None:
        self.court = Court(clock, control.passwords)
        self.login = AdministratorLogin(control.store, self.court.judge)
        self.sessions = WebSessions(control.store, ADMINISTRATOR, SeededRandomness(7), administrator_login.signed_in)
        settings = Settings(hostname="mx.example.net", public=Public(host=HOST), web=Web(require_totp=require_totp))
        self.control = replace(control, settings=settings, administrator_login=lambda: self.login)
        self.pages = site.routes(control=self.control, login=self.login, sessions=self.sessions)
        timer: Any = clock
        self.site = RoutedSite(self.pages, timer, Rations(Limits(), clock.seconds), most=1 << 30)


class Browser:
    """One browser with its own cookies."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Shown:
        return self._ask("GET", path, headers, b"")

    def head(self, path: str) -> Shown:
        return self._ask("HEAD", path, {}, b"")

    def post(self, path: str, form: Mapping[str, Any], **headers: str) -> Shown:
        """Sends a form as a browser does from a page of ours, unless ``headers`` say something else."""
        given = {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin", **_named(headers)}
        return self._ask("POST", path, given, urlencode(form, doseq=True).encode())

    def put(self, path: str, body: bytes, **headers: str) -> Shown:
        """Sends a file as a script of a page of ours does."""
        given = {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
        return self._ask("PUT", path, {**given, "Content-Type": "text/csv", **_named(headers)}, body)

    def upload(
        self, method: str, path: str, body: bytes, kind: str = "application/octet-stream", **headers: str
    ) -> Shown:
        """Sends octets, as a form with files or a script of a page of ours does."""
        given = {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin", "Content-Type": kind, **_named(headers)}
        return self._ask(method, path, given, body)

    def send(self, path: str, on: str = "", /, **form: Any) -> Shown:
        """Fills in the form with that action on the page ``on`` (its own path, where none is named) and sends it."""
        shown = self.get(on or path)
        assert shown.code == 200, shown.page
        return self.post(path, {**shown.hidden(path), **form})

    def log_in(self, name: str, password: str, path: str = "/admin/login") -> Shown:
        shown = self.get(path)
        return self.post("/admin/login", {**shown.hidden("/admin/login"), "name": name, "password": password})

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Shown:
        channel = self.portal.site.buildProtocol(None)
        transport: Any = Transport()
        channel.makeConnection(transport)
        lines = {"Host": HOST, "User-Agent": "Browser/1", **_named(headers)}
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            lines |= {"Content-Type": lines.get("Content-Type", "application/x-www-form-urlencoded")}
        if method in ("POST", "PUT"):
            lines |= {"Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        channel.dataReceived(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        answer, _, page = transport.value().partition(b"\r\n\r\n")
        answer += b"\r\n"
        if b"\r\ntransfer-encoding: chunked\r\n" in answer.lower():
            page = _whole(page)
        for name, value, rest in _COOKIE.findall(answer):
            assert name.startswith(b"__Host-")
            assert rest.split(b"; ")[0:1] == [b" Path=/"] or b"Path=/" in rest
            assert all(word in rest for word in (b"Secure", b"HttpOnly", b"SameSite=Strict"))
            self.cookies[name.decode()] = value.decode()
            if not value:
                del self.cookies[name.decode()]
        location = _LOCATION.search(answer)
        return Shown(
            int(answer.split()[1]),
            answer,
            page.decode("utf-8", "surrogateescape"),
            location[1].decode() if location else "",
        )


def _whole(chunks: bytes) -> bytes:
    """A body that came in chunks (RFC 9112 §7.1)."""
    found = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        found, chunks = found + chunks[: int(size, 16)], chunks[int(size, 16) + 2 :]
    return found


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
