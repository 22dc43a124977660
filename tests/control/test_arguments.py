"""A refusal says which argument is wrong, by its first words or by the types of the arguments."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mpcontinuity.control.arguments import argument_of, argument_of_wrong_type
from mpcontinuity.control.operation import Control
from mpcontinuity.control.operations import OPERATIONS
from mpcontinuity.model.errors import Refused
from tests.fakes.stores import result


@pytest.mark.parametrize(
    ("refusal", "given", "argument"),
    [
        ("limit: 0: must be 1 to 1000", {"after": "limited", "limit": 0}, "limit"),
        ("x.org: no such domain here", {"address": "y", "name": " X.org "}, "name"),
        ('"x y": not a domain name', {"name": "x y"}, "name"),
        ('"": not a time', {"name": "x.org", "until": ""}, "until"),
        ("for: must be 1m to 1d", {"name": "x.org", "lasts": "0s"}, "lasts"),
        ("from: is in the past", {"name": "x.org", "begin": "now"}, "begin"),
        ("bert@x.org: no such user", {"name": "x.org", "user": ["anna@x.org", "bert@x.org"]}, "user"),
        ("home: must be host:port", {"name": "x.org", "settings": {"mode": "x", "home": "y"}}, "settings.home"),
        ("http://[::1]:8: not here", {"url": "http://[::1]:8"}, "url"),
        ("an outage is planned", {"name": "an"}, ""),
        ("domains: are many", {"domain": "a"}, ""),
        ("x: is short", {"name": "x" * 1000, "other": None}, ""),
    ],
)
def test_a_refusal_is_about_the_argument_whose_name_or_value_it_begins_with(
    refusal: str, given: dict[str, Any], argument: str
) -> None:
    assert argument_of(refusal, given) == argument


def test_a_type_that_is_wrong_is_of_an_argument_of_the_operation_alone() -> None:
    assert argument_of_wrong_type("Expected `str`, got `int` - at `$.settings[...]`", ["settings"]) == "settings"
    assert argument_of_wrong_type("Object missing required field `name`", ["name"]) == "name"
    assert argument_of_wrong_type("Object contains unknown field `password`", ["name"]) == ""


@pytest.mark.parametrize(
    ("operation", "arguments", "field"),
    [
        ("domain add", {"name": "x y", "home": "127.0.0.1"}, "name"),
        ("domain set", {"name": "x.org", "settings": {"mode": "sometimes"}}, "settings.mode"),
        ("domain plan", {"name": "x.org", "begin": "yesterday", "until": "2h"}, "begin"),
        ("domain plan", {"name": "x.org", "begin": "1h", "until": "never"}, "until"),
        ("user add", {"address": "anna@x.org", "password": ""}, "password"),
        ("user add", {"address": "anna@x.org", "alternate": "nowhere"}, "alternate"),
        ("user set", {"address": "nobody@x.org", "name": "N"}, "address"),
        ("admin add", {"name": "olga", "password": "\0"}, "password"),
        ("admin add", {"name": "olga", "password": "a good one", "domain": "y.org"}, "domain"),
        ("drill", {"name": "x.org", "user": ["anna@x.org"], "lasts": "a while"}, "lasts"),
        ("webhook add", {"domain": "x.org", "url": "http://a.example"}, "url"),
        ("track", {"status": "lost"}, "status"),
    ],
)
def test_an_operation_says_which_of_its_arguments_it_refuses(
    control: Control, operation: str, arguments: dict[str, Any], field: str
) -> None:
    result(OPERATIONS["domain add"](control, {"name": "x.org", "home": "127.0.0.1:2525"}))
    with pytest.raises(Refused) as refused:
        result(Deferred.fromCoroutine(OPERATIONS[operation](control, arguments)))
    assert refused.value.field == field
