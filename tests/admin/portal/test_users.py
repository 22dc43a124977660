"""Users as pages: found, added, imported after a look at what would be done, helped and removed."""

from __future__ import annotations

import pytest

from mpcontinuity.control.operation import Control
from tests.admin.portal.browser import Browser
from tests.control.conftest import Call
from tests.control.test_scope import _content
from tests.fakes.stores import result

USERS, ANNA = "/admin/users", "/admin/user/anna@x.org/"


@pytest.fixture
def anna(olga: Browser, call: Call) -> None:
    call("user add", address="anna@x.org", name="Anna 100%", alternate="anna@far.example")
    call("user add", address="bert@x.org", password="bert's own")
    call("user add", address="carla@y.org")


@pytest.mark.usefixtures("anna")
def test_users_are_found_by_a_part_of_address_or_name(rita: Browser, olga: Browser) -> None:
    for search, found in (("NNA@x", ["anna"]), ("100%", ["anna"]), ("%", ["anna"]), ("_", []), ("", ["anna", "bert"])):
        page = olga.get(f"{USERS}?search={search.replace('%', '%25')}").page
        assert [name for name in ("anna", "bert", "carla") if f">{name}@" in page] == found, search
    assert "carla@y.org" in rita.get(USERS).page
    assert ">bert@" not in olga.get(f"{USERS}?search=anna&never=on").page
    assert olga.get(f"{USERS}?domain=y.org").code == 403
    assert olga.get(f"{USERS}?search=%00").code == 400


def test_a_user_is_added_and_what_is_wrong_is_told_at_its_field(olga: Browser, call: Call) -> None:
    form = {"address": "dora@x.org", "name": "Dora", "alternate": "dora@far.example", "password": "dora's own"}
    assert olga.send(USERS, **form).location == "/admin/user/dora@x.org/"
    assert call("user show", address="dora@x.org")["status"] == "active"
    for wrong, field in (
        ({"address": "dora@x.org"}, "address"),
        ({"address": "no address"}, "address"),
        ({"address": "emil@x.org", "alternate": "nowhere"}, "alternate"),
        ({"address": "emil@x.org", "password": "a\0b"}, "password"),
    ):
        shown = olga.send(USERS, **{**form, **wrong})
        assert (shown.code, f'id="{field}-error"' in shown.page) == (400, True), wrong
    assert "is not in x.org" in olga.send(USERS, **{**form, "address": "dora@y.org"}).page
    assert [row["address"] for row in call("user list")] == ["dora@x.org"]


@pytest.mark.usefixtures("anna")
def test_an_import_shows_what_each_line_would_do_and_changes_nothing_until_it_is_wanted(
    olga: Browser, call: Call, control: Control
) -> None:
    text = "address,name\nanna@x.org,Anna\nemil@x.org,Emil\nnot an address,\nfritz@y.org,Fritz\nbert@x.org,\n"
    before = {table: rows for table, rows in result(control.store.read(_content)).items() if table != "web_session"}
    shown = olga.send(f"{USERS}/import", text=text, act="preview")
    assert shown.code == 200
    assert "Nothing is changed yet" in shown.page
    for said in (">updated<", ">added<", ">refused<", ">unchanged<", "is not in x.org"):
        assert said in shown.page
    after = {table: rows for table, rows in result(control.store.read(_content)).items() if table != "web_session"}
    assert after == before
    sent = olga.post(f"{USERS}/import", {**shown.hidden(f"{USERS}/import"), "text": text, "act": "import"})
    assert "This is what each line did." in olga.get(sent.location).page
    assert [row["address"] for row in call("user list", domain="x.org")] == ["anna@x.org", "bert@x.org", "emil@x.org"]
    assert call("user list", domain="y.org")[0]["address"] == "carla@y.org"
    for nothing in ("", "\n", "address\n", "a@x.org\n" * 501):
        assert olga.send(f"{USERS}/import", text=nothing).code == 400


@pytest.mark.usefixtures("anna")
def test_what_somebody_else_has_changed_meanwhile_is_not_undone(olga: Browser, call: Call) -> None:
    form = olga.get(ANNA).hidden(f"{ANNA}set")
    call("user set", address="anna@x.org", name="Anna of theirs", alternate="a@far.example")
    shown = olga.post(f"{ANNA}set", {**form, "name": "Anna of mine", "alternate": ""})
    assert shown.code == 400
    assert "Somebody else has changed this user meanwhile, so nothing was saved." in shown.page
    assert 'value="Anna of mine"' in shown.page
    assert "Now: Anna of theirs" in shown.page
    assert "Now: a@far.example" in shown.page
    user = call("user show", address="anna@x.org")
    assert (user["name"], user["alternate"]) == ("Anna of theirs", "a@far.example")
    again = {**shown.hidden(f"{ANNA}set"), "name": "Anna of mine", "alternate": ""}
    assert olga.post(f"{ANNA}set", again).location == ANNA
    user = call("user show", address="anna@x.org")
    assert (user["name"], user["alternate"]) == ("Anna of mine", "")


@pytest.mark.usefixtures("anna")
def test_a_user_is_helped(olga: Browser, call: Call) -> None:
    def user() -> dict[str, object]:
        return dict(call("user show", address="anna@x.org"))

    assert "https://mail.example.net:8443/invite/" in olga.send(f"{ANNA}invite", ANNA, print="on").page
    shown = olga.send(f"{ANNA}password", ANNA, password="one", again="two")
    assert (shown.code, "The two passwords are not the same." in shown.page) == (400, True)
    assert olga.send(f"{ANNA}password", ANNA, password="anna's own", again="anna's own").location == ANNA
    assert user()["status"] == "active"
    assert olga.send(f"{ANNA}set", ANNA, name="Anna", alternate="").location == ANNA
    assert (user()["name"], user()["alternate"]) == ("Anna", "")
    shown = olga.send(f"{ANNA}alias", ANNA, alias="bert@x.org")
    assert (shown.code, 'id="alias-error"' in shown.page) == (400, True)
    assert olga.send(f"{ANNA}alias", ANNA, alias="a@x.org").location == ANNA
    assert user()["aliases"] == ["a@x.org"]
    assert olga.send(f"{ANNA}alias/remove", ANNA).location == ANNA
    assert user()["aliases"] == []
    assert olga.send(f"{ANNA}continuity", ANNA).location == ANNA
    assert user()["continuity"] == "on"
    call("user app-password add", address="anna@x.org", name="Telephone")
    assert olga.send(f"{ANNA}app-passwords", ANNA).location == ANNA
    assert call("user app-password list", address="anna@x.org") == []
    assert olga.send(f"{ANNA}status", ANNA).location == ANNA
    assert user()["status"] == "inactive"
    assert olga.send(f"{ANNA}status", ANNA).location == ANNA
    assert user()["status"] == "active"
    assert olga.send(f"{ANNA}remove", ANNA).location == f"{USERS}?domain=x.org"
    assert olga.get(ANNA).code == 404
