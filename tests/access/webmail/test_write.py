"""Writing without JavaScript: what is typed is saved, sent and called back, and never lost."""

from __future__ import annotations

import json
import re
from functools import partial
from html import unescape
from typing import Any

import pytest

from mpcontinuity.children.readers import Busy, Readers
from mpcontinuity.mailbox import mailboxes, read
from mpcontinuity.mailbox.drafts import Draft
from mpcontinuity.message.display import sanitised
from mpcontinuity.message.display.choosing import MOST_ATTACHMENTS
from mpcontinuity.message.display.shown import MOST_PEOPLE
from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.model.errors import Full
from mpcontinuity.model.flags import DRAFT, SEEN
from mpcontinuity.store.statement import Statement
from mpcontinuity.writing.composition import Fault
from mpcontinuity.writing.outbox import Outbox
from tests.access.webmail.office import ANNA, BERT, Office, log_in
from tests.admin.portal.browser import Browser, Shown
from tests.fakes.stores import result

LETTER = {"to": "Eve <eve@far.example>", "subject": "Hello", "text": "How are you?", "action": "save"}


def write(browser: Browser, on: str = "/write", /, **form: Any) -> Shown:
    return browser.send("/write", on, **{**LETTER, **form})


def follow(browser: Browser, shown: Shown) -> Shown:
    assert shown.code == 303, shown.page
    return browser.get(shown.location)


def count(office: Office, table: str) -> int:
    return int(result(office.store.read(lambda tx: tx.value(Statement(f"SELECT COUNT(*) FROM {table}")))))


def contents(office: Office, name: str, address: str = ANNA) -> list[bytes]:
    account = office.user(address).id
    info = result(office.store.read(partial(mailboxes.get, account=account, name=name)))
    rows = result(office.store.read(partial(read.rows, mailbox=info.id, uids=list(range(1, info.uidnext)), body=True)))
    bodies = [body for row in rows if (body := row[read.BODY]) is not None]
    return [content for content in result(office.store.bodies.read_many(bodies)) if isinstance(content, bytes)]


def value(page: str, name: str) -> str:
    match = re.search(rf'<input[^>]* name="{name}"[^>]* value="([^"]*)"', page)
    assert match is not None, page
    return unescape(match[1])


def typed(page: str) -> str:
    match = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert match is not None
    return unescape(match[1])


def multipart(browser: Browser, fields: dict[str, str], *files: tuple[str, str, bytes]) -> Shown:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    for name, kind, data in files:
        head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    body = b"".join([*parts, b"--b--\r\n"])
    return browser.upload("POST", "/write", body, "multipart/form-data; boundary=b")


def test_a_message_is_written_sent_after_ten_seconds_and_in_sent(office: Office, anna: Browser) -> None:
    page = follow(anna, write(anna, action="send")).page
    assert "“Hello” is sent in a moment" in page
    assert "<span data-seconds>10</span>" in page
    assert count(office, "outgoing") == 0
    office.clock.advance(11)
    assert count(office, "outgoing") == 1
    (sent,) = contents(office, "Sent")
    assert b"Subject: Hello" in sent
    assert contents(office, "Drafts") == []
    assert "Nothing waits to be sent" in anna.get("/outbox").page


def test_it_is_called_back_and_a_draft_again(office: Office, anna: Browser) -> None:
    follow(anna, write(anna, action="send"))
    shown = follow(anna, anna.send("/outbox/undo", "/outbox"))
    assert "Not sent" in shown.page
    assert typed(shown.page) == "How are you?"
    office.clock.advance(11)
    assert count(office, "outgoing") == 0
    follow(anna, anna.post("/write", {**shown.hidden("/write"), **LETTER, "action": "send"}))
    office.clock.advance(11)
    assert count(office, "outgoing") == 1


