"""A letter with formatting in a real browser: typed, pasted, switched, sent, and read back by IMAP."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, FrameLocator, expect

from tests.browser.site import origin
from tests.browser.study import Study, sign_in, studying
from tests.browser.window import NARROW, PATIENCE, WIDE, Window, window

AXE = Path(__file__).with_name("axe.min.js")
HOSTILE = (
    "<p>Pasted <b>text</b></p><script>parent.document.title='owned'</script><img src=x onerror=\"alert(1)\">"
    '<img src="https://canary.example/a.png"><svg onload=alert(1)><style>*{display:none}</style></svg>'
    '<a href="javascript:alert(1)">link</a><iframe srcdoc="<script>alert(1)</script>"></iframe>'
    '<form action="https://canary.example"><input name=a></form><math><mtext><table><mglyph><style><!--</style>'
    '<img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">'
)
ORIGINAL = (
    b"From: Bob <bob@x.example>\r\nTo: anna@example.org\r\nSubject: Figures\r\nMessage-ID: <1@x.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    b"<style>p{color:red}</style><p>Dear <i>Anna</i></p><script>top.document.title='owned'</script>"
    b"<img src=cid:pic alt=chart><img src=https://canary.example/spy.png>\r\n--b\r\nContent-Type: image/png\r\n"
    b"Content-ID: <pic>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with studying(tmp_path_factory.mktemp("server")) as study:
        yield study


@pytest.fixture
def anna(browser: Browser, study: Study) -> Iterator[Window]:
    with window(browser, origin(study.server)) as opened:
        requests: list[str] = []
        opened.page.on("request", lambda request: requests.append(request.url))
        opened.page.on("dialog", lambda dialog: requests.append(f"https://dialog/{dialog.message}"))
        sign_in(opened, study)
        yield opened
        foreign = [url for url in requests if not url.startswith((origin(study.server), "data:", "blob:"))]
        assert not foreign
        assert not opened.complaints()


def editor(opened: Window) -> FrameLocator:
    return opened.page.frame_locator("iframe.editor")


def enrich(opened: Window, path: str = "/write") -> FrameLocator:
    opened.go(path)
    opened.page.get_by_role("button", name="Write with formatting").click()
    expect(editor(opened).get_by_role("textbox", name="Text")).to_be_visible(timeout=PATIENCE)
    return editor(opened)


def saved(opened: Window) -> None:
    expect(opened.page.locator("[data-state]")).to_contain_text("Saved in Drafts", timeout=PATIENCE)


def sent(study: Study, before: int, folder: str = "Sent") -> EmailMessage:
    study.wait_for(lambda: study.count(folder) == before + 1)
    message = email.message_from_bytes(study.text(folder), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert isinstance(found, EmailMessage)
    return str(found.get_content())


def frame_of(opened: Window) -> Frame:
    found = next(frame for frame in opened.page.frames if frame.url.endswith("/write/editor"))
    assert isinstance(found, Frame)
    return found


def placed(opened: Window, study: Study, message: bytes, subject: str) -> str:
    """Folder and UID of a message that comes into INBOX."""
    with study.imap() as session:
        session.append("INBOX", "", None, message)
    opened.go("/")
    path = opened.page.get_by_role("link", name=subject).first.get_attribute("href")
    assert path
    return ".".join(path.split("/")[2:4])


def paste(opened: Window, html: str) -> None:
    frame_of(opened).evaluate(
        """(html) => { const data = new DataTransfer(); data.setData('text/html', html);
        data.setData('text/plain', 'x');
        document.getElementById('letter').dispatchEvent(
            new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })); }""",
        html,
    )


def test_what_is_formatted_arrives_as_html_and_as_text(anna: Window, study: Study) -> None:
    before = study.count("Sent")
    frame = enrich(anna)
    anna.fill(to=study.ben, subject="Formatted")
    text = frame.get_by_role("textbox", name="Text")
    text.click()
    keyboard = anna.page.keyboard
    keyboard.type("Plain ")
    frame.get_by_role("button", name="Bold", exact=True).click()
    keyboard.type("strong")
    keyboard.press("Control+b")
    expect(frame.get_by_role("button", name="Bold", exact=True)).to_have_attribute("aria-pressed", "false")
    keyboard.press("Enter")
    frame.get_by_role("button", name="Numbered list").click()
    keyboard.type("first")
    keyboard.press("Enter")
    keyboard.type("second")
    anna.press("Send")
    message = sent(study, before)
    assert message.get_content_type() == "multipart/alternative"
    html = part(message, "html")
    assert "<b>strong</b>" in html
    assert "<ol>" in html
    assert "Plain strong" in part(message, "plain")
    assert study.count("Drafts") == 0


def test_pasted_html_runs_nothing_and_asks_nobody(anna: Window, study: Study) -> None:
    before = study.count("Sent")
    frame = enrich(anna)
    anna.fill(to=study.ben, subject="Pasted")
    frame.get_by_role("textbox", name="Text").click()
    paste(anna, HOSTILE)
    expect(frame.locator("#letter")).to_contain_text("Pasted text")
    assert frame.locator("#letter :is(script, style, svg, math, iframe, form, input, img)").count() == 0
    assert "canary" not in anna.page.locator("[name=html]").input_value()
    title = anna.page.title()
    anna.press("Send")
    assert "owned" not in title
    html = part(sent(study, before), "html")
    assert "Pasted <b>text</b>" in html
    for word in ("script", "canary", "onerror", "<svg", "<img", "style"):
        assert word not in html


def test_the_editor_has_nothing_of_the_page_and_asks_nobody(anna: Window) -> None:
    enrich(anna)
    said = frame_of(anna).evaluate(
        """async () => { const tried = {};
        for (const [name, what] of Object.entries({
            cookie: () => document.cookie, storage: () => localStorage.length, page: () => parent.document.title,
            html: () => { document.body.insertAdjacentHTML('beforeend', '<i>x</i>'); },
        })) { try { what(); tried[name] = 'done'; } catch { tried[name] = 'refused'; } }
        tried.script = await new Promise((go) => setTimeout(() => {
            try { (0, eval)('1'); go('done'); } catch { go('refused'); } }));
        tried.ask = await fetch('/write/people?q=be').then(() => 'done', () => 'refused');
        return [origin, tried]; }"""
    )
    assert said == ["null", dict.fromkeys(["cookie", "storage", "page", "html", "script", "ask"], "refused")]
    assert len(anna.complaints()) >= 3  # of the policy, which refused it
    anna.press("Discard")


def test_the_page_and_the_editor_are_sound_at_both_widths(anna: Window) -> None:
    frame = enrich(anna)
    frame.get_by_role("button", name="Link").click()
    anna.sound()
    anna.go("/write/editor")
    for width in (WIDE, NARROW):
        anna.size(width, "light")
        anna.page.evaluate(AXE.read_text())
        judged = anna.page.evaluate("() => axe.run(document, { preload: false })")  # it may fetch nothing
        assert judged["violations"] == []
        assert anna.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_link_leads_to_the_web_or_to_an_address_alone(anna: Window) -> None:
    frame = enrich(anna)
    frame.get_by_role("textbox", name="Text").click()
    for typed, leads in (("javascript:alert(1)", ""), ("a.example/x", "https://a.example/x")):
        frame.get_by_role("button", name="Link", exact=True).click() if not leads else None
        frame.get_by_label("Where the link leads").fill(typed)
        anna.page.keyboard.press("Enter")
        if leads:
            expect(frame.locator("#letter a")).to_have_attribute("href", leads)
        else:
            expect(frame.locator("#unfit")).to_be_visible()
    anna.press("Discard")


def test_a_reload_and_a_lost_session_lose_nothing_of_it(anna: Window, study: Study) -> None:
    frame = enrich(anna)
    anna.fill(subject="Kept")
    frame.get_by_role("textbox", name="Text").click()
    anna.page.keyboard.type("Begun ")
    saved(anna)
    frame.get_by_role("textbox", name="Text").press("Control+b")
    anna.page.keyboard.type("a moment before")
    anna.page.wait_for_timeout(1200)  # a copy each second
    anna.page.reload()
    expect(editor(anna).locator("#letter b")).to_have_text("a moment before", timeout=PATIENCE)
    saved(anna)
    assert study.count("Drafts") == 1
    assert b"<b>a moment before</b>" in study.text("Drafts")
    anna.page.context.clear_cookies()
    editor(anna).get_by_role("textbox", name="Text").press("End")
    anna.page.keyboard.type(" and after")
    state = anna.page.locator("[data-state]")
    expect(state).to_contain_text("You are signed out", timeout=PATIENCE)
    sign_in(Window(anna.page.context.new_page(), origin(study.server), scripts=True), study)
    saved(anna)
    assert b"and after" in study.text("Drafts")
    anna.complaints()
    anna.press("Discard")
    assert study.count("Drafts") == 0


def test_plain_text_of_it_is_asked_for_once_and_keeps_the_words(anna: Window) -> None:
    frame = enrich(anna)
    frame.get_by_role("textbox", name="Text").click()
    anna.page.keyboard.type("One")
    anna.page.keyboard.press("Enter")
    frame.get_by_role("button", name="List", exact=True).click()
    anna.page.keyboard.type("Two")
    anna.page.get_by_role("button", name="Write plain text").click()
    dialog = anna.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Both are lost")
    assert not anna.faults()
    dialog.get_by_role("button", name="Make plain text").click()
    expect(anna.page.locator("#text")).to_be_visible()
    assert anna.page.locator("#text").input_value() == "One\n- Two"
    saved(anna)
    anna.press("Discard")


def test_an_answer_quotes_the_message_with_its_pictures_and_nothing_of_it_is_in_the_page(
    anna: Window, study: Study
) -> None:
    before = study.count("Sent")
    place = placed(anna, study, ORIGINAL, "Figures")
    frame = enrich(anna, f"/write?reply={place}")
    anna.fill(to=study.ben)
    frame.get_by_role("textbox", name="Text").click()
    anna.page.keyboard.type("My answer")
    expect(anna.page.get_by_label("All of it")).to_be_checked()
    anna.page.get_by_text("Show what is quoted").click()
    quoted = anna.page.frame_locator("iframe.quoted")
    expect(quoted.locator("blockquote i")).to_have_text("Anna", timeout=PATIENCE)
    assert quoted.locator("img[src^='data:image/png']").count() == 1
    assert "<i>Anna" not in anna.page.content()
    assert "Dear" not in frame.locator("#letter").inner_text()
    saved(anna)
    anna.press("Send")
    message = sent(study, before)
    html, plain = part(message, "html"), part(message, "plain")
    assert "<i>Anna</i>" in html
    assert html.index("My answer") < html.index("<blockquote")
    assert "> Dear Anna" in plain
    for word in ("canary", "script", "<style"):
        assert word not in html
    (related,) = [each for each in message.walk() if each.get_content_type() == "multipart/related"]
    picture = related.get_payload()[1]  # type: ignore[index]
    assert f"cid:{picture['content-id'].strip('<>')}" in html  # type: ignore[index]


def test_a_pasted_picture_is_sent_with_the_letter(anna: Window, study: Study) -> None:
    before = study.count("Sent")
    frame = enrich(anna)
    anna.fill(to=study.ben, subject="A picture")
    frame.get_by_role("textbox", name="Text").click()
    frame_of(anna).evaluate(
        """async () => { const canvas = document.createElement('canvas'); canvas.width = canvas.height = 20;
        canvas.getContext('2d').fillRect(0, 0, 20, 20);
        const blob = await new Promise((go) => canvas.toBlob(go));
        const data = new DataTransfer(); data.items.add(new File([blob], 'chart.png', { type: 'image/png' }));
        document.getElementById('letter').dispatchEvent(
            new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })); }"""
    )
    expect(frame.locator("#letter img[data-id]")).to_be_visible(timeout=PATIENCE)
    saved(anna)
    anna.page.reload()
    expect(editor(anna).locator("#letter img[src^=blob]")).to_be_visible(timeout=PATIENCE)
    anna.press("Send")
    message = sent(study, before)
    assert [each.get_filename() for each in message.walk() if each.get_content_type() == "image/png"] == ["chart.png"]
    assert 'src="cid:' in part(message, "html")


def test_a_letter_with_formatting_is_called_back_with_it(anna: Window) -> None:
    frame = enrich(anna)
    anna.fill(to="ben@example.org", subject="Too early")
    frame.get_by_role("textbox", name="Text").click()
    anna.page.keyboard.press("Control+i")
    anna.page.keyboard.type("Not yet")
    anna.press("Send")
    anna.press("Undo")
    expect(editor(anna).locator("#letter i")).to_have_text("Not yet", timeout=PATIENCE)
    anna.press("Discard")


def sign(opened: Window, text: str) -> None:
    opened.go("/settings/signature")
    opened.fill(text=text)
    opened.press("Save")


def test_the_signature_is_in_the_html_as_its_characters_also_where_letters_begin_with_formatting(
    anna: Window, study: Study
) -> None:
    before = study.count("Sent")
    sign(anna, "<b>Anna</b> & Co\n  0 < 1")
    place = placed(anna, study, ORIGINAL.replace(b"Subject: Figures", b"Subject: Signed"), "Signed")
    enrich(anna)  # this browser remembers it
    for path, sends in ((f"/write?to={study.ben}&subject=New", 1), (f"/write?reply={place}", 2)):
        anna.go(path)
        text = editor(anna).get_by_role("textbox", name="Text")
        expect(text).to_contain_text("<b>Anna</b> & Co", timeout=PATIENCE)
        expect(editor(anna).locator("#letter b")).to_have_count(0)
        anna.fill(to=study.ben)
        text.press("Control+Home")
        anna.page.keyboard.type("My text")
        saved(anna)
        anna.press("Send")
        message = sent(study, before + sends - 1)
        html, plain = part(message, "html"), part(message, "plain").replace("\r\n", "\n")
        assert html.count("&lt;b&gt;Anna&lt;/b&gt; &amp; Co") == 1
        assert html.index("My text") < html.index("&lt;b&gt;Anna")
        assert plain.startswith("My text\n")
        assert "\n-- \n<b>Anna</b> & Co\n0 < 1\n" in plain
        if "reply" in path:
            assert html.index("&lt;b&gt;Anna") < html.index("<blockquote")
    assert study.count("Drafts") == 0
    sign(anna, "")


def test_to_switch_again_and_again_quotes_the_message_once(anna: Window, study: Study) -> None:
    before = study.count("Sent")
    place = placed(anna, study, ORIGINAL.replace(b"Subject: Figures", b"Subject: Switched"), "Switched")
    frame = enrich(anna, f"/write?reply={place}")
    anna.fill(to=study.ben)
    frame.get_by_role("textbox", name="Text").click()
    anna.page.keyboard.type("My answer")
    text = anna.page.locator("#text")
    for _ in range(2):
        anna.page.get_by_role("button", name="Write plain text").click()
        anna.page.get_by_role("button", name="Make plain text").click()
        expect(text).to_be_visible(timeout=PATIENCE)
        assert text.input_value().count("> Dear Anna") == 1
        saved(anna)
        anna.page.get_by_role("button", name="Write with formatting").click()
        expect(editor(anna).locator("#letter")).to_have_text("My answer", timeout=PATIENCE)
        expect(anna.page.get_by_label("All of it")).to_be_checked()
    anna.page.get_by_role("button", name="Write plain text").click()
    anna.page.get_by_role("button", name="Make plain text").click()
    expect(text).to_be_visible(timeout=PATIENCE)
    saved(anna)
    anna.page.reload()
    anna.page.get_by_role("button", name="Write with formatting").click()  # nobody knows any more that it is a quote
    expect(editor(anna).locator("#letter")).to_contain_text("> Dear Anna", timeout=PATIENCE)
    anna.press("Send")
    message = sent(study, before)
    assert part(message, "plain").count("Dear Anna") == 1
    assert part(message, "html").count("Dear") == 1
