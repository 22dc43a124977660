"""The text that a user signs with stands once in what they write, where they want it."""

from __future__ import annotations

import pytest

from mpcontinuity.mailbox.signature import LONGEST
from tests.access.webmail.office import BERT, SIMPLE, Office
from tests.access.webmail.test_write import contents, follow, typed, write
from tests.admin.portal.browser import Browser

SIGNATURE = "/settings/signature"
BLOCK = "-- \nAnna Berg\nExample Ltd\n"


def sign(browser: Browser, text: str = "Anna Berg\r\nExample Ltd\r\n", **form: str) -> None:
    given = {"new": "1", "answers": "1", "text": text, **form}
    assert browser.send(SIGNATURE, SIGNATURE, **{name: value for name, value in given.items() if value}).code == 303
    assert "Your signature is saved." in browser.get(SIGNATURE).page


def begun(browser: Browser, query: str = "") -> str:
    return typed(browser.get(f"/write{query}").page)


def test_a_new_letter_ends_with_the_signature_of_its_writer_alone(office: Office, anna: Browser) -> None:
    assert begun(anna) == ""
    sign(anna)
    assert begun(anna) == f"\n\n{BLOCK}"
    assert begun(anna, "?to=eve@far.example&body=Please+call%0Aback") == f"Please call\nback\n\n{BLOCK}"
    assert begun(office.browser(BERT)) == ""


@pytest.mark.parametrize("query", ["reply", "replyall"])
def test_in_an_answer_it_stands_above_what_is_quoted(office: Office, anna: Browser, query: str) -> None:
    uid = office.put(SIMPLE)
    sign(anna)
    text = begun(anna, f"?{query}={office.folder().id}.{uid}")
    assert text.startswith(f"\n\n{BLOCK}\n\nOn ")
    assert "> Are you there?" in text


def test_what_is_forwarded_has_it_before_the_message_and_beside_a_file(office: Office, anna: Browser) -> None:
    place = f"{office.folder().id}.{office.put(SIMPLE)}"
    sign(anna)
    assert begun(anna, f"?forward={place}").startswith(f"\n\n{BLOCK}\n\n---------- Forwarded")
    assert begun(anna, f"?forward={place}&as=attachment") == f"\n\n{BLOCK}"


def test_new_letters_and_answers_have_it_each_by_a_choice_of_its_own(office: Office, anna: Browser) -> None:
    reply = f"?reply={office.folder().id}.{office.put(SIMPLE)}"
    sign(anna, new="")
    assert (begun(anna), BLOCK in begun(anna, reply)) == ("", True)
    sign(anna, answers="")
    assert (begun(anna), BLOCK in begun(anna, reply)) == (f"\n\n{BLOCK}", False)
    sign(anna, text="")
    assert "-- " not in begun(anna)


def test_a_draft_that_is_opened_again_is_not_signed_again(office: Office, anna: Browser) -> None:
    sign(anna)
    text = f"Hello.{begun(anna)}"
    page = follow(anna, write(anna, text=text.replace("\n", "\r\n"))).page
    assert typed(page) == text
    folder = office.folder("Drafts")
    assert typed(follow(anna, anna.get(f"/write?draft={folder.id}.1")).page) == text


def test_the_line_before_it_keeps_its_blank_in_what_is_sent(office: Office, anna: Browser) -> None:
    sign(anna)
    write(anna, text=f"Hello.{begun(anna)}", action="send")
    office.clock.advance(11)
    (sent,) = contents(office, "Sent")
    assert b"\r\n--=20\r\nAnna Berg\r\n" in sent


def test_one_that_is_too_long_is_said_at_its_field_and_stays_typed(office: Office, anna: Browser) -> None:
    sign(anna, "before")
    shown = anna.send(SIGNATURE, SIGNATURE, text="x" * (LONGEST + 1), new="1")
    assert shown.code == 400
    assert f"take at most {LONGEST} characters. These are {LONGEST + 1}." in shown.page
    assert typed(shown.page) == "x" * (LONGEST + 1)
    assert 'aria-describedby="text-error text-hint" aria-invalid="true"' in shown.page
    assert 'name="answers" value="1">' in shown.page  # as it was given: not chosen
    assert typed(anna.get(SIGNATURE).page) == "before"


def test_it_shows_what_was_typed_and_no_markup(anna: Browser) -> None:
    sign(anna, "</textarea><script>alert(1)</script>")
    page = anna.get(SIGNATURE).page
    assert "<script>alert" not in page
    assert typed(page) == "</textarea><script>alert(1)</script>"
