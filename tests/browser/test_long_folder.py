"""A folder of thousands of messages is scrolled as one list, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.site import origin, serving
from tests.browser.test_webmail import signed_in_at
from tests.browser.window import NARROW, PATIENCE, WIDE, Window, window
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World

BEGIN, TIMES = 47, 6  # messages, and how often the folder is doubled
TOTAL = BEGIN << TIMES

# The number in the list of the first row whose upper edge is seen.
_FIRST_SEEN = """() => [...document.querySelectorAll("#messages > .message")]
    .find((row) => row.getBoundingClientRect().top >= -1).ariaPosInSet"""
_SCROLL = """(part) => { const list = document.getElementById("messages");
    scrollTo(0, list.getBoundingClientRect().top + scrollY + part * list.offsetHeight);
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); }"""
_HEIGHTS = """() => new Set([...document.querySelectorAll("#messages > .message")]
    .map((row) => row.getBoundingClientRect().height)).size"""
_FOCUSED = "document.activeElement.closest('.message')"


class Long(World):
    """A domain whose home is away; Anna has thousands of messages."""

    def live(self) -> None:
        self.home.stop()
        with self.imap(self.anna) as session:
            for number in range(BEGIN):
                session.append("INBOX", None, None, f"From: x@y.example\r\nSubject: number {number}\r\n\r\n".encode())
            session.select("INBOX")
            for _ in range(TIMES):
                assert session.uid("COPY", "1:*", "INBOX")[0] == "OK"
            session.uid("STORE", "1:*", "+FLAGS.SILENT", "\\Seen")

    def expunge(self, numbers: str) -> None:
        with self.imap(self.anna) as session:
            session.select("INBOX")
            session.store(numbers, "+FLAGS.SILENT", "\\Deleted")
            session.expunge()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    with ScriptedHome() as home, serving(tmp_path_factory.mktemp("server"), require_totp=False) as server:
        found = Long(server, home)
        found.live()
        yield found


@pytest.fixture(scope="module")
def signed_in(browser: Browser, long: Long) -> Any:
    with window(browser, origin(long.server)) as login:
        signed_in_at(login, long.anna)
        return login.page.context.storage_state()


@pytest.fixture
def inbox(browser: Browser, long: Long, signed_in: Any) -> Iterator[Window]:
    with window(browser, origin(long.server), state=signed_in) as opened:
        opened.go("/")
        expect(opened.page.locator("#messages.window")).to_be_visible()
        yield opened
        assert not opened.complaints()


def until(opened: Window, what: str, value: Any) -> None:
    """Waits until that is so in the page, whose policy forbids what Playwright has for it."""
    end = time.monotonic() + PATIENCE / 1000
    while opened.page.evaluate(what) != value:
        assert time.monotonic() < end, (what, value, opened.page.evaluate(what))
        opened.page.wait_for_timeout(20)


def total(opened: Window) -> int:
    return int(opened.page.locator("#messages > .message").first.get_attribute("aria-setsize") or 0)


def scroll(opened: Window, part: float) -> int:
    """To that part of the list; the number in the list of the first row that is seen, once it has come."""
    opened.page.evaluate(_SCROLL, part)
    expect(opened.page.locator("#messages > .message[aria-busy]")).to_have_count(0)
    return first_seen(opened)


def first_seen(opened: Window) -> int:
    return int(opened.page.evaluate(_FIRST_SEEN))


def row(opened: Window, number: int) -> Any:
    return opened.page.locator(f'#messages > .message[aria-posinset="{number}"]')


def test_the_scroll_bar_spans_the_whole_folder_and_few_rows_stand_in_the_page(inbox: Window, long: Long) -> None:
    assert total(inbox) == TOTAL
    height = inbox.page.evaluate("document.getElementById('messages').offsetHeight")
    one = inbox.page.evaluate("document.querySelector('#messages > .message').getBoundingClientRect().height")
    assert height == pytest.approx(TOTAL * one, abs=2)
    middle = scroll(inbox, 0.5)
    assert middle == pytest.approx(TOTAL / 2, abs=2)
    assert inbox.page.locator("#messages > .message").count() < 120
    inbox.page.keyboard.press("End")
    expect(row(inbox, TOTAL).locator("a")).to_have_text("number 0")
    assert not inbox.page.locator("[data-further]").is_visible()


def test_it_is_sound_in_the_middle_at_both_widths_in_both_themes(inbox: Window) -> None:
    scroll(inbox, 0.4)
    inbox.sound()
    inbox.size(NARROW, "dark")
    assert inbox.page.evaluate(_HEIGHTS) == 1
    inbox.size(WIDE, "light")


def test_the_width_may_change_and_the_place_stays(inbox: Window) -> None:
    before = scroll(inbox, 0.3)
    inbox.size(NARROW, "light")
    inbox.page.wait_for_timeout(100)
    assert first_seen(inbox) == pytest.approx(before, abs=1)
    inbox.size(WIDE, "light")


def test_back_and_the_key_u_return_to_the_place(inbox: Window) -> None:
    page = inbox.page
    before = scroll(inbox, 0.6)
    for back in (lambda: page.go_back(), lambda: page.keyboard.press("u")):
        with page.expect_navigation():
            row(inbox, before + 3).locator("a").click()
        assert re.match("number", inbox.heading)
        with page.expect_navigation():
            back()
        expect(row(inbox, before + 3)).to_be_in_viewport()
        assert first_seen(inbox) == pytest.approx(before, abs=1)
    with page.expect_navigation():
        page.locator("#folders a[data-folder]").first.click()
    expect(row(inbox, 1)).to_be_in_viewport()


def test_j_goes_on_beyond_what_is_loaded_and_from_what_is_seen(inbox: Window) -> None:
    page = inbox.page
    for number in range(1, 71):
        page.keyboard.press("j")
        until(inbox, f"{_FOCUSED}?.ariaPosInSet", str(number))
    expect(row(inbox, 70)).to_be_in_viewport()
    before = scroll(inbox, 0.5)
    page.keyboard.press("j")
    assert page.evaluate(f"{_FOCUSED}?.ariaPosInSet") == str(before)


def test_new_mail_and_what_is_deleted_move_nothing_under_the_reader(inbox: Window, long: Long) -> None:
    page = inbox.page
    before = scroll(inbox, 0.5)
    link = row(inbox, before + 2).locator("a")
    uid = row(inbox, before + 2).get_attribute("data-uid")
    link.focus()
    y = page.evaluate("document.activeElement.getBoundingClientRect().top")
    had = total(inbox)
    assert long.send("Just in").code == 250
    size = "document.querySelector('#messages > .message').ariaSetSize"
    until(inbox, size, str(had + 1))
    stays = f"[{_FOCUSED}?.dataset.uid, document.activeElement.getBoundingClientRect().top]"
    assert page.evaluate(stays) == [uid, pytest.approx(y, abs=1)]
    assert row(inbox, before + 3).get_attribute("data-uid") == uid
    long.expunge(f"{had - 1}:{had}")  # of the newest
    until(inbox, size, str(had - 1))
    assert page.evaluate(stays) == [uid, pytest.approx(y, abs=1)]
    scroll(inbox, 0)
    expect(page.get_by_role("link", name="Just in")).to_be_in_viewport()


def test_what_is_checked_stays_so_and_is_meant_wherever_it_is(inbox: Window, long: Long) -> None:
    page = inbox.page
    said = page.locator("[data-chosen]")
    row(inbox, 2).locator("input").check()
    scroll(inbox, 0.7)
    expect(said).to_have_text("checked: 1")
    place = first_seen(inbox) + 2
    row(inbox, place).locator("input").check()
    uids = [row(inbox, place).get_attribute("data-uid")]
    scroll(inbox, 0)
    expect(row(inbox, 2).locator("input")).to_be_checked()
    uids.append(row(inbox, 2).get_attribute("data-uid"))
    expect(said).to_have_text("checked: 2")
    inbox.press("Flag")
    assert "2 messages are flagged." in inbox.text
    page.goto(f"{inbox.origin}{page.locator('nav.tabs a').nth(2).get_attribute('href')}")
    assert {each.get_attribute("data-uid") for each in page.locator("#messages > .message").all()} == set(uids)


def test_a_list_that_is_narrowed_is_a_window_too(inbox: Window, long: Long) -> None:
    with long.imap(long.anna) as session:
        session.select("INBOX")
        session.store("1:200", "-FLAGS.SILENT", "\\Seen")
    inbox.follow("Unread")
    expect(inbox.page.locator("#messages.window")).to_be_visible()
    assert total(inbox) >= 200
    inbox.page.keyboard.press("End")
    expect(row(inbox, total(inbox)).locator("a")).to_have_text("number 0")


def test_all_of_a_folder_are_marked_beside_the_page_that_says_how_far_it_is(inbox: Window) -> None:
    page = inbox.page
    page.locator("[name=all]").check()
    inbox.press("Mark as unread")
    inbox.page.get_by_text(re.compile(r"\d{4} messages are marked as unread\.")).wait_for()
    inbox.press("Undo")
    inbox.page.get_by_text(re.compile(r"Undone: \d{4} messages are as they were\.")).wait_for()
