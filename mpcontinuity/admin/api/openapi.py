"""The description of the API: OpenAPI 3.1, made of the operations' own types, so that it cannot say anything else."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any, Final, get_origin

import msgspec

from mpcontinuity import __version__
from mpcontinuity.admin.api.calls import FILES, JSON
from mpcontinuity.admin.api.events import EVENT_STREAM
from mpcontinuity.admin.api.problems import CONTENT_TYPE as PROBLEM
from mpcontinuity.admin.api.progress import JSON_LINES
from mpcontinuity.admin.api.table import BASE, EDITED, WAYS, Way
from mpcontinuity.control.continuity import ContinuityShown
from mpcontinuity.control.live import Happening
from mpcontinuity.control.operation import Operation
from mpcontinuity.control.operations import OPERATIONS

# What a thing that was added is called by in the paths below its own, and where its row has that.
_ADDED: Final = {
    "domain add": ("domains/{name}", "name", "domain"),
    "user add": ("users/{address}", "address", "address"),
    "webhook add": ("webhooks/{id}", "id", "id"),
    "admin add": ("administrators/{name}", "name", "name"),
}
_REFERENCE: Final = "#/components/schemas/"
_ADDRESS: Final = {"name": "address", "in": "path", "required": True, "schema": {"type": "string"}}
_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "An error, as RFC 9457 has it. Nothing was changed, unless its kind is failed.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "kind": {
            "enum": [
                *("invalid", "unknown", "taken", "conflict", "forbidden"),
                *("unauthorized", "limited", "unavailable", "failed"),
            ]
        },
        "field": {"type": "string", "description": "The argument that is wrong, where it is one."},
        "hint": {"$ref": f"{_REFERENCE}Hint"},
    },
    "required": ["type", "title", "status", "detail", "kind"],
}
_HINT: Final[dict[str, Any]] = {
    "title": "Hint",
    "description": "An operation that would help, by its operationId, and what it does then.",
    "type": "object",
    "properties": {
        "operation": {"type": "string"},
        "does": {"type": "string"},
        "arguments": {"type": "object"},
    },
    "required": ["operation", "does"],
}


@cache
def document() -> bytes:
    """Returns the description as JSON. It is made when it is first asked for, by few servers ever."""
    every = [each for one in OPERATIONS.values() for each in (one.arguments, one.result)]
    schemas, components = msgspec.json.schema_components(
        [*every, ContinuityShown, Happening], ref_template=_REFERENCE + "{name}"
    )
    results = dict(zip(OPERATIONS, schemas[1::2], strict=False))
    arguments = {name: components.pop(_title(name)) for name in OPERATIONS}
    paths: dict[str, dict[str, Any]] = {}
    for way in WAYS:
        paths.setdefault(BASE + way.path, {})[way.method.lower()] = _operation(
            way, arguments[way.operation], results[way.operation]
        )
    paths |= _beside(schemas[-2], schemas[-1])
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "mpcontinuity",
                "version": __version__,
                "description": "Administers an email continuity server. Each operation is the command of its name.",
            },
            "security": [{"token": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "user": {"type": "http", "scheme": "basic"},
                },
                "schemas": {**components, "Problem": _PROBLEM, "Hint": _HINT},
            },
        }
    )


def _title(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split()) + "Arguments"


def _operation(way: Way, arguments: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    operation = OPERATIONS[way.operation]
    in_path = re.findall(r"{(\w+)}", way.path)
    properties: dict[str, Any] = arguments.get("properties", {})
    required = [name for name in arguments.get("required", []) if name not in in_path]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _plain(properties[name])} for name in in_path
    ]
    described: dict[str, Any] = {
        "operationId": way.operation,
        "tags": [way.operation.split()[0]],
        "summary": _summary(operation),
        "description": inspect.cleandoc(operation.function.__doc__ or ""),
    }
    inner = {name: schema for name, schema in properties.items() if name not in in_path}
    if way.writes:
        described["requestBody"] = _body(way, inner, required)
    else:
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": _plain(schema)}
            for name, schema in inner.items()
        ]
    described["parameters"] = parameters + _header_fields(way)
    described["responses"] = _responses(way, operation, result)
    return described


def _summary(operation: Operation) -> str:
    doc = inspect.cleandoc(operation.function.__doc__ or operation.name)
    return re.split(r"(?<=[.:;])\s", " ".join(doc.split("\n\n")[0].split()))[0]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A path and a query have no null: what may be left out is left out."""
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    plain = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**plain, **kinds[0]} if len(kinds) == 1 else schema


