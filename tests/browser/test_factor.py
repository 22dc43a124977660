"""A user turns a second factor on in a browser, signs in by it, and by a recovery code; also without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.site import origin, serving
from tests.browser.test_webmail import signed_in_at
from tests.browser.totp import code
from tests.browser.window import NARROW, WIDE, Window, window
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World

FACTOR = "/settings/second-factor"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ScriptedHome() as home, serving(tmp_path_factory.mktemp("server"), require_totp=False) as server:
        yield World(server, home)


def look(opened: Window) -> None:
    """Nothing is wrong with this page, where scripts can say so."""
    if opened.scripts:
        opened.sound()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "narrow, without"])
def test_a_user_sets_an_authenticator_up_and_signs_in_by_it(browser: Browser, world: World, scripts: bool) -> None:
    user = world.anna if scripts else world.ben
    with window(browser, origin(world.server), scripts=scripts) as opened:
        opened.size(WIDE if scripts else NARROW, "light")
        signed_in_at(opened, user)
        opened.go("/settings/")
        opened.follow("Turn on a second factor")
        assert "cannot log in any more" in opened.text
        look(opened)
        opened.press("Set up an authenticator")
        look(opened)
        key = opened.page.locator("code.key").inner_text()
        opened.fill(code="000000", password="secret")
        opened.press("Turn on")
        assert "does not show this code" in opened.page.locator("#code-error").inner_text()
        opened.complaints()  # the page that says so was answered 400
        look(opened)
        opened.fill(code=code(key), password="secret")
        opened.press("Turn on")
        assert opened.heading == "Recovery codes"
        look(opened)
        codes = opened.page.locator("ul.codes li").all_inner_texts()
        assert len(set(codes)) == 10
        opened.follow("I have kept them")
        look(opened)
        opened.go("/logout")
        opened.page.locator("main").get_by_role("button", name="Log out").click()
        signed_in_at(opened, user)
        assert opened.path == "/login/code"
        look(opened)
        opened.fill(code=codes[0])
        opened.press("Go on")
        assert opened.heading == "Inbox"
        assert "Left: 9" in opened.text
        opened.go(FACTOR)
        opened.page.locator("#remove-password").fill("secret")
        opened.page.locator("#remove-code").fill(codes[1])
        opened.press("Turn the second factor off")
        assert "The second factor is off" in opened.text
        assert not opened.complaints()
