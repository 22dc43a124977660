"""Messages are marked, moved and deleted by forms, some or all, and it can be undone; nobody else's ever."""

from __future__ import annotations

import json
import re
from functools import partial
from html import unescape
from typing import Any

import pytest

from mpcontinuity.access.webmail import acting, actions
from mpcontinuity.access.webmail.acting import Undo, encoded
from mpcontinuity.archive.folder import EmailArchives
from mpcontinuity.mailbox import archived, pages
from mpcontinuity.mailbox.pages import Listed
from mpcontinuity.model.errors import Refused, Temporary
from mpcontinuity.model.flags import FLAGGED, SEEN
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser, Shown
from tests.fakes.stores import result


def messages(office: Office, name: str = "INBOX") -> list[Listed]:
    folder = office.folder(name)
    return result(
        pages.listed(office.store, folder.id, result(office.store.read(partial(pages.older, mailbox=folder.id))))
    )


def subjects(office: Office, name: str = "INBOX") -> list[str]:
    return [each.overview.subject for each in messages(office, name)]


def fill(office: Office, count: int = 3, name: str = "INBOX") -> list[int]:
    return [office.put(b"Subject: number %d\r\n\r\ntext\r\n" % number, name) for number in range(1, count + 1)]


def act(browser: Browser, office: Office, action: str, uids: Any = (), name: str = "INBOX", **more: Any) -> Shown:
    """Presses a button of the folder's page; the page that follows."""
    folder = office.folder(name)
    form = browser.get(f"/mail/{folder.id}/").hidden(f"/mail/{folder.id}/do")
    answer = browser.post(f"/mail/{folder.id}/do", {**form, "action": action, "uid": uids, **more})
    return browser.get(answer.location) if answer.location else answer


def undo(browser: Browser, shown: Shown) -> Shown:
    assert '"/undo"' in shown.page
    return browser.get(browser.post("/undo", shown.hidden("/undo")).location)


@pytest.mark.parametrize(
    ("action", "flags", "said"),
    [("read", SEEN, "marked as read"), ("flag", FLAGGED, "flagged"), ("unread", 0, "marked as unread")],
)
def test_messages_are_marked_and_that_is_undone(
    office: Office, anna: Browser, action: str, flags: int, said: str
) -> None:
    first, second, _ = fill(office)
    if action == "unread":
        act(anna, office, "read", [first, second])
    before = [each.flags for each in messages(office)]
    shown = act(anna, office, action, [first, second])
    assert f"2 messages are {said}." in shown.page
    assert [each.flags for each in messages(office)] == [0, flags, flags]
    assert "Undone: 2 messages are as they were." in undo(anna, shown).page
    assert [each.flags for each in messages(office)] == before


def test_undo_leaves_what_was_so_before(office: Office, anna: Browser) -> None:
    first, second, third = fill(office)
    act(anna, office, "read", [second])
    undo(anna, act(anna, office, "read", [first, second, third]))
    assert [each.flags for each in messages(office)] == [0, SEEN, 0]


@pytest.mark.parametrize(
    ("action", "name", "to"),
    [
        ("delete", "INBOX", "Trash"),
        ("junk", "INBOX", "Junk"),
        ("archive", "INBOX", "Archive"),
        ("notjunk", "Junk", "INBOX"),
        ("restore", "Trash", "INBOX"),
    ],
)
def test_messages_are_moved_where_the_button_says_and_back_by_undo(
    office: Office, anna: Browser, action: str, name: str, to: str
) -> None:
    first, second, _ = fill(office, name=name)
    shown = act(anna, office, action, [first, second], name)
    assert subjects(office, name) == ["number 3"]
    assert subjects(office, to) == ["number 2", "number 1"]
    undo(anna, shown)
    assert sorted(subjects(office, name)) == ["number 1", "number 2", "number 3"]
    assert subjects(office, to) == []


def test_messages_are_moved_to_a_folder_of_choice(office: Office, anna: Browser) -> None:
    (uid,) = fill(office, 1)
    anna.send("/folders/create", "/folders", name="Projects")
    assert "Choose the folder" in act(anna, office, "move", [uid]).page
    shown = act(anna, office, "move", [uid], to=office.folder("Projects").id)
    assert "1 message is moved." in shown.page
    assert subjects(office, "Projects") == ["number 1"]


def test_all_of_a_folder_or_filter_is_meant_by_one_box_and_nothing_that_came_later(
    office: Office, anna: Browser
) -> None:
    fill(office, 55)
    folder = office.folder().id
    act(anna, office, "read", [each.uid for each in messages(office)][:5])
    form = anna.get(f"/mail/{folder}/?only=unread").hidden(f"/mail/{folder}/do")
    assert form["only"] == "unread"
    office.put(b"Subject: later\r\n\r\n")
    anna.post(f"/mail/{folder}/do", {**form, "all": "1", "action": "delete"})
    assert subjects(office) == ["later", *(f"number {number}" for number in range(55, 50, -1))]
    assert office.folder("Trash").messages == 50


