"""In which language webmail speaks to whom."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.access.webmail.sentence import sentence
from mpcontinuity.control.bulletin import Bulletin
from mpcontinuity.model.texts import kept, marked, said
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.web import languages
from tests.access.webmail.office import ANNA, BERT, Office
from tests.admin.portal.browser import Browser
from tests.fakes.stores import result

GERMAN = "de-DE,de;q=0.9,en;q=0.5"


def test_the_login_is_in_the_language_that_the_browser_wishes(office: Office) -> None:
    browser = office.browser()
    german, english = browser.get("/", Accept_Language=GERMAN), browser.get("/", Accept_Language="fr")
    assert '<html lang="de">' in german.page
    assert "Ihre Mail" in german.page
    assert '<html lang="en">' in english.page
    assert b"\r\nvary: accept-language, cookie\r\n" in german.head.lower()


def test_a_choice_before_the_login_is_kept_in_the_browser(office: Office) -> None:
    browser = office.browser()
    chosen = browser.send("/language", "/login?next=/archive/", language="de")
    assert (chosen.code, chosen.location) == (303, "/login?next=%2Farchive%2F")
    assert "Ihre Mail" in browser.get("/", Accept_Language="en").page
    browser.send("/language", "/login", language="en")
    assert "Your mail" in browser.get("/", Accept_Language=GERMAN).page


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_no_other_site_chooses_the_language(office: Office, site: str) -> None:
    browser = office.browser()
    assert browser.post("/language", {"language": "de", "next": "/"}, Sec_Fetch_Site=site).code == 403
    assert browser.cookies == {}


def test_a_choice_leads_to_no_other_site_and_of_none_that_is_not_here(office: Office) -> None:
    browser = office.browser()
    assert browser.post("/language", {"language": "de", "next": "//evil.example/"}).location == "/"
    unknown = browser.post("/language", {"language": "tlh", "next": "/"}, Accept_Language=GERMAN)
    assert unknown.code == 400
    assert "Diese Sprache gibt es hier nicht." in unknown.page


@pytest.mark.parametrize("header", ["de;q=", ";;;,,,", "de" * 2_000, "de;q=1e999", '"de', "*;q=0", "de-\x01"])
def test_a_hostile_wish_is_answered_as_none(office: Office, header: str) -> None:
    shown = office.browser().get("/", Accept_Language=header)
    assert shown.code in (200, 400)
    assert shown.code == 400 or 'lang="' in shown.page


@pytest.mark.parametrize("value", ["xx", "..", "de.", "", "d" * 3_000])
def test_a_cookie_that_names_no_language_is_none(office: Office, value: str) -> None:
    browser = office.browser()
    browser.cookies["__Host-mpc_language"] = value
    assert "Ihre Mail" in browser.get("/", Accept_Language=GERMAN).page


def test_the_setting_of_a_user_holds_in_every_browser(office: Office, anna: Browser) -> None:
    assert '<option value="" selected>As my browser wishes' in anna.get("/settings/language").page
    saved = anna.send("/settings/language", language="de")
    assert (saved.code, saved.location) == (303, "/settings/language")
    assert "Ihre Sprache ist gespeichert." in anna.get("/settings/language", Accept_Language="en").page
    other = office.browser(ANNA)
    assert "Posteingang" in other.get("/", Accept_Language="en").page
    assert "Inbox" in office.browser(BERT).get("/", Accept_Language="en").page
    anna.send("/settings/language", language="")
    assert "Inbox" in other.get("/", Accept_Language="en").page
    assert "Posteingang" in other.get("/", Accept_Language=GERMAN).page


def test_a_setting_that_is_no_language_is_said_at_the_field(office: Office, anna: Browser) -> None:
    shown = anna.send("/settings/language", language="tlh")
    assert shown.code == 400
    assert "There is no such language here." in shown.page
    assert office.user().language == ""


def test_what_goes_wrong_is_said_in_the_language_of_the_user(anna: Browser) -> None:
    anna.send("/settings/language", language="de")
    anna.cookies.pop("__Host-mpc_language")
    assert "Diesen Ordner gibt es nicht." in anna.get("/mail/999/").page
    assert "Das lässt sich nicht rückgängig machen." in anna.post("/undo", {"csrf": _token(anna), "undo": "x"}).page
    stale = anna.post("/folders/create", {"csrf": "another", "name": "x"})
    assert (stale.code, "Dieses Formular kam nicht von dieser Seite" in stale.page) == (403, True)


def _token(browser: Browser) -> str:
    return browser.get("/folders").hidden("/folders/create")["csrf"]


def test_what_a_message_says_is_never_translated(office: Office, anna: Browser) -> None:
    uid = office.put(b"From: Inbox <a@x.example>\r\nSubject: Delete for good\r\n\r\nReply to all\r\n")
    shown = anna.get(f"/mail/{office.folder().id}/{uid}", Accept_Language=GERMAN)
    assert "<h1>Delete for good</h1>" in shown.page
    assert "Reply to all" in anna.get(f"/mail/{office.folder().id}/{uid}/document", Accept_Language=GERMAN).page
    assert "Allen antworten" in shown.page


def test_why_a_draft_was_not_sent_is_said_to_each_reader_in_theirs(office: Office, anna: Browser) -> None:
    anna.send("/write", to="bob@x.example", subject="Hello", text="Hi", action="save")
    faults = [said("“%(address)s”: %(why)s", address="bob@x.example", why=said(marked("there can be no such domain.")))]

    def fail(tx: Transaction) -> None:
        tx.run(Statement("UPDATE draft SET fault = :fault"), fault=kept(faults))

    result(office.store.run(fail))
    assert "“bob@x.example”: there can be no such domain." in anna.get("/").page
    assert "„bob@x.example“: eine solche Domain kann es nicht geben." in anna.get("/", Accept_Language=GERMAN).page


def test_the_line_about_continuity_counts_and_dates_as_germans_do() -> None:
    german = languages.load().find("de")
    assert german is not None
    told = partial(Bulletin, phase="active", since=1_780_000_000_000_000)
    found = [sentence(german, told(waiting=number)) for number in (1, 2)]
    texts = [each.text for each in found if each is not None]
    assert all("Seit Do., 28. Mai 2026, 20:26 UTC kommt Ihre Mail hierher." in text for text in texts)
    assert "1 Nachricht geht später in Ihr übliches Postfach zurück." in texts[0]
    assert "2 Nachrichten gehen später in Ihr übliches Postfach zurück." in texts[1]
