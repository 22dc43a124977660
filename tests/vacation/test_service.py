"""Mail that comes to users who are away, on a real store: who is answered, how often, and who is not."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from functools import partial
from typing import Any

import pytest

from mpcontinuity.accounts import users
from mpcontinuity.accounts import vacation as texts
from mpcontinuity.accounts.vacation import ALWAYS, IN_CONTINUITY, OFF, Vacation
from mpcontinuity.delivery.incoming import Incoming
from mpcontinuity.delivery.source import Source
from mpcontinuity.message import automatic
from mpcontinuity.message.automatic import read
from mpcontinuity.model.address import parse
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.model.parameters import MailParameters
from mpcontinuity.model.reply import Stage
from mpcontinuity.model.settings import Settings
from mpcontinuity.queue import vacation as rows
from mpcontinuity.queue.unreported import Changed
from mpcontinuity.queue.vacation import START
from mpcontinuity.reports.proof import VERDICT_WITHIN
from mpcontinuity.routing.health import Gate
from mpcontinuity.store.bodies import references
from mpcontinuity.store.store import Store
from mpcontinuity.tracking.record import RELEASE
from mpcontinuity.vacation import answer, service
from mpcontinuity.vacation.service import Vacations
from mpcontinuity.verdicts import record
from mpcontinuity.verdicts.record import SenderVerdict
from tests.delivery.conftest import CLIENT, Post
from tests.delivery.homes import temporary
from tests.fakes.clock import ManualClock
from tests.fakes.stores import result

ANN, BOB = "ann@example.org", "bob@example.org"
EVE = "eve@far.example"
TEXT = "I am back on Monday.\nGrüße, Ann"

PASSED = SenderVerdict("pass", "none", "pass", "mx;\r\n\tspf=pass smtp.mailfrom=far.example")
SIGNED = SenderVerdict(
    "none", "pass", "none", "mx;\r\n\tdkim=pass header.d=far.example header.s=s policy.reverse-path=author"
)
FORGED = SenderVerdict("softfail", "none", "fail", "mx;\r\n\tspf=softfail")
# Its reverse path is its own; who stands in From is another.
SPOOFED = SenderVerdict("pass", "none", "fail", "mx;\r\n\tspf=pass smtp.mailfrom=far.example")


def letter(to: str = ANN, number: int = 1, header: str = "") -> bytes:
    return (
        f"From: Eve <{EVE}>\r\nTo: {to}\r\nSubject: The offer\r\nMessage-ID: <{number}@far.example>\r\n"
        f"References: <0@far.example>\r\n{header}\r\nText {number}\r\n"
    ).encode()


class Office(Post):
    """A post office whose home server is away, unless somebody says something else, and the service that answers."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        super().__init__(store, clock)
        self.number = 0
        self.home.decision = Gate.SHUT
        self.service = Vacations(store, Settings(hostname="mx.example.org"))

    def away(self, when: int = IN_CONTINUITY, address: str = ANN, **given: Any) -> None:
        user = self.who(address)
        result(self.store.run(partial(texts.save, user=user, vacation=Vacation(when, **{"text": TEXT, **given}))))

    def who(self, address: str) -> users.User:
        found = result(self.store.read(partial(users.find, address=parse(address))))
        assert found is not None
        return found

    def comes(
        self, verdict: SenderVerdict | None = PASSED, to: str = ANN, sender: str = EVE, named: str = "", **given: Any
    ) -> None:
        """A new message, and what is found out about who sent it."""
        self.number += 1
        content = letter(named or to, self.number, **given)
        assert self.send(to, content=content, sender=sender).code == 250
        if verdict is not None:
            self.looked_into(verdict)

    def looked_into(self, verdict: SenderVerdict) -> None:
        for (body,) in self.rows("SELECT body FROM vacation_due"):
            result(self.store.run(partial(record.add, body=body, verdict=verdict)))

    def submitted(self, content: bytes, sender: str, to: str) -> None:
        """By a user of ours, out of the queue."""
        parameters = MailParameters(submitted=True)
        source = Source(comes_again=False, verified=False, refusals_tracked=False)
        incoming = Incoming(self.delivery, CLIENT, parse(sender) if sender else None, parameters, source)
        assert self.rcpt(incoming, to).code == 250
        assert result(self.data(incoming, content)).code == 250
        incoming.went_on()
        self.clock.advance(1)

    def look(self) -> None:
        result(self.service.look())

    def answers(self) -> list[Any]:
        """What was queued and not looked at before, as messages; each with its envelope."""
        self.look()
        found = []
        for body, sender, recipient, kind in self.rows(
            "SELECT body, reverse_path, recipient, kind FROM outgoing ORDER BY id"
        ):
            stored = result(self.store.read(partial(references.find, body_id=body)))
            assert stored is not None
            message: Any = message_from_bytes(result(self.store.bodies.read(stored)), policy=policy.SMTP)
            assert not message.defects
            assert (sender, kind) == ("", "dsn")
            message.recipient = recipient
            found.append(message)
        return found

    def answered(self) -> list[str]:
        return [message.recipient for message in self.answers()]


