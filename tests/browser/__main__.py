"""``scripts/screenshots``: a picture of each page, as docs/screenshots/ has them."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.routes import path, rules
from tests.browser.site import NAME, PASSWORD, Shop, add_administrator, file_name, origin, serving
from tests.browser.window import NARROW, WIDE, Theme, Window, chromium, window
from tests.fakes.home import ScriptedHome

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
BEFORE = "/admin/login"
# In dark colours too: those on which states are seen.
DARK = ("/admin/", "/admin/tracking", "/admin/domain/<domain>/outage", "/setup/phone")
_HIGHEST = 2400  # CSS pixels of a page that is long


def main() -> int:
    wanted = sys.argv[1:]
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        ScriptedHome() as home,
        serving(Path(folder), require_totp=False) as server,
        chromium() as browser,
    ):
        add_administrator(server)
        shop = Shop(server, home)
        shop.live()
        parts = shop.parts()
        _take(browser, shop, {rule: path(rule, parts) for rule in rules() if not wanted or rule in wanted})
    return 0


def _take(browser: Browser, shop: Shop, pages: dict[str, str]) -> None:
    with window(browser, origin(shop.server)) as opened:
        opened.go(BEFORE)
        login = {BEFORE: BEFORE} if BEFORE in pages else {}
        others = {rule: where for rule, where in pages.items() if rule != BEFORE}
        for rule, where in [*login.items(), *others.items()]:
            if rule != BEFORE and opened.path.startswith(BEFORE):
                opened.fill(name=NAME, password=PASSWORD)
                opened.press("Log in")
            looks: list[tuple[int, Theme]] = [(WIDE, "light"), (NARROW, "light")]
            if rule in DARK:
                looks += [(WIDE, "dark"), (NARROW, "dark")]
            for width, theme in looks:
                opened.size(width, theme)
                opened.go(where)
                opened.page.wait_for_load_state("networkidle")
                name = f"{file_name(rule)}-{width}{'-dark' if theme == 'dark' else ''}.webp"
                (FOLDER / name).write_bytes(_picture(opened, width))
                print(name, flush=True)


def _picture(opened: Window, width: int) -> bytes:
    """As WebP, which takes a third of PNG's octets, and which Playwright's own screenshots cannot be."""
    height = min(opened.page.evaluate("document.documentElement.scrollHeight"), _HIGHEST)
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    wanted = {"format": "webp", "quality": 80, "captureBeyondViewport": True, "clip": clip}
    answer = opened.page.context.new_cdp_session(opened.page).send("Page.captureScreenshot", wanted)
    return base64.b64decode(answer["data"])


if __name__ == "__main__":
    sys.exit(main())