def test_a_draft_is_one_message_for_mail_programs_and_goes_on_after_a_restart(office: Office, anna: Browser) -> None:
    path = write(anna).location
    for number in range(5):
        path = write(anna, path, text=f"Version {number}").location
    (draft,) = contents(office, "Drafts")
    assert b"Version 4" in draft
    browser = office.browser(ANNA)  # another browser, after a restart
    assert typed(browser.get(path).page) == "Version 4"
    folder = office.folder("Drafts")
    shown = follow(browser, browser.get(f"/write?draft={folder.id}.{folder.uidnext - 1}"))
    assert typed(shown.page) == "Version 4"


def test_the_server_says_at_the_field_what_it_refuses_and_keeps_what_was_typed(office: Office, anna: Browser) -> None:
    shown = write(anna, action="send", to="eve", cc="x@y@z", text="Dear all")
    assert shown.code == 400
    assert re.search(r'id="to-error" role="alert">“eve” is not a mail address', shown.page)
    assert 'id="cc-error"' in shown.page
    assert value(shown.page, "to") == "eve"
    assert typed(shown.page) == "Dear all"
    assert len(contents(office, "Drafts")) == 1


def test_nobody_sends_by_an_address_of_another(office: Office, anna: Browser) -> None:
    shown = write(anna, action="send", sender=BERT)
    assert shown.code == 400
    assert "You may not write by this address." in shown.page
    office.clock.advance(11)
    assert count(office, "outgoing") == 0


def test_a_second_click_on_send_sends_once_also_where_the_draft_was_never_saved(office: Office, anna: Browser) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "action": "send"}
    assert [anna.post("/write", form).location for _ in range(3)] == ["/outbox"] * 3
    office.clock.advance(11)
    assert count(office, "outgoing") == 1
    assert count(office, "draft") == 0


def test_what_another_window_saved_is_not_overwritten_and_both_are_kept(office: Office, anna: Browser) -> None:
    path = write(anna).location
    first, second = (anna.get(path).hidden("/write") for _ in range(2))
    anna.post("/write", {**first, **LETTER, "text": "from one window"})
    shown = follow(anna, anna.post("/write", {**second, **LETTER, "text": "from the other"}))
    assert "changed, sent or discarded in another window" in shown.page
    assert typed(shown.page) == "from the other"
    drafts = contents(office, "Drafts")
    assert len(drafts) == 2
    assert any(b"from one window" in draft for draft in drafts)


def test_what_was_typed_is_there_when_the_session_has_ended(office: Office, anna: Browser) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "text": "A long letter", "action": "send"}
    anna.send("/logout", "/")
    shown = anna.post("/write", form)
    assert shown.code == 401
    assert "You are signed out" in shown.page
    assert typed(shown.page) == "A long letter"
    log_in(anna)  # in another window
    shown = anna.post("/write", {**form, **shown.hidden("/write")})
    assert shown.code == 409
    assert typed(shown.page) == "A long letter"
    assert "Nothing you typed is lost" in shown.page
    assert anna.post("/write", {**form, **shown.hidden("/write")}).location == "/outbox"


def test_another_site_sends_nothing_and_is_shown_nothing(office: Office, anna: Browser) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "action": "send"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "", "Origin": "https://evil.example"}):
        shown = anna.post("/write", form, **headers)
        assert shown.code == 403
        assert "How are you" not in shown.page
    assert count(office, "draft") == 0


def test_files_come_with_the_form_and_leave_with_the_message(office: Office, anna: Browser) -> None:
    fields = {**anna.get("/write").hidden("/write"), **LETTER}
    shown = follow(anna, multipart(anna, fields, ("a.txt", "text/plain", b"x" * 700_000), ("b.bin", "a/b", b"data")))
    assert "a.txt" in shown.page
    assert "b.bin" in shown.page
    match = re.search(r'value="(detach \w+)" aria-label="Remove b.bin"', shown.page)
    assert match is not None
    shown = follow(anna, anna.post("/write", {**shown.hidden("/write"), **LETTER, "action": match[1]}))
    assert "b.bin" not in shown.page
    anna.post("/write", {**shown.hidden("/write"), **LETTER, "action": "send"})
    office.clock.advance(11)
    (sent,) = contents(office, "Sent")
    assert sent.count(b"Content-Disposition: attachment") == 1
    assert b"eHh4eHh4" in sent


