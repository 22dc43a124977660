"""The search page: all folders and the archive, for whoever is signed in and nobody else."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from mpcontinuity.access.webmail import searching
from mpcontinuity.accounts import domains
from mpcontinuity.mailbox import search_all
from tests.access.webmail.office import ANNA, BERT, Office
from tests.admin.portal.browser import Browser, Shown
from tests.archive.archived import archive, text
from tests.fakes.stores import result


def domain(office: Office) -> int:
    return result(office.store.read(lambda tx: domains.known(tx, "example.org"))).id


def links(page: str) -> list[str]:
    return re.findall(r'<a href="(/(?:mail/\d+|archive)/\w+)"', page)


def test_nothing_is_looked_for_until_something_is_typed(office: Office, anna: Browser) -> None:
    office.put()
    shown = anna.get("/search")
    assert shown.code == 200
    assert not links(shown.page)


def test_all_folders_and_the_archive_are_searched(office: Office, anna: Browser) -> None:
    inbox = office.put(b"Subject: an offer\r\n\r\nprice\r\n")
    sent = office.put(b"Subject: re\r\n\r\nthe price is right\r\n", "Sent")
    office.put(b"Subject: other\r\n\r\n")
    archive(office.store, text("old price", "then"), recipients=[ANNA], domain=domain(office))
    page = anna.get("/search?q=price").page
    found = links(page)
    assert set(found[:2]) == {f"/mail/{office.folder().id}/{inbox}", f"/mail/{office.folder('Sent').id}/{sent}"}
    assert found[2].startswith("/archive/")
    assert links(anna.get("/search?q=price&in=archive").page) == found[2:]


def test_one_folder_is_searched_alone(office: Office, anna: Browser) -> None:
    office.put()
    uid = office.put(name="Sent")
    folder = office.folder("Sent").id
    assert links(anna.get(f"/search?q=hello&in={folder}").page) == [f"/mail/{folder}/{uid}"]


def test_what_is_not_understood_is_said_at_the_field_and_kept(office: Office, anna: Browser) -> None:
    shown = anna.get(f"/search?q={quote('before:soon <b>')}")
    assert shown.code == 400
    assert 'id="q-error"' in shown.page
    assert 'value="before:soon &lt;b&gt;"' in shown.page
    shown = anna.get("/search?q=is:unread&in=archive")
    assert (shown.code, "does not know" in shown.page) == (400, True)


def test_more_than_a_page_goes_on_and_finds_nothing_twice(office: Office, anna: Browser) -> None:
    folder = office.folder().id
    uids = [office.put(b"Subject: number\r\n\r\n") for _ in range(53)]
    first = anna.get("/search?q=subject:number").page
    onward = re.search(r'<a rel="next" href="([^"]+)"', first)
    assert onward is not None
    second = anna.get(onward[1].replace("&amp;", "&")).page
    assert links(first) + links(second) == [f"/mail/{folder}/{uid}" for uid in reversed(uids)]


def test_a_search_that_takes_long_says_how_far_it_came(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.put()
    monkeypatch.setattr(search_all, "MOST_WORK", 0)
    page = anna.get("/search?q=nothing").page
    assert "so far it has looked at what came after" in page
    assert "Go on searching" in page


def test_what_was_found_is_moved_from_several_folders_at_once(office: Office, anna: Browser) -> None:
    places = [f"{office.folder(name).id}.{office.put(name=name)}" for name in ("INBOX", "Sent")]
    token = anna.get("/search?q=hello").hidden("/search/do")
    shown = anna.post("/search/do", {**token, "place": places, "action": "delete"})
    assert shown.code == 303
    trash = office.folder("Trash").id
    assert len(links(anna.get(f"/mail/{trash}/").page)) == 2


def all_found(browser: Browser, asked: str, action: str, **more: str) -> Shown:
    """Presses a button for all that a search finds; the page that says what came of it."""
    form = browser.get(f"/search?{asked}").hidden("/search/do")
    return browser.get(browser.post("/search/do", {**form, "all": "1", "action": action, **more}).location)


def test_all_that_a_search_finds_is_moved_from_all_folders_and_put_back(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "AT_A_STRETCH", 7)  # more than one turn
    for number in range(60):
        office.put(b"Subject: offer %d\r\n\r\n" % number, ("INBOX", "Sent", "Archive")[number % 3])
    office.put(b"Subject: other\r\n\r\n")
    shown = all_found(anna, "q=offer", "delete")
    assert "60 messages are in the trash." in shown.page
    assert [office.folder(name).messages for name in ("INBOX", "Sent", "Archive", "Trash")] == [1, 0, 0, 60]
    shown = anna.get(anna.post("/undo", shown.hidden("/undo")).location)
    assert "Undone: 60 messages are back in their folder" in shown.page
    assert [office.folder(name).messages for name in ("INBOX", "Sent", "Archive", "Trash")] == [21, 20, 20, 0]


def test_all_that_a_search_finds_is_given_up_where_nothing_comes_on(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.put(b"Subject: offer\r\n\r\n")
    form = anna.get("/search?q=offer").hidden("/search/do")
    monkeypatch.setattr(search_all, "MOST_WORK", 0)
    anna.post("/search/do", {**form, "all": "1", "action": "archive"})
    assert "This could not be ended now." in anna.get("/doing").page
    assert office.folder().messages == 1
    monkeypatch.undo()
    anna.post("/search/do", {**form, "all": "1", "action": "archive"})
    assert office.folder().messages == 0


def test_all_that_a_search_finds_is_what_was_there_when_it_was_shown(office: Office, anna: Browser) -> None:
    office.put(b"Subject: offer\r\n\r\n")
    form = anna.get("/search?q=offer").hidden("/search/do")
    office.put(b"Subject: offer that came later\r\n\r\n")
    anna.post("/search/do", {**form, "all": "1", "action": "archive"})
    assert (office.folder().messages, office.folder("Archive").messages) == (1, 1)


def test_all_of_a_search_in_one_folder_are_those_of_that_folder(office: Office, anna: Browser) -> None:
    office.put(name="Sent")
    office.put()
    assert "1 message is flagged." in all_found(anna, f"q=hello&in={office.folder('Sent').id}", "flag").page


def test_a_search_that_nobody_asked_changes_nothing(office: Office, anna: Browser) -> None:
    office.put()
    office.put(address=BERT)
    form = anna.get("/search?q=hello").hidden("/search/do")
    for wrong in ({"q": ""}, {"q": "before:soon"}, {"upto": ""}, {"action": "purge"}, {"action": "x"}):
        assert anna.post("/search/do", {**form, "all": "1", "action": "delete", **wrong}).code == 400, wrong
    theirs = office.folder(address=BERT).id
    anna.post("/search/do", {**form, "all": "1", "action": "delete", "upto": f"{theirs}.99"})
    assert "0 messages are in the trash." in anna.get("/doing").page
    assert (office.folder().messages, office.folder(address=BERT).messages) == (1, 1)


def test_nothing_of_another_user_is_found_nor_changed(office: Office, anna: Browser) -> None:
    uid = office.put(b"Subject: secret of Bert\r\n\r\nsecret\r\n", address=BERT)
    archive(office.store, text("secret of Bert", "secret"), recipients=[BERT], domain=domain(office))
    theirs = office.folder(address=BERT)
    for path in ("/search?q=secret", "/search?q=secret&in=archive", f"/search?q=secret&at={theirs.id}.{uid + 1}"):
        shown = anna.get(path)
        assert shown.code == 200
        assert not links(shown.page)
        assert "of Bert" not in shown.page
    assert anna.get(f"/search?q=secret&in={theirs.id}").code == 404
    token = anna.get("/search").hidden("/logout")
    shown = anna.post("/search/do", {**token, "place": f"{theirs.id}.{uid}", "action": "delete"})
    assert shown.code == 404
    assert office.folder(address=BERT).messages == 1


def test_a_position_that_nobody_gave_out_reads_no_other_mailbox(office: Office, anna: Browser) -> None:
    office.put(b"Subject: mine\r\n\r\n")
    office.put(b"Subject: of Bert\r\n\r\n", address=BERT)
    for at in ("1.99999999999999", f"{office.folder().id}.99999999999999999", "x", "-", "1.1-"):
        shown = anna.get(f"/search?q=subject:of&at={at}")
        assert (shown.code, links(shown.page)) == (200, [])


def test_nobody_searches_who_is_not_signed_in(office: Office) -> None:
    shown = office.browser().get("/search?q=a")
    assert (shown.code, shown.location.partition("?")[0]) == (303, "/login")
