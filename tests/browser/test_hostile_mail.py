"""Every message of the hostile corpus, opened in a browser by its user, with the sanitiser and without it."""

from __future__ import annotations

import asyncio
import imaplib
import os
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Dialog, Error, Page, Request, async_playwright

from tests.app.running import Server
from tests.browser.site import origin
from tests.browser.window import CHROMIUM, FLAGS, WIDE
from tests.corpus.hostile_mail import ELSEWHERE, READABLE, Hostile, hostile
from tests.journeys.world import configuration

USER, PASSWORD = "anna@example.org", "secret"
READABLE_WITHIN = 3.0  # s of the browser's work, which is the same on a busy machine
PATIENCE = 60_000  # ms: a reader that others keep from its turn is tried twice, by the page and by its frame
WINDOWS = 3  # at once
# A frame in a sandbox is in the process of its page, whose work is then measured with it. It is less apart by that.
_FLAGS = (*FLAGS, "--disable-features=IsolateSandboxedIframes")
_HIDDEN = "structure: html and nothing"  # its text is within SVG, which a browser does not show
_NOOP_WITHIN = 0.05  # s


class Hunt:
    """A window of its own profile that notes whatever a message managed to do."""

    def __init__(self, page: Page, where: str) -> None:
        self.page = page
        self.where = where
        self.done: list[str] = []
        self._dismissed: set[asyncio.Future[None]] = set()
        page.on("dialog", self._dialog)
        page.context.on("page", lambda other: self.done.append(f"a window opened: {other.url}"))
        page.context.on("requestfailed", self._asked)
        page.context.on("requestfinished", self._asked)

    async def measure(self) -> None:
        self._browser = await self.page.context.new_cdp_session(self.page)
        await self._browser.send("Performance.enable", {"timeDomain": "threadTicks"})

    async def work(self) -> float:
        """Seconds that the browser has computed for the page and its frames since it was opened."""
        found = await self._browser.send("Performance.getMetrics")
        return float(next(each["value"] for each in found["metrics"] if each["name"] == "TaskDuration"))

    def _dialog(self, dialog: Dialog) -> None:
        self.done.append("a dialog")
        self._dismissed.add(asyncio.ensure_future(dialog.dismiss()))

    def _asked(self, request: Request) -> None:
        """What the browser itself refused, by the policy or since it is of another origin, was not asked for."""
        ours = request.url.startswith((f"{self.where}/", "data:", "blob:", "about:"))
        if not ours and request.failure not in ("csp", "origin"):
            self.done.append(f"a request to {request.url[:100]}: {request.failure}")


@contextmanager
def serving(folder: Path, *, sanitises: bool) -> Iterator[Server]:
    text = configuration().replace("web = []", 'web = ["tcp:0:interface=127.0.0.1"]')
    text += "\n[public]\nports = { imap = 143, smtp = 25, web = 443 }\n"
    server = Server(folder, text)
    if not sanitises:
        arguments = ("--nodaemon", "--pidfile=", "mpcontinuity", "--config", str(server.config))
        server = Server(folder, text, command=(sys.executable, "-m", "tests.browser.unsanitised", *arguments))
        server.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    with server:
        yield server


def deliver(server: Server, messages: Sequence[bytes]) -> None:
    for command in (("domain", "add", "example.org", "--home", "127.0.0.1:9"), ("user", "add", USER)):
        assert server.run(*command).returncode == 0
    assert server.run("user", "password", USER, "--stdin", stdin=PASSWORD).returncode == 0
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as session:
        session.login(USER, PASSWORD)
        for each in messages:
            said, why = session.append("INBOX", "", "", each)
            assert said == "OK", (each[:200], why)


class Noops(threading.Thread):
    """A mail program beside it, which hears from the server all the time."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        self._ends = threading.Event()
        self._session = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        self._session.login(USER, PASSWORD)

    def run(self) -> None:
        while not self._ends.wait(0.02):
            begun = time.monotonic()
            self._session.noop()
            self.took.append(time.monotonic() - begun)

    def end(self) -> None:
        self._ends.set()
        self.join()
        self._session.logout()


async def log_in(page: Page, where: str) -> str:
    """The path of the inbox."""
    await page.goto(f"{where}/login")
    await page.locator('[name="address"]').fill(USER)
    await page.locator('[name="password"]').fill(PASSWORD)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Log in", exact=True).first.click()
    text = await page.content()
    found = re.search(r'href="(/mail/\d+)/1"', text) or re.search(r'href="(/mail/\d+)/"', text)
    assert found is not None
    return found[1]


async def _faults(hunt: Hunt, inbox: str, uid: int, below: str) -> list[str]:
    page = hunt.page
    path = f"{hunt.where}{inbox}/{uid}{below}"
    hunt.done.clear()
    found = []
    try:
        await page.goto(path, wait_until="load", timeout=PATIENCE)  # with its frame
        text = await page.frame_locator("iframe.message").locator("body").inner_text(timeout=PATIENCE)
        if READABLE not in text and not text.strip():
            found.append("nothing to read")
    except Error as error:
        found.append(f"nothing to read: {str(error)[:100]}")
    took = await hunt.work()
    if took > READABLE_WITHIN:
        found.append(f"readable after {took:.1f} s of work")
    await page.wait_for_timeout(20)  # what begins by itself has begun
    if page.url != path:
        found.append(f"the address is {page.url}")
    if await page.title() == "owned":
        found.append("the title is another")
    if len(page.context.pages) != 1:
        found.append("there are other windows")
    return found + hunt.done


async def _open_all(browser: Browser, where: str, messages: Sequence[Hostile]) -> dict[str, list[str]]:
    """What messages did, by their names; some windows open one after the other each, none of them another's."""
    left = iter(list(enumerate(messages, 1)))
    faults: dict[str, list[str]] = {}

    async def open_some() -> None:
        context = await browser.new_context(ignore_https_errors=True, viewport={"width": WIDE, "height": 800})
        hunt = Hunt(await context.new_page(), where)
        await hunt.measure()
        inbox = await log_in(hunt.page, where)
        for uid, each in left:
            if found := await _faults(hunt, inbox, uid, each.below):
                faults[f"{each.kind}: {each.name}"] = found
        await context.close()

    await asyncio.gather(*[open_some() for _ in range(WINDOWS)])
    return faults


async def _in_a_browser(where: str, messages: Sequence[Hostile]) -> dict[str, list[str]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        return await _open_all(browser, where, messages)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no browser (Debian: chromium) is installed")
@pytest.mark.parametrize("sanitises", [True, False], ids=["sanitised", "unsanitised"])
def test_hostile_mail_does_nothing_in_a_browser_and_can_be_read(tmp_path: Path, sanitises: bool) -> None:
    messages = hostile()
    with serving(tmp_path, sanitises=sanitises) as server:
        deliver(server, [each.content for each in messages])
        noops = Noops(server)
        noops.start()
        try:
            faults = asyncio.run(_in_a_browser(origin(server), messages))
        finally:
            noops.end()
        log = server.log.read_text()
    if not sanitises:
        faults.pop(_HIDDEN, None)
    assert not faults
    assert READABLE not in log  # nor anything else of what is in messages
    assert ELSEWHERE not in log
    # Where more wants to compute than there are cores, each waits for its turn that much longer.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert statistics.quantiles(noops.took, n=20)[-1] < _NOOP_WITHIN * busy


def test_the_corpus_is_of_so_many_messages_in_so_many_classes() -> None:
    messages = hostile()
    assert len(messages) >= 60
    assert len({each.kind for each in messages}) >= 30
    assert len({(each.kind, each.name) for each in messages}) == len(messages)
