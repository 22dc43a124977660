"""Webmail tells by the reader's system of new mail, where they have asked for it; in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.site import origin, serving
from tests.browser.test_webmail import signed_in_at
from tests.browser.window import Window, window
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World

# What a system would show is kept, and somebody looks at a tab where a test says so: a browser without a screen holds
# that all are looked at.
_SYSTEM = """
window.told = [];
window.Notification = class {
    static permission = localStorage.getItem("permission") ?? "default";
    static async requestPermission() {
        const asked = localStorage.getItem("answer") ?? "granted";
        localStorage.setItem("permission", asked);
        return (Notification.permission = asked);
    }
    constructor(title, { body }) { if (window.broken) throw new TypeError(); told.push([title, body]); }
    close() {}
};
document.hasFocus = () => window.lookedAt === true;
"""


class Office(World):
    def live(self) -> None:
        self.home.stop()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with ScriptedHome() as home, serving(tmp_path_factory.mktemp("server"), require_totp=False) as server:
        office = Office(server, home)
        office.live()
        yield office


@pytest.fixture
def tab(browser: Browser, office: Office) -> Iterator[Window]:
    with window(browser, origin(office.server)) as opened:
        opened.page.context.add_init_script(_SYSTEM)
        signed_in_at(opened, office.anna)
        yield opened
        assert not opened.complaints()


def choose(tab: Window, name: str, said: str = "Saved for this browser.") -> None:
    tab.go("/settings/notifications")
    tab.page.get_by_label(name).check()
    tab.page.get_by_role("button", name="Save").click()
    expect(tab.page.locator("[data-said]")).to_have_text(said)


def told(tab: Window, count: int) -> list[Any]:
    """What the system was told by this tab, once it is so much."""
    for _ in range(200):
        found: list[Any] = tab.page.evaluate("told")
        if len(found) >= count:
            return found
        tab.page.wait_for_timeout(50)
    raise AssertionError(found)


def send(office: Office, tab: Window, subject: str) -> None:
    """It has come, and the page has shown it."""
    assert office.send(subject).code == 250
    expect(tab.page.get_by_role("link", name=subject)).to_be_visible()


def test_nobody_is_asked_and_nothing_is_told_before_it_was_wished(office: Office, tab: Window) -> None:
    tab.go("/")
    send(office, tab, "Unasked")
    assert tab.page.evaluate("[told.length, Notification.permission]") == [0, "default"]


def test_how_many_have_come_is_told_and_nothing_of_what_they_say(office: Office, tab: Window) -> None:
    choose(tab, "How many messages have come")
    tab.go("/")
    send(office, tab, "In confidence")
    assert told(tab, 1) == [["New messages: 1", ""]]


def test_who_wrote_and_the_subject_are_told_where_that_was_chosen(office: Office, tab: Window) -> None:
    choose(tab, "Who wrote, and the subject")
    tab.go("/")
    send(office, tab, "An offer")
    ((who, subject),) = told(tab, 1)
    assert "@" in who
    assert subject == "An offer"
    choose(tab, "Nothing")
    tab.go("/")
    send(office, tab, "And another")
    tab.page.wait_for_timeout(300)
    assert tab.page.evaluate("told") == []


def test_one_tab_tells_and_none_while_one_is_looked_at(office: Office, tab: Window) -> None:
    choose(tab, "How many messages have come")
    tab.go("/")
    other = Window(tab.page.context.new_page(), tab.origin, scripts=True)
    other.go("/")
    send(office, other, "For two tabs")
    both = told(tab, 1) + other.page.evaluate("told")
    assert both == [["New messages: 1", ""]]
    other.page.evaluate("lookedAt = true; dispatchEvent(new Event('focus'))")
    send(office, other, "Seen at once")
    other.page.wait_for_timeout(300)
    assert len(tab.page.evaluate("told") + other.page.evaluate("told")) == 1
    tab.page.close()
    other.page.evaluate("lookedAt = false; dispatchEvent(new Event('blur'))")
    send(office, other, "For the tab that is left")
    assert told(other, 1) == [["New messages: 1", ""]]


def test_a_browser_that_refuses_or_cannot_is_said(tab: Window) -> None:
    tab.go("/settings/notifications")
    tab.page.evaluate("localStorage.setItem('answer', 'denied')")
    choose(tab, "How many messages have come", "Your browser does not allow it. Allow notifications for this page in "
           "its settings, and try again.")  # fmt: skip
    tab.page.evaluate("localStorage.setItem('answer', 'granted')")
    tab.page.get_by_label("How many messages have come").check()
    tab.page.evaluate("window.broken = true")
    tab.page.get_by_role("button", name="Save").click()
    expect(tab.page.locator("[data-said]")).to_contain_text("This browser cannot do this for a page that is open.")
    tab.sound()
