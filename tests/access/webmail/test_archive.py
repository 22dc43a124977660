"""The archive as a place of webmail."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mpcontinuity.archive.record import OUTBOUND
from mpcontinuity.delivery.release import Released, Way
from mpcontinuity.model.reply import Reply
from tests.access.webmail.office import ANNA, BERT, Office
from tests.access.webmail.test_searching import domain
from tests.admin.portal.browser import Browser
from tests.archive.archived import archive, text


def rows(page: str) -> list[tuple[str, str]]:
    return re.findall(r'<a href="/archive/(\w+)">([^<]*)</a>', page)


@pytest.fixture
def kept(office: Office) -> Office:
    """Two messages of Anna's, one that she sent, and one of Bert's."""
    of = domain(office)
    now = office.clock.now()
    archive(office.store, text("first", "the annual report"), recipients=[ANNA], domain=of, time=now)
    archive(office.store, text("<b>second</b>"), recipients=[BERT, ANNA], domain=of, time=now + 1)
    archive(office.store, text("third"), sender=ANNA, recipients=["x@y.example"], direction=OUTBOUND, domain=of,
            time=now + 2)  # fmt: skip
    archive(office.store, text("of Bert", "annual"), recipients=[BERT], domain=of, time=now + 3)
    office.clock.advance(10)
    return office


def test_the_newest_of_the_users_own_mail_is_listed(kept: Office, anna: Browser) -> None:
    page = anna.get("/archive/").page
    assert [subject for _, subject in rows(page)] == ["third", "&lt;b&gt;second&lt;/b&gt;", "first"]
    assert "of Bert" not in page
    assert BERT not in page


def test_the_archive_is_searched(kept: Office, anna: Browser) -> None:
    assert [subject for _, subject in rows(anna.get("/archive/?q=annual").page)] == ["first"]
    assert "nothing like that" in anna.get("/archive/?q=unheard").page
    shown = anna.get("/archive/?q=is:unread")
    assert (shown.code, 'id="q-error"' in shown.page) == (400, True)


def test_more_than_a_page_goes_on(office: Office, anna: Browser) -> None:
    for number in range(53):
        archive(office.store, text(f"number {number}"), recipients=[ANNA], domain=domain(office),
                time=office.clock.now() + number)  # fmt: skip
    office.clock.advance(10)
    first = anna.get("/archive/").page
    onward = re.search(r'<a rel="next" href="([^"]+)"', first)
    assert onward is not None
    second = anna.get(onward[1].replace("&amp;", "&")).page
    assert [subject for _, subject in rows(first) + rows(second)] == [
        f"number {number}" for number in range(52, -1, -1)
    ]


def test_a_message_is_read_and_can_be_answered(kept: Office, anna: Browser) -> None:
    (id_,) = (id_ for id_, subject in rows(anna.get("/archive/").page) if subject == "first")
    page = anna.get(f"/archive/{id_}").page
    assert "the annual report" in page
    assert f'href="/write?reply=archive:{id_}"' in page


def test_another_users_message_is_not_there(kept: Office, anna: Browser) -> None:
    (bert,) = (id_ for id_, subject in rows(kept.browser(BERT).get("/archive/").page) if subject == "of Bert")
    token = anna.get("/archive/").hidden("/logout")
    for id_ in (bert, "0000000000001", "x"):
        shown = anna.get(f"/archive/{id_}")
        assert (shown.code, "annual" in shown.page) == (404, False)
        assert anna.post(f"/archive/{id_}/keep", token).code == 404


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """To whom messages were handed in, and whether home would be owed them."""
    to: list[tuple[str, bool]] = []

    async def hand_in(delivery: Any, content: Any, sender: Any, recipient: Any, mark: str, *, owes: bool) -> Released:
        to.append((recipient.text, owes))
        return Released(Way.INBOX if len(to) == 1 else Way.DEFERRED, Reply(250, "2.0.0", "stored"))

    monkeypatch.setattr("mpcontinuity.control.archived.hand_in", hand_in)
    monkeypatch.setattr("mpcontinuity.control.archived.running", lambda control: None)
    return to


def test_a_message_is_put_into_the_mailbox_of_the_user_alone(
    kept: Office, anna: Browser, handed: list[tuple[str, bool]]
) -> None:
    ids = {subject: id_ for id_, subject in rows(anna.get("/archive/").page)}
    path = f"/archive/{ids['&lt;b&gt;second&lt;/b&gt;']}"
    shown = anna.post(f"{path}/keep", anna.get(path).hidden(f"{path}/keep"))
    assert shown.location == path
    assert "The message is in your inbox." in anna.get(path).page
    path = f"/archive/{ids['third']}"
    anna.post(f"{path}/keep", anna.get(path).hidden(f"{path}/keep"))
    assert "could not be put into your mailbox now" in anna.get(path).page
    assert [to for to, _ in handed] == [ANNA, ANNA]


def test_without_a_way_of_mail_it_is_said(kept: Office, anna: Browser) -> None:
    id_, _ = rows(anna.get("/archive/").page)[0]
    path = f"/archive/{id_}"
    shown = anna.post(f"{path}/keep", anna.get(path).hidden(f"{path}/keep"))
    assert shown.code >= 400