def test_another_users_draft_and_attachment_are_not_there(office: Office, anna: Browser) -> None:
    fields = {**anna.get("/write").hidden("/write"), **LETTER}
    path = multipart(anna, fields, ("a.txt", "text/plain", b"secret")).location
    bert = office.browser(BERT)
    assert bert.get(path).code == 404
    draft = path.partition("=")[2]
    assert bert.get(f"/write/{draft}/attachments").code == 404
    folder = office.folder("Drafts")
    assert bert.get(f"/write?draft={folder.id}.1").code == 404
    uid = office.put()
    for name in ("reply", "replyall", "forward"):
        assert bert.get(f"/write?{name}={office.folder().id}.{uid}").code == 404
    form = {**bert.get("/write").hidden("/write"), **LETTER, "draft": draft, "version": "2", "text": "evil"}
    bert.post("/write", form)
    assert all(b"evil" not in each for each in contents(office, "Drafts"))
    assert typed(anna.get(path).page) == "How are you?"


ORIGINAL = (
    b"From: Bob <bob@x.example>\r\nTo: Anna <anna@example.org>, Carl <carl@x.example>\r\nCc: dora@x.example\r\n"
    b"Subject: Re: Plan\r\nMessage-ID: <2@x.example>\r\nReferences: <1@x.example>\r\n\r\nShall we?\r\n> Perhaps\r\n"
)


def test_an_answer_quotes_its_message_and_is_of_its_thread(office: Office, anna: Browser) -> None:
    uid = office.put(ORIGINAL)
    path = f"/write?reply={office.folder().id}.{uid}"
    page = anna.get(path).page
    assert (value(page, "to"), value(page, "cc"), value(page, "subject")) == ("Bob <bob@x.example>", "", "Re: Plan")
    assert "> Shall we?\n>> Perhaps" in typed(page)
    write(anna, path, to=value(page, "to"), text=typed(page), action="send")
    office.clock.advance(11)
    (sent,) = contents(office, "Sent")
    assert b"In-Reply-To: <2@x.example>\r\n" in sent
    assert b"References: <1@x.example> <2@x.example>\r\n" in sent
    rows = result(office.store.read(partial(read.rows, mailbox=office.folder().id, uids=[uid])))
    assert rows[0][read.FLAGS] & 2


def test_an_answer_to_all_leaves_out_who_answers(office: Office, anna: Browser) -> None:
    page = anna.get(f"/write?replyall={office.folder().id}.{office.put(ORIGINAL)}").page
    assert value(page, "to") == "Bob <bob@x.example>"
    assert value(page, "cc") == "Carl <carl@x.example>, dora@x.example"


def test_a_forwarded_message_is_quoted_or_enclosed(office: Office, anna: Browser) -> None:
    place = f"{office.folder().id}.{office.put(ORIGINAL)}"
    page = anna.get(f"/write?forward={place}").page
    assert value(page, "subject") == "Fwd: Re: Plan"
    assert "From: Bob <bob@x.example>" in typed(page)
    write(anna, f"/write?forward={place}&as=attachment", action="send")
    office.clock.advance(11)
    (sent,) = contents(office, "Sent")
    assert b"Content-Type: message/rfc822\r\n" in sent
    assert ORIGINAL in sent


def with_files(count: int) -> bytes:
    part = b"--b\r\nContent-Type: a/b\r\nContent-Disposition: attachment; filename=%d.bin\r\n\r\ndata\r\n"
    return (
        b"From: bob@x.example\r\nTo: anna@example.org\r\nSubject: Files\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee there\r\n"
    ) + b"".join([part % number for number in range(count)] + [b"--b--\r\n"])


async def busy(*_: object) -> bytes:
    raise Busy


