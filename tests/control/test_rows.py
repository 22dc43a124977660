"""What operations take and return: types with a JSON Schema, and the names and order that the contract fixes."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from mpcontinuity.control import domain_settings
from mpcontinuity.control.operations import OPERATIONS

QUEUE = "id kind sender recipient subject message_id attempts next_attempt expires last_code last_text"
STATUS = (
    "domain home state since reason mode continuity users redelivery_backlog outbound_backlog errors_hour errors_day "
    "subscribers recovery plan never_logged_in contained kept drill users_out"
)
PLAN = "id domain from until note by state ended"
ARCHIVED = "id time direction sender recipients subject message_id size"
TRACK = "id received direction sender recipient message_id subject size status continuity outcome code text events"  #
AUDIT = "id time by from operation object domain result"
USER = "address name status aliases source messages alternate"


def test_all_arguments_and_results_have_a_json_schema() -> None:
    types = [each for one in OPERATIONS.values() for each in (one.arguments, one.result)]
    schemas, components = msgspec.json.schema_components(types)
    assert len(schemas) == 2 * len(OPERATIONS)
    assert len([name for name in components if name.endswith("Arguments")]) == len(OPERATIONS)
    assert not [name for name in components if "." in name]  # two types of one name would be called by their modules
    for name, operation in OPERATIONS.items():
        assert "properties" in components["".join(map(str.capitalize, name.split())) + "Arguments"]
        assert msgspec.json.schema(operation.result) != {}, name  # Any, or a dict of it


def structs(of: Any) -> list[Any]:
    found = [of] if isinstance(of, type) and issubclass(of, msgspec.Struct) else []
    return found + [struct for argument in get_args(of) for struct in structs(argument)]


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "admin first"])
def test_every_operation_returns_structs(operation: str) -> None:
    returned = structs(OPERATIONS[operation].result)
    assert returned
    assert all(struct.__struct_config__.frozen for struct in returned)


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        *(
            ("queue list", QUEUE),
            ("status", STATUS),
            ("track", TRACK),
            ("archive search", ARCHIVED),
            ("user list", USER),
            ("audit", AUDIT),
        ),
        ("domain plan", PLAN),
    ],
)
def test_rows_are_as_the_contract_says(operation: str, fields: str) -> None:
    (row,) = structs(OPERATIONS[operation].result)
    assert " ".join(row.__struct_encode_fields__) == fields


def test_a_row_of_the_ledger_is_as_the_contract_says() -> None:
    (report,) = structs(OPERATIONS["report"].result)
    (line,) = structs(get_type_hints(report)["rows"])
    assert " ".join(line.__struct_fields__) == "user taken_in delivered deleted failed expired released owed"


def test_a_domain_is_shown_with_all_its_settings_in_their_order() -> None:
    expected = ("domain", *domain_settings.SETTINGS, "mode-until", "users", "version")
    assert domain_settings.DomainRow.__struct_encode_fields__ == expected
