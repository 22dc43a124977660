"""The sentence about a message on its way home."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpcontinuity.access.webmail.fate import sentence_of
from mpcontinuity.model.owed import CLAIMED, DELETED, DELIVERED, EXPIRED, FAILED, IN_DOUBT, IN_FLIGHT, OWED, RELEASED
from mpcontinuity.queue.fates import Fate
from mpcontinuity.store.statement import Statement
from tests.access.webmail.office import Office
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
