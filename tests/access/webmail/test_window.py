"""Rows of a folder by their place in the list, as a script asks for them that scrolls over all of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mpcontinuity.access.webmail import window
from mpcontinuity.model.flags import SEEN
from tests.access.webmail.office import BERT, Office
from tests.admin.portal.browser import Browser


def fill(office: Office, count: int = 7) -> list[int]:
    return [
        office.put(b"Subject: number %d\r\n\r\n" % number, flags=SEEN if number % 2 else 0) for number in range(count)
    ]


def rows(office: Office, browser: Browser, **query: Any) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Place and UID of each row, and what is said of the list."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    shown = browser.get(f"/mail/{office.folder().id}/rows?{asked}", Sec_Fetch_Dest="empty")
    assert shown.code == 200
    said = {name: int(value) for name, value in re.findall(r'data-(total|at|modseq)="(\d+)"', shown.page)}
    found = re.findall(r'data-uid="(\d+)"[^>]* aria-posinset="(\d+)" aria-setsize="(\d+)"', shown.page)
    assert all(int(total) == said["total"] for _, _, total in found)
    return [(int(place) - 1, int(uid)) for uid, place, _ in found], said


def test_rows_are_found_by_their_place_the_newest_at_0(office: Office, anna: Browser) -> None:
    uids = fill(office)[::-1]
    found, said = rows(office, anna, **{"from": 2, "count": 3})
    assert found == list(enumerate(uids))[2:5]
    assert said["total"] == 7
    assert rows(office, anna, **{"from": 5, "count": 50})[0] == list(enumerate(uids))[5:]
    assert rows(office, anna, **{"from": 7})[0] == []
    assert rows(office, anna)[0] == list(enumerate(uids))


def test_rows_are_found_beside_a_message_wherever_it_stands_now(office: Office, anna: Browser) -> None:
    uids = fill(office)[::-1]
    found, said = rows(office, anna, uid=uids[3], above=1, count=3)
    assert (found, said["at"]) == (list(enumerate(uids))[2:5], 3)
    late = office.put()
    found, said = rows(office, anna, uid=uids[3], above=1, count=3)
    assert (found, said["at"]) == (list(enumerate([late, *uids]))[3:6], 4)


def test_where_a_message_was_that_is_gone_its_neighbour_is(office: Office, anna: Browser) -> None:
    uids = fill(office)[::-1]
    path = f"/mail/{office.folder().id}/"
    form = anna.get(path).hidden(f"{path}do")
    anna.post(f"{path}do", {**form, "action": "delete", "uid": [uids[3], uids[6]]})
    left = [uid for uid in uids if uid not in (uids[3], uids[6])]
    found, said = rows(office, anna, uid=uids[3], above=1, count=2)
    assert (found, said["at"]) == (list(enumerate(left))[2:4], 3)
    assert rows(office, anna, uid=uids[6], above=0)[0] == [(4, left[4])]  # the last of all is the nearest


def test_places_count_in_what_the_list_is_narrowed_to(
    office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[object] = []

    async def turn(visit: object) -> None:
        turns.append(visit)

    monkeypatch.setattr(window, "_AT_A_STRETCH", 2)
    monkeypatch.setattr(window, "_let_others", turn)
    unread = fill(office)[::2][::-1]
    assert rows(office, anna, only="unread", count=2)[0] == list(enumerate(unread))[:2]
    found, said = rows(office, anna, only="unread", uid=unread[2], above=0)
    assert (found, said["at"], said["total"]) == (list(enumerate(unread))[2:], 2, 4)
    assert len(turns) == 6  # others had their turn between stretches


@pytest.mark.parametrize(
    "query", ["from=-1", "from=x&count=1e9", "uid=99999999999999999999", "uid=4294967295&above=9999999999", "count=0"]
)
def test_whatever_is_asked_is_bounded(office: Office, anna: Browser, query: str) -> None:
    fill(office, 2)
    assert anna.get(f"/mail/{office.folder().id}/rows?{query}").code == 200


def test_no_more_rows_come_than_an_answer_has(office: Office, anna: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MOST", 3)
    fill(office)
    assert len(rows(office, anna, count=1000)[0]) == 3


def test_rows_of_another_user_are_not_there(office: Office, anna: Browser) -> None:
    office.put(b"Subject: for Bert alone\r\n\r\n", address=BERT)
    shown = anna.get(f"/mail/{office.folder(address=BERT).id}/rows")
    assert shown.code == 404
    assert "Bert alone" not in shown.page


def test_an_empty_folder_has_no_rows(office: Office, anna: Browser) -> None:
    assert rows(office, anna) == ([], {"total": 0, "at": 0, "modseq": office.folder().modseq})


def test_a_page_offers_the_window_where_there_is_more_than_it_shows(office: Office, anna: Browser) -> None:
    fill(office, 3)
    folder = office.folder().id
    assert "data-window" not in anna.get("/").page
    fill(office, 50)
    page = anna.get("/").page
    assert f'data-window="/mail/{folder}/rows" data-total="53"' in page
    assert "data-window" not in anna.get(f"/mail/{folder}/?before=9").page
    assert "data-window" not in anna.get(f"/mail/{folder}/?view=conversations").page
    fill(office, 60)
    assert (
        f'data-window="/mail/{folder}/rows?only=unread" data-total="57"'
        in anna.get(f"/mail/{folder}/?only=unread").page
    )
