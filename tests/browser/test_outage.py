"""A user's whole outage in a browser, from the invitation to its end: by keys, in two tabs, on a telephone, and with a
server that is killed in the middle. Then the same core without JavaScript.

Where the variable SCREENSHOTS names a folder, a picture of each station is put there.
"""

from __future__ import annotations

import imaplib
import os
import quopri
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.app.running import Server
from tests.browser.site import origin, serving
from tests.browser.window import NARROW, WIDE, Window, window
from tests.fakes.home import Received, ScriptedHome
from tests.journeys.world import World

PASSWORD = "a password of her own"
PRIVATE = "mia@private.example"  # hers as well, elsewhere
FILE = b"one,two\r\n3,4\r\n"
SECRET = "Zwetschgenkuchen"  # in subjects, texts, names of people and files, and searches
LAST_WEEK, FIRST, FIGURES = f"Last week: {SECRET}", f"First of the outage: {SECRET}", f"The figures: {SECRET}"
HTML = (
    f"<p>The <b>figures</b> of the {SECRET}.</p><script>document.title = 'stolen'</script>"
    "<img src=https://elsewhere.example/pixel.png>"
)


class House(World):
    """Mia, who has no password yet, beside Anna and Ben. Her other address is at a server that stays."""

    def __init__(self, server: Server, home: ScriptedHome, elsewhere: ScriptedHome) -> None:
        super().__init__(server, home, "house.example")
        self.elsewhere = elsewhere
        self.mia = f"mia@{self.domain}"
        self.cli("domain", "add", "private.example", "--home", elsewhere.address)
        self.cli("user", "add", PRIVATE)
        self.cli("user", "add", self.mia, "--name", "Mia", "--alternate", PRIVATE)

    def goes_down(self) -> None:
        """After a last message, which passes."""
        assert self.send(LAST_WEEK, self.mia).code == 250
        assert len(self.at_home(LAST_WEEK)) == 1
        self.home.stop()
        assert self.send(FIRST, self.mia).code == 250
        self.wait_for(lambda: self.state() == "down")

    def write_html(self) -> None:
        """Ben writes, as somebody may who has an account elsewhere too."""
        text = f"From: Ben {SECRET} <{self.ben}>\r\nTo: {self.mia}\r\nSubject: {FIGURES}\r\nMIME-Version: 1.0\r\n"
        with self.smtp() as client:
            client.sendmail("ben@elsewhere.example", self.mia, f"{text}Content-Type: text/html\r\n\r\n{HTML}\r\n")

    def letters(self, folder: str) -> list[EmailMessage]:
        """What Mia has in a folder."""
        with imaplib.IMAP4("127.0.0.1", self.server.ports["imap"]) as session:
            session.login(self.mia, PASSWORD)
            session.select(folder, readonly=True)
            _, found = session.uid("FETCH", "1:*", "(BODY.PEEK[])")
            return [
                message_from_bytes(each[1], EmailMessage, policy=default) for each in found if isinstance(each, tuple)
            ]

    def at_home_of_mia(self) -> Counter[str]:
        """How often home has each message."""
        return Counter(each.subject for each in self.home.messages if self.mia in each.recipients)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        ScriptedHome() as home,
        ScriptedHome() as elsewhere,
        serving(tmp_path, require_totp=False, port=port) as server,
    ):
        house = House(server, home, elsewhere)
        house.goes_down()
        yield house


