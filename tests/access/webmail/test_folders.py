"""Folders are made, renamed and deleted: those that the user has made, and nobody else's."""

from __future__ import annotations

from functools import partial

import pytest

from mpcontinuity.mailbox import mailboxes
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser
from tests.fakes.stores import result


def names(office: Office) -> list[str]:
    found = result(office.store.read(partial(mailboxes.listing, account=office.user().id)))
    return [each.name for each in found]


def make(browser: Browser, name: str) -> None:
    assert browser.send("/folders/create", "/folders", name=name).location == "/folders"


def test_a_folder_is_made_subscribed_to_and_said(office: Office, anna: Browser) -> None:
    make(anna, "Projects/Spring")
    assert {"Projects", "Projects/Spring"} <= set(names(office))
    assert "Projects/Spring" in result(office.store.read(partial(mailboxes.subscriptions, account=office.user().id)))
    assert "The folder Projects/Spring is made." in anna.get("/folders").page
    assert "The folder Projects/Spring is made." not in anna.get("/folders").page


def test_a_name_that_cannot_be_is_refused_at_its_field_and_kept_there(anna: Browser) -> None:
    make(anna, "Projects")
    for name, why in (("Projects", "of that name already"), ("a//b", "must not be empty"), ("", "must not be empty")):
        shown = anna.send("/folders/create", "/folders", name=name)
        assert shown.code == 400
        assert f'value="{name}"' in shown.page
        assert why in shown.page


def test_a_folder_is_renamed_with_what_is_below_it(office: Office, anna: Browser) -> None:
    make(anna, "Projects/Spring")
    path = f"/folders/{office.folder('Projects').id}/rename"
    assert anna.send(path, "/folders", name="Done").location == "/folders"
    assert {"Done", "Done/Spring"} <= set(names(office))
    assert "Projects" not in names(office)


def test_a_folder_with_messages_is_deleted_once_that_is_confirmed(office: Office, anna: Browser) -> None:
    make(anna, "Old")
    office.put(name="Old")
    path = f"/folders/{office.folder('Old').id}/delete"
    shown = anna.send(path, "/folders")
    assert shown.code == 400
    assert "There is 1 message in it." in shown.page
    assert "Old" in names(office)
    assert anna.send(path, "/folders", sure="1").location == "/folders"
    assert "Old" not in names(office)


def test_what_everybody_has_keeps_its_name_and_stays(office: Office, anna: Browser) -> None:
    token = anna.get("/folders").hidden("/folders/create")
    for name in ("INBOX", "Sent", "Trash"):
        folder = office.folder(name).id
        assert f"/folders/{folder}/" not in anna.get("/folders").page
        assert anna.post(f"/folders/{folder}/rename", {**token, "name": "x"}).code == 400
        assert anna.post(f"/folders/{folder}/delete", {**token, "sure": "1"}).code == 400
    assert {"INBOX", "Sent", "Trash"} <= set(names(office))


@pytest.mark.parametrize("action", ["rename", "delete"])
def test_another_users_folder_is_not_there(office: Office, anna: Browser, action: str) -> None:
    bert = office.browser(BERT)
    make(bert, "Private")
    token = anna.get("/folders").hidden("/folders/create")
    path = f"/folders/{office.folder('Private', BERT).id}/{action}"
    assert anna.post(path, {**token, "name": "x", "sure": "1"}).code == 404
    assert office.folder("Private", BERT)
