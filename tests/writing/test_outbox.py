"""What users send by webmail leaves once, by the submission that SMTP uses, and can be called back for ten seconds."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.accounts import users
from mpcontinuity.delivery import departure
from mpcontinuity.delivery.outward import Submissions
from mpcontinuity.delivery.submission import submission_of
from mpcontinuity.mailbox import drafts
from mpcontinuity.mailbox.append import UID_BITS, lock
from mpcontinuity.mailbox.drafts import Draft, DraftChanged, DraftVersion, NotLeaving, Written
from mpcontinuity.mailbox.enclosures import Attached, Role
from mpcontinuity.model.address import parse
from mpcontinuity.model.body import Body
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Temporary
from mpcontinuity.model.flags import ANSWERED
from mpcontinuity.model.parameters import MailParameters, RcptParameters
from mpcontinuity.model.settings import Limits
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.writing.outbox import Outbox
from tests.delivery.conftest import CLIENT, Post
from tests.fakes.stores import result
from tests.writing.conftest import ANN, LETTER, Study, pieces

ROWS = (
    "SELECT domain, account, recipient, destination, reverse_path, subject FROM outgoing ORDER BY id",
    "SELECT direction, status, sender, recipient, subject, code, text, outcome FROM tracking ORDER BY id",
    "SELECT domain, direction, sender, subject FROM archive ORDER BY id",
    "SELECT domain, account, recipient, reverse_path, subject, kind, state FROM owed ORDER BY id",
)


def rows(study: Study) -> list[list[tuple[Any, ...]]]:
    return [study.post.rows(text) for text in ROWS]


def test_what_is_sent_has_the_same_rows_as_what_smtp_sends(study: Study) -> None:
    assert study.send(study.save()) == []
    study.wait()
    ours = rows(study)
    assert [len(each) for each in ours] == [1, 2, 1, 1]  # and a copy for home
    submissions = Submissions(study.post.delivery, study.recipients, study.quotas, DAY)
    client = submission_of(submissions, CLIENT, study.ann, parse(ANN), MailParameters())
    assert result(client.sender()).code == 250
    assert result(client.recipient(parse("eve@far.example"), RcptParameters())).code == 250
    client.begin()
    client.write(b"From: ann@example.org\r\nTo: eve@far.example\r\nSubject: Hello\r\n\r\nHow are you?\r\n")
    assert result(Deferred.fromCoroutine(client.end(None))).code == 250
    assert [each[: len(each) // 2] for each in rows(study)] == ours
    assert [each[len(each) // 2 :] for each in rows(study)] == ours


def test_it_is_in_sent_and_no_longer_in_drafts(study: Study) -> None:
    draft = study.save(msgspec.structs.replace(LETTER, bcc="carl@far.example"))
    study.attach(draft, b"data", "a.bin", "application/x-b")
    study.send(study.save(msgspec.structs.replace(LETTER, bcc="carl@far.example"), draft))
    study.wait()
    (sent,) = study.messages("Sent")
    assert (sent["Subject"], sent["From"], sent["Bcc"]) == ("Hello", "ann@example.org", "carl@far.example")
    assert next(iter(sent.iter_attachments())).get_content() == b"data"
    assert study.messages("Drafts") == []
    assert study.post.count("draft") == 0


def test_bcc_is_for_nobody_else(study: Study) -> None:
    study.send(study.save(msgspec.structs.replace(LETTER, bcc="carl@far.example")))
    study.wait()
    leaving = study.post.rows(
        'SELECT body.id, pack, "offset", length, prefix, crc FROM outgoing JOIN body ON body.id = outgoing.body'
    )
    assert len(leaving) == 2
    for row in leaving:
        body = Body(*row)
        content = study.store.bodies.content(body, skip_prefix=True)
        data = result(Deferred.fromCoroutine(content.read(0, content.length)))
        assert b"carl" not in data
        assert b"Subject: Hello" in data


def test_it_does_not_leave_before_its_time_nor_when_it_was_called_back(study: Study) -> None:
    draft = study.save()
    study.send(draft)
    study.wait(9)
    assert study.post.count("outgoing") == 0
    assert result(study.outbox.undo(study.ann, draft.id))
    study.wait()
    assert study.post.count("outgoing") == 0
    found = study.found(draft)
    assert found is not None
    assert (found[0].due, found[0].written) == (0, LETTER)
    assert len(study.messages("Drafts")) == 1


def test_what_has_left_cannot_be_called_back(study: Study) -> None:
    draft = study.save()
    study.send(draft)
    study.wait()
    assert not result(study.outbox.undo(study.ann, draft.id))
    assert study.post.count("outgoing") == 1


def test_what_is_called_back_at_the_last_moment_counts_for_nobody(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = study.save()
    study.send(draft)
    monkeypatch.setattr(departure, "commit", called_back)
    study.wait()
    assert study.recipients._taken[study.ann.id] == 0


def called_back(*_: object) -> list[bool]:
    raise NotLeaving("it was called back")


def test_sent_and_drafts_are_locked_at_once_as_imap_does(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    locked: list[set[int]] = []

    def locks(tx: Transaction, mailboxes: Collection[int]) -> None:
        locked.append(set(mailboxes))
        lock(tx, mailboxes)

    monkeypatch.setattr(departure, "lock", locks)
    draft = study.save()
    study.send(draft)
    study.wait()
    folders = {study.folder(name) for name in ("Drafts", "Sent")}
    assert locked == [folders]


def test_a_second_click_sends_no_second_message(study: Study) -> None:
    draft = study.save()
    study.send(draft)
    with pytest.raises(DraftChanged):
        study.send(draft)
    study.wait()
    study.wait()
    assert study.post.count("outgoing") == 1


def test_it_leaves_after_a_restart(study: Study) -> None:
    study.send(study.save())
    study.open()
    study.wait()
    assert study.post.count("outgoing") == 1


def promise(study: Study) -> None:
    """As another process has promised to send it, which is gone when the time has come."""
    draft = study.save()
    result(
        study.store.run(
            partial(drafts.send, account=study.ann.id, id_=draft.id, version=draft.version, message_id="<1@x>")
        )
    )
    study.post.clock.advance(11)


def test_two_processes_that_have_it_in_hand_send_it_once(study: Study) -> None:
    promise(study)
    other = Study(study.post)
    claimed = result(study.store.run(drafts.claim))
    assert claimed is not None
    for outbox in (study.outbox, other.outbox):
        result(outbox._leave(claimed))
    assert study.post.count("outgoing") == 1
    assert len(study.messages("Sent")) == 1


def test_all_that_one_user_may_send_keeps_no_other_ones_letter_waiting(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third = study.ann.id, study.ann.id + 1, study.ann.id + 2

    def write(tx: Transaction) -> None:
        accounts = [one] * drafts.MOST + [other, other, third]
        for number, account in enumerate(accounts, 1):
            drafts.create(tx, account, LETTER, number, f"<{number}@x>")
            drafts.send(tx, account, number, 1, f"<{number}@x>")

    left: list[int] = []

    async def leave(outbox: Outbox, draft: Draft) -> None:
        left.append(draft.account)
        await outbox.desk.store.run(partial(drafts.leave, departing=[(draft.account, draft.seen)]))

    result(study.store.run(write))
    monkeypatch.setattr(Outbox, "_leave", leave)
    study.wait()
    assert left[:7] == [one, other, third, one, other, one, one]
    assert len(left) == drafts.MOST + 3


def test_who_crashed_with_it_in_hand_does_not_keep_it(study: Study) -> None:
    promise(study)
    assert result(study.store.run(drafts.claim)) is not None
    study.open()
    study.wait(1)
    assert study.post.count("outgoing") == 0
    study.wait(61)
    assert study.post.count("outgoing") == 1


def test_the_message_id_is_that_of_the_click(study: Study) -> None:
    draft = study.save()
    study.send(draft)
    found = study.found(draft)
    assert found is not None
    study.wait()
    (sent,) = study.messages("Sent")
    assert sent["Message-ID"] == found[0].message_id


@pytest.mark.parametrize(
    ("written", "field", "words"),
    [
        (Written(), "to", "to whom"),
        (Written(to="eve"), "to", "“eve” is not a mail address"),
        (Written(cc="eve@far.example, x y"), "cc", "x y"),
        (Written(to="eve@far.example", sender="bob@example.org"), "sender", "may not write by this"),
        (Written(to="eve@far.example", sender="boss@far.example"), "sender", "may not write by this"),
        (Written(to="eve@far.example", sender="x"), "sender", "not a mail address"),
        (Written(to="e%vil@example.org"), "to", "e%vil@example.org"),
        (Written(bcc="nobody@mx.example.org"), "bcc", "no such mailbox"),
    ],
)
def test_what_the_server_refuses_is_said_at_the_field(study: Study, written: Written, field: str, words: str) -> None:
    draft = study.save(written)
    (fault,) = study.send(draft)
    assert fault.field == field
    assert words in fault.text
    assert study.found(draft) is not None
    study.wait()
    assert study.post.count("outgoing") == 0


def test_too_many_recipients_are_said(post: Post) -> None:
    study = Study(post, limits=Limits(user_recipients_per_hour=2))
    three = Written(to="a@far.example, b@far.example, c@far.example")
    (fault,) = study.send(study.save(three))
    assert "within an hour" in fault.text


def test_of_too_many_people_the_field_says_how_many_they_are(study: Study) -> None:
    people = ", ".join(f"p{number}@far.example" for number in range(1_200))
    (fault,) = study.send(study.save(Written(to="eve@far.example", bcc=people, subject="All", text="All")))
    assert fault.field == "bcc"
    assert "1201 people" in fault.text
    assert "1000" in fault.text
    assert study.send(study.save(LETTER)) == []  # those of the refused one do not count


def test_a_message_that_became_too_large_is_said_at_the_attachments(post: Post) -> None:
    study = Study(post)
    draft = study.save()
    study.attach(draft, b"x" * 400_000)
    study.desk.limits = Limits(message_size=300_000)
    (fault,) = study.send(draft)
    assert fault.field == "attachments"


def test_half_an_attachment_is_not_sent(study: Study) -> None:
    draft = study.save()
    attached: Attached = result(study.desk.attach(study.ann, draft.id, "a.txt", "a/b", 10))
    result(study.desk.take(study.ann, attached, 0, pieces(b"12345")))
    (fault,) = study.send(draft)
    assert (fault.field, "a.txt" in fault.text) == ("attachments", True)


@pytest.mark.parametrize("role", ["picture", "quote"])
def test_a_picture_or_a_quote_that_was_cut_off_and_is_not_in_the_letter_does_not_keep_it(
    study: Study, role: Role
) -> None:
    draft = study.save()
    cut_off(study, draft, role)
    assert study.send(draft) == []
    study.wait()
    assert study.post.count("outgoing") == 1
    (sent,) = study.messages("Sent")
    assert list(sent.iter_attachments()) == []


def test_a_picture_that_the_letter_shows_is_sent_whole_or_not_at_all(study: Study) -> None:
    draft = study.save()
    first = cut_off(study, draft, "picture")
    shows = msgspec.structs.replace(LETTER, rich=True, html=f'<p><img src="cid:{first.content_id}"></p>')
    draft = study.save(shows, draft)
    (fault,) = study.send(draft)
    assert (fault.field, "a.png" in fault.text) == ("attachments", True)
    again = cut_off(study, draft, "picture", first.content_id)  # as a quote is tried again
    result(study.desk.take(study.ann, again, 5, pieces(b"67890")))
    assert study.send(draft) == []
    study.wait()
    (sent,) = study.messages("Sent")
    assert [part.get_content() for part in sent.walk() if part.get_content_type() == "image/png"] == [b"1234567890"]


def cut_off(study: Study, draft: Draft, role: Role, content_id: str = "") -> Attached:
    """Half of a picture or quote has come."""
    file = ("a.png", "image/png", 10)
    attached: Attached = result(study.desk.attach(study.ann, draft.id, *file, role=role, content_id=content_id))
    result(study.desk.take(study.ann, attached, 0, pieces(b"12345")))
    return attached


def test_what_cannot_be_sent_when_its_time_has_come_is_a_draft_again_with_the_reason(study: Study) -> None:
    draft = study.save()
    study.send(draft)
    result(study.store.run(partial(users.deactivate, user=study.ann)))
    study.wait()
    found = study.found(draft)
    assert found is not None
    assert (found[0].due, found[0].fault) == (0, "Your account is not active any more.")
    assert len(study.messages("Drafts")) == 1


def test_what_cannot_be_taken_now_is_tried_again_and_then_a_draft(study: Study) -> None:
    draft = study.save()
    study.send(draft)

    def full(*_: object, **__: object) -> Any:
        raise Temporary("no room")

    submit, study.outbox.submit = study.outbox.submit, full
    study.wait()
    study.wait(6)
    found = study.found(draft)
    assert found is not None
    assert found[0].due
    study.outbox.submit = submit
    study.wait(6)
    assert study.post.count("outgoing") == 1
    draft = study.save()
    study.send(draft)
    study.outbox.submit = full
    study.wait()
    study.wait(301)
    found = study.found(draft)
    assert found is not None
    assert (found[0].due, "could not take" in found[0].fault) == (0, True)


def test_a_message_to_a_colleague_reaches_their_mailbox_as_smtps_does(study: Study) -> None:
    study.send(study.save(msgspec.structs.replace(LETTER, to="bob@example.org")))
    study.wait()
    assert study.post.rows("SELECT recipient, destination FROM outgoing") == [("bob@example.org", "example.org")]


def test_what_was_answered_is_flagged(study: Study) -> None:
    about = study.save().entry  # any message of hers
    study.send(study.save(msgspec.structs.replace(LETTER, about=about, how="reply")))
    study.wait()
    assert study.post.rows("SELECT flags FROM entry WHERE id = :id", id=about) == [(17 | ANSWERED,)]
    study.send(study.save(msgspec.structs.replace(LETTER, about=about, how="forward")))
    study.wait()
    names = study.post.rows("SELECT name FROM keyword WHERE mailbox = :mailbox", mailbox=about >> UID_BITS)
    assert names == [("$Forwarded",)]


def test_header_injection_ends_in_the_field(study: Study) -> None:
    evil = "x\r\nBcc: evil@far.example\r\n\r\n\0body\u202e"
    draft = study.save(Written(to="eve@far.example", subject=evil, in_reply_to=evil, references=(evil,), text="hi"))
    study.send(draft)
    study.wait()
    (sent,) = study.messages("Sent")
    assert sent["Bcc"] is None
    assert sent["Subject"] == "x Bcc: evil@far.example body"
    assert [row for (row,) in study.post.rows("SELECT recipient FROM outgoing")] == ["eve@far.example"]


def corrected(study: Study) -> Draft:
    """A process has a message in hand that its user then calls back, corrects and sends again. Returns that version."""
    promise(study)
    held = result(study.store.run(drafts.claim))
    assert held is not None
    assert result(study.outbox.undo(study.ann, held.id))
    found = study.found(held)
    assert found is not None
    draft = study.save(msgspec.structs.replace(LETTER, subject="Corrected"), found[0])
    assert study.send(draft) == []
    return held


def test_what_was_called_back_and_corrected_does_not_leave_as_it_was(study: Study) -> None:
    held = corrected(study)
    result(study.outbox._leave(held))
    assert study.post.count("outgoing") == 0
    study.wait()
    assert study.post.rows("SELECT subject FROM outgoing") == [("Corrected",)]
    assert [sent["Subject"] for sent in study.messages("Sent")] == ["Corrected"]


@pytest.mark.parametrize("wait", [0, 400])
def test_a_failure_over_the_version_before_does_nothing_to_the_next_one(study: Study, wait: float) -> None:
    held = corrected(study)

    def full(*_: object, **__: object) -> Any:
        raise Temporary("no room")

    study.post.clock.jump(wait)  # beyond what is tried again
    submit, study.outbox.submit = study.outbox.submit, full
    result(study.outbox._leave(held))
    study.outbox.submit = submit
    found = study.found(held)
    assert found is not None
    assert (found[0].due > 0, found[0].fault) == (True, "")
    assert study.post.rows("SELECT claimed FROM draft") == [(0,)]


def test_a_mistake_over_one_message_holds_up_no_other(study: Study) -> None:
    first, second = study.save(), study.save(msgspec.structs.replace(LETTER, subject="Second"))
    study.send(first)
    study.send(second)
    submit = study.outbox.submit

    def broken(*args: Any, draft: DraftVersion | None = None) -> Any:
        if draft is not None and draft.id == first.id:
            raise ZeroDivisionError
        return submit(*args, draft=draft)

    study.outbox.submit = broken
    study.wait()
    assert study.post.rows("SELECT subject FROM outgoing") == [("Second",)]
    found = study.found(first)
    assert found is not None
    assert (found[0].due, "could not make" in found[0].fault) == (0, True)


def test_an_attachment_that_is_begun_while_the_message_is_checked_does_not_leave_cut_off(study: Study) -> None:
    draft = study.save()
    assert result(study.outbox.check(study.ann, draft, ())) == []
    attached = result(study.desk.attach(study.ann, draft.id, "a.txt", "a/b", 10))
    result(study.desk.take(study.ann, attached, 0, pieces(b"12345")))
    result(study.outbox.send(study.ann, draft))
    study.wait()
    assert study.post.count("outgoing") == 0
    found = study.found(draft)
    assert found is not None
    assert "has not arrived whole" in found[0].fault
