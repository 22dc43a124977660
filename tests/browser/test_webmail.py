"""Each page of webmail, by its table of routes, in a real browser; and what its scripts do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Request, expect

from scripts.languages import CATALOGUES, read
from tests.browser.routes import mail_rules, path
from tests.browser.site import origin, serving
from tests.browser.window import NARROW, Window, says_the_same, window
from tests.fakes.home import ScriptedHome
from tests.journeys.world import World

# HTML, styles and scripts of the first page that is of use, in octets: a second on a slow telephone line.
BUDGET = 60_000


class Office(World):
    """A domain whose home is away, and some mail for Anna."""

    def live(self) -> None:
        self.home.stop()
        long = "An offer with a subject that is longer than a line on any telephone has room"
        known = re.sub("[^a-z0-9]", "-", long.lower())  # as the world names it
        reply = f"Re: {long}\r\nReferences: <{known}@sender.example>"
        attached = "The first one\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b"
        parts = "--b\r\n\r\nHello.\r\n--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nHi.\r\n"
        parts += "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: The inner one\r\n\r\nHello within.\r\n--b--"
        assert self.send(attached, body=parts).code == 250
        for subject in (long, reply):
            assert self.send(subject).code == 250
        self.wait_for(lambda: self.state() == "down")

    def parts(self) -> dict[str, str]:
        with self.imap(self.anna) as session:
            session.select("INBOX")
            _, found = session.uid("SEARCH", "ALL")
        return {"uid": found[0].split()[0].decode()}


# What a page says: its texts, and those of attributes that people hear or scripts say.
_SAID = """
() => {
    const said = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) said.push(texts.currentNode.textContent);
    for (const one of document.querySelectorAll('body, body *')) {
        for (const each of one.attributes) {
            if (/^(aria-label|title|alt|placeholder|data-.*)$/.test(each.name)) said.push(each.value);
        }
    }
    return said.map(text => text.trim().replace(/\\s+/g, ' ')).filter(text => text);
}
"""


def english() -> set[str]:
    """Texts of which German has other words."""
    pairs = [(each.id, each.string) for each in read(CATALOGUES / "de.po") if each.id and isinstance(each.id, str)]
    return {id_ for id_, said in pairs if "%(" not in id_} - {said for _, said in pairs}


def signed_in_at(opened: Window, address: str) -> None:
    opened.go("/")
    opened.fill(address=address, password="secret")
    opened.press("Log in")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with ScriptedHome() as home, serving(tmp_path_factory.mktemp("server"), require_totp=False) as server:
        office = Office(server, home)
        office.live()
        yield office


@pytest.fixture(scope="module")
def signed_in(browser: Browser, office: Office) -> Any:
    """The cookies of Anna."""
    with window(browser, origin(office.server)) as login:
        login.go("/")
        login.sound()
        signed_in_at(login, office.anna)
        assert login.heading == "Inbox"
        return login.page.context.storage_state()


@pytest.fixture(scope="module")
def with_scripts(browser: Browser, office: Office, signed_in: Any) -> Iterator[Window]:
    with window(browser, origin(office.server), state=signed_in) as opened:
        yield opened


@pytest.fixture(scope="module")
def without_scripts(browser: Browser, office: Office, signed_in: Any) -> Iterator[Window]:
    with window(browser, origin(office.server), state=signed_in, scripts=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def parts(office: Office, with_scripts: Window) -> dict[str, str]:
    with_scripts.go("/")
    href = with_scripts.page.locator("#folders a[data-folder]").first.get_attribute("href") or ""
    found = {**office.parts(), "folder": href.split("/")[2]}
    archived: list[str] = []

    def indexed() -> bool:  # it is soon after
        with_scripts.go("/archive/")
        links = with_scripts.page.locator('main a[href^="/archive/"]').all()
        archived[:] = [link.get_attribute("href") or "" for link in links]
        archived[:] = [each for each in archived if re.fullmatch(r"/archive/\w{13}", each)]
        return len(archived) == 3

    office.wait_for(indexed)
    with_scripts.go(f"/mail/{found['folder']}/?view=conversations")
    conversation = with_scripts.page.locator('main a[href^="/conversation/"]').first.get_attribute("href") or ""
    first = archived[-1]
    enclosed = {"within": "3", "/archive/<id>/enclosed/<within>": f"{first}/enclosed/3"}
    return {**found, **enclosed, "/archive/<id>": first, "/conversation/<id>": conversation}


@pytest.mark.parametrize("rule", mail_rules())
def test_a_page_is_sound_at_both_widths_in_both_themes(rule: str, parts: dict[str, str], with_scripts: Window) -> None:
    with_scripts.go(path(rule, parts))
    assert with_scripts.heading
    with_scripts.sound()


@pytest.fixture(scope="module")
def in_german(browser: Browser, office: Office, signed_in: Any) -> Iterator[Window]:
    with window(browser, origin(office.server), state=signed_in, locale="de-DE") as opened:
        yield opened


@pytest.mark.parametrize("rule", mail_rules())
def test_a_page_in_german_says_nothing_in_english_and_fits_a_telephone(
    rule: str, parts: dict[str, str], in_german: Window
) -> None:
    in_german.size(NARROW, "light")
    in_german.go(path(rule, parts))
    assert in_german.page.locator("html").get_attribute("lang") == "de"
    assert set(in_german.page.evaluate(_SAID)) & english() == set()
    assert not in_german.faults()


def test_the_login_is_in_the_language_of_the_browser_until_somebody_chooses_another(
    browser: Browser, office: Office
) -> None:
    with window(browser, origin(office.server), locale="de-AT") as stranger:
        stranger.go("/login?next=/archive/")
        assert stranger.heading == "Ihre Mail"
        stranger.sound()
        stranger.press("English")
        assert (stranger.heading, stranger.path) == ("Your mail", "/login?next=%2Farchive%2F")
        stranger.go("/setup")
        assert stranger.heading == "Set up your mail program"
        stranger.press("Deutsch")
        assert stranger.heading == "Mailprogramm einrichten"
        stranger.sound()


@pytest.mark.parametrize("rule", mail_rules())
def test_a_page_says_without_javascript_what_it_says_with_it(
    rule: str, parts: dict[str, str], with_scripts: Window, without_scripts: Window
) -> None:
    says_the_same(path(rule, parts), with_scripts, without_scripts)


def test_the_first_useful_page_is_small(browser: Browser, office: Office, signed_in: Any) -> None:
    """HTML with a full page of messages, styles and scripts, as they come; pictures there are none."""
    for number in range(50):
        office.send(f"Offer number {number} about something that takes a line")
    came: dict[str, int] = {}

    def finished(request: Request) -> None:
        answer = request.response()
        if answer is not None and not request.url.startswith("data:") and not request.url.endswith("/events"):
            came[request.url] = request.sizes()["responseBodySize"]  # scripts and styles are compressed

    with window(browser, origin(office.server), state=signed_in) as opened:
        opened.page.on("requestfinished", finished)
        opened.go("/")
        opened.page.wait_for_load_state("load")
        assert opened.page.locator("#messages > .message").count() >= 50
        assert sum(came.values()) < BUDGET, came


def test_what_comes_is_shown_by_itself_and_counted_in_the_title(office: Office, with_scripts: Window) -> None:
    with_scripts.go("/")
    before = with_scripts.page.locator("#messages > .message").first
    before.locator("input").check()
    assert office.send("Just in").code == 250
    expect(with_scripts.page.get_by_role("link", name="Just in")).to_be_visible()
    assert re.match(r"\(\d+\) Inbox", with_scripts.page.title())
    assert with_scripts.page.locator("#messages input:checked").count() == 1
    assert not with_scripts.complaints()


def test_tabs_of_a_browser_share_one_stream(browser: Browser, office: Office, signed_in: Any) -> None:
    with window(browser, origin(office.server), state=signed_in) as first:
        asked: list[str] = []
        context = first.page.context
        context.on("request", lambda request: asked.append(request.url) if request.url.endswith("/events") else None)
        first.go("/")
        second = Window(context.new_page(), origin(office.server), scripts=True)
        second.go("/")
        office.send("For both tabs")
        for each in (first, second):
            expect(each.page.get_by_role("link", name="For both tabs")).to_be_visible()
        assert len(asked) == 1
        first.page.close()
        office.send("For who is left")
        expect(second.page.get_by_role("link", name="For who is left")).to_be_visible()
        assert len(asked) == 2


def test_a_session_that_ends_is_said_where_the_page_is_open(browser: Browser, office: Office) -> None:
    with window(browser, origin(office.server)) as opened:
        signed_in_at(opened, office.ben)
        expect(opened.page.locator("#signed-out")).to_be_hidden()
        assert office.server.run("user", "password", office.ben, "--stdin", stdin="secret2").returncode == 0
        expect(opened.page.locator("#signed-out")).to_be_visible()
    assert office.server.run("user", "password", office.ben, "--stdin", stdin="secret").returncode == 0


def test_keys_alone_read_flag_delete_and_undo(office: Office, with_scripts: Window) -> None:
    office.send("By keys alone")
    with_scripts.go("/")
    page = with_scripts.page
    page.keyboard.press("j")
    with page.expect_navigation():
        page.keyboard.press("o")
    assert with_scripts.heading == "By keys alone"
    with page.expect_navigation():
        page.keyboard.press("#")
    assert with_scripts.heading == "Inbox"
    assert page.get_by_role("link", name="By keys alone").count() == 0
    with page.expect_navigation():
        page.keyboard.press("z")
    expect(page.get_by_role("link", name="By keys alone")).to_be_visible()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    assert not with_scripts.faults()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


def test_on_a_telephone_folders_are_behind_a_button_also_without_javascript(without_scripts: Window) -> None:
    without_scripts.go("/")
    without_scripts.size(NARROW, "light")
    folders = without_scripts.page.locator("#folders")
    assert not folders.is_visible()
    without_scripts.page.get_by_role("button", name="Folders").click()
    assert folders.is_visible()
    without_scripts.size(1280, "light")


def test_who_logs_out_leaves_no_letter_behind_by_whichever_button(browser: Browser, office: Office) -> None:
    left = "Object.keys(localStorage).filter((key) => key.startsWith('letter:'))"
    for page, button in (("/logout", "main form[action='/logout'] button"), ("/folders", "header form button")):
        with window(browser, origin(office.server)) as opened:
            signed_in_at(opened, office.anna)
            opened.page.evaluate(
                """localStorage.setItem("letter:anna@example.org:1", JSON.stringify({time: Date.now()}));
                localStorage.setItem("letter:else@example.org:2", JSON.stringify({time: Date.now() - 8 * 864e5}))"""
            )
            opened.go(page)
            assert opened.page.evaluate(left) == ["letter:anna@example.org:1"]  # another's went with its time
            with opened.page.expect_navigation():
                opened.page.locator(button).last.click()
            opened.page.locator('input[name="password"]').wait_for()
            assert opened.page.evaluate(left) == []