def test_deleting_for_good_asks_first_and_says_what_it_means(office: Office, anna: Browser) -> None:
    first, second = fill(office, 2, "Trash")
    shown = act(anna, office, "purge", [first], "Trash")
    assert shown.code == 200
    assert "1 message will be deleted for good. It will not be in your usual mailbox either." in shown.page
    assert len(subjects(office, "Trash")) == 2
    path = f"/mail/{office.folder('Trash').id}/do"
    anna.post(path, {**shown.hidden(path), "uid": first})
    assert [each.uid for each in messages(office, "Trash")] == [second]


def test_nothing_chosen_is_said(office: Office, anna: Browser) -> None:
    fill(office, 1)
    assert "Choose messages first" in act(anna, office, "delete").page


def test_what_is_gone_meanwhile_is_said_and_the_rest_is_done(office: Office, anna: Browser) -> None:
    first, second = fill(office, 2)
    act(anna, office, "delete", [first])
    shown = act(anna, office, "delete", [first, second])
    assert "1 message is in the trash. 1 was gone already" in shown.page
    assert len(subjects(office, "Trash")) == 2


def test_an_undo_of_what_is_gone_meanwhile_does_nothing(office: Office, anna: Browser) -> None:
    shown = act(anna, office, "delete", fill(office, 1))
    form = shown.hidden("/undo")
    act(anna, office, "purge", [each.uid for each in messages(office, "Trash")], "Trash", sure="1")
    assert (
        "0 messages are back in their folder; they stand where new mail does. 1 was gone already"
        in anna.get(anna.post("/undo", form).location).page
    )


def test_opening_a_message_marks_it_read_and_looking_ahead_does_not(office: Office, anna: Browser) -> None:
    (uid,) = fill(office, 1)
    path = f"/mail/{office.folder().id}/{uid}"
    anna.get(path, Sec_Purpose="prefetch")
    assert messages(office)[0].flags == 0
    anna.get(path)
    assert messages(office)[0].flags == SEEN


def test_what_another_user_has_is_refused(office: Office, anna: Browser) -> None:
    uid = office.put(b"Subject: for Bert\r\n\r\n", address=BERT)
    theirs, own = office.folder(address=BERT), office.folder()
    token = anna.get("/folders").hidden("/folders/create")
    fill(office, 1)
    for form in ({"action": "delete", "uid": uid}, {"action": "read", "all": "1"}, {"action": "purge", "sure": "1"}):
        assert anna.post(f"/mail/{theirs.id}/do", {**token, **form}).code == 404
    assert anna.post(f"/mail/{own.id}/do", {**token, "action": "move", "uid": 1, "to": theirs.id}).code == 404
    back = '[{"how":"move","there":%d,"uids":"1","back":%d}]'
    for there, to in ((theirs.id, own.id), (own.id, theirs.id)):
        assert anna.post("/undo", {**token, "undo": back % (there, to)}).code == 404
    assert office.folder(address=BERT).messages == 1
    assert office.folder().messages == 1


@pytest.mark.parametrize(
    "text",
    ["", "x", "[{}]", '[{"how":"remove","there":%d,"uids":"*"}]', '[{"how":"add","there":%d,"uids":"1:4294967295"}]'],
)
def test_an_undo_that_is_made_up_is_refused(office: Office, anna: Browser, text: str) -> None:
    token = anna.get("/folders").hidden("/folders/create")
    given = text % office.folder().id if "%d" in text else text
    assert anna.post("/undo", {**token, "undo": given}).code in (303, 400)
    assert anna.post(f"/mail/{office.folder().id}/do", {**token, "uid": "1", "action": "explode"}).code == 400


@pytest.mark.parametrize("entries", [2, 200])
def test_an_undo_that_means_a_message_twice_or_is_longer_than_ours_is_refused(
    office: Office, anna: Browser, entries: int
) -> None:
    uids = fill(office)
    token = anna.get("/folders").hidden("/folders/create")
    one = {"how": "add", "there": office.folder().id, "uids": f"{uids[0]}:{uids[-1]}", "flags": FLAGGED}
    assert anna.post("/undo", {**token, "undo": json.dumps([one] * entries)}).code == 400
    assert not any(each.flagged for each in messages(office))
    assert anna.post("/undo", {**token, "undo": json.dumps([one])}).code == 303
    assert all(each.flagged for each in messages(office))


