"""Invitations are answered: by a letter to whoever invited, once, and with what a calendar needs."""

from __future__ import annotations

import email
import html
import re
from email.message import Message
from functools import partial

import pytest

from mpcontinuity.access.webmail.invitations import when
from mpcontinuity.mailbox import drafts, invitation_answers
from mpcontinuity.mailbox.drafts import UNDO
from mpcontinuity.message.display.invitation import read
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.statement import Statement
from mpcontinuity.web.languages import ENGLISH
from tests.access.webmail.office import ANNA, BERT, Office
from tests.admin.portal.browser import Browser, Shown
from tests.conftest import DATABASES
from tests.control.conftest import Call
from tests.fakes.stores import result
from tests.message.display.messages import part, several

EVENT = (
    "UID:e1@far.example\r\nSEQUENCE:3\r\nDTSTAMP:20261101T080000Z\r\nSUMMARY:Lunch\\, with all\r\n"
    "DTSTART:20261201T120000Z\r\nDTEND:20261201T130000Z\r\nORGANIZER;CN=Bob:mailto:bob@far.example\r\n"
    "ATTENDEE;CN=Carl;PARTSTAT=ACCEPTED:mailto:carl@x.example\r\n"
    "ATTENDEE;CN=Anna;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:MAILTO:Anna@example.org\r\n"
)
ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:Their time\r\nX-EVIL:1\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n"
    "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n"
    "END:VTIMEZONE\r\n"
)