@pytest.mark.parametrize("query", ["reply", "replyall", "forward"])
def test_while_readers_are_busy_nothing_is_answered_or_forwarded_in_part(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    path = f"/write?{query}={office.folder().id}.{office.put(with_files(1))}"
    with monkeypatch.context() as patched:
        patched.setattr(Readers, "ask", busy)
        assert anna.get(path).code == 503
    assert anna.get(path).code == 200
    office.jobs.dying = 2
    other = f"/write?{query}={office.folder().id}.{office.put(with_files(2))}"
    shown = anna.get(other)
    assert shown.code == 409
    assert "its original" in shown.page


def test_files_that_cannot_be_taken_along_now_hold_a_forwarded_message_up(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/write?forward={office.folder().id}.{office.put(with_files(1))}"
    form = {**anna.get(path).hidden("/write"), **LETTER, "action": "send"}
    office.clock.advance(HOUR / SECOND / 2)  # what was read is no longer kept
    monkeypatch.setattr(Readers, "ask", busy)
    assert anna.post("/write", form).code != 303
    office.clock.advance(11)
    assert count(office, "outgoing") == 0


def test_a_message_with_more_files_than_are_taken_along_says_so_when_it_is_forwarded(
    office: Office, anna: Browser
) -> None:
    path = f"/write?forward={office.folder().id}.{office.put(with_files(MOST_ATTACHMENTS + 1))}"
    shown = write(anna, path, action="send")
    assert shown.code == 400
    assert "forward it as an attachment" in shown.page
    office.clock.advance(11)
    assert count(office, "outgoing") == 0


def test_recipients_beyond_those_that_are_listed_are_not_left_out_without_a_word(office: Office, anna: Browser) -> None:
    people = b",\r\n ".join([b"p%d@x.example" % number for number in range(MOST_PEOPLE + 50)])
    message = b"From: bob@x.example\r\nTo: " + people + b"\r\nSubject: All\r\n\r\nDear all\r\n"
    place = f"{office.folder().id}.{office.put(message)}"
    shown = anna.get(f"/write?replyall={place}")
    assert shown.code == 200
    assert re.search(r'id="cc-error" role="alert">This message was for 50 more people', shown.page) is not None
    assert value(shown.page, "cc").count("@") == MOST_PEOPLE
    assert value(anna.get(f"/write?reply={place}").page, "to") == "bob@x.example"
    uid = office.put(message, "Drafts", flags=DRAFT | SEEN)
    assert anna.get(f"/write?draft={office.folder('Drafts').id}.{uid}").code == 409


def test_a_link_to_an_address_begins_a_letter_with_all_that_it_says_but_a_blind_copy(anna: Browser) -> None:
    link = sanitised.link("mailto:eve@far.example?cc=carl@x.example&bcc=spy@x.example&subject=Hi&body=One%0D%0ATwo")
    assert link is not None
    page = anna.get(link).page
    assert [value(page, name) for name in ("to", "cc", "subject")] == ["eve@far.example", "carl@x.example", "Hi"]
    assert typed(page) == "One\nTwo"
    assert "spy@" not in page
    assert typed(anna.get(f"/write?body={'x' * 5_000}").page) == "x" * 4_096


@pytest.mark.parametrize(
    "field", ["to", "cc", "bcc", "subject", "sender", "in_reply_to", "references", "draft", "about"]
)
def test_no_field_makes_another_header(office: Office, anna: Browser, field: str) -> None:
    evil = "x\r\nX-Evil: yes\r\n\r\n\0\u202e"
    form = {**anna.get("/write").hidden("/write"), **LETTER, "text": "Dear", field: evil}
    anna.post("/write", form)
    anna.post("/write", {**form, "action": "send"})
    office.clock.advance(11)
    for content in (*contents(office, "Sent"), *contents(office, "Drafts")):
        assert b"\nX-Evil" not in content


def test_a_full_disk_is_said_and_nothing_is_lost(office: Office, anna: Browser, monkeypatch: Any) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "text": "A long letter"}

    def full(*_: object, **__: object) -> None:
        raise Full("no room")

    monkeypatch.setattr(office.store.bodies, "draft", full)
    shown = anna.post("/write", form)
    assert shown.code == 503
    assert typed(shown.page) == "A long letter"
    assert "please try again" in shown.page


def test_a_uid_names_no_message_of_another_folder(office: Office, anna: Browser) -> None:
    office.put(address=BERT)
    hers, his = office.folder().id, office.folder(address=BERT).id
    for name in ("reply", "forward", "draft"):
        assert anna.get(f"/write?{name}={hers}.{(his - hers << 32) + 1}").code == 404


def test_who_may_be_meant_is_offered_from_past_mail_and_the_own_domain(office: Office, anna: Browser) -> None:
    office.put(b"From: Bertha <bertha@x.example>\r\nSubject: x\r\n\r\n")
    office.put(b"From: Anna <anna@example.org>\r\nTo: Gilbert <g@x.example>\r\nSubject: x\r\n\r\n", "Sent")

    def offered(typed: str) -> list[str]:
        found: list[str] = json.loads(anna.get(f"/write/people?q={typed}").page)
        return found

    assert offered("ber") == ["Gilbert <g@x.example>", "Bertha <bertha@x.example>", BERT]
    assert offered("b") == []
    assert offered("%25%25") == []
    assert office.browser().get("/write/people?q=ber", Sec_Fetch_Dest="empty").code == 401


def script(browser: Browser, path: str = "/write", /, **form: Any) -> Any:
    shown = browser.post(path, form, Sec_Fetch_Dest="empty", X_CSRF_Token=form.get("csrf", ""))
    return shown.code, json.loads(shown.page) if shown.page.startswith(("{", "[")) else shown.page


def test_a_script_saves_and_hears_of_its_version_and_of_a_session_that_ended(office: Office, anna: Browser) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "action": "autosave"}
    code, given = script(anna, **form)
    assert code == 200
    code, again = script(anna, **{**form, **{name: given[name] for name in ("draft", "version")}, "text": "More"})
    assert (code, again["draft"]) == (200, given["draft"])
    assert again["version"] > given["version"]
    anna.send("/logout", "/")
    assert script(anna, **form)[0] == 401
    log_in(anna)
    code, told = script(anna, **form)
    assert (code, told["user"]) == (403, str(office.user().id))
    assert script(anna, **{**form, "csrf": told["csrf"], "text": "x"})[0] == 200
    assert len(contents(office, "Drafts")) == 2  # what another window had saved, and this


