"""A window of the browser, and what must hold on each page that it shows."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# As root there is no sandbox; and it asks nobody in the world for anything.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, NARROW = 1280, 360  # of windows, in CSS pixels
HEIGHT = 800
Theme = Literal["light", "dark"]
PATIENCE = 60_000  # ms for anything to appear: nothing is measured by it
expect.set_options(timeout=PATIENCE)

_AXE = Path(__file__).with_name("axe.min.js")
# Whatever of WCAG 2.2 a program can judge, and what axe holds for good practice.
_JUDGE = """
() => axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary.split('\\n')[1]}`)))
"""
_TOO_WIDE = """
() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > innerWidth).slice(0, 3).map(one => one.outerHTML.slice(0, 120))
"""


class Window:
    """One tab. Whatever it complains of (scripts that fail, a policy that is violated, a file that is missing) is kept
    until `sound` asks.
    """

    def __init__(self, page: Page, origin: str, *, scripts: bool) -> None:
        self.page = page
        self.scripts = scripts
        self.origin = origin
        self._complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._complaints.append(f"a script failed: {error}"))
        page.on("requestfailed", self._failed)

    def go(self, path: str, code: int = 200) -> None:
        """To a page of the server, which answers with that code."""
        answer = self.page.goto(self.origin + path)
        assert answer is not None
        assert answer.status == code, f"{path} answered {answer.status}"

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.origin)

    @property
    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    @property
    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def fill(self, **fields: str) -> None:
        """By their names in the form."""
        for name, value in fields.items():
            self.page.locator(f'[name="{name.replace("_", "-")}"], [name="{name}"]').first.fill(value)

    def press(self, name: str) -> None:
        """The button of that name, and that one is sure where the page asks; after which a page comes."""
        button = self.page.get_by_role("button", name=name, exact=True).first
        if self.scripts and button.locator("xpath=self::*[@data-confirm] | ancestor::form[@data-confirm]").count():
            button.click()
            button = self.page.get_by_role("dialog").get_by_role("button", name=name, exact=True)
            button.wait_for()
            found = self.faults()
            assert not found, "\n".join(found)
        with self.page.expect_navigation():
            button.click()

    def follow(self, name: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name, exact=True).first.click()

    def size(self, width: int, theme: Theme) -> None:
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")

    def faults(self) -> list[str]:
        """What axe finds, what does not fit into the width, and what was complained of since."""
        self.page.evaluate(_axe())
        found = [f"axe: {each}" for each in self.page.evaluate(_JUDGE)]
        found += [f"wider than the window: {each}" for each in self.page.evaluate(_TOO_WIDE)]
        return found + self.complaints()

    def complaints(self) -> list[str]:
        """What was complained of since the last question."""
        found, self._complaints[:] = self._complaints.copy(), []
        return found

    def sound(self) -> None:
        """Nothing is wrong with this page, in both widths and both themes."""
        for width, theme in ((WIDE, "light"), (NARROW, "dark")):
            self.size(width, theme)  # type: ignore[arg-type]
            faults = self.faults()
            assert not faults, f"{self.path} at {width}, {theme}:\n" + "\n".join(faults)
        self.size(WIDE, "light")

    def _failed(self, request: Request) -> None:
        """What a script waits for ends with its page, and so does the icon, for which the browser itself asks."""
        with_page = request.resource_type in ("eventsource", "fetch", "xhr") or "/static/icon." in request.url
        if not (with_page and request.failure == "net::ERR_ABORTED"):
            self._complaints.append(f"{request.url}: {request.failure}")

    def _said(self, message: ConsoleMessage) -> None:
        refused = "the server responded with a status of 4" in message.text  # of the page itself: `go` looks at it
        if message.type in ("error", "warning") and not (refused and message.location["url"] == self.page.url):
            self._complaints.append(f"console: {message.text}")


def says_the_same(path: str, *windows: Window) -> None:
    """A page has the same heading, links and forms in each window: one of them has no JavaScript."""
    seen = []
    for each in windows:
        each.go(path)
        seen.append((each.heading, each.page.locator("main a").count(), each.page.locator("main form").count()))
    assert all(one == seen[0] for one in seen), seen


@functools.cache
def _axe() -> str:
    return _AXE.read_text()


@contextmanager
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} (Debian: chromium) is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser, origin: str, *, scripts: bool = True, state: Any = None, locale: str = "en-US"
) -> Iterator[Window]:
    """A window of a new profile; ``state``: cookies of another one (`state_of`). ``locale``: what its reader speaks."""
    context = browser.new_context(
        java_script_enabled=scripts,
        ignore_https_errors=True,  # the certificate is self-signed
        viewport={"width": WIDE, "height": HEIGHT},
        storage_state=state,
        locale=locale,
    )
    try:
        yield Window(context.new_page(), origin, scripts=scripts)
    finally:
        context.close()


def state_of(context: BrowserContext) -> Any:
    return context.storage_state()
