"""A message in webmail, in a real browser: the frame, its pictures, its links, and what stands around it."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.app.running import Server
from tests.browser.site import origin
from tests.browser.test_hostile_mail import PASSWORD, USER, deliver, serving
from tests.browser.window import Window, window
from tests.message.display.messages import part, several


def log_in(page: Page, where: str) -> str:
    """The path of the inbox."""
    page.goto(f"{where}/login")
    page.locator('[name="address"]').fill(USER)
    page.locator('[name="password"]').fill(PASSWORD)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in", exact=True).first.click()
    found = re.search(r'href="(/mail/\d+)/1"', page.content()) or re.search(r'href="(/mail/\d+)/"', page.content())
    assert found is not None
    return found[1]


def _png() -> bytes:
    """Three by two pixels, all red."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff\0\0" * 3) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_HTML = (
    b"<style>.note{color:#003366}</style><p class=note>Good morning, <a href='https://far.example/page'>look</a></p>"
    b"<img src='cid:red@x' alt=red><img src='https://far.example/pixel.png' alt=far>"
)
_CALENDAR = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Lunch\r\nDTSTART:20261201T120000Z\r\n"
    b"LOCATION:Here\r\nORGANIZER;CN=Bob:mailto:bob@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
RICH = several(
    "mixed",
    several(
        "related",
        part("text/html; charset=utf-8", _HTML),
        part(
            "image/png; name=red.png",
            base64.b64encode(_png()),
            "Content-ID: <red@x>\r\nContent-Transfer-Encoding: base64\r\n",
        ),
        header="",
    ),
    part("text/plain; name=notes.txt", b"notes", "Content-Disposition: attachment\r\n"),
    part("text/calendar; method=REQUEST", _CALENDAR),
    header='From: "anna@example.org" <bob@far.example>\r\nTo: anna@example.org\r\nSubject: Lunch\r\n',
)
PLAIN = b"From: Bob <bob@far.example>\r\nSubject: Plain\r\n\r\nHello\r\n> quoted https://far.example/x\r\n"

WRITE_TO = (
    b"From: Bob <bob@far.example>\r\nSubject: Write to us\r\nContent-Type: text/html\r\n\r\n"
    b"<p><a href='mailto:office@far.example?subject=Well...%20yes'>our office</a></p>"
)


def _pdf() -> bytes:
    """One page, and a script that would lead elsewhere, for what runs scripts in PDF."""
    script = b'this.submitForm\\("https://far.example/f"\\);app.launchURL\\("https://far.example/u"\\)'
    objects = (
        b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(" + script + b")>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>",
    )
    data, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in (*places,))
    start = len(data)
    data += b"xref\n0 4\n0000000000 65535 f \n" + table + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n"
    return data + b"%d\n%%%%EOF\n" % start


VIEWED = several(
    "mixed",
    part("text/plain", b"Look"),
    part(
        "application/pdf; name=offer.pdf",
        base64.encodebytes(_pdf()),
        "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n",
    ),
    part(
        "image/png; name=red.png",
        base64.encodebytes(_png()),
        "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n",
    ),
    part("text/plain; name=notes.txt", b"<b>notes</b>", "Content-Disposition: attachment\r\n"),
    part("message/rfc822", RICH.replace(b"Subject: Lunch", b"Subject: The inner one")),
    header="From: Bob <bob@far.example>\r\nTo: anna@example.org\r\nSubject: Files\r\n",
)
INVITED = several(
    "alternative",
    part("text/plain", b"Come to lunch"),
    part(
        "text/calendar; method=REQUEST",
        _CALENDAR.replace(b"END:VEVENT", b"UID:e1\r\nATTENDEE:mailto:anna@example.org\r\nEND:VEVENT"),
    ),
    header="From: Eve <eve@far.example>\r\nTo: anna@example.org\r\nSubject: Lunch\r\n",
)
UNREAD = b"From: Bob <bob@far.example>\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<b>Never read before</b>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("reading")
    with serving(folder, sanitises=True) as running:
        deliver(running, [RICH, PLAIN, UNREAD, WRITE_TO, VIEWED, INVITED])
        yield running


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[tuple[Window, str]]:
    with window(browser, origin(server)) as each:
        yield each, log_in(each.page, each.origin)