def test_a_script_attaches_in_pieces_and_goes_on_where_it_was_cut_off(office: Office, anna: Browser) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "action": "autosave"}
    _, given = script(anna, **form)
    path, token = f"/write/{given['draft']}/attachments", form["csrf"]
    code, begun = script(anna, path, csrf=token, name="a.bin", kind="a/b", size="700000")
    assert (code, begun["received"]) == (200, 0)

    def put(start: int, data: bytes, browser: Browser = anna, csrf: str = token) -> Shown:
        return browser.put(f"{path}/{begun['id']}?start={start}", data, X_CSRF_Token=csrf)

    assert put(0, b"x" * 300_000).code == 200
    assert put(0, b"y" * 10).code == 409  # what an answer that was lost makes a script do
    (there,) = json.loads(anna.get(path).page)
    assert there["received"] == 300_000
    assert put(300_000, b"x" * 400_001).code in (409, 413)
    assert put(json.loads(anna.get(path).page)[0]["received"], b"", csrf="").code == 403
    bert = office.browser(BERT)
    assert put(300_000, b"z", bert, bert.get("/write").hidden("/write")["csrf"]).code == 404
    code, said = script(anna, path, csrf=token, name="b", kind="a/b", size=str(10**12))
    assert (code, "too large" in str(said)) == (409, True)
    assert script(anna, path, csrf=token, name="b", kind="a/b", size="-1")[0] == 400


