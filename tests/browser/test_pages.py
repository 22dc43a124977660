"""Each page of the portal, by the table of routes, in a real browser: both widths, both themes, with and without
JavaScript.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.routes import path, rules
from tests.browser.site import NAME, PASSWORD, Shop, add_administrator, origin, serving
from tests.browser.window import NARROW, Window, says_the_same, window
from tests.fakes.home import ScriptedHome

# Those who are signed in do not see it.
BEFORE = "/admin/login"
RULES = [rule for rule in rules() if rule != BEFORE]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with ScriptedHome() as home, serving(tmp_path_factory.mktemp("server"), require_totp=False) as server:
        add_administrator(server)
        shop = Shop(server, home)
        shop.live()
        yield shop


@pytest.fixture(scope="module")
def signed_in(browser: Browser, shop: Shop) -> Any:
    """The cookies of an administrator."""
    with window(browser, origin(shop.server)) as login:
        login.go("/admin/login")
        login.fill(name=NAME, password=PASSWORD)
        login.press("Log in")
        assert login.path == "/admin/"
        return login.page.context.storage_state()


@pytest.fixture(scope="module")
def parts(shop: Shop) -> dict[str, str]:
    return shop.parts()


@pytest.fixture(scope="module")
def with_scripts(browser: Browser, shop: Shop, signed_in: Any) -> Iterator[Window]:
    with window(browser, origin(shop.server), state=signed_in) as opened:
        yield opened


@pytest.fixture(scope="module")
def without_scripts(browser: Browser, shop: Shop, signed_in: Any) -> Iterator[Window]:
    with window(browser, origin(shop.server), state=signed_in, scripts=False) as opened:
        yield opened


@pytest.mark.parametrize("rule", RULES)
def test_a_page_is_sound_at_both_widths_in_both_themes(rule: str, parts: dict[str, str], with_scripts: Window) -> None:
    with_scripts.go(path(rule, parts))
    assert with_scripts.heading
    with_scripts.sound()


@pytest.mark.parametrize("rule", RULES)
def test_a_page_says_without_javascript_what_it_says_with_it(
    rule: str, parts: dict[str, str], with_scripts: Window, without_scripts: Window
) -> None:
    says_the_same(path(rule, parts), with_scripts, without_scripts)


def test_the_pages_before_the_login_are_sound(browser: Browser, shop: Shop) -> None:
    with window(browser, origin(shop.server)) as stranger:
        for page in (BEFORE, "/admin/"):
            stranger.go(page)
            assert stranger.path.startswith(BEFORE)
            stranger.sound()
        stranger.fill(name=NAME, password="guessed")
        stranger.press("Log in")
        assert "wrong" in stranger.text
        stranger.sound()
        stranger.size(NARROW, "light")
        assert not stranger.faults()