@pytest.fixture
def office(store: Store, clock: ManualClock) -> Iterator[Office]:
    opened = Office(store, clock)
    yield opened
    result(opened.delivery.stop())


def test_a_letter_is_answered_by_the_text_once_to_its_reverse_path_from_the_null_sender(office: Office) -> None:
    office.away()
    office.comes(sender="Eve+x@far.example")
    (found,) = office.answers()
    assert found.recipient == "Eve+x@far.example"
    assert (found["From"], found["To"]) == (ANN, "Eve+x@far.example")
    assert (found["Subject"], found["Auto-Submitted"]) == ("Auto: The offer", "auto-replied")
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["In-Reply-To"] == "<1@far.example>"
    assert found["References"].split() == ["<0@far.example>", "<1@far.example>"]
    assert found.get_content().splitlines() == TEXT.splitlines()
    assert office.count("vacation_due") == 0
    (row,) = [row for row in office.track() if row.direction == "outbound"]
    assert (row.sender, row.recipient, row.status, row.subject) == ("", "Eve+x@far.example", "queued", found["Subject"])


def test_its_own_subject_stands_instead_of_that_of_the_letter(office: Office) -> None:
    office.away(subject="Wieder da am Montag, Grüße")
    office.comes()
    assert office.answers()[0]["Subject"] == "Wieder da am Montag, Grüße"


def test_the_same_sender_is_answered_again_after_seven_days_and_not_before(office: Office) -> None:
    office.away()
    for sender in (EVE, "EVE@far.example", "eve+tag@far.example"):
        office.comes(sender=sender)
        office.look()
    office.clock.advance(7 * DAY / SECOND - 60)
    office.comes()
    assert len(office.answers()) == 1
    office.clock.advance(60)
    office.comes()
    assert office.answered() == [EVE, EVE]


def test_each_sender_is_answered_for_each_user(office: Office) -> None:
    office.away()
    office.away(address=BOB)
    for to in (ANN, BOB):
        office.comes(to=to)
        office.comes(to=to, sender="carl@far.example")
    assert sorted(office.answered()) == ["carl@far.example"] * 2 + [EVE] * 2


@pytest.mark.parametrize("verdict", [FORGED, SPOOFED, None])
def test_who_did_not_prove_to_be_the_sender_is_never_answered_and_leaves_no_row(
    office: Office, verdict: SenderVerdict | None
) -> None:
    office.away(ALWAYS)
    office.comes(verdict)
    office.look()
    office.clock.advance(VERDICT_WITHIN / SECOND)
    assert office.answered() == []
    assert (office.count("vacation_due"), office.count("vacation_answer")) == (0, 0)


def test_a_letter_waits_until_it_is_known_who_sent_it(office: Office) -> None:
    office.away()
    office.comes(None)
    assert office.answered() == []
    assert office.count("vacation_due") == 1
    office.looked_into(SIGNED)
    assert office.answered() == [EVE]


def test_a_stranger_in_the_name_of_a_domain_of_ours_is_not_answered_whatever_spf_says(office: Office) -> None:
    office.away()
    office.comes(sender=BOB)
    assert office.answered() == []
    assert office.count("vacation_due") == 0


def test_two_users_of_ours_who_are_away_do_not_answer_each_others_answers(office: Office) -> None:
    for address in (ANN, BOB):
        office.away(ALWAYS, address)
    office.submitted(letter(ANN), BOB, ANN)
    (found,) = office.answers()
    assert (found.recipient, found["From"]) == (BOB, ANN)
    office.submitted(found.as_bytes(), "", BOB)
    office.submitted(found.as_bytes(), ANN, BOB)  # a program that puts in a reverse path of its own
    assert len(office.answers()) == 1


def test_a_user_is_not_answered_by_their_own_text(office: Office) -> None:
    office.away(ALWAYS)
    office.submitted(letter(ANN), ANN, ANN)
    assert office.answered() == []


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: auto-generated", "List-Id: <x.far.example>", "Precedence: bulk", "X-Spam-Flag: YES"]
)
def test_what_its_header_forbids_is_not_done(office: Office, header: str) -> None:
    office.away()
    office.comes(header=f"{header}\r\n")
    assert office.answered() == []
    assert office.count("vacation_due") == 0


@pytest.mark.parametrize("sender", ["", "MAILER-DAEMON@far.example", "list-request@far.example"])
def test_no_program_is_answered(office: Office, sender: str) -> None:
    office.away()
    office.comes(sender=sender)
    assert office.answered() == []


def test_who_stands_in_blind_copy_does_not_answer_and_an_alias_answers_in_its_own_name(office: Office) -> None:
    office.user("carol@example.org", aliases=("sales@example.org",))
    office.away(address="carol@example.org")
    office.comes(to="sales@example.org", named="somebody@far.example")
    assert office.answered() == []
    office.comes(to="sales@example.org", named="Carol@example.org")  # an answer would tell whose both are
    assert office.answered() == []
    office.comes(to="sales@example.org", named="Sales@example.org")
    (found,) = office.answers()
    assert found["From"] == "sales@example.org"
    assert b"carol" not in found.as_bytes().lower()


