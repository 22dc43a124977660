"""What is new reaches pages that are open, as it happens; and nobody hears what is another's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from mpcontinuity.access.webmail.news import GATHER, HEARTBEAT, LATEST, MOST_EACH, SOONEST, Listener, State
from mpcontinuity.mailbox import mailboxes
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.events import OwedChanged
from mpcontinuity.model.settings import Limits
from tests.access.webmail.office import ANNA, BERT, PASSWORD, Office
from tests.access.webmail.test_continuity import home_is_down
from tests.admin.portal.browser import HOST, Browser
from tests.control.conftest import Call
from tests.fakes.judging import ELSEWHERE, HERE
from tests.fakes.stores import result
from tests.web.test_pages import Transport

_EVENT = re.compile(r"(?:id: (\S+)\n)?event: (\w+)\ndata: (.*)\n\n")


class Stream:
    """A browser that listens."""

    open: ClassVar[list[Stream]] = []

    def __init__(self, office: Office, browser: Browser, last: str = "") -> None:
        self.office = office
        self.transport: Any = Transport()
        self.channel = office.site.buildProtocol(None)
        self.channel.makeConnection(self.transport)
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        again = f"Last-Event-ID: {last}\r\n" if last else ""
        head = f"GET /events HTTP/1.1\r\nHost: {HOST}\r\nSec-Fetch-Dest: empty\r\nCookie: {cookies}\r\n{again}\r\n"
        self.channel.dataReceived(head.encode())
        self.last = ""
        self.open.append(self)

    def heard(self) -> list[tuple[str, Any]]:
        """What was told since it was asked last."""
        text = self.transport.value().decode()
        self.transport.clear()
        found = _EVENT.findall(text)
        self.last = next((id_ for id_, *_ in reversed(found) if id_), self.last)
        return [(name, json.loads(data)) for _, name, data in found]

    def after(self, seconds: float = GATHER) -> list[tuple[str, Any]]:
        self.office.clock.advance(seconds)
        return self.heard()

    def gone(self) -> None:
        if self in self.open:
            self.open.remove(self)
            self.channel.connectionLost(Failure(ConnectionDone()))


def folders(heard: list[tuple[str, Any]]) -> dict[int, dict[str, int]]:
    return {data["mailbox"]: data for name, data in heard if name == "mailbox"}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    for stream in list(Stream.open):
        stream.gone()


@pytest.fixture
def stream(office: Office, anna: Browser) -> Stream:
    return Stream(office, anna)


def test_who_comes_is_told_how_all_folders_are(office: Office, stream: Stream) -> None:
    inbox = office.folder()
    told = folders(stream.heard())
    assert len(told) == 6
    assert told[inbox.id] == {"mailbox": inbox.id, "modseq": inbox.modseq, "messages": 0, "unseen": 0, "uidnext": 1}


def test_a_new_message_is_told_with_modseq_and_counts(office: Office, stream: Stream) -> None:
    stream.heard()
    office.put()
    office.put()
    inbox = office.folder()
    told = stream.after()
    assert folders(told) == {
        inbox.id: {"mailbox": inbox.id, "modseq": inbox.modseq, "messages": 2, "unseen": 2, "uidnext": 3}
    }


def test_another_users_mail_is_not_told(office: Office, stream: Stream) -> None:
    stream.heard()
    office.put(address=BERT)
    assert stream.after() == []
    theirs = office.folder(address=BERT).id
    assert theirs not in folders(stream.heard())


def test_a_folder_that_is_made_is_told(office: Office, stream: Stream) -> None:
    stream.heard()
    result(office.store.run(partial(mailboxes.create, account=office.user().id, name="New")))
    assert ("folders", {}) in stream.after()


def test_who_comes_back_hears_what_was_missed_and_nothing_else(office: Office, anna: Browser, stream: Stream) -> None:
    stream.heard()
    stream.gone()
    again = Stream(office, anna, stream.last)
    assert folders(again.heard()) == {}
    again.gone()
    office.put()
    third = Stream(office, anna, stream.last)
    assert office.folder().id in folders(third.heard())


def test_an_outage_is_told_in_words(office: Office, stream: Stream) -> None:
    assert ("continuity", {"first": [], "rest": [], "kind": ""}) in stream.heard()
    home_is_down(office)
    office.clock.advance(LATEST)
    (said,) = [data for name, data in stream.after() if name == "continuity"]
    assert said["kind"] == "warning"
    assert said["first"] == [{"text": "Your usual mail server does not answer.", "at": ""}]
    assert any(each["at"].startswith("2026-09-21T14:13") for each in said["rest"])


def test_what_is_silent_gets_a_heartbeat(office: Office, stream: Stream) -> None:
    stream.heard()
    office.clock.advance(HEARTBEAT)
    assert b":\n\n" in stream.transport.value()


@pytest.mark.parametrize("how", ["password", "logout", "deactivate"])
def test_the_stream_ends_with_the_session(office: Office, anna: Browser, stream: Stream, call: Call, how: str) -> None:
    stream.heard()
    office.clock.advance(2)
    if how == "password":
        call("user password", address=ANNA, password="another one")
    elif how == "deactivate":
        call("user deactivate", address=ANNA)
    else:
        anna.send("/logout")
    office.clock.advance(GATHER)
    office.clock.advance(HEARTBEAT)
    assert b"event: ended" in stream.transport.value()
    assert stream.transport.value().endswith(b"0\r\n\r\n")
    assert office.services.news.count == 0
    stream.heard()
    office.put()
    assert stream.after() == []


def test_nobody_listens_without_a_session(office: Office) -> None:
    shown = office.browser().get("/events", Sec_Fetch_Dest="empty")
    assert shown.code == 401


def test_a_user_has_a_few_streams_and_others_have_theirs(office: Office, anna: Browser) -> None:
    streams = [Stream(office, anna) for _ in range(MOST_EACH)]
    assert anna.get("/events").code == 503
    bert = office.browser(BERT, PASSWORD)
    assert folders(Stream(office, bert).heard())
    streams[0].gone()
    assert folders(Stream(office, anna).heard())


def test_a_browser_that_goes_leaves_nothing_behind(office: Office, stream: Stream) -> None:
    assert office.services.news.count == 1
    stream.gone()
    assert office.services.news.count == 0


def test_who_asks_for_the_head_alone_leaves_nobody_who_listens(office: Office, anna: Browser) -> None:
    for _ in range(MOST_EACH + 1):
        assert anna.head("/events").code == 200
        assert office.services.news.count == 0


def test_what_concerns_a_domain_wakes_its_pages_once_in_seconds_and_not_all_at_once(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    look = Listener.look

    async def noted(listener: Listener) -> State:
        looked.append(office.clock.seconds())
        return await look(listener)

    monkeypatch.setattr(Listener, "look", noted)
    streams = [Stream(office, anna) for _ in range(5)]
    looked.clear()
    began, domain = office.clock.seconds(), office.user().domain
    for _ in range(8):  # messages that home does not take, four a second
        result(office.store.run(lambda tx: tx.announce(OwedChanged(domain))))
        office.clock.advance(0.25)
    office.clock.advance(0.25)
    assert len(looked) < len(streams)
    for _ in range(40):
        office.clock.advance(0.25)
    assert len(looked) in range(len(streams), 2 * len(streams) + 1)
    assert min(looked) >= began + SOONEST
    assert len(set(looked)) > 1
    office.put()
    assert folders(streams[0].after())  # the user's own is told at once


def test_a_host_does_not_take_the_places_of_everybody(office: Office, anna: Browser) -> None:
    news, user = office.services.news, office.user()
    others = [news.listen(replace(user, id=1000 + number), HERE) for number in range(Limits().connections_per_host)]
    assert news.count == Limits().connections_per_host
    with pytest.raises(Temporary):
        news.listen(user, HERE)
    elsewhere = news.listen(user, ELSEWHERE)
    for each in (*others, elsewhere):
        each.close()
        each.close()  # once is enough
    assert news.count == 0
    news.listen(user, HERE).close()


def test_who_finds_no_place_is_told_when_to_come_again(office: Office, anna: Browser) -> None:
    news = office.services.news
    taken = [news.listen(office.user(), ELSEWHERE) for _ in range(MOST_EACH)]
    answer = anna.get("/events", Sec_Fetch_Dest="empty")
    assert answer.code == 503
    assert b"\r\nretry-after: 30\r\n" in answer.head.lower()
    for each in taken:
        each.close()
