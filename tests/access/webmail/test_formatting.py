"""Letters with formatting: what a browser sends is judged, kept, quoted from and sent, and never lost."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest

from mpcontinuity.children.readers import Busy
from mpcontinuity.mailbox.drafts import UNDO
from mpcontinuity.model.clock import SECOND
from tests.access.webmail.office import ANNA, BERT, Office
from tests.access.webmail.test_write import contents, script, typed, value
from tests.admin.portal.browser import Browser, Shown
from tests.corpus.hostile_mail import Hostile, hostile
from tests.message.display.test_composed import judge

HTML = "<div>Dear <b>Eve</b></div>"
QUOTABLE = (
    b"From: Bob <bob@x.example>\r\nTo: anna@example.org\r\nSubject: Figures\r\nMessage-ID: <1@x.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    b"<style>p{display:none}</style><p>See <i>this</i></p><img src=cid:pic><img src=https://canary.example/a.png>\r\n"
    b"--b\r\nContent-Type: image/png; name=pic.png\r\nContent-ID: <pic>\r\n\r\nPNG\r\n--b--\r\n"
)
EACH_CLASS = {each.kind: each for each in sorted(hostile(), key=lambda each: len(each.content), reverse=True)}.values()
TOO_MANY_FILES = next(each for each in hostile() if each.name == "many parts")


def rich(browser: Browser, on: str = "/write", /, **form: Any) -> Shown:
    letter = {"to": "eve@far.example", "subject": "Rich", "format": "rich", "html": HTML, "action": "save"}
    return browser.post("/write", {**browser.get(on).hidden("/write"), **letter, **form})


def sent(office: Office) -> EmailMessage:
    office.clock.advance(UNDO / SECOND + 1)
    return message(contents(office, "Sent")[-1])


def message(data: bytes) -> EmailMessage:
    found = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def part(of: EmailMessage, kind: str) -> str:
    found = of.get_body((kind,))
    assert isinstance(found, EmailMessage)
    return str(found.get_content())


def test_it_is_sent_as_html_and_text_and_its_draft_is_one_message(office: Office, anna: Browser) -> None:
    path = rich(anna).location
    (draft,) = contents(office, "Drafts")
    assert HTML in part(message(draft), "html")
    shown = anna.get(path)
    assert (value(shown.page, "format"), value(shown.page, "html")) == ("kept", HTML)
    assert typed(shown.page) == "Dear Eve"
    rich(anna, path, action="send")
    letter = sent(office)
    assert letter.get_content_type() == "multipart/alternative"
    assert part(letter, "plain").strip() == "Dear Eve"
    assert HTML in part(letter, "html")
    assert contents(office, "Drafts") == []


def test_what_may_do_harm_is_neither_kept_nor_sent(office: Office, anna: Browser) -> None:
    evil = f"{HTML}<script>alert(1)</script><img src=https://canary.example/a.png onerror=alert(1)>"
    path = rich(anna, html=evil).location
    assert value(anna.get(path).page, "html") == f"{HTML}<img>"
    rich(anna, path, html=evil, action="send")
    html = part(sent(office), "html")
    assert "alert" not in html
    assert "canary" not in html


@pytest.mark.parametrize("action", ["save", "send"])
def test_where_its_reader_dies_it_comes_back_as_it_was_typed_and_nothing_is_sent(
    office: Office, anna: Browser, action: str
) -> None:
    office.jobs.dying = 1
    shown = rich(anna, html="<p onclick=a>Mine</p>", action=action)
    assert shown.code == 409
    assert "cannot be read here" in shown.page
    assert (value(shown.page, "format"), value(shown.page, "html")) == ("rich", "<p onclick=a>Mine</p>")
    office.clock.advance(UNDO / SECOND + 1)
    assert contents(office, "Sent") == contents(office, "Drafts") == []


def test_where_readers_are_busy_it_comes_back_and_a_script_hears_of_it(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> bytes:
        raise Busy

    form = {**anna.get("/write").hidden("/write"), "format": "rich", "html": HTML}
    with monkeypatch.context() as patched:
        patched.setattr(office.services.reading, "_readers", type("Readers", (), {"ask": staticmethod(busy)}))
        shown = anna.post("/write", {**form, "action": "save"})
        assert (shown.code, value(shown.page, "html")) == (503, HTML)
        assert script(anna, **form, action="autosave")[0] == 503
    assert script(anna, **form, action="autosave")[0] == 200


def test_more_than_browsers_show_is_said(anna: Browser) -> None:
    shown = rich(anna, html="<div>" * 2_000)
    assert shown.code == 409
    assert "more formatting" in shown.page


def test_who_has_no_script_keeps_the_formatting_until_they_change_the_text(office: Office, anna: Browser) -> None:
    path = rich(anna).location
    shown = anna.get(path)
    form = {**shown.hidden("/write"), "to": "eve@far.example", "subject": "Rich", "action": "save"}
    path = anna.post("/write", {**form, "text": typed(shown.page)}).location
    shown = anna.get(path)
    assert value(shown.page, "html") == HTML
    form = {**shown.hidden("/write"), "to": "eve@far.example", "subject": "Rich", "action": "save"}
    shown = anna.get(anna.post("/write", {**form, "text": "Dear Adam"}).location)
    assert "formatting, which is gone" in shown.page
    assert (value(shown.page, "format"), typed(shown.page)) == ("plain", "Dear Adam")


def test_without_a_script_a_changed_text_keeps_what_it_quotes_and_is_shown_before_it_leaves(
    office: Office, anna: Browser
) -> None:
    path = rich(anna, f"/write?reply={office.folder().id}.{office.put(QUOTABLE)}", quote="whole").location
    form = {**anna.get(path).hidden("/write"), "to": "eve@far.example", "quote": "whole", "text": "Dear Adam"}
    shown = anna.post("/write", {**form, "action": "send"})
    assert shown.code == 409
    assert "formatting, which is gone" in shown.page
    assert typed(shown.page).startswith("Dear Adam\n\nOn ")
    assert "> See this" in typed(shown.page)
    office.clock.advance(UNDO / SECOND + 1)
    assert contents(office, "Sent") == []
    form = {**shown.hidden("/write"), "to": "eve@far.example", "text": typed(shown.page), "action": "send"}
    assert anna.post("/write", form).location == "/outbox"
    assert part(sent(office), "plain").count("> See this") == 1


def test_it_is_there_when_the_session_has_ended(office: Office, anna: Browser) -> None:
    form = {**anna.get("/write").hidden("/write"), "format": "rich", "html": HTML, "quote": "whole", "action": "send"}
    stranger = office.browser()
    shown = stranger.post("/write", form)
    assert shown.code == 401
    assert (value(shown.page, "format"), value(shown.page, "html")) == ("rich", HTML)
    assert value(shown.page, "quote") == "whole"


@pytest.mark.parametrize("how", ["reply", "forward"])
def test_what_it_quotes_is_joined_when_it_is_sent_with_its_pictures(office: Office, anna: Browser, how: str) -> None:
    uid = office.put(QUOTABLE)
    on = f"/write?{how}={office.folder().id}.{uid}"
    path = rich(anna, on, quote="whole").location
    page = anna.get(path).page
    assert "<i>this</i>" not in page
    assert value(page, "html") == HTML
    document = anna.get(f"{path.partition('?')[0]}/{path.partition('=')[2]}/quote")
    assert "<i>this</i>" in document.page
    assert 'src="data:image/png;base64,UE5H"' in document.page
    assert b"sandbox allow-popups" in document.head
    for letter in (message(contents(office, "Drafts")[0]), None):
        if letter is None:
            rich(anna, path, quote="whole", action="send")
            letter = sent(office)
        html, plain = part(letter, "html"), part(letter, "plain")
        assert html.index("Dear") < html.index("Bob") < html.index("<i>this</i>")
        assert ("> See this" in plain) == (how == "reply")
        assert "canary" not in html
        assert "<style" not in html
        pictures = [each for each in letter.walk() if each.get_content_type() == "image/png"]
        assert len(pictures) == 1  # and no second one among the files
        assert f'"cid:{str(pictures[0]["content-id"]).strip("<>")}"' in html
        assert "multipart/related" in [each.get_content_type() for each in letter.walk()]


def test_a_picture_that_is_shown_often_counts_as_often(office: Office, anna: Browser) -> None:
    html = b"<p>See <i>this</i></p>" + b"<img src=cid:pic>" * 100
    often = QUOTABLE.replace(b"<img src=cid:pic>", html).replace(b"PNG\r\n", b"PNG" * 20_000 + b"\r\n")
    path = rich(anna, f"/write?reply={office.folder().id}.{office.put(often)}", quote="whole").location
    document = anna.get(f"{path.partition('?')[0]}/{path.partition('=')[2]}/quote")
    assert "<i>this</i>" in document.page
    assert document.page.count("cid:") == 100  # 100 times 60 KB are more than a page shows
    assert len(document.page) < 20_000


def test_nothing_of_the_original_is_sent_where_that_is_wanted(office: Office, anna: Browser) -> None:
    on = f"/write?reply={office.folder().id}.{office.put(QUOTABLE)}"
    path = rich(anna, on, quote="whole").location
    rich(anna, path, quote="none", action="send")
    letter = sent(office)
    assert "this" not in part(letter, "html") + part(letter, "plain")
    assert [each.get_content_type() for each in letter.walk() if each.get_content_maintype() == "image"] == []


def test_what_was_quoted_once_stays_though_its_message_is_gone(office: Office, anna: Browser) -> None:
    on = f"/write?reply={office.folder().id}.{office.put(QUOTABLE)}"
    path = rich(anna, on, quote="whole").location
    folder = office.folder()
    anna.send(f"/mail/{folder.id}/do", f"/mail/{folder.id}/", uid="1", action="delete")
    rich(anna, path, quote="whole", action="send")
    assert "<i>this</i>" in part(sent(office), "html")


def test_what_cannot_be_quoted_is_said_and_the_letter_is_kept(office: Office, anna: Browser) -> None:
    form = anna.get(f"/write?reply={office.folder().id}.{office.put(QUOTABLE)}").hidden("/write")
    letter = {"to": "eve@far.example", "format": "rich", "html": HTML, "quote": "whole", "action": "send"}
    shown = anna.post("/write", {**form, **letter, "original": f"{office.folder().id}.99"})
    assert shown.code == 400
    assert "not there any more" in shown.page
    assert HTML in part(message(contents(office, "Drafts")[0]), "html")
    office.clock.advance(UNDO / SECOND + 1)
    assert contents(office, "Sent") == []


def test_nobody_quotes_or_sees_what_is_anothers(office: Office, anna: Browser) -> None:
    uid = office.put(QUOTABLE, address=BERT)
    place = f"{office.folder('INBOX', BERT).id}.{uid}"
    shown = rich(anna, original=place, quote="whole")
    assert "this" not in contents(office, "Drafts")[0].decode()
    assert shown.code == 400
    path = rich(anna, f"/write?reply={office.folder().id}.{office.put(QUOTABLE)}", quote="whole").location
    draft = path.partition("=")[2]
    bert = office.browser(BERT)
    for below in ("quote", "quote.txt", "attachments", "attachments/0r3v1gax019jj"):
        assert bert.get(f"/write/{draft}/{below}").code == 404
        assert office.browser().get(f"/write/{draft}/{below}").code in (303, 401)


@pytest.mark.parametrize("how", ["reply", "forward"])
def test_what_stands_above_a_quote_is_in_the_language_of_its_user(office: Office, anna: Browser, how: str) -> None:
    anna.send("/settings/language", language="de")
    on = f"/write?{how}={office.folder().id}.{office.put(QUOTABLE)}"
    words = "schrieb Bob:" if how == "reply" else "---------- Weitergeleitete Nachricht ----------"
    assert words in typed(anna.get(on).page)
    rich(anna, on, quote="whole", action="send")
    letter = sent(office)
    for each in ("html", "plain"):
        assert words in part(letter, each)
        assert "Von: Bob" in part(letter, each) or how == "reply"
        assert "wrote" not in part(letter, each)


def test_a_picture_that_is_pasted_is_sent_where_the_text_shows_it(office: Office, anna: Browser) -> None:
    draft = rich(anna).location.partition("=")[2]
    csrf = anna.get(f"/write?draft={draft}").hidden("/write")["csrf"]
    begun = {"name": "a.png", "kind": "image/png", "size": "3", "role": "picture", "csrf": csrf}
    code, said = script(anna, f"/write/{draft}/attachments", **begun)
    assert code == 200
    assert anna.put(f"/write/{draft}/attachments/{said['id']}?start=0", b"PNG", X_CSRF_Token=csrf).code == 200
    assert anna.get(f"/write/{draft}/attachments/{said['id']}").page == "PNG"
    assert "a.png" not in anna.get(f"/write?draft={draft}").page
    shown = f'{HTML}<img src="cid:{said["cid"]}">'
    path = rich(anna, f"/write?draft={draft}", html=shown).location
    assert b"a.png" in contents(office, "Drafts")[0]
    rich(anna, path, action="send")  # without it
    assert "image/png" not in [each.get_content_type() for each in sent(office).walk()]


def test_who_clicks_twice_sends_it_once(office: Office, anna: Browser) -> None:
    on = f"/write?reply={office.folder().id}.{office.put(QUOTABLE)}"
    form = {**anna.get(on).hidden("/write"), "to": "eve@far.example", "format": "rich", "html": HTML, "quote": "whole"}
    for _ in range(2):
        assert anna.post("/write", {**form, "action": "send"}).location == "/outbox"
    sent(office)
    assert anna.post("/write", {**form, "action": "send"}).location == "/outbox"
    sent(office)
    assert len(contents(office, "Sent", ANNA)) == 1
    assert contents(office, "Drafts") == []


@pytest.mark.parametrize("how", ["reply", "forward"])
@pytest.mark.parametrize("each", EACH_CLASS, ids=lambda each: f"{each.kind}: {each.name}")
def test_an_answer_to_hostile_mail_is_sent_and_has_nothing_that_runs_or_asks(
    office: Office, anna: Browser, each: Hostile, how: str
) -> None:
    shown = answer(office, anna, each, how)
    assert shown.code == 303, shown.page
    html = part(sent(office), "html").lower()
    judge(html.partition("<body>")[2].rpartition("</body>")[0])


def test_of_hostile_mail_that_alone_is_not_forwarded_of_which_the_files_are_too_many(
    office: Office, anna: Browser
) -> None:
    """Over all 252 answers to the corpus this was the one that was not sent."""
    shown = answer(office, anna, TOO_MANY_FILES, "forward")
    assert shown.code == 400
    assert "more files than can be taken along" in shown.page
    office.clock.advance(UNDO / SECOND + 1)
    assert contents(office, "Sent") == []


def answer(office: Office, anna: Browser, each: Hostile, how: str) -> Shown:
    return rich(anna, f"/write?{how}={office.folder().id}.{office.put(each.content)}", quote="whole", action="send")