def calendar(event: str = EVENT, method: str = "REQUEST", zone: str = "") -> str:
    return (
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\n{zone}"
        f"BEGIN:VEVENT\r\n{event}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def invitation(text: str = "", *, method: str = "REQUEST", sender: str = "Bob <bob@far.example>") -> bytes:
    return several(
        "alternative",
        part("text/plain", b"Come to lunch"),
        part(f"text/calendar; method={method}; charset=utf-8", (text or calendar(method=method)).encode()),
        header=f"From: {sender}\r\nTo: anna@example.org\r\nSubject: Lunch\r\nMessage-ID: <m1@far.example>\r\n",
    )


class Invited:
    """Anna with an invitation in her inbox."""

    def __init__(self, office: Office, anna: Browser) -> None:
        self.office = office
        self.anna = anna
        self.path = ""

    def put(self, message: bytes) -> str:
        self.path = f"/mail/{self.office.folder().id}/{self.office.put(message)}"
        return self.anna.get(self.path).page

    def answer(self, answer: str, **fields: str) -> Shown:
        form = {**self.anna.get(self.path).hidden(f"{self.path}/invitation"), "answer": answer, **fields}
        return self.anna.post(f"{self.path}/invitation", form)

    def leave(self) -> list[Message]:
        """What has left by now, as Sent has it."""
        self.office.clock.advance(UNDO / SECOND + 1)
        result(self.office.outbox.look())
        folder = self.office.folder("Sent")
        return [
            email.message_from_string(self.anna.get(f"/mail/{folder.id}/{uid}/original").page)
            for uid in range(1, folder.messages + 1)
        ]


@pytest.fixture
def invited(office: Office, anna: Browser) -> Invited:
    return Invited(office, anna)


def reply_of(message: Message) -> list[str]:
    """The lines of the calendar, unfolded."""
    assert message.get_content_type() == "multipart/alternative"
    text, reply = list(message.walk())[1:]
    assert text.get_content_type() == "text/plain"
    assert reply.get_content_type() == "text/calendar"
    assert reply.get_param("method") == "REPLY"
    octets = reply.get_payload(decode=True)
    assert isinstance(octets, bytes)
    assert max(len(line) for line in octets.split(b"\r\n")) <= 75
    return [line for line in octets.decode().replace("\r\n ", "").splitlines() if line]


@pytest.mark.parametrize(
    ("answer", "subject"), [("accepted", "Accepted"), ("tentative", "Tentative"), ("declined", "Declined")]
)
def test_an_answer_is_a_letter_with_what_a_calendar_needs(invited: Invited, answer: str, subject: str) -> None:
    page = invited.put(invitation())
    assert "Tue 1 Dec 2026, 12:00 – 13:00 UTC" in page
    assert "Your answer goes to bob@far.example." in page
    assert "not who wrote this message" not in page
    assert invited.answer(answer, comment="I am  glad, really; é").location == f"{invited.path}#invitation-0"
    (letter,) = invited.leave()
    assert letter["To"] == "bob@far.example"
    assert letter["Subject"] == f"{subject}: Lunch, with all"
    assert letter["In-Reply-To"] == "<m1@far.example>"
    assert reply_of(letter) == [
        "BEGIN:VCALENDAR",
        "PRODID:-//mpcontinuity//webmail//EN",
        "VERSION:2.0",
        "METHOD:REPLY",
        "BEGIN:VEVENT",
        "UID:e1@far.example",
        "SEQUENCE:3",
        "DTSTAMP:20260921T141320Z",
        "ORGANIZER:mailto:bob@far.example",
        f"ATTENDEE;PARTSTAT={answer.upper()}:mailto:Anna@example.org",
        "SUMMARY:Lunch\\, with all",
        "COMMENT:I am glad\\, really\\; é",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    rows = Statement("SELECT recipient FROM outgoing")
    assert result(invited.office.store.read(lambda tx: tx.all(rows))) == [("bob@far.example",)]


def test_what_was_answered_is_shown_and_can_be_changed(invited: Invited) -> None:
    invited.put(invitation())
    invited.answer("accepted")
    assert "You accepted. Your answer leaves in a few seconds." in invited.anna.get(invited.path).page
    assert len(invited.leave()) == 1
    page = invited.anna.get(invited.path).page
    assert "You accepted. Your answer was sent on" in page
    assert 'value="accepted" aria-pressed="true"' in page
    invited.answer("declined")
    first, second = invited.leave()
    assert first["Message-ID"] != second["Message-ID"]
    assert "ATTENDEE;PARTSTAT=DECLINED:mailto:Anna@example.org" in reply_of(second)
    assert "You declined. Your answer was sent on" in invited.anna.get(invited.path).page


def test_a_double_click_sends_one_letter(invited: Invited) -> None:
    invited.put(invitation())
    form = {**invited.anna.get(invited.path).hidden(f"{invited.path}/invitation"), "answer": "accepted"}
    for _ in range(2):
        assert invited.anna.post(f"{invited.path}/invitation", form).code == 303
    assert len(invited.leave()) == 1
    assert invited.anna.post(f"{invited.path}/invitation", form).code == 303  # by the button Back
    assert len(invited.leave()) == 1


def test_another_answer_takes_the_place_of_one_that_has_not_left(invited: Invited) -> None:
    invited.put(invitation())
    invited.answer("accepted")
    invited.answer("declined")
    (letter,) = invited.leave()
    assert letter["Subject"].startswith("Declined")


def test_an_answer_that_is_called_back_was_not_given(invited: Invited) -> None:
    invited.put(invitation())
    invited.answer("accepted")
    outbox = invited.anna.get("/outbox")
    assert invited.anna.post("/outbox/undo", outbox.hidden("/outbox/undo")).location == invited.path
    page = invited.anna.get(invited.path).page
    assert "Your answer is taken back" in page
    assert "You accepted" not in page
    assert invited.leave() == []
    assert result(invited.office.store.read(lambda tx: tx.all(Statement("SELECT id FROM draft")))) == []


@pytest.mark.parametrize("database", DATABASES, indirect=True)
def test_an_answer_that_was_sent_stands_where_another_one_is_called_back(invited: Invited) -> None:
    invited.put(invitation())
    invited.answer("accepted")
    assert len(invited.leave()) == 1
    for another in ("declined", "tentative"):  # of which the first is withdrawn by the second
        invited.answer(another)
    outbox = invited.anna.get("/outbox")
    invited.anna.post("/outbox/undo", outbox.hidden("/outbox/undo"))
    assert "You accepted. Your answer was sent on" in invited.anna.get(invited.path).page
    assert len(invited.leave()) == 1
    invited.answer("declined")
    assert len(invited.leave()) == 2
    assert "You declined. Your answer was sent on" in invited.anna.get(invited.path).page


def test_an_answer_is_called_back_though_its_invitation_was_put_elsewhere(invited: Invited) -> None:
    invited.put(invitation())
    invited.answer("accepted")
    folder, uid = invited.path.split("/")[2:]
    do = f"/mail/{folder}/do"
    trash = {**invited.anna.get(invited.path).hidden(do), "uid": uid, "action": "delete"}
    assert invited.anna.post(do, trash).code == 303
    outbox = invited.anna.get("/outbox")
    assert invited.anna.post("/outbox/undo", outbox.hidden("/outbox/undo")).location == "/"
    assert invited.leave() == []


def test_an_answer_that_cannot_be_sent_is_said_to_be_and_is_given_anew(invited: Invited) -> None:
    invited.put(invitation())
    invited.answer("accepted")
    store = invited.office.store
    (leaving,) = result(store.read(partial(drafts.leaving, account=invited.office.user().id)))
    result(store.run(partial(drafts.give_up, draft=leaving.seen, fault="No room.")))
    assert "Your answer could not be sent" in invited.anna.get(invited.path).page
    unsent = re.search(r'href="(/write\?draft=\w+)"', invited.anna.get("/").page)
    assert unsent is not None
    assert invited.anna.get(unsent[1]).location == invited.path
    invited.answer("tentative")
    (letter,) = invited.leave()
    assert letter["Subject"].startswith("Tentative")


def test_what_is_refused_of_an_answer_is_said_at_it_and_what_was_typed_stays(invited: Invited) -> None:
    invited.put(invitation(calendar(EVENT.replace("bob@far.example", "bob%far@example.org"))))
    shown = invited.answer("accepted", comment="See <you>")
    assert shown.code == 400
    assert "this server does not take addresses with a percent sign" in shown.page
    assert 'value="See &lt;you&gt;"' in shown.page
    assert "You accepted" not in shown.page
    assert invited.leave() == []


def test_an_organiser_who_did_not_write_the_message_is_marked(invited: Invited) -> None:
    page = invited.put(invitation(sender="Mallory <m@evil.example>"))
    assert "That is not who wrote this message" in page
    assert "Your answer goes to bob@far.example." in page


def test_an_alias_of_the_user_is_invited_and_answers(invited: Invited, call: Call) -> None:
    call("user alias add", address=ANNA, alias="sales@example.org")
    invited.put(invitation(calendar(EVENT.replace("Anna@example.org", "Sales+x@example.org"))))
    invited.answer("accepted")
    (letter,) = invited.leave()
    assert "sales" in letter["From"].lower()
    assert "ATTENDEE;PARTSTAT=ACCEPTED:mailto:Sales+x@example.org" in reply_of(letter)


def test_one_of_many_is_answered_with_its_time_and_zone_and_nothing_else_of_theirs(invited: Invited) -> None:
    event = EVENT + 'RECURRENCE-ID;TZID="Their time";X-EVIL=1:20261201T130000\r\n'
    invited.put(invitation(calendar(event, zone=ZONE)))
    invited.answer("declined")
    (letter,) = invited.leave()
    lines = reply_of(letter)
    assert 'RECURRENCE-ID;TZID="Their time":20261201T130000' in lines
    assert lines[4:12] == [line for line in ZONE.splitlines() if "EVIL" not in line][:8]
    assert "EVIL" not in "".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        calendar(EVENT.replace("Anna@example.org", "bert@example.org")),
        calendar(EVENT.replace("UID:e1@far.example\r\n", "")),
        calendar(EVENT.replace("UID:e1", "UID:" + "x" * 1_001)),
        calendar(EVENT.replace("UID:e1", "UID:\x07e1")),
        calendar(EVENT.replace("UID:e1", "UID:e\u20281")),
        calendar(EVENT.replace("mailto:bob@far.example", "mailto:bob")),
        calendar(EVENT.replace("mailto:bob@far.example", "mailto:anna@example.org")),
        calendar(EVENT.replace("mailto:bob@far.example", "mailto:bo\u202eb@far.example")),
        calendar(EVENT + "RECURRENCE-ID:tomorrow\r\n"),
        calendar(EVENT + "RECURRENCE-ID;TZID=a,b\x0cc:20261201T130000\r\n"),
        calendar(EVENT, "CANCEL"),
        calendar(EVENT, "REPLY"),
        calendar(EVENT, "PUBLISH"),
        calendar(EVENT).replace("VEVENT", "VTODO"),
    ],
)
def test_what_cannot_be_answered_has_no_buttons_and_takes_no_answer(invited: Invited, text: str) -> None:
    page = invited.put(invitation(text))
    assert "Lunch, with all" in page
    assert "Your answer goes to" not in page
    token = invited.anna.get("/folders").hidden("/folders/create")
    form = {"csrf": token["csrf"], "event": "0", "answer": "accepted"}
    assert invited.anna.post(f"{invited.path}/invitation", form).code == 409
    assert invited.leave() == []


