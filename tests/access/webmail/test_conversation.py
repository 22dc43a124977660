"""The page of a conversation."""

from __future__ import annotations

import re

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.model import identifier
from mpcontinuity.model.flags import ANSWERED, SEEN
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser
from tests.fakes.stores import result


def message(number: int) -> bytes:
    answered = f"References: <{number - 1}@x>\r\n" if number else ""
    head = f"From: P{number} <p@x.example>\r\nMessage-ID: <{number}@x>\r\n{answered}Subject: s{number}\r\n"
    return f"{head}\r\nt\r\n".encode()


def path(office: Office, uid: int, name: str = "INBOX", address: str = "anna@example.org") -> str:
    entry = office.folder(name, address).id << UID_BITS | uid
    found = result(office.store.read(lambda tx: conversations.of(tx, [entry])))
    return f"/conversation/{identifier.show(found[entry])}"


def test_its_messages_are_in_order_with_what_was_sent_and_the_newest_open(office: Office, anna: Browser) -> None:
    first = office.put(message(0))
    office.clock.advance(60)
    sent = office.put(message(1), "Sent")
    office.clock.advance(60)
    last = office.put(message(2))
    page = anna.get(path(office, first)).page
    inbox, sent_box = office.folder().id, office.folder("Sent").id
    assert re.findall(r'<a href="(/mail/\d+/\d+)">s\d', page) == [
        f"/mail/{inbox}/{first}",
        f"/mail/{sent_box}/{sent}",
        f"/mail/{inbox}/{last}",
    ]
    assert re.findall(r"<details[^>]*>", page)[-1].endswith(" open>")
    assert page.count(" open>") == 1
    assert office.folder().unseen == 1  # the newest is read now


def test_a_long_one_is_shown_in_pages(office: Office, anna: Browser) -> None:
    uids = [office.put(message(number)) for number in range(35)]
    first = anna.get(path(office, uids[0])).page
    assert first.count('<details class="member') == 30
    onward = re.search(r'<a rel="next" href="([^"]+)"', first)
    assert onward is not None
    older = anna.get(onward[1]).page
    assert older.count('<details class="member') == 5
    assert "s0" in older


def test_another_users_conversation_is_not_there(office: Office, anna: Browser) -> None:
    uid = office.put(message(0), address=BERT)
    for where in (path(office, uid, address=BERT), "/conversation/0000000000001", "/conversation/x"):
        shown = anna.get(where)
        assert (shown.code, "s0" in shown.page) == (404, False)


def test_a_message_leads_to_its_conversation_where_it_is_not_alone(office: Office, anna: Browser) -> None:
    uid = office.put(message(0))
    page = f"/mail/{office.folder().id}/{uid}"
    assert "/conversation/" not in anna.get(page).page
    office.put(message(1), "Sent")
    assert path(office, uid) in anna.get(page).page


def test_each_message_can_be_answered_forwarded_and_deleted_and_a_draft_gone_on_with(
    office: Office, anna: Browser
) -> None:
    first, last = office.put(message(0)), office.put(message(1))
    draft = office.put(message(2), "Drafts")
    where = path(office, first)
    page = anna.get(where).page
    folder = office.folder().id
    for uid in (first, last):
        for way in ("reply", "replyall", "forward"):
            assert f'href="/write?{way}={folder}.{uid}"' in page
    assert f'href="/write?draft={office.folder("Drafts").id}.{draft}"' in page
    deleted = anna.send(f"/mail/{folder}/do", where, action="delete", uid=str(last), next=where)
    assert (deleted.code, deleted.location) == (303, where)
    after = anna.get(where).page
    assert f"reply={folder}.{last}" not in after
    assert f"reply={folder}.{first}" in after


def test_what_is_odd_about_a_message_and_its_files_are_shown_with_it(office: Office, anna: Browser) -> None:
    office.put(message(0))
    uid = office.put(
        b'From: "anna@example.org" <p@x.example>\r\nMessage-ID: <1@x>\r\nReferences: <0@x>\r\nSubject: s1\r\n'
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nt\r\n--b\r\n"
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n\r\n%PDF\r\n--b--\r\n"
    )
    page = anna.get(path(office, uid)).page
    assert "The name of the sender is the address anna@example.org" in page
    assert f'href="/mail/{office.folder().id}/{uid}/part/2" download>plan.pdf' in page


def test_messages_older_than_the_newest_lead_to_what_is_odd_about_them(office: Office, anna: Browser) -> None:
    uids = [office.put(message(number)) for number in range(7)]
    page = anna.get(path(office, uids[0])).page
    onward = re.findall(r'<a href="(/mail/\d+/\d+)">Open this message to see its files', page)
    assert onward == [f"/mail/{office.folder().id}/{uid}" for uid in uids[:2]]


def test_the_row_of_a_conversation_has_the_marks_of_a_message_and_changes_with_a_star(
    office: Office, anna: Browser
) -> None:
    first = office.put(message(0), flags=SEEN)
    office.put(message(1), flags=SEEN | ANSWERED)
    listed = f"/mail/{office.folder().id}/?view=conversations"

    def row() -> tuple[str, str]:
        page = anna.get(listed).page
        state = re.search(r'<li class="message[^>]* data-modseq="([^"]+)"', page)
        assert state is not None
        return state[1], page

    before, page = row()
    assert "↩" in page
    anna.send(f"/mail/{office.folder().id}/do", f"/mail/{office.folder().id}/", action="flag", uid=str(first))
    assert row()[0] != before


def test_rows_of_what_the_user_wrote_name_its_recipients_and_drafts_are_gone_on_with(
    office: Office, anna: Browser
) -> None:
    letter = b"From: anna@example.org\r\nTo: Carl <carl@x.example>\r\nSubject: s\r\n\r\nt\r\n"
    for name in ("Sent", "Drafts"):
        office.put(letter, name)
        office.put(letter.replace(b"Carl <carl@x.example>", b"Dora <dora@x.example>"), name)
        page = anna.get(f"/mail/{office.folder(name).id}/?view=conversations").page
        assert re.findall(r"To: (Carl|Dora)", page) == ["Dora", "Carl"]
    assert len(re.findall(r'href="/write\?draft=\d+\.\d+" id=', page)) == 2
