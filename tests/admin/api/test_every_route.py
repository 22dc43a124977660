"""Every route, called by everybody: each operation has one, and administrators of a domain see theirs alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from mpcontinuity.admin.api.table import BASE, ON_THE_MACHINE, WAYS, Way
from mpcontinuity.control.caller import Scope
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.store.store import Store
from tests.admin.api.program import Api, Said
from tests.control.test_scope import ABOUT, House, house
from tests.fakes.clock import ManualClock

__all__ = ["house"]


@pytest.fixture
def api(control: Control, store: Store, clock: ManualClock, house: House, tmp_path: Path) -> Api:
    """The house of the operations' own walk, with the same administrators."""
    api = Api(control, clock)
    for name, domain in (("root", None), ("olga", "example.org"), ("oscar", "other.org"), ("eve", None)):
        house.call(house.control.caller, "admin add", name=name, password=f"{name}'s own", domain=domain)
        api.make_token(name)
    return api


def asked(api: Api, way: Way, arguments: dict[str, Any], by: str, headers: dict[str, str] | None = None) -> Said:
    """Calls a way with all arguments of its operation, each where it belongs."""
    rest = dict(arguments)
    path = re.sub(r"{(\w+)}", lambda found: quote(str(rest.pop(found[1])), safe="@"), way.path)
    if way.writes:
        return api.ask(way.method, path, rest, by=by, headers=headers)
    query = {name: "true" if value is True else value for name, value in rest.items()}
    return api.ask(way.method, f"{path}?{urlencode(query, doseq=True)}", by=by, headers=headers)


def arguments_of(way: Way, house: House) -> dict[str, Any]:
    """What the operations' walk asks, with what the path needs besides."""
    needed = {"address": "anna@example.org", "domain": "example.org", "name": "example.org", "id": "0" * 13}
    about = ABOUT[way.operation](house)
    in_path = re.findall(r"{(\w+)}", way.path)
    return {**{name: value for name, value in needed.items() if name in in_path}, **about}


def test_every_operation_has_a_route_or_a_reason() -> None:
    routed = [way.operation for way in WAYS]
    assert sorted([*routed, *ON_THE_MACHINE]) == sorted(OPERATIONS)
    assert all(ON_THE_MACHINE.values())
    assert len({(way.method, way.path) for way in WAYS}) == len(WAYS)


def test_what_changes_something_is_no_get() -> None:
    for way in WAYS:
        assert (way.method == "GET") is OPERATIONS[way.operation].looks, way


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.operation)
def test_who_may_not_is_refused_and_changes_nothing(api: Api, house: House, way: Way) -> None:
    arguments = arguments_of(way, house)
    scope = OPERATIONS[way.operation].scope
    assert asked(api, way, arguments, "").code == 401
    before = house.content()
    refused = ["oscar", *(["olga"] if scope is Scope.ALL else [])]
    for name in refused:
        said = asked(api, way, arguments, name)
        assert (said.code, said.kind) == (403, "forbidden"), (name, said)
    after = house.content()
    after["token"] = before["token"]  # that they were used is noted
    assert after == before


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.operation)
def test_who_may_is_answered_with_rows_or_a_problem_of_the_operation(api: Api, house: House, way: Way) -> None:
    said = asked(api, way, arguments_of(way, house), "root")
    assert said.code in (way.code, 404, 409, 400), said
    assert said.kind in ("", "unknown", "taken", "conflict", "invalid")
    assert "ratelimit" in said.fields


def rows_of(text: str) -> Iterator[str]:
    yield from re.findall(r"[\w.]+@[\w.]+|\b(?:example|other)\.org\b", text)


@pytest.mark.parametrize("path", [way.path for way in WAYS if OPERATIONS[way.operation].cursor])
def test_lists_of_a_domains_administrator_have_nothing_of_another(api: Api, house: House, path: str) -> None:
    if OPERATIONS[next(way.operation for way in WAYS if way.path == path)].scope is Scope.ALL:
        assert api.ask("GET", path, by="olga").code == 403
        return
    said = api.ask("GET", path, by="olga")
    assert said.code == 200, said
    assert not [name for name in rows_of(said.body.decode()) if name.endswith("other.org")]


def test_another_domains_things_are_not_seen_by_their_ids(api: Api, house: House) -> None:
    id_ = house.archived()
    assert api.ask("GET", f"archive/{id_}", by="olga").code == 200
    for accept in ("application/json", "message/rfc822", "application/jsonl"):
        said = api.ask("GET", f"archive/{id_}", by="oscar", headers={"Accept": accept})
        assert (said.code, said.kind) == (403, "forbidden")
    rows = house.rows["example.org"]
    for path in ("queue/remove", "queue/retry"):
        assert api.ask("POST", path, {"ids": rows}, by="oscar").kind in ("forbidden", "unknown")


def test_no_way_is_hidden_by_another(api: Api) -> None:
    """A path with fixed words is not taken for an argument of the one beside it."""
    for way in WAYS:
        path = BASE + re.sub(r"{\w+}", "x", way.path)
        route, _ = api.site.routes.find(way.method, path.encode())
        assert route.path == BASE + way.path.replace("{", "<").replace("}", ">")


def test_the_description_names_every_way(api: Api) -> None:
    described = json.loads(api.ask("GET", "openapi.json", by="").body)
    found = {
        one["operationId"]: (method.upper(), path)
        for path, methods in described["paths"].items()
        for method, one in methods.items()
    }
    for way in WAYS:
        assert found[way.operation] == (way.method, BASE + way.path)
    assert {"continuity", "continuity choose", "events", "openapi"} == set(found) - {way.operation for way in WAYS}
    text = json.dumps(described)
    assert {name.rpartition("/")[2] for name in re.findall(r'"#/components/schemas/[^"]+', text)} <= set(
        described["components"]["schemas"]
    )