@pytest.mark.parametrize(
    "fields",
    [{"answer": "x"}, {"answer": ""}, {"event": "1"}, {"event": "-1"}, {"event": "x"}, {"event": "9" * 99}],
)
def test_an_answer_that_is_none_is_refused(invited: Invited, fields: dict[str, str]) -> None:
    invited.put(invitation())
    assert invited.answer(**{"answer": "accepted", **fields}).code == 409
    assert invited.leave() == []


def test_nobody_answers_anothers_invitation(invited: Invited) -> None:
    invited.put(invitation())
    bert = invited.office.browser(BERT)
    form = {**bert.get("/folders").hidden("/folders/create"), "event": "0", "answer": "accepted"}
    assert bert.post(f"{invited.path}/invitation", form).code == 404
    assert invited.anna.post(f"{invited.path}/invitation", {"event": "0", "answer": "accepted"}).code == 403
    assert invited.leave() == []


def test_answers_and_cancellations_are_said_in_words(invited: Invited) -> None:
    replied = EVENT.replace("ATTENDEE;CN=Anna;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:MAILTO:Anna@example.org\r\n", "")
    page = invited.put(invitation(calendar(f"{replied}COMMENT:Gladly\r\n", "REPLY")))
    assert "Answer to an invitation: Lunch, with all" in html.unescape(page)
    assert "Carl accepts." in page
    assert "<blockquote>Gladly</blockquote>" in page
    page = invited.put(invitation(method="CANCEL"))
    assert "Cancelled: Lunch, with all" in page
    assert "It does not take place." in page
    page = invited.put(invitation(calendar(f"{EVENT}RECURRENCE-ID:20261201T120000Z\r\n", "CANCEL")))
    assert "The others of its series do." in page