def test_undo_sets_no_flag_that_no_button_sets(office: Office, anna: Browser) -> None:
    (uid,) = fill(office, 1)
    token = anna.get("/folders").hidden("/folders/create")
    back = Undo("add", office.folder().id, str(uid), flags=15)
    anna.post("/undo", {**token, "undo": encoded([back])})
    assert messages(office)[0].flags == SEEN | FLAGGED


def test_the_archive_is_looked_at_and_not_changed(office: Office, anna: Browser) -> None:
    (uid,) = fill(office, 1)
    folder = result(office.store.run(partial(archived.make, account=office.user().id)))
    assert folder is not None
    page = anna.get(f"/mail/{folder.id}/").page
    assert 'name="action"' not in page
    token = anna.get("/folders").hidden("/folders/create")
    for action in ("read", "delete", "junk"):
        assert anna.post(f"/mail/{folder.id}/do", {**token, "action": action, "uid": uid}).code == 403
    form = {**token, "action": "move", "uid": uid, "to": folder.id}
    assert anna.post(f"/mail/{office.folder().id}/do", form).code == 403
    assert isinstance(office.services.archives, EmailArchives)


def test_what_takes_long_goes_on_beside_a_page_that_says_how_far_it_is(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "ROWS", 2)
    fill(office, 5)
    folder = office.folder().id
    shown = act(anna, office, "delete", all="1")
    assert "5 messages are in the trash." in shown.page
    assert office.folder("Trash").messages == 5
    assert f'href="/mail/{folder}/"' in unescape(shown.page)
    form = shown.hidden("/undo")
    anna.post("/undo", form)
    assert "Undone: 5 messages" in anna.get("/doing").page
    assert office.folder().messages == 5
    assert "Nothing is being done" in office.browser(BERT).get("/doing").page


def test_a_long_task_that_fails_says_how_far_it_came(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "ROWS", 2)
    fill(office, 5)

    async def fails(*given: Any) -> Any:
        given[-1](3)
        raise Temporary("the disk is full")

    monkeypatch.setattr(acting, "move", fails)
    page = act(anna, office, "delete", all="1").page
    assert re.search(r"This could not be ended now. 3 of 5 messages are done; do it again for the rest.", page)


def test_one_long_task_of_a_user_at_a_time(office: Office) -> None:
    from twisted.internet.defer import Deferred

    from mpcontinuity.access.webmail.tasks import Task

    held: Deferred[tuple[str, str]] = Deferred()

    async def work(task: Task) -> tuple[str, str]:
        return await held

    tasks = office.services.tasks
    tasks.begin(1, Task(5, "/"), work, str)
    with pytest.raises(Refused, match="still being done"):
        tasks.begin(1, Task(5, "/"), work, str)
    held.callback(("done", ""))
    found = tasks.find(1)
    assert found is not None
    assert found.result == "done"
    tasks.begin(1, Task(5, "/"), work, str)


def test_what_was_done_is_said_by_the_next_page_that_somebody_reads(office: Office, anna: Browser) -> None:
    first, second = fill(office, 2)
    folder = office.folder().id
    form = anna.get(f"/mail/{folder}/").hidden(f"/mail/{folder}/do")
    anna.post(f"/mail/{folder}/do", {**form, "action": "flag", "uid": first})
    anna.get("/folders", Sec_Fetch_Dest="empty")
    anna.get(f"/mail/{folder}/{second}/original")
    assert "1 message is flagged." in anna.get("/folders").page
    assert "1 message is flagged." not in anna.get("/folders").page


def test_many_messages_are_deleted_for_good_by_one_form(office: Office, anna: Browser) -> None:
    uids = fill(office, 3, "Trash")
    many = [*uids, *range(1_000_000, 1_001_500)]  # the others were deleted by somebody else meanwhile
    shown = act(anna, office, "purge", [",".join(map(str, many))], "Trash")
    assert f"{len(many)} messages will be deleted" in shown.page
    path = f"/mail/{office.folder('Trash').id}/do"
    anna.post(path, shown.hidden(path))
    assert messages(office, "Trash") == []


@pytest.mark.parametrize("digits", [str(1 << 63), "9" * 28, "9" * 5000])
def test_a_number_that_nothing_can_have_is_unknown(office: Office, anna: Browser, digits: str) -> None:
    for path in (f"/mail/{digits}/", f"/mail/{digits}/1", f"/write?reply={digits}.1", f"/write?draft={digits}.1"):
        assert anna.get(path).code in (400, 404), path
    token = {"csrf": anna.get("/folders").hidden("/folders/create")["csrf"]}
    back = f'[{{"how":"move","there":{digits},"uids":"1","back":{digits}}}]'
    assert anna.post("/undo", {**token, "undo": back}).code in (400, 404)
    assert anna.get("/search?q=larger:999999999999g").code == 200