def test_what_could_not_be_sent_is_said_on_the_next_page_and_in_the_draft(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna.get(write(anna, action="send").location)

    async def refuse(*_: object) -> list[Fault]:
        return [Fault("", "Your mailbox is full, and keeps what you send.")]

    monkeypatch.setattr(Outbox, "_depart", refuse)
    office.clock.advance(11)
    page = anna.get("/").page
    assert "“Hello” was not sent: Your mailbox is full" in page
    match = re.search(r'href="(/write\?draft=[^"]+)"', page)
    assert match is not None
    shown = anna.get(match[1]).page
    assert "Your mailbox is full" in shown
    assert typed(shown) == "How are you?"


def test_a_draft_in_the_list_leads_to_where_it_is_written(office: Office, anna: Browser) -> None:
    write(anna)
    folder = office.folder("Drafts")
    page = anna.get(f"/mail/{folder.id}/").page
    match = re.search(r'href="(/write\?draft=[\d.]+)"[^>]*>Hello</a>', page)
    assert match is not None
    assert typed(follow(anna, anna.get(match[1])).page) == "How are you?"


LONG_AGO = 11  # s: what was sent has left
# As an answer has it: quoted, with long lines, signs beyond ASCII, spaces at ends of lines and dots.
ANSWER = f"> Shall we?\n>> Grüße \n\nFrom here\n.\n-- \n{'a long line ' * 100}\n\n"


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("text", ["How are you?", ANSWER])
def test_a_click_after_the_message_has_left_sends_it_once(
    office: Office, anna: Browser, saved: bool, text: str
) -> None:
    on = write(anna).location if saved else "/write"
    form = {**anna.get(on).hidden("/write"), **LETTER, "bcc": "Ö <o@x.example>", "text": text, "action": "send"}
    anna.post("/write", form)
    office.clock.advance(LONG_AGO)
    assert anna.post("/write", form).location == "/outbox"
    office.clock.advance(LONG_AGO)
    assert [count(office, table) for table in ("outgoing", "draft")] == [2, 0]  # to two people


@pytest.mark.parametrize("changed", [{"text": "Once more"}, {"to": "carl@far.example"}, {"subject": "Hello again"}])
def test_what_was_changed_after_it_has_left_is_kept_and_not_sent_by_itself(
    office: Office, anna: Browser, changed: dict[str, str]
) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "action": "send"}
    anna.post("/write", form)
    office.clock.advance(LONG_AGO)
    shown = anna.post("/write", {**form, **changed})
    assert shown.code == 409
    assert "kept as a draft of its own" in shown.page
    assert typed(shown.page) == changed.get("text", LETTER["text"])
    office.clock.advance(LONG_AGO)
    assert [count(office, table) for table in ("outgoing", "draft")] == [1, 1]
    assert len(contents(office, "Drafts")) == 1


def test_what_another_window_changed_meanwhile_is_not_sent(office: Office, anna: Browser) -> None:
    path = write(anna).location
    first, second = (anna.get(path).hidden("/write") for _ in range(2))
    anna.post("/write", {**first, **LETTER, "text": "from one window"})
    shown = anna.post("/write", {**second, **LETTER, "text": "from the other", "action": "send"})
    assert (shown.code, typed(shown.page)) == (409, "from the other")
    office.clock.advance(LONG_AGO)
    assert count(office, "outgoing") == 0
    assert len(contents(office, "Drafts")) == 2


def full(*_: object, **__: object) -> Any:
    raise Full("no room")


def test_what_could_not_be_shown_is_in_drafts_once_it_is_said_to_be(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER}
    with monkeypatch.context() as patched:
        patched.setattr(office.store.bodies, "draft", full)
        assert anna.post("/write", form).code == 503
    shown = follow(anna, anna.post("/write", form))
    assert "Saved in Drafts." in shown.page
    assert len(contents(office, "Drafts")) == 1


WITH_FILES = (
    b"From: anna@example.org\r\nTo: eve@far.example\r\nSubject: Files\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n"
    + b"".join(
        b"--b\r\nContent-Type: text/x-a; name=%b\r\nContent-Disposition: attachment; filename=%b\r\n\r\n%b\r\n"
        % (name, name, name * 3)
        for name in (b"a.txt", b"b.txt")
    )
    + b"--b--\r\n"
)


def failing(monkeypatch: pytest.MonkeyPatch, office: Office, error: Exception) -> None:
    """The second file is not taken."""
    take, seen = office.desk.take, []

    async def once(_: object, *args: Any) -> int:
        seen.append(args)
        if len(seen) == 2:
            raise error
        return await take(*args)

    monkeypatch.setattr(type(office.desk), "take", once)


