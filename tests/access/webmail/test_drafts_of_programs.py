"""Drafts that a mail program has put into Drafts: they are opened as they are, and go on as one message."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox.names import MailboxRefused
from mpcontinuity.model.errors import Full, Refused
from mpcontinuity.model.flags import DRAFT, SEEN
from tests.access.webmail.office import Office
from tests.access.webmail.test_write import LETTER, WITH_FILES, contents, count, failing, typed, value
from tests.admin.portal.browser import Browser

RICH = (
    b"From: anna@example.org\r\nTo: eve@far.example\r\nSubject: Rich\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    b'<p class=MsoNormal>Dear <b>all</b><img src="cid:logo"></p>\r\n--b\r\nContent-Type: image/png\r\n'
    b"Content-ID: <logo>\r\nContent-Disposition: inline; filename=logo.png\r\n\r\nPNG\r\n--b--\r\n"
)


def place(office: Office, data: bytes) -> str:
    return f"{office.folder('Drafts').id}.{office.put(data, 'Drafts', flags=DRAFT | SEEN)}"


def test_a_draft_of_a_mail_program_is_opened_and_goes_on_as_one_message(office: Office, anna: Browser) -> None:
    uid = office.put(
        b"From: anna@example.org\r\nTo: eve@far.example\r\nSubject: Begun\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nBegun elsewhere\r\n--b\r\n"
        b"Content-Type: text/x-a; name=a.txt\r\nContent-Disposition: attachment; filename=a.txt\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\neHl6\r\n--b--\r\n",
        "Drafts",
        flags=DRAFT | SEEN,
    )
    path = f"/write?draft={office.folder('Drafts').id}.{uid}"
    shown = anna.get(path)
    assert count(office, "draft") == 0  # who looks changes nothing
    assert (value(shown.page, "to"), value(shown.page, "subject")) == ("eve@far.example", "Begun")
    assert typed(shown.page).strip() == "Begun elsewhere"
    assert "a.txt" in shown.page
    anna.post("/write", {**shown.hidden("/write"), **LETTER})
    (draft,) = contents(office, "Drafts")
    assert b"How are you?" in draft
    assert b"eHl6" in draft


@pytest.mark.parametrize("error", [Full("no room"), MailboxRefused("OVERQUOTA", "full"), Refused("too large")])
def test_a_draft_of_a_mail_program_keeps_its_files_after_a_failure(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = f"/write?draft={office.folder('Drafts').id}.{office.put(WITH_FILES, 'Drafts', flags=DRAFT | SEEN)}"
    with monkeypatch.context() as patched:
        failing(patched, office, error)
        shown = anna.post("/write", {**anna.get(path).hidden("/write"), **LETTER, "text": "Typed"})
        assert shown.code >= 400
        assert typed(shown.page) == "Typed"
    assert contents(office, "Drafts") == [WITH_FILES]
    shown = anna.get(path)
    anna.post("/write", {**shown.hidden("/write"), **LETTER})
    (draft,) = contents(office, "Drafts")
    assert [draft.count(name) for name in (b'filename="a.txt"', b'filename="b.txt"')] == [1, 1]


def test_one_with_formatting_keeps_it_and_its_pictures(office: Office, anna: Browser) -> None:
    shown = anna.get(f"/write?draft={place(office, RICH)}")
    assert value(shown.page, "format") == "kept"
    assert "Dear <b>all</b>" in value(shown.page, "html")
    assert anna.post("/write", {**shown.hidden("/write"), "text": typed(shown.page), "action": "save"}).code == 303
    (draft,) = contents(office, "Drafts")
    assert b"multipart/alternative" in draft
    assert b"Dear <b>all</b>" in draft
    assert b"MsoNormal" not in draft
    assert b"multipart/related" in draft
    assert b"UE5H" in draft  # the picture


def test_one_that_two_windows_open_is_kept_as_each_has_it_and_none_is_sent_by_itself(
    office: Office, anna: Browser
) -> None:
    path = f"/write?draft={place(office, WITH_FILES)}"
    forms = [anna.get(path).hidden("/write") for _ in range(2)]
    for number, form in enumerate(forms):
        action = "send" if number else "save"
        shown = anna.post("/write", {**form, **LETTER, "text": f"Window {number}", "action": action})
    assert "changed, sent or discarded in another window" in shown.page
    found = contents(office, "Drafts")
    assert sorted(b"Window 0" in draft for draft in found) == [False, True]
    assert sorted(b"Window 1" in draft for draft in found) == [False, True]
    assert sum(b'filename="b.txt"' in draft for draft in found) == 1


def test_one_that_is_discarded_before_it_was_saved_is_gone(office: Office, anna: Browser) -> None:
    form = anna.get(f"/write?draft={place(office, WITH_FILES)}").hidden("/write")
    assert anna.post("/write", {**form, "action": "discard"}).code == 303
    assert contents(office, "Drafts") == []
    assert count(office, "draft") == 0


def test_a_form_cannot_take_the_place_of_a_message_that_is_no_draft(office: Office, anna: Browser) -> None:
    uid = office.put(WITH_FILES)
    form = {**anna.get("/write").hidden("/write"), **LETTER, "enclose": f"draft {office.folder().id}.{uid}"}
    assert anna.post("/write", form).code == 409
    anna.post("/write", {**form, "action": "discard"})
    assert contents(office, "INBOX") == [WITH_FILES]


def test_pictures_from_elsewhere_that_one_shows_are_said_to_be_left_out(office: Office, anna: Browser) -> None:
    remote = RICH.replace(b"cid:logo", b"https://far.example/logo.png")
    assert "pictures from elsewhere, which are left out" in anna.get(f"/write?draft={place(office, remote)}").page
    assert "left out" not in anna.get(f"/write?draft={place(office, RICH)}").page