def _body(way: Way, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    content: dict[str, Any] = {JSON: {"schema": schema}}
    if way.operation == "user import":
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"required": bool(required), "content": content}


def _header_fields(way: Way) -> list[dict[str, Any]]:
    names = ["Idempotency-Key"] if way.method == "POST" else []
    names += ["If-Match"] if way.operation in EDITED.values() else []
    return [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in names]


def _responses(way: Way, operation: Operation, result: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": result}}
    if way.long:
        content[JSON_LINES] = {"schema": {"type": "string"}}
    if way.operation in FILES:
        content[FILES[way.operation][0]] = {"schema": {"type": "string"}}
    fields: dict[str, Any] = {}
    if operation.cursor and get_origin(operation.result) is list:
        said = 'The next page, with rel="next"; none on the last.'
        fields["Link"] = {"description": said, "schema": {"type": "string"}}
    if way.operation in EDITED:
        fields["ETag"] = {"description": "For If-Match of a change.", "schema": {"type": "string"}}
    done: dict[str, Any] = {"description": "Done.", "content": content}
    if fields:
        done["headers"] = fields
    if way.operation in _ADDED:
        done["links"] = _links(*_ADDED[way.operation])
    return {str(way.code): done, "default": _wrong()}


def _links(path: str, argument: str, member: str) -> dict[str, Any]:
    """What can be done with that which was added."""
    there = [way.operation for way in WAYS if way.path == path or way.path.startswith(f"{path}/")]
    given = {argument: f"$response.body#/{member}"}
    return {name.title().replace(" ", ""): {"operationId": name, "parameters": given} for name in there}


def _wrong() -> dict[str, Any]:
    return {"description": "Why not.", "content": {PROBLEM: {"schema": {"$ref": f"{_REFERENCE}Problem"}}}}


def _beside(continuity: dict[str, Any], happening: dict[str, Any]) -> dict[str, Any]:
    """What is no operation of its own."""
    both: list[dict[str, Any]] = [{"token": []}, {"user": []}]
    shown = {"200": {"description": "Done.", "content": {JSON: {"schema": continuity}}}, "default": _wrong()}
    choice = {
        "type": "object",
        "properties": {"opt_in": {"type": "boolean"}},
        "required": ["opt_in"],
        "additionalProperties": False,
    }
    show = {
        "operationId": "continuity",
        "summary": "Whether continuity is at work for a user: for their own programs.",
        "security": both,
        "parameters": [_ADDRESS],
        "responses": shown,
    }
    choose = {
        **show,
        "operationId": "continuity choose",
        "summary": "Takes a user's choice of mode optional.",
        "requestBody": {"required": True, "content": {JSON: {"schema": choice}}},
    }
    last = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}}
    stream = {
        "description": "Events without an end; the data of each is a Happening.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}, "x-event": happening}},
    }
    events = {
        "operationId": "events",
        "summary": "What happens, as it happens.",
        "parameters": [last],
        "responses": {"200": stream, "default": _wrong()},
    }
    itself = {
        "operationId": "openapi",
        "summary": "This description.",
        "security": [],
        "responses": {"200": {"description": "Done.", "content": {JSON: {"schema": {"type": "object"}}}}},
    }
    return {
        f"{BASE}continuity/{{address}}": {"get": show, "put": choose},
        f"{BASE}events": {"get": events},
        f"{BASE}openapi.json": {"get": itself},
    }
