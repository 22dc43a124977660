"""The sentence about a message on its way home."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpcontinuity.access.webmail.fate import sentence_of
from mpcontinuity.mailbox.drafts import UNDO
from mpcontinuity.model.clock import SECOND
from mpcontinuity.model.events import BOUNCED, TrackingEvent
from mpcontinuity.model.events import DELIVERED as DELIVERED_ONE
from mpcontinuity.model.owed import CLAIMED, DELETED, DELIVERED, EXPIRED, FAILED, IN_DOUBT, IN_FLIGHT, OWED, RELEASED
from mpcontinuity.queue.fates import Fate
from mpcontinuity.store.statement import Statement
from mpcontinuity.tracking import sent
from mpcontinuity.tracking.record import add_event, end_of_outgoing
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser
from tests.fakes.stores import result

_OWE = Statement(
    """INSERT INTO owed (id, domain, account, body, recipient, received) SELECT entry.body + 1, account.domain,
        account.id, entry.body, account.address, 1 FROM entry
        JOIN mailbox ON mailbox.id = entry.id >> 32 JOIN account ON account.id = mailbox.account"""
)
WAITS = Fate("redelivery", "anna@example.org", OWED, False, False, 1, 0, 0, 0, 0, "", ())


@pytest.mark.parametrize(
    ("fate", "said", "kind"),
    [
        (WAITS, "as soon as that is back", "hint"),
        (replace(WAITS, state=CLAIMED), "as soon as that is back", "hint"),
        (replace(WAITS, attempts=2), "offered again", "hint"),
        (replace(WAITS, deleted=True), "stays deleted, and your mail server will not", "hint"),
        (replace(WAITS, held=True), "until your administrators", "hint"),
        (replace(WAITS, state=IN_FLIGHT), "right now", "hint"),
        (replace(WAITS, state=IN_DOUBT), "may have this message", "hint"),
        (replace(WAITS, state=DELIVERED), "in your usual mailbox", "done"),
        (replace(WAITS, state=DELETED), "stays deleted, and your mail server never", "hint"),
        (replace(WAITS, state=FAILED), "refused", "error"),
        (replace(WAITS, state=EXPIRED), "for days", "error"),
        (replace(WAITS, state=RELEASED), "decided", "hint"),
        (replace(WAITS, kind="sent"), "A copy of this message goes", "hint"),
        (replace(WAITS, kind="sent", state=DELIVERED), "has a copy", "done"),
    ],
)
def test_the_fate_of_a_message_is_one_sentence(fate: Fate, said: str, kind: str) -> None:
    sentence, of_kind = sentence_of(fate)
    assert said in sentence
    assert of_kind == kind


def test_the_page_of_a_message_says_what_becomes_of_it(office: Office, anna: Browser) -> None:
    page = f"/mail/{office.folder().id}/{office.put()}"
    assert "your mail server" not in anna.get(page).page
    result(office.store.run(lambda tx: tx.run(_OWE)))
    shown = anna.get(page).page
    assert "This message goes to your mail server as soon as that is back." in shown
    assert "came here, because your mail server did not serve" in shown


def test_what_was_sent_says_for_each_recipient_what_became_of_it(office: Office, anna: Browser) -> None:
    uid = sent_to(office, anna, "bob@far.example, eve@far.example, carl@x.example, dora@x.example")
    page = f"/mail/{office.folder('Sent').id}/{uid}"
    assert "It is on its way to 4 recipients." in anna.get(page).page
    said = TrackingEvent(office.clock.now(), "mx.far.example", 250, "2.0.0 Ok: queued as <B>7")
    end(office, "bob@far.example", DELIVERED_ONE, said)
    end(office, "eve@far.example", BOUNCED, TrackingEvent(office.clock.now(), "mx.far.example", 550, "5.1.1 Nobody"))
    end(
        office, "carl@x.example", BOUNCED, TrackingEvent(office.clock.now(), "", 0, "5.7.0 Removed by an administrator")
    )
    later = TrackingEvent(office.clock.now(), "mx.x.example", 451, "4.2.0 Busy")
    add(office, "dora@x.example", later)
    shown = anna.get(page).page
    assert "It did not reach 2 recipients. It was delivered to 1 recipient." in shown
    assert "bob@far.example: delivered: mx.far.example said: 250 2.0.0 Ok: queued as &lt;B&gt;7" in shown
    assert "eve@far.example: not delivered: mx.far.example said: 550 5.1.1 Nobody" in shown
    assert "carl@x.example: not delivered: Removed by an administrator" in shown
    assert "dora@x.example: on its way, and tried again until it is taken: mx.x.example said: 451 4.2.0 Busy" in shown


def test_of_many_recipients_those_who_did_not_get_it_are_named_first(office: Office, anna: Browser) -> None:
    many = [f"a{number}@far.example" for number in range(sent.MOST + 20)]
    uid = sent_to(office, anna, ", ".join(many))
    said = TrackingEvent(office.clock.now(), "mx.far.example", 250, "Ok")
    for one in many[:-1]:
        end(office, one, DELIVERED_ONE, said)
    shown = anna.get(f"/mail/{office.folder('Sent').id}/{uid}").page
    assert f"It is on its way to 1 recipient. It was delivered to {len(many) - 1} recipients." in shown
    assert f"{many[-1]}: on its way" in shown
    assert "and 20 more" in shown
    end(office, many[-2], BOUNCED, TrackingEvent(office.clock.now(), "", 550, "5.1.2 far.example does not exist"))
    shown = anna.get(f"/mail/{office.folder('Sent').id}/{uid}").page
    assert shown.index(f"{many[-2]}: not delivered: far.example does not exist") < shown.index(f"{many[-1]}: on its")


def test_a_copy_of_a_mail_program_is_found_by_its_id_near_its_time_and_anothers_is_not(
    office: Office, anna: Browser
) -> None:
    sent_to(office, anna, "bob@far.example")
    ids = Statement("SELECT DISTINCT message_id FROM tracking")
    ((message_id,),) = result(office.store.read(lambda tx: tx.all(ids)))
    office.clock.advance(30)
    copy = f"From: anna@example.org\r\nMessage-ID: {message_id}\r\nSubject: x\r\n\r\nHello".encode()
    own = office.put(copy, "Sent")
    assert "It is on its way to 1 recipient." in anna.get(f"/mail/{office.folder('Sent').id}/{own}").page
    theirs = office.put(copy, "Sent", BERT)
    page = office.browser(BERT).get(f"/mail/{office.folder('Sent', BERT).id}/{theirs}").page
    assert "Hello" in page
    assert "on its way" not in page
    assert "bob@far.example" not in page


def sent_to(office: Office, anna: Browser, to: str) -> int:
    """Has Anna send a letter, and returns the UID of her copy."""
    form = {**anna.get("/write").hidden("/write"), "to": to, "subject": "Hello", "text": "Hi", "action": "send"}
    assert anna.post("/write", form).code == 303
    office.clock.advance(UNDO / SECOND + 1)
    result(office.outbox.look())
    return office.folder("Sent").messages


def _row(office: Office, recipient: str) -> int:
    find = Statement("SELECT owed FROM tracking WHERE recipient = :recipient AND direction = 'outbound'")
    found: int = result(office.store.read(lambda tx: tx.value(find, recipient=recipient)))
    return found


def end(office: Office, recipient: str, status: str, event: TrackingEvent) -> None:
    row = _row(office, recipient)
    result(office.store.run(lambda tx: end_of_outgoing(tx, row, status, event)))


def add(office: Office, recipient: str, event: TrackingEvent) -> None:
    row = _row(office, recipient)
    result(office.store.run(lambda tx: add_event(tx, row, event)))
