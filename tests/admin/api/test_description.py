"""The description of the API, as a program judges it that others wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mpcontinuity.admin.api.openapi import document


def errors(described: dict[str, Any]) -> list[str]:
    return [f"{list(error.path)}: {error.message}"[:500] for error in OpenAPIV31SpecValidator(described).iter_errors()]


def test_a_validator_of_others_finds_nothing_wrong_with_it() -> None:
    assert errors(json.loads(document())) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("info",), {}),
        (("paths", "/x"), {"get": {"operationId": "x", "responses": {"200": {}}}}),
        (("components", "schemas", "A"), {"type": "nothing"}),
    ],
)
def test_that_validator_finds_what_is_wrong(place: tuple[str, ...], wrong: dict[str, Any]) -> None:
    described = json.loads(document())
    *above, last = place
    within = described
    for name in above:
        within = within[name]
    within[last] = wrong
    assert errors(described)
