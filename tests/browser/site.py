"""A server with something to show on each page: a domain in an outage, mail of all kinds, users of all kinds."""

from __future__ import annotations

import quopri
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, build_opener

from tests.app.running import Server
from tests.fakes.home import ScriptedHome, say
from tests.journeys.world import World, configuration

_CUT = "cut.example"  # whose home server was cut off, and is not any more
ONCALL = "oncall@quiet.example"  # hears of alerts, here, since home is away
# What people are told, whatever ports the test has.
_PUBLIC = """
[public]
ports = { imap = 143, pop3 = 110, pop3s = 995, smtp = 25, web = 443 }
"""
NAME, PASSWORD = "rita", "correct horse battery staple"


@contextmanager
def serving(folder: Path, *, require_totp: bool = True, port: int = 0) -> Iterator[Server]:
    """A server whose pages are at `origin`; at ``port`` where one is named, also after a restart."""
    text = configuration().replace("web = []", f'web = ["tcp:{port}:interface=127.0.0.1"]')
    text += f"\n[web]\nrequire_totp = {str(require_totp).lower()}\n{_PUBLIC}"
    with Server(folder, text) as server:
        yield server
        log = server.log.read_text()
        assert "Traceback" not in log, log[-6000:]


def origin(server: Server) -> str:
    return f"https://127.0.0.1:{server.ports['web']}"


class Shop(World):
    """A domain that has met everything that a page shows: mail that passed, mail of an outage, a refusal."""

    def __init__(self, server: Server, home: ScriptedHome) -> None:
        super().__init__(server, home, "shop.example")

    def live(self) -> None:
        """It ends in an outage."""
        commands: tuple[tuple[str, ...], ...] = (
            ("domain", "add", "quiet.example", "--home", self.home.address),
            ("domain", "add", _CUT, "--home", self.home.address),
            ("user", "add", f"carla@{_CUT}"),
            ("contain", _CUT, "on", "--note", "broken into"),
            ("user", "add", ONCALL),
            ("alert", "add", self.domain, ONCALL),
            ("domain", "set", self.domain, "alert-hour=1"),
        )
        for command in commands:
            self.cli(*command)
        assert self.server.run("user", "password", ONCALL, "--stdin", stdin="secret").returncode == 0
        assert self.send("A message that is kept", f"carla@{_CUT}").code == 250
        assert self.send("Another one that is kept", f"carla@{_CUT}").code == 250
        self.cli("contain", _CUT, "off")
        assert self.send("A message that passed").code == 250
        self.home.on("rcpt", say("550 5.1.1 we have closed"), recipient=self.ben)
        assert self.send("A message that is refused", self.ben).code == 550
        self.home.stop()
        assert self.send("A message of the outage").code == 250
        assert self.send("Another one", self.anna).code == 250
        self.wait_for(lambda: self.state() == "down")
        commands = (
            ("user", "add", f"pat@{self.domain}", "--name", "Pat", "--alternate", "pat@elsewhere.example"),
            ("user", "add", f"ina@{self.domain}", "--name", "Ina", "--inactive"),
            ("alert", "add", self.domain, "postmaster@elsewhere.example"),
            ("archive", "hold", "outage", "--note", "until the dispute is over"),
            ("admin", "token", NAME),
        )
        for command in commands:
            self.cli(*command)

    def parts(self) -> dict[str, str]:
        """What stands for ``<name>`` in the path of a page, and whole paths of pages that have a secret in it."""
        tracked = self.cli("track")
        archived: list[dict[str, Any]] = []

        def found() -> bool:  # it is indexed soon after
            archived[:] = self.cli("archive", "search", "passed")
            return bool(archived)

        self.wait_for(found)
        return {
            "domain": self.domain,
            "address": self.anna,
            "user": self.anna,
            "name": NAME,
            "archived": archived[0]["id"],
            "/outage/<token>": self._alert_link(),
            "/invite/<token>": self._invitation(),
            "/admin/archive": "/admin/archive?query=",
            "/admin/domain/<domain>/kept": f"/admin/domain/{_CUT}/kept",
            **self._runs(archived[0]["id"]),
            "id": next(row["id"] for row in tracked if row["status"] == "deferred"),
        }

    def _runs(self, archived: str) -> dict[str, str]:
        """The pages of what takes long, begun in the portal, which this is without a browser."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        web = build_opener(HTTPSHandler(context=trusting), HTTPCookieProcessor())

        def post(form: str, on: str, **fields: str) -> str:
            page = web.open(f"{origin(self.server)}{on}").read().decode()
            token = re.search(r'name="csrf" value="([^"]+)"', page[page.index(f'action="{form}"') :])
            assert token is not None
            answer = web.open(f"{origin(self.server)}{form}", urlencode({"csrf": token[1], **fields}).encode())
            return str(answer.geturl()).removeprefix(origin(self.server))

        post("/admin/login", "/admin/login", name=NAME, password=PASSWORD)
        lines = f"address,name\nuli@{self.domain},Uli\nnobody@elsewhere.example,Nobody"
        return {
            "/admin/archive/released/<run>": post("/admin/archive", "/admin/archive?query=", id=archived),
            "/admin/users/import/<run>": post("/admin/users/import", "/admin/users/import", text=lines, act="import"),
        }

    def _alert_link(self) -> str:
        """As it came by mail to whoever hears of alerts."""
        links: list[str] = []

        def came() -> bool:
            with self.imap(ONCALL) as session:
                _, fetched = session.uid("FETCH", "1:*", "(BODY.PEEK[TEXT])")
                text = b"".join(part[1] for part in fetched if isinstance(part, tuple))
                links[:] = re.findall(r"https://[^/]+(/outage/\w+)", quopri.decodestring(text).decode())
            return bool(links)

        self.wait_for(came)
        return links[0]

    def _invitation(self) -> str:
        said = self.server.run("user", "invite", f"pat@{self.domain}", "--print").stdout
        found = re.search(r"https://[^/]+(/invite/\S+)", said)
        assert found is not None, said
        return found[1]


def add_administrator(server: Server) -> None:
    done = server.run("admin", "add", NAME, "--password-stdin", stdin=PASSWORD)
    assert done.returncode == 0, done.stderr


def file_name(rule: str) -> str:
    """Of the picture of a page."""
    return re.sub(r"[^a-z0-9]+", "-", rule.lower()).strip("-") or "root"
