"""The page of the vacation text: what is typed is kept or named as wrong, and what is on is said on every page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import partial

import pytest

from mpcontinuity.access.webmail import dates
from mpcontinuity.accounts import vacation
from mpcontinuity.accounts.vacation import ALWAYS, IN_CONTINUITY, LONGEST, LONGEST_SUBJECT, OFF, Vacation
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.web.languages import ENGLISH
from tests.access.webmail.office import ANNA, BERT, Office
from tests.access.webmail.test_write import typed
from tests.admin.portal.browser import Browser, Shown
from tests.fakes.stores import result

PAGE = "/settings/vacation"
TEXT = "Back on Monday.\nAnna"


def day(office: Office, days: int = 0) -> str:
    return datetime.fromtimestamp((office.clock.now() + days * DAY) / SECOND, UTC).date().isoformat()


def begins(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}T00:00:00+00:00").timestamp()) * SECOND


def send(browser: Browser, **form: str) -> Shown:
    return browser.send(PAGE, PAGE, **{"when": "continuity", "text": TEXT.replace("\n", "\r\n"), **form})


def kept(office: Office, address: str = ANNA) -> Vacation:
    return result(office.store.read(partial(vacation.find, account=office.user(address).id)))


def test_it_is_kept_as_it_is_typed_for_this_user_alone(office: Office, anna: Browser) -> None:
    first, last = day(office, 1), day(office, 8)
    shown = send(anna, subject="  Away\t now ", first=first, last=last)
    assert (shown.code, shown.location) == (303, PAGE)
    assert kept(office) == Vacation(IN_CONTINUITY, "Away now", TEXT, begins(first), begins(last) + DAY)
    assert office.user().vacation == IN_CONTINUITY
    assert (kept(office, BERT), office.user(BERT).vacation) == (Vacation(), OFF)
    page = anna.get(PAGE).page
    assert "Your vacation text will be on from " in page
    assert typed(page) == TEXT
    assert f'name="first" type="date" value="{first}"' in page
    assert f'name="last" type="date" value="{last}"' in page
    assert 'value="continuity" checked' in page


def test_it_is_turned_off_and_its_text_stays_for_the_next_time(office: Office, anna: Browser) -> None:
    send(anna, when="always")
    assert office.user().vacation == ALWAYS
    send(anna, when="off")
    assert (office.user().vacation, kept(office).text) == (OFF, TEXT)
    page = anna.get(PAGE).page
    assert "Your vacation text is off." in page
    assert typed(page) == TEXT


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        ({"when": "sometimes"}, "when", "Choose one of these."),
        ({"text": "  "}, "text", "Say something, or turn the vacation text off."),
        ({"text": "x" * (LONGEST + 1)}, "text", f"take at most {LONGEST} characters"),
        ({"subject": "x" * (LONGEST_SUBJECT + 1)}, "subject", f"take at most {LONGEST_SUBJECT} characters"),
        ({"first": "tomorrow"}, "first", "This is no day."),
        ({"last": "2026-02-30"}, "last", "This is no day."),
        ({"first": "3000-01-02", "last": "3000-01-01"}, "last", "This is before the first day."),
        ({"last": "2001-01-01"}, "last", "This day is over."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_stays_typed(
    office: Office, anna: Browser, form: dict[str, str], field: str, said: str
) -> None:
    send(anna, text="before")
    before = kept(office)
    shown = send(anna, **form)
    assert shown.code == 400
    assert re.search(rf'id="{field}-error" role="alert">[^<]*{re.escape(said)}', shown.page)
    for name, value in form.items():
        if name not in ("when", "text"):
            assert f'value="{value}"' in shown.page
    assert typed(shown.page) == form.get("text", TEXT).rstrip()
    assert kept(office) == before


def test_a_day_that_is_over_does_not_keep_it_from_being_turned_off(office: Office, anna: Browser) -> None:
    send(anna, last=day(office))
    office.clock.advance(2 * DAY / SECOND)
    browser = office.browser(ANNA)
    assert send(browser, when="off", last="2001-01-01").code == 303


def test_every_page_says_that_it_is_on_and_leads_to_it(office: Office, anna: Browser) -> None:
    on = "Your vacation text is on"
    assert on not in anna.get("/folders").page
    send(anna)
    anna.get("/folders")  # which says once that it is
    page = anna.get("/folders").page
    assert f"{on}. It answers only what comes here because your usual mail server does not take it." in page
    assert f'href="{PAGE}"' in page
    assert "It answers only" not in anna.get(PAGE).page  # which says it itself
    send(anna, when="always", last=day(office, 1))
    anna.get("/folders")
    last = dates.day(ENGLISH, date.fromisoformat(day(office, 1)))
    assert f"{on} until {last}, this day included." in anna.get("/folders").page
    send(anna, when="always", first=day(office, 1))
    page = anna.get(PAGE).page
    assert "Your vacation text will be on from " in page
    assert on not in page
    assert "Your vacation text will be on from " in anna.get("/folders").page
    send(anna, when="off")
    assert "Your vacation text is off." in anna.get("/folders").page  # once
    assert "Your vacation text" not in anna.get("/folders").page


def test_one_whose_time_is_over_is_said_to_be_so(office: Office, anna: Browser) -> None:
    send(anna, when="always", last=day(office))
    office.clock.advance(DAY / SECOND)
    assert "Your vacation text" not in office.browser(ANNA).get("/folders").page