def text_of(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def files_of(letter: EmailMessage) -> dict[str | None, bytes | None]:
    return {each.get_filename(): each.get_payload(decode=True) for each in letter.iter_attachments()}  # type: ignore[misc]


def picture(opened: Window, name: str) -> None:
    """Of the whole page, where somebody wants to look at it."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        opened.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def come_in(house: House, opened: Window) -> None:
    """By an invitation, which comes by mail to her other address, as home is away."""
    house.cli("user", "invite", house.mia)
    mails: list[Received] = []

    def came() -> bool:
        mails[:] = [each for each in house.elsewhere.messages if PRIVATE in each.recipients]
        return bool(mails)

    house.wait_for(came)
    link = re.search(r"https://[^/]+(/invite/\S+)", quopri.decodestring(mails[0].data).decode())
    assert link is not None
    opened.go(link[1])
    opened.sound()
    picture(opened, "01-invitation")
    opened.fill(password=PASSWORD, again=PASSWORD)
    opened.press("Set password")
    assert opened.heading == "Inbox"
    assert "Your password is set" in opened.text
    picture(opened, "03-inbox")
    expect(sentence(opened)).to_contain_text("Your usual mail server does not answer.")
    expect(sentence(opened)).to_contain_text("1 message will go back to your usual mailbox.")


def log_in(opened: Window, house: House) -> None:
    opened.fill(address=house.mia, password=PASSWORD)
    opened.press("Log in")
    assert opened.heading == "Inbox"
    expect(opened.page.get_by_role("link", name=FIRST)).to_be_visible()


def sentence(opened: Window) -> Locator:
    return opened.page.locator("#sentence .said")


def read(house: House, opened: Window) -> None:
    """Mail appears by itself; its HTML is shown in a frame, and does nothing there."""
    house.write_html()
    link = opened.page.get_by_role("link", name=FIGURES)
    with opened.page.expect_navigation():
        link.click()
    expect(opened.page.frame_locator("iframe.message").locator("b")).to_have_text("figures")
    expect(opened.page.get_by_text("One picture from elsewhere is not shown")).to_be_visible()
    picture(opened, "04-message")
    opened.sound()


def search_by_keys(opened: Window) -> None:
    """From the search to the form of the answer without a mouse."""
    page = opened.page
    page.keyboard.press("/")
    page.keyboard.type("nothing like this")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing here matches.")).to_be_visible()
    picture(opened, "05-search-nothing")
    page.keyboard.press("/")
    page.keyboard.type(f"{SECRET} figures")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    found = page.locator("main").get_by_role("link", name=FIGURES).first
    expect(found).to_be_visible()
    picture(opened, "06-search")
    found.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    with page.expect_navigation():
        page.keyboard.press("r")
    assert opened.page.locator("#subject").input_value() == f"Re: {FIGURES}"


def answer(house: House, opened: Window, file: Path) -> None:
    """With a file; it is called back, changed, and sent."""
    page = opened.page
    picture(opened, "07-answer")
    opened.fill(text=f"Too early, {SECRET}")
    page.set_input_files("#files", file)
    expect(page.get_by_role("button", name=f"Remove {file.name}")).to_be_visible()
    picture(opened, "08-answer-with-file")
    opened.press("Send")
    picture(opened, "09-outbox")
    opened.press("Undo")
    expect(page.get_by_role("button", name=f"Remove {file.name}")).to_be_visible()
    opened.fill(text=f"Here it is, {SECRET}")
    opened.press("Send")
    house.wait_for(lambda: len(house.letters("Sent")) == 1)
    (sent,) = house.letters("Sent")
    assert "Here it is" in text_of(sent)
    assert files_of(sent) == {file.name: FILE}
    assert house.ben in str(sent["To"])
    assert house.letters("Drafts") == []


def write_through_a_restart(house: House, opened: Window) -> None:
    """The server is killed while she types; what she typed is there, once."""
    opened.go("/")
    with opened.page.expect_navigation():
        opened.page.keyboard.press("c")
    opened.fill(to="ben@", subject="Through a restart", text="Before")
    state = opened.page.locator("[data-state]")
    expect(state).to_contain_text("Saved in Drafts")
    house.server.stop(signal.SIGKILL)
    opened.fill(text="Before and while nobody is there")
    expect(state).to_contain_text("No connection")
    picture(opened, "10-no-connection")
    house.server.start()
    expect(state).to_contain_text("Saved in Drafts")
    opened.page.reload()
    assert opened.page.locator("#text").input_value() == "Before and while nobody is there"
    (draft,) = house.letters("Drafts")
    assert "while nobody is there" in text_of(draft)
    picture(opened, "11-draft-after-restart")
    opened.complaints()  # that nobody was there
    opened.press("Discard")


def read_in_two_tabs(house: House, opened: Window) -> None:
    """What is done in one is seen in the other."""
    other = Window(opened.page.context.new_page(), opened.origin, scripts=True)
    for each in (opened, other):
        each.go("/")
    assert house.send("For both tabs", house.mia).code == 250
    for each in (opened, other):
        expect(each.page.get_by_role("link", name="For both tabs")).to_be_visible()
    with opened.page.expect_navigation():
        opened.page.get_by_role("link", name="For both tabs").click()
    expect(other.page.locator(".message.unread", has_text="For both tabs")).to_have_count(0)
    opened.press("Delete")
    expect(other.page.get_by_role("link", name="For both tabs")).to_have_count(0)
    opened.press("Undo")
    expect(other.page.get_by_role("link", name="For both tabs")).to_be_visible()
    assert not other.complaints()
    other.page.close()


def look_into_the_archive_by_telephone(house: House, opened: Window) -> None:
    """What came before the outage is found there, and put into the mailbox."""
    opened.size(NARROW, "light")
    opened.go("/")
    picture(opened, "12-telephone-inbox")
    opened.page.get_by_role("button", name="Folders").click()
    picture(opened, "13-telephone-folders")
    opened.follow("Archive of the last weeks")
    opened.page.locator("#q").fill("week")
    opened.press("Search")
    picture(opened, "14-telephone-archive")
    opened.follow(LAST_WEEK)
    expect(opened.page.frame_locator("iframe.message").get_by_text("Hello.")).to_be_visible()
    picture(opened, "15-telephone-archived")
    assert not opened.faults()
    opened.press("Put into my mailbox")
    picture(opened, "16-telephone-put")
    opened.go("/")
    expect(opened.page.get_by_role("link", name=LAST_WEEK)).to_be_visible()
    assert not opened.faults()
    opened.size(WIDE, "light")


def hear_of_the_end(house: House, opened: Window) -> None:
    """It is said on the page that is open; home has each message once, and what she sent."""
    house.home.start()
    expect(sentence(opened)).to_contain_text("The outage is over")
    expect(sentence(opened)).to_contain_text(
        "All 4 messages of that time, received and sent, went back to your usual mailbox."
    )
    expect(sentence(opened)).to_contain_text("0 are missing.")
    picture(opened, "17-over")
    opened.sound()
    expected = {LAST_WEEK: 1, FIRST: 1, FIGURES: 1, f"Re: {FIGURES}": 1, "For both tabs": 1}
    assert house.at_home_of_mia() == expected
    assert [each.recipients for each in house.at_home(f"Re: {FIGURES}")].count([house.ben]) == 1


def attachment(folder: Path) -> Path:
    file = folder / f"{SECRET}.csv"
    file.write_bytes(FILE)
    return file


def test_a_users_whole_outage_of_which_the_log_tells_no_word(browser: Browser, house: House, tmp_path: Path) -> None:
    with window(browser, origin(house.server)) as opened:
        come_in(house, opened)
        read(house, opened)
        search_by_keys(opened)
        answer(house, opened, attachment(tmp_path))
        write_through_a_restart(house, opened)
        read_in_two_tabs(house, opened)
        look_into_the_archive_by_telephone(house, opened)
        hear_of_the_end(house, opened)
        opened.press("Log out")
        picture(opened, "18-logged-out")
        assert opened.path.startswith("/login") or opened.page.locator('input[name="password"]').count() == 1
        opened.go("/outbox")
        assert opened.path.startswith("/login")
        assert not opened.complaints()
    assert SECRET not in house.server.log.read_text()


def test_without_javascript_mail_is_read_found_and_answered_with_a_file(
    browser: Browser, house: House, tmp_path: Path
) -> None:
    file = attachment(tmp_path)
    house.server.json("user", "password", house.mia, "--stdin", stdin=PASSWORD)
    house.write_html()
    with window(browser, origin(house.server), scripts=False) as opened:
        opened.go("/")
        log_in(opened, house)
        opened.follow(FIGURES)
        expect(opened.page.frame_locator("iframe.message").locator("b")).to_have_text("figures")
        opened.page.locator('header input[name="q"]').fill(f"figures {SECRET}")
        with opened.page.expect_navigation():
            opened.page.locator('header input[name="q"]').press("Enter")
        opened.follow(FIGURES)
        opened.follow("Reply")
        opened.fill(text="Without a script", cc="nobody@@nowhere")
        opened.page.set_input_files("#files", file)
        opened.press("Send")
        expect(opened.page.locator("#cc-error")).to_be_visible()  # and nothing is lost
        assert opened.page.locator("#text").input_value() == "Without a script"
        expect(opened.page.get_by_role("button", name=f"Remove {file.name}")).to_be_visible()
        picture(opened, "20-without-javascript-refused")
        opened.fill(cc="")
        opened.press("Send")
        picture(opened, "21-without-javascript-outbox")
        house.wait_for(lambda: len(house.letters("Sent")) == 1)
        (sent,) = house.letters("Sent")
        assert files_of(sent) == {file.name: FILE}
        opened.go("/")
        opened.press("Log out")
        opened.go("/mail/1/")
        assert opened.path.startswith("/login")
