"""All routes of the API."""

from __future__ import annotations

from typing import Final

from mpcontinuity.admin.api.callers import Callers
from mpcontinuity.admin.api.calls import JSON, Calls, told
from mpcontinuity.admin.api.continuity import ContinuityCalls
from mpcontinuity.admin.api.events import EventCalls
from mpcontinuity.admin.api.openapi import document
from mpcontinuity.admin.api.problems import GUARDS
from mpcontinuity.admin.api.rations import TokenRations
from mpcontinuity.admin.api.reading import LONGEST
from mpcontinuity.admin.api.services import ApiServices
from mpcontinuity.admin.api.table import BASE, WAYS, Way
from mpcontinuity.control import user_file
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.routes import Route

_LONGEST: Final = {"user import": user_file.LONGEST}


def routes(services: ApiServices) -> list[Route]:
    """Returns the routes of the API."""
    callers = Callers(services.administrators, services.users, TokenRations(services.timer.seconds))
    calls = Calls(services, callers)
    continuity, events = ContinuityCalls(services.control, callers), EventCalls(services, callers)
    return [
        *(
            Route(
                way.method,
                BASE + _rule(way),
                calls.handler(way),
                _longest(way),
                guards=GUARDS,
                pieces=way.operation in _LONGEST,
            )
            for way in WAYS
        ),
        Route("GET", f"{BASE}continuity/<address>", told(continuity.show), guards=GUARDS),
        Route("PUT", f"{BASE}continuity/<address>", told(continuity.choose), LONGEST, guards=GUARDS),
        Route("GET", f"{BASE}events", told(events.listen), guards=GUARDS),
        Route("GET", f"{BASE}openapi.json", _described, guards=GUARDS),
    ]


def _rule(way: Way) -> str:
    return way.path.replace("{", "<").replace("}", ">")


def _longest(way: Way) -> int:
    return _LONGEST.get(way.operation, LONGEST) if way.writes else 0


async def _described(asked: Asked) -> Answer:
    """What the API is, for whoever asks: there is no secret in it."""
    return Answer(document(), content_type=JSON)