def test_a_message_is_shown_with_its_pictures_and_nothing_is_asked_of_others(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    asked: list[Request] = []
    each.page.on("request", lambda request: asked.append(request))
    each.go(f"{inbox}/1")
    frame = each.page.frame_locator("iframe.message")
    frame.locator("img[alt=red]").wait_for()
    each.page.wait_for_load_state("networkidle")
    assert frame.locator("img[alt=red]").evaluate("one => [one.naturalWidth, one.naturalHeight]") == [3, 2]
    assert frame.locator("p.note").evaluate("one => getComputedStyle(one).color") == "rgb(0, 51, 102)"
    assert all(request.url.startswith(each.origin) for request in asked)
    text = each.text
    for said in (
        "the address anna@example.org",
        "One picture from elsewhere",
        "Lunch",
        "Tue 1 Dec 2026, 12:00 UTC",
        "notes.txt",
    ):
        assert said in text, said
    each.sound()


def test_pictures_from_elsewhere_are_asked_for_by_the_browser_once_they_are_wanted(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    asked: list[Request] = []
    each.page.route("https://far.example/**", lambda route: route.abort())
    each.page.on("request", lambda request: asked.append(request) if "far.example" in request.url else None)
    each.go(f"{inbox}/1")
    each.press("Show pictures")
    each.page.wait_for_load_state("networkidle")
    assert [request.url for request in asked] == ["https://far.example/pixel.png"]
    assert "referer" not in asked[0].all_headers()
    each.complaints()  # that the picture did not come


def test_a_link_opens_outside_and_says_nothing_of_where_it_was(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    each.page.context.route(
        "https://far.example/**", lambda route: route.fulfill(body="<p>far", content_type="text/html")
    )
    each.go(f"{inbox}/1")
    with each.page.context.expect_page() as opening:
        each.page.frame_locator("iframe.message").get_by_text("look").click()
    other = opening.value
    other.wait_for_load_state()
    assert other.url == "https://far.example/page"
    assert other.evaluate("[document.referrer, window.opener]") == ["", None]
    assert each.path == f"{inbox}/1"


def test_an_address_in_a_message_leads_to_a_letter_and_the_session_lives_on(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    each.go(f"{inbox}/4")
    with each.page.context.expect_page() as opening:
        each.page.frame_locator("iframe.message").get_by_text("our office").click()
    letter = opening.value
    letter.locator("#subject").wait_for()
    assert letter.url.startswith(f"{each.origin}/write?to=")
    assert letter.locator("#to").input_value() == "office@far.example"
    assert letter.locator("#subject").input_value() == "Well... yes"
    each.go(f"{inbox}/2")
    assert each.heading == "Plain"


def test_a_link_of_another_site_leads_to_a_message_and_the_session_lives_on(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    body = f"<a href='{each.origin}{inbox}/2'>your mail</a><a href='{each.origin}/login'>log in</a>"
    each.page.route("https://far.example/**", lambda route: route.fulfill(body=body, content_type="text/html"))
    for link in ("your mail", "log in"):
        each.page.goto("https://far.example/")
        each.page.get_by_text(link).click()
        each.page.wait_for_url(f"{each.origin}/**")
    each.page.goto("https://far.example/")
    each.page.get_by_text("your mail").click()
    each.page.wait_for_url(f"{each.origin}{inbox}/2")
    assert each.heading == "Plain"


def test_plain_text_follows_the_readers_colours(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    each.size(1280, "dark")
    each.go(f"{inbox}/2")
    frame = each.page.frame_locator("iframe.message")
    frame.locator("blockquote a").wait_for()
    colours = frame.locator("body").evaluate(
        "one => [getComputedStyle(one).color, getComputedStyle(document.documentElement).backgroundColor]"
    )
    assert colours == ["rgb(230, 230, 234)", "rgb(27, 27, 31)"]
    each.sound()


def _readers(server: Server) -> list[int]:
    """The process ids of those that have begun."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.pid and b"mpcontinuity.children.reader" in (each / "cmdline").read_bytes():
                found.append(int(each.name))
    return found


def _wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_reader_that_is_killed_at_work_is_said_to_be_gone_and_the_next_reads_on(
    opened: tuple[Window, str], server: Server
) -> None:
    each, inbox = opened
    _wait_for(lambda: len(_readers(server)) == 2)
    readers = _readers(server)
    for pid in readers:
        os.kill(pid, signal.SIGSTOP)  # at work for as long as it takes to kill it

    def kill() -> None:
        for pid in readers:
            os.kill(pid, signal.SIGKILL)

    killing = threading.Timer(0.5, kill)
    killing.start()
    each.go(f"{inbox}/3")
    killing.join()
    assert "could not be read as it was written" in each.text
    _wait_for(lambda: len(set(_readers(server)) - set(readers)) == 2)
    each.go(f"{inbox}/3")
    assert "could not be read" not in each.text
    assert each.page.frame_locator("iframe.message").locator("b").inner_text() == "Never read before"


def test_without_scripts_a_message_is_read_as_well(browser: Browser, server: Server) -> None:
    with window(browser, origin(server), scripts=False) as each:
        inbox = log_in(each.page, each.origin)
        each.go(f"{inbox}/1")
        assert each.page.frame_locator("iframe.message").locator("p.note").count() == 1
        each.follow("All header fields")
        assert "bob@far.example" in each.text


def test_the_header_of_a_message_can_be_read_by_everybody(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    each.go(f"{inbox}/1/headers")
    assert "bob@far.example" in each.text
    each.sound()


def _look_at(each: Window, name: str) -> Page:
    with each.page.context.expect_page() as opening:
        each.page.get_by_role("link", name=f"Look at it: {name}").click()
    opening.value.wait_for_load_state()
    return opening.value


def test_a_pdf_is_looked_at_in_the_browsers_own_viewer_and_leads_nowhere(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    asked: list[str] = []
    each.page.context.on("request", lambda request: asked.append(request.url))
    each.go(f"{inbox}/5")
    viewer = _look_at(each, "offer.pdf")
    until = time.monotonic() + 60
    while not any(frame.url.startswith("chrome-extension://") for frame in viewer.frames):
        assert time.monotonic() < until
        viewer.wait_for_timeout(50)
    viewer.wait_for_timeout(500)  # what a script in it does by itself is done
    assert viewer.url == f"{each.origin}{inbox}/5/view/2"
    assert not [url for url in asked if "far.example" in url]
    assert len(each.page.context.pages) == 2
    viewer.close()


def test_pictures_and_texts_are_looked_at(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    each.go(f"{inbox}/5")
    picture = _look_at(each, "red.png")
    assert picture.locator("img").evaluate("one => one.naturalWidth") == 3
    picture.close()
    text = _look_at(each, "notes.txt")
    assert text.locator("body").inner_text() == "<b>notes</b>"
    text.close()


def test_a_message_within_a_message_is_shown_with_its_own_pictures(opened: tuple[Window, str]) -> None:
    each, inbox = opened
    each.go(f"{inbox}/5")
    each.page.get_by_role("link", name="Read it: The inner one.eml").click()
    each.page.wait_for_url(f"**{inbox}/5/enclosed/5")
    assert each.heading == "The inner one"
    frame = each.page.frame_locator("iframe.message")
    frame.locator("img[alt=red]").wait_for()
    assert frame.locator("img[alt=red]").evaluate("one => [one.naturalWidth, one.naturalHeight]") == [3, 2]
    each.sound()
    each.follow("The message that this one came with")
    assert each.heading == "Files"


@pytest.mark.parametrize("scripts", [True, False])
def test_an_invitation_is_answered(browser: Browser, server: Server, scripts: bool) -> None:
    with window(browser, origin(server), scripts=scripts) as each:
        inbox = log_in(each.page, each.origin)
        each.go(f"{inbox}/6")
        assert "That is not who wrote this message" in each.text
        if scripts:  # axe is one
            each.sound()
        each.fill(comment="Gladly")
        each.press("Accept")
        assert "You accepted." in each.text
        assert "Your answer leaves in a few seconds." in each.text
        if scripts:  # axe is one
            each.sound()
        each.follow("Call it back")
        each.page.get_by_role("button", name="Undo").first.click()
        each.page.wait_for_url(f"**{inbox}/6")
        assert "Your answer is taken back" in each.text
