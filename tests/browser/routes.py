"""The paths of all pages, from the tables of routes: a page that is new is walked with the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from mpcontinuity.access.setup import site as setup
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.access.webmail import site as webmail
from mpcontinuity.admin.portal import site as portal
from mpcontinuity.model.settings import Limits, Settings
from mpcontinuity.web.routes import Route

_PART = re.compile(r"<(?:[^<>:]+:)?(\w+)>")


# What mail programs ask for, and files: no pages.
_FOR_PROGRAMS = re.compile(
    r"/(?:\.well-known|mail|autodiscover|mobileconfig|healthz|api|<anycase|.*\.(?:csv|eml|mbox)$)|/setup/phone/(?:made|code)",
    re.IGNORECASE,
)


def rules() -> list[str]:
    """Of all pages; the handlers of these routes are not called."""
    control: Any = SimpleNamespace(settings=Settings())
    nothing: Any = None
    for_people = SetupServices(
        control=control, judge=nothing, login=nothing, directory=nothing, sessions=nothing, enter=nothing
    )
    routes: list[Route] = [
        *portal.routes(control=control, login=nothing, sessions=nothing),
        *setup.routes(for_people),
    ]
    return sorted({each.path for each in routes if each.method == "GET" and not _FOR_PROGRAMS.match(each.path)})


class _Anything:
    """Stands for each part of the server: routes are made, and never called."""

    def __getattr__(self, name: str) -> _Anything:
        return self


# Of webmail: streams, parts of pages, and what a message consists of.
_NO_PAGES = re.compile(
    r"/(?:events|images/|manifest|write/)|.*/(?:document|part|view|print|original|headers|all\.zip|rows)(?:/|$)"
)


def mail_rules() -> list[str]:
    """Of the pages of webmail that are behind the login."""
    services: Any = _Anything()
    services.desk = SimpleNamespace(limits=Limits())
    routes = webmail.routes(services)
    found = {each.path for each in routes if each.method == "GET" and not _NO_PAGES.match(each.path)}
    return sorted(found - {"/login", "/login/code"})


def path(rule: str, parts: Mapping[str, str]) -> str:
    """The path of a page: ``parts`` has whole paths by their rules, and by its name what stands for ``<name>`` in
    others. Raises LookupError for a rule with another part.
    """
    return parts.get(rule) or _PART.sub(lambda part: parts[part[1]], rule)
