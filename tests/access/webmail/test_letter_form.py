"""The form of a letter is read from whoever may send it, and as much of it as is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.access.webmail import letter_form, saving
from mpcontinuity.access.webmail.letter_form import LONGEST_OF_NOBODY
from mpcontinuity.access.webmail.saving import WritePages
from mpcontinuity.access.webmail.signed_in import Webmail
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.web.asked import Asked, Fields
from mpcontinuity.web.inflow import Inflow
from tests.access.webmail.office import Office
from tests.access.webmail.test_write import LETTER, typed
from tests.admin.portal.browser import Browser
from tests.fakes.stores import result


def coming(**headers: str) -> tuple[Asked, Inflow]:
    """A form of which nothing has come yet."""
    inflow = Inflow(lambda: None, lambda: None)
    return Asked(
        "POST", "/write", pieces=inflow, headers={name.replace("_", "-"): h for name, h in headers.items()}
    ), inflow


def test_of_a_form_of_another_site_nothing_is_read(office: Office) -> None:
    asked, _ = coming(sec_fetch_site="cross-site")
    with pytest.raises(Refused, match="form"):
        result(WritePages(Webmail(office.services)).take(asked))


def test_a_script_hears_that_nobody_is_signed_in_before_its_form_has_come(office: Office) -> None:
    asked, _ = coming(sec_fetch_dest="empty")
    assert result(WritePages(Webmail(office.services)).take(asked)).code == 401


def test_who_is_not_signed_in_has_no_more_held_than_a_long_letter(office: Office) -> None:
    browser = office.browser()
    assert typed(browser.post("/write", {**LETTER, "text": "x" * 200_000}).page) == "x" * 200_000
    for text in ("x" * (LONGEST_OF_NOBODY + 1), "x" * 5_000_000):
        shown = browser.post("/write", {**LETTER, "text": text})
        assert shown.code == 400
        assert "sign in in another window" in shown.page
        field = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n' + text.encode() + b"\r\n--b--\r\n"
        assert browser.upload("POST", "/write", field, "multipart/form-data; boundary=b").code == 400


def test_letters_of_nobody_that_are_held_at_a_time_are_bounded_and_a_user_still_writes(
    office: Office, anna: Browser
) -> None:
    pages = WritePages(Webmail(office.services))
    held = []
    for _ in range(saving._MOST_OF_NOBODY):
        asked, inflow = coming()
        held.append((Deferred.fromCoroutine(pages.take(asked)), inflow))
    with pytest.raises(Temporary):
        result(pages.take(coming()[0]))
    for taken, inflow in held:
        inflow.end()
        assert result(taken).code == 401
    asked, inflow = coming()
    again = Deferred.fromCoroutine(pages.take(asked))
    inflow.end()
    assert result(again).code == 401
    assert not pages._reading


def test_a_large_form_is_read_beside_the_reactor(office: Office, anna: Browser) -> None:
    computed: list[Fields] = []
    compute = office.services.control.compute

    def computes(work: Callable[[], Any]) -> Any:
        computed.append(work())
        return compute(work)

    control = replace(office.services.control, compute=computes)
    object.__setattr__(office.services, "control", control)
    form = {**anna.get("/write").hidden("/write"), **LETTER}
    anna.post("/write", {**form, "text": "a"})
    assert computed == []
    anna.post("/write", {**form, "text": "x" * letter_form._QUICK})
    assert len(computed) == 1