def test_ten_thousand_attendees_are_counted_and_the_user_among_them_is_found(invited: Invited) -> None:
    crowd = "".join(f"ATTENDEE:mailto:{number}@x.example\r\n" for number in range(8_000))
    page = invited.put(invitation(calendar(crowd + EVENT)))
    assert "and 7952 more" in page
    assert "Your answer goes to bob@far.example." in page


def test_what_was_answered_is_bounded_and_goes_with_its_user(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitation_answers, "MOST", 3)
    account = office.user().id
    for number in range(5):
        event = invitation_answers.event_of(str(number), "")
        work = partial(invitation_answers.note, account=account, event=event, draft=number, answer="accepted")
        result(office.store.run(work))
        office.clock.advance(1)
    rows = result(office.store.read(lambda tx: tx.all(Statement("SELECT draft FROM invitation_answer ORDER BY draft"))))
    assert rows == [(2,), (3,), (4,)]


@pytest.mark.parametrize(
    ("start", "end", "said", "moment"),
    [
        ("DTSTART:20261201T120000Z", "DTEND:20261201T133000Z", "Tue 1 Dec 2026, 12:00 – 13:30 UTC", 1_796_126_400),
        (
            "DTSTART:20261201T230000Z",
            "DURATION:PT2H",
            "Tue 1 Dec 2026, 23:00 – Wed 2 Dec 2026, 01:00 UTC",
            1_796_166_000,
        ),
        (
            "DTSTART;TZID=Europe/Berlin:20261201T120000",
            "DTEND;TZID=Europe/Berlin:20261201T130000",
            "Tue 1 Dec 2026, 12:00 – 13:00 (time zone: Europe/Berlin)",
            1_796_122_800,
        ),
        (
            "DTSTART;TZID=W. Europe Standard Time:20261201T120000",
            "DTEND;TZID=Europe/Berlin:20261201T130000",
            "Tue 1 Dec 2026, 12:00 (time zone: W. Europe Standard Time)",
            0,
        ),
        ("DTSTART:20261201T120000", "X:1", "Tue 1 Dec 2026, 12:00, by the clock of wherever it is", 0),
        ("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202", "Tue 1 Dec 2026, all day", 0),
        (
            "DTSTART;VALUE=DATE:20261201",
            "DTEND;VALUE=DATE:20261204",
            "Tue 1 Dec 2026 – Thu 3 Dec 2026, all day",
            0,
        ),
        ("DTSTART:20261341T120000Z", "X:1", "2026-13-41 12:00 UTC", 0),
        ("DTSTART:00010101T000000Z", "DURATION:P999W", None, 0),
        ("DTSTART;TZID=../../etc/passwd:20261201T120000", "X:1", None, 0),
        ("DTSTART:99991231T235959Z", "DURATION:P9999D", None, None),
        ("X:1", "X:2", "", 0),
    ],
)
def test_times_are_said_in_words_with_their_zone(start: str, end: str, said: str | None, moment: int | None) -> None:
    found = read(calendar(f"SUMMARY:x\r\n{start}\r\n{end}\r\n"))
    assert found is not None
    words, begins = when(ENGLISH, found)
    if said is not None:
        assert words == said
    if moment is not None:
        assert begins == moment * SECOND


def test_an_invitation_within_a_message_is_shown_and_cannot_be_answered(invited: Invited) -> None:
    invited.put(several("mixed", part("message/rfc822", invitation()), header="From: a@b.example\r\nSubject: x\r\n"))
    page = invited.anna.get(f"{invited.path}/enclosed/1").page
    assert "Invitation: Lunch, with all" in page
    assert "Your answer goes to" not in page