def test_for_continuity_alone_what_home_takes_is_not_answered(office: Office) -> None:
    office.away(IN_CONTINUITY)
    office.home.decision = Gate.OPEN
    office.comes()
    assert len(office.home.received) == 1
    assert office.count("vacation_due") == 0


def test_always_answers_what_home_takes_too(office: Office) -> None:
    office.away(ALWAYS)
    office.home.decision = Gate.OPEN
    office.comes()
    assert len(office.home.received) == 1
    assert office.answered() == [EVE]


def test_what_home_does_not_take_at_its_end_is_answered_once(office: Office) -> None:
    office.away(IN_CONTINUITY)
    office.home.decision = Gate.OPEN
    office.home.answer = temporary(Stage.MESSAGE)
    office.comes()
    assert office.answered() == [EVE]


def test_nobody_who_has_no_text_or_has_it_off_answers(office: Office) -> None:
    office.comes()
    office.away(OFF)
    office.comes()
    assert office.count("vacation_due") == 0


def test_it_is_for_mail_of_its_time_alone(office: Office) -> None:
    now = office.clock.now()
    office.away(begins=now + 3600 * SECOND, ends=now + 7200 * SECOND)
    office.comes(sender="before@far.example")
    office.look()
    office.clock.advance(3600)
    office.comes(sender="within@far.example")
    office.look()
    office.clock.advance(3600)
    office.comes(sender="after@far.example")
    assert office.answered() == ["within@far.example"]


def test_what_was_turned_off_meanwhile_answers_nothing_more(office: Office) -> None:
    office.away()
    office.comes(None)
    office.away(OFF)
    office.looked_into(PASSED)
    assert office.answered() == []
    assert office.count("vacation_due") == 0


def test_a_removed_user_answers_nothing_more(office: Office) -> None:
    office.away()
    office.comes()
    user = office.who(ANN)
    result(office.store.run(partial(users.forget, account=user.id, domain=user.domain)))
    assert office.answered() == []
    assert office.count("vacation_due") == 0


def test_what_was_noted_is_answered_by_the_next_process_once(office: Office) -> None:
    office.away()
    office.comes()
    (due,) = result(office.store.read(partial(rows.due, after=START)))
    office.service = Vacations(office.store, office.service.settings)
    assert office.answered() == [EVE]
    user = office.who(ANN)
    again = answer.NewAnswer(1, due, user, parse(ANN), parse(EVE), 0, 0, "", "", plain=True)
    with pytest.raises(Changed):
        result(office.store.run(partial(answer.place, body=due.body, answer=again)))
    assert len(office.answers()) == 1


def test_the_same_letter_that_comes_again_is_answered_once(office: Office) -> None:
    office.away()
    for _ in range(2):
        assert office.send(ANN, content=letter(), sender=EVE).code == 250
        office.looked_into(PASSED)
    assert office.answered() == [EVE]


def test_a_flood_of_strangers_who_prove_nothing_leaves_few_rows_and_then_none(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_DUE", 5)
    office.away(ALWAYS)
    for number in range(12):
        office.comes(None, sender=f"{number}@far.example")
    assert office.count("vacation_due") == 5
    office.clock.advance(VERDICT_WITHIN / SECOND)
    assert office.answered() == []
    assert (office.count("vacation_due"), office.count("vacation_answer")) == (0, 0)
    office.comes()
    assert office.answered() == [EVE]


def test_a_host_with_thousands_of_names_is_answered_so_often_and_no_more(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_A_DAY", 3)
    office.away()
    for number in range(6):
        office.comes(sender=f"{number}@far.example")
        office.look()
    assert len(office.answers()) == office.count("vacation_answer") == 3
    office.clock.advance(DAY / SECOND)
    office.comes()
    assert office.answered()[-1] == EVE


def test_the_rows_of_who_was_answered_go_after_a_week(office: Office) -> None:
    office.away()
    office.comes()
    office.look()
    office.clock.advance(7 * DAY / SECOND - 10)
    result(rows.sweep(office.store))
    assert office.count("vacation_answer") == 1
    office.clock.advance(10)
    result(rows.sweep(office.store))
    assert office.count("vacation_answer") == 0


def test_a_message_from_the_archive_is_not_answered(office: Office) -> None:
    office.away(ALWAYS)
    source = Source(comes_again=False, verified=False, direction=RELEASE, archived=False, owes=False)
    incoming = Incoming(office.delivery, CLIENT, parse(EVE), MailParameters(), source)
    assert office.rcpt(incoming, ANN).code == 250
    assert result(office.data(incoming, letter())).code == 250
    assert office.count("vacation_due") == 0


def test_one_row_at_fault_holds_up_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.away()
    office.away(address=BOB)
    office.comes()
    office.comes(to=BOB)
    monkeypatch.setattr(automatic, "read", lambda content: read(content) if b"bob" in content else 1 / 0)
    assert office.answered() == [EVE]
    assert office.answers()[0]["From"] == BOB
