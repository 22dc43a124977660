"""The list of a folder: each message a link with its subject, and nobody else's."""

from __future__ import annotations

import re

from mpcontinuity.model.flags import ANSWERED, FLAGGED, SEEN
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser


def links(page: str) -> list[str]:
    return re.findall(r'href="(/mail/\d+/\d+)"', page)


def test_each_message_is_a_link_with_its_subject_and_leads_to_its_text(office: Office, anna: Browser) -> None:
    uid = office.put()
    folder = office.folder().id
    shown = anna.get("/")
    assert re.search(rf'href="/mail/{folder}/{uid}"[^>]*>Hello</a>', shown.page)
    assert "Bob" in shown.page
    assert "Are you there?" in anna.get(f"/mail/{folder}/{uid}").page


def test_what_strangers_write_is_shown_and_does_nothing(office: Office, anna: Browser) -> None:
    evil = b"<script>alert(1)</script>"
    uid = office.put(b"From: " + evil + b" <a@x.example>\r\nSubject: " + evil + b"\r\n\r\n" + evil)
    for path in ("/", f"/mail/{office.folder().id}/{uid}"):
        page = anna.get(path).page
        assert "&lt;script&gt;" in page
        assert "<script>" not in page


def test_the_newest_are_first_and_older_ones_a_page_on(office: Office, anna: Browser) -> None:
    uids = [office.put(b"Subject: number %d\r\n\r\n" % number) for number in range(53)]
    folder = office.folder().id
    first = anna.get(f"/mail/{folder}/")
    assert links(first.page) == [f"/mail/{folder}/{uid}" for uid in reversed(uids[3:])]
    older = re.search(r'<a rel="next" href="([^"]+)"', first.page)
    assert older is not None
    second = anna.get(older[1])
    assert links(second.page) == [f"/mail/{folder}/{uid}" for uid in reversed(uids[:3])]
    assert 'rel="next"' not in second.page


def test_a_folder_without_messages_says_so(office: Office, anna: Browser) -> None:
    assert "nothing here" in anna.get(f"/mail/{office.folder('Junk').id}/").page


def test_another_users_folder_and_message_are_not_there(office: Office, anna: Browser) -> None:
    uid = office.put(b"Subject: for Bert alone\r\n\r\nprivate\r\n", address=BERT)
    theirs, own = office.folder(address=BERT).id, office.folder().id
    for path in (f"/mail/{theirs}/", f"/mail/{theirs}/{uid}", "/mail/999999/", f"/mail/999999/{uid}"):
        shown = anna.get(path)
        assert shown.code == 404
        assert "Bert alone" not in shown.page
        assert "private" not in shown.page
    assert anna.get(f"/mail/{own}/{uid}").code == 404  # of its own folder there is none with that number


def test_a_message_that_is_gone_is_said_in_words(office: Office, anna: Browser) -> None:
    shown = anna.get(f"/mail/{office.folder().id}/7")
    assert shown.code == 404
    assert "moved or deleted" in shown.page


def test_a_header_of_any_length_is_listed(office: Office, anna: Browser) -> None:
    office.put(b"X-Long: " + b"x" * 20_000 + b"\r\nSubject: behind much\r\n\r\n")
    assert "behind much" in anna.get("/").page


def test_a_list_is_narrowed_to_what_is_unread_or_flagged(office: Office, anna: Browser) -> None:
    for subject, flags in ((b"read", SEEN), (b"fresh", 0), (b"marked", SEEN | FLAGGED)):
        office.put(b"Subject: %b\r\n\r\n" % subject, flags=flags)
    folder = office.folder().id
    unread, flagged = (anna.get(f"/mail/{folder}/?only={only}").page for only in ("unread", "flagged"))
    assert (len(links(unread)), len(links(flagged))) == (1, 1)
    assert "fresh</a>" in unread
    assert "marked</a>" in flagged
    assert "Everything here is read." in anna.get(f"/mail/{office.folder('Sent').id}/?only=unread").page


def test_marks_are_words_for_who_cannot_see_them(office: Office, anna: Browser) -> None:
    attached = (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
        b'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="a"\r\n\r\nx\r\n--b--\r\n'
    )
    office.put(attached, flags=FLAGGED | ANSWERED)
    page = anna.get("/").page
    for word in ("Unread:", "Flagged", "Answered", "Has attachments"):
        assert f'class="hidden">{word}' in page


def test_in_sent_a_message_is_shown_by_its_recipients(office: Office, anna: Browser) -> None:
    office.put(b"From: anna@example.org\r\nTo: Carl <carl@x.example>, d@x.example\r\nSubject: x\r\n\r\n", "Sent")
    page = anna.get(f"/mail/{office.folder('Sent').id}/").page
    assert "To: Carl, d@x.example" in page


def test_messages_that_belong_together_are_one_row_and_chosen_together(office: Office, anna: Browser) -> None:
    first = office.put(b"From: Bob <bob@x.example>\r\nMessage-ID: <1@x>\r\nSubject: Plans\r\n\r\n")
    office.put(b"Subject: Other\r\n\r\n")
    second = office.put(b"From: Eve <eve@x.example>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: Plans\r\n\r\n")
    folder = office.folder().id
    path = f"/mail/{folder}/?view=conversations"
    page = anna.get(path).page
    assert page.count('class="message unread"') == 2
    assert "Bob, Eve" in page
    assert f'value="{second},{first}"' in page
    assert re.search(r'href="/conversation/\w{13}"', page)
    form = {**anna.get(path).hidden(f"/mail/{folder}/do"), "action": "delete", "uid": f"{second},{first}"}
    assert anna.post(f"/mail/{folder}/do", form).location == path
    assert office.folder("Trash").messages == 2


def test_a_draft_leads_to_where_it_is_written(office: Office, anna: Browser) -> None:
    uid = office.put(b"Subject: half\r\n\r\n", "Drafts")
    folder = office.folder("Drafts").id
    assert f'href="/write?draft={folder}.{uid}"' in anna.get(f"/mail/{folder}/").page
