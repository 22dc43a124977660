"""A file of users is looked at first and then imported, by runs whose pages tell of each line."""

from __future__ import annotations

import re
from html import unescape

import pytest

from mpcontinuity.admin.portal import importing
from mpcontinuity.control import user_file
from mpcontinuity.control.operation import Control
from tests.admin.portal.browser import Browser, Shown
from tests.control.conftest import Call
from tests.control.test_scope import _content
from tests.fakes.stores import result

IMPORT, FILE = "/admin/users/import", "/admin/users/import/file"
CSV = """address,name,password
anna@x.org,Ännchen,anna's own
anna@x.org,Again,
fritz@y.org,Fritz,
bert@x.org,,
""".encode()


def token(browser: Browser) -> str:
    found = re.search(r'data-csrf="([^"]+)"', browser.get(IMPORT).page)
    assert found is not None
    return unescape(found[1])


def put(browser: Browser, octets: bytes, act: str = "preview", **query: str) -> Shown:
    given = "&".join(f"{name}={value}" for name, value in {"act": act, **query}.items())
    return browser.put(f"{FILE}?{given}", octets, X_CSRF_Token=token(browser))


def told(page: str) -> list[tuple[str, ...]]:
    """Line, address, result and text of each line of a run's page."""
    rows = re.findall(r'<tr><th scope="row">(\d+)</th>(.*?)</tr>', page, re.DOTALL)
    cells = [[number, *re.findall(r"<td[^>]*>(.*?)</td>", rest, re.DOTALL)] for number, rest in rows]
    return [tuple(re.sub(r"<[^>]+>", "", cell).strip() for cell in row) for row in cells]


def test_a_file_is_looked_at_as_a_whole_and_then_imported(olga: Browser, call: Call, control: Control) -> None:
    call("user add", address="bert@x.org")
    before = {name: rows for name, rows in result(control.store.read(_content)).items() if name != "web_session"}
    shown = put(olga, CSV, name="users.csv")
    assert shown.code == 200
    page = olga.get(shown.page).page
    assert "Nothing is changed yet" in page
    assert "users.csv" in page
    assert told(page) == [
        ("2", "anna@x.org", "added", "active"),
        ("3", "anna@x.org", "refused", "the same address as in line 2"),
        ("4", "fritz@y.org", "refused", "fritz@y.org: is not in x.org"),
        ("5", "bert@x.org", "unchanged", ""),
    ]
    after = {name: rows for name, rows in result(control.store.read(_content)).items() if name != "web_session"}
    assert {name for name in after if after[name] != before[name]} <= {"page_run", "audit", "audit_end"}
    digest = re.search(r'data-digest="(\w+)"', page)
    assert digest is not None
    done = put(olga, CSV, "import", digest=digest[1])
    page = olga.get(done.page).page
    assert "This is what each line did." in page
    assert [row[2] for row in told(page)] == ["added", "refused", "refused", "unchanged"]
    assert [row["address"] for row in call("user list", domain="x.org")] == ["anna@x.org", "bert@x.org"]
    assert call("user show", address="anna@x.org")["name"] == "Ännchen"


def test_another_file_than_the_one_that_was_looked_at_is_not_imported(olga: Browser, call: Call) -> None:
    page = olga.get(put(olga, CSV).page).page
    digest = re.search(r'data-digest="(\w+)"', page)
    assert digest is not None
    for octets, given in ((CSV + b"dora@x.org\n", digest[1]), (CSV, ""), (CSV, "0" * 64)):
        shown = put(olga, octets, "import", digest=given)
        assert (shown.code, "another one now" in shown.page) == (409, True)
    assert call("user list") == []


def test_no_file_is_taken_from_elsewhere_or_without_the_token(olga: Browser, call: Call) -> None:
    right = token(olga)
    for headers in (
        {},
        {"X_CSRF_Token": right[::-1]},
        {"X_CSRF_Token": right, "Sec_Fetch_Site": "cross-site", "Origin": "https://evil.example"},
    ):
        assert olga.put(f"{FILE}?act=preview", CSV, **headers).code == 403
    stranger = Browser(olga.portal)
    shown = stranger.put(f"{FILE}?act=preview", CSV, X_CSRF_Token=right)
    assert (shown.code, "signed out" in shown.page, b"text/plain" in shown.head) == (403, True, True)
    assert call("user list") == []


@pytest.mark.parametrize(
    ("octets", "code", "said"),
    [
        (b"", 400, "The file is empty."),
        ("address\nanna@x.org\n".encode("utf-16"), 400, "UTF-16"),
        (b"x" * (user_file.LONGEST + 1), 413, ""),
    ],
)
def test_what_is_no_file_of_users_is_refused(olga: Browser, octets: bytes, code: int, said: str) -> None:
    shown = put(olga, octets)
    assert (shown.code, said in shown.page) == (code, True)


def test_a_file_without_a_user_says_so(olga: Browser) -> None:
    assert "There is no line with a user" in olga.get(put(olga, b"address,name\n\n").page).page


def test_so_many_lines_are_told_and_all_are_counted(olga: Browser, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_TOLD", 3)
    lines = b"".join(b"user%d@x.org\nnobody%d\n" % (number, number) for number in range(20))
    page = olga.get(put(olga, lines).page).page
    assert "20 would be added" in page
    assert "20 would be refused" in page
    assert len(told(page)) == 6
    assert "The first 3 lines that are refused are shown" in page


def test_what_a_file_says_is_shown_with_its_marks(olga: Browser) -> None:
    page = olga.get(put(olga, "<script>\u202e,x\n".encode(), name="a<b>%E2%80%AE.csv").page).page
    assert "<script>\u202e" not in page
    assert "\u202e" not in page
    assert "a&lt;b&gt;" in page


def test_text_of_a_line_is_cut(olga: Browser) -> None:
    page = olga.get(put(olga, b"x" * 10_000 + b",name\n").page).page
    assert len(max(re.findall("x+", page), key=len)) < 600


def test_the_run_of_an_import_is_its_administrator_s_alone(rita: Browser, olga: Browser) -> None:
    path = put(olga, CSV).page
    assert rita.get(path).code == 404
    assert rita.get(f"{IMPORT}/file").code in (400, 405)


def test_lines_that_are_pasted_are_judged_as_a_whole(olga: Browser) -> None:
    text = "address,aliases\nanna@x.org,a@x.org\nbert@x.org,a@x.org\n"
    shown = olga.send(IMPORT, text=text, act="preview")
    assert "a@x.org: is in line 2" in shown.page
    assert text in shown.page
