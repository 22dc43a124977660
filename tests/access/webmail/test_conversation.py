"""The page of a conversation."""

from __future__ import annotations

import re

from mpcontinuity.mailbox import conversations
from mpcontinuity.mailbox.append import UID_BITS
from mpcontinuity.model import identifier
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
    assert first.count("<details") == 30
    onward = re.search(r'<a rel="next" href="([^"]+)"', first)
    assert onward is not None
    older = anna.get(onward[1]).page
    assert older.count("<details") == 5
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