def test_a_forwarded_message_has_all_its_files_after_a_failure(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/write?forward={office.folder().id}.{office.put(WITH_FILES)}"
    form = {**anna.get(path).hidden("/write"), **LETTER, "action": "send"}
    with monkeypatch.context() as patched:
        failing(patched, office, Full("no room"))
        shown = anna.post("/write", form)
        assert shown.code == 503
    assert shown.hidden("/write")["enclose"] == form["enclose"]
    assert anna.post("/write", {**form, **shown.hidden("/write")}).location == "/outbox"
    office.clock.advance(LONG_AGO)
    (sent,) = contents(office, "Sent")
    assert [sent.count(name) for name in (b'filename="a.txt"', b'filename="b.txt"')] == [1, 1]


@pytest.mark.parametrize("known", [False, True])
def test_a_page_that_cannot_save_begins_one_draft_however_often_it_tries(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    form = {**anna.get("/write").hidden("/write"), **LETTER, "action": "autosave"}
    if known:  # by a window of which another one has discarded the draft
        form |= {"draft": write(anna).location.partition("=")[2], "version": "7"}
    with monkeypatch.context() as patched:
        patched.setattr(office.store.bodies, "draft", full)
        for number in range(5):
            code, said = script(anna, **{**form, "text": f"Text {number}"})
            assert code == 503
            if known:
                form |= {name: str(said[name]) for name in ("draft", "version") if name in said}
    assert count(office, "draft") == 1 + known
    code, said = script(anna, **{**form, "text": "At last"})
    assert code == 200
    assert count(office, "draft") == 1 + known
    assert any(b"At last" in each for each in contents(office, "Drafts"))


def test_files_that_could_not_be_taken_are_said_and_the_message_is_not_sent_without_them(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**anna.get("/write").hidden("/write"), **LETTER, "action": "send"}
    create, tries = office.desk.create, []

    async def once(_: object, *args: Any, **kwargs: Any) -> Draft:
        tries.append(args)
        if len(tries) == 1:
            raise Full("no room")
        return await create(*args, **kwargs)

    monkeypatch.setattr(type(office.desk), "create", once)
    shown = multipart(anna, fields, ("a.txt", "text/plain", b"octets"))
    assert shown.code == 400
    assert "Please choose your files again" in shown.page
    assert typed(shown.page) == "How are you?"
    office.clock.advance(LONG_AGO)
    assert count(office, "outgoing") == 0


@pytest.mark.parametrize(("folder", "flags"), [("INBOX", DRAFT), ("Sent", SEEN), ("Drafts", SEEN)])
def test_a_message_that_is_no_draft_is_not_opened_as_one_and_stays(
    office: Office, anna: Browser, folder: str, flags: int
) -> None:
    uid = office.put(WITH_FILES, folder, flags=flags)
    assert anna.get(f"/write?draft={office.folder(folder).id}.{uid}").code == 409
    assert count(office, "draft") == 0
    assert contents(office, folder) == [WITH_FILES]


def test_the_id_of_a_letter_in_the_address_leads_to_it_wherever_it_is_by_now(office: Office, anna: Browser) -> None:
    id_ = anna.get("/write").hidden("/write")["draft"]
    path = f"/write?new={id_}"
    assert anna.get(path).hidden("/write")["draft"] == id_
    form = {**anna.get(path).hidden("/write"), "to": "eve@far.example", "text": "Once"}
    saved = anna.post("/write", {**form, "action": "save"}).location
    assert anna.get(path).location == saved == f"/write?draft={id_}"
    form = {**anna.get(saved).hidden("/write"), "to": "eve@far.example", "text": "Once"}
    anna.post("/write", {**form, "action": "send"})
    assert anna.get(saved).location == "/outbox"
    office.clock.advance(11)
    assert anna.get(path).code == 404
    assert len(contents(office, "Sent")) == 1
    assert office.browser(BERT).get(path).hidden("/write")["draft"] == id_  # of another's letter nobody is told
