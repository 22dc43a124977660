from __future__ import annotations

import pytest

from mpcontinuity.control.operation import Control
from mpcontinuity.model.errors import Refused
from mpcontinuity.protocols.sasl.scram import read_keys
from mpcontinuity.store.statement import Statement
from tests.control.conftest import Call
from tests.fakes.stores import result

ANNA = "anna@example.org"
KEYS = Statement("SELECT scram FROM account WHERE password <> '' UNION ALL SELECT scram FROM app_password")
ROWS = Statement("SELECT digest, scram, name FROM app_password")


@pytest.fixture(autouse=True)
def anna(call: Call) -> None:
    call("domain add", name="example.org", home="home.example.org")
    call("user add", address=ANNA, password="secret", aliases=["a@example.org"])


def salts(control: Control) -> set[bytes]:
    keys = [read_keys(row[0]) for row in result(control.store.read(lambda tx: tx.all(KEYS)))]
    return {each.salt for each in keys if each is not None}


def test_one_is_shown_once_and_kept_as_a_digest(call: Call, control: Control) -> None:
    made = call("user app-password add", address="a@example.org", name=" Anna's phone ")
    assert (made["address"], made["name"]) == (ANNA, "Anna's phone")
    (row,) = call("user app-password list", address=ANNA)
    assert row == {
        "id": made["id"],
        "name": "Anna's phone",
        "created": row["created"],
        "last_used": None,
        "last_used_by": "",
        "last_used_from": "",
    }
    kept = result(control.store.read(lambda tx: tx.all(ROWS)))
    assert len(kept[0][0]) == 32
    assert made["password"] not in repr(kept)


def test_all_passwords_of_a_user_keep_one_salt_which_scram_says_first(call: Call, control: Control) -> None:
    call("user app-password add", address=ANNA, name="phone")
    before = salts(control)
    call("user app-password add", address=ANNA, name="tablet")
    call("user password", address=ANNA, password="another")
    call("user import", lines=[{"number": 1, "address": ANNA, "password": "a third one"}])
    assert salts(control) == before
    assert len(before) == 1
    call("user app-password remove", address=ANNA, all=True)
    call("user password", address=ANNA, password="another")
    assert salts(control) != before


def test_one_is_removed_by_its_id_or_all_are(call: Call) -> None:
    ids = [call("user app-password add", address=ANNA, name=name)["id"] for name in ("phone", "tablet", "laptop")]
    assert call("user app-password remove", address=ANNA, id=ids[1].upper()) == {"address": ANNA, "removed": 1}
    assert [row["id"] for row in call("user app-password list", address=ANNA)] == [ids[0], ids[2]]
    with pytest.raises(Refused, match="is no app password of anna") as caught:
        call("user app-password remove", address=ANNA, id=ids[1])
    assert caught.value.kind == "unknown"
    assert call("user app-password remove", address=ANNA, all=True) == {"address": ANNA, "removed": 2}
    assert call("user app-password list", address=ANNA) == []


def test_an_app_password_in_the_place_of_its_id_is_not_repeated(call: Call) -> None:
    made = call("user app-password add", address=ANNA, name="phone")
    with pytest.raises(Refused) as caught:
        call("user app-password remove", address=ANNA, id=made["password"])
    assert made["password"] not in str(caught.value)
    with pytest.raises(Refused, match="not both"):
        call("user app-password remove", address=ANNA)


def test_another_users_id_removes_nothing(call: Call) -> None:
    call("user add", address="bert@example.org", password="secret")
    made = call("user app-password add", address=ANNA, name="phone")
    with pytest.raises(Refused, match="is no app password of bert"):
        call("user app-password remove", address="bert@example.org", id=made["id"])
    assert len(call("user app-password list", address=ANNA)) == 1


@pytest.mark.parametrize("how", ["pending", "inactive"])
def test_who_cannot_log_in_gets_none(call: Call, how: str) -> None:
    call("user add", address="bert@example.org", inactive=how == "inactive")
    with pytest.raises(Refused, match=f"bert@example.org: is {how}, and cannot log in") as caught:
        call("user app-password add", address="bert@example.org", name="phone")
    assert caught.value.kind == "conflict"


def test_a_refused_name_makes_nothing(call: Call) -> None:
    with pytest.raises(Refused, match="name: "):
        call("user app-password add", address=ANNA, name="")
    assert call("user app-password list", address=ANNA) == []
