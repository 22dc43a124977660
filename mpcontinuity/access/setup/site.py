"""Which pages there are for people who begin."""

from __future__ import annotations

from mpcontinuity.access.setup.html import STYLE, STYLE_PATH
from mpcontinuity.access.setup.invitation import LONGEST_FORM, InvitationPage
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.accounts.links import INVITATION
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.routes import Route


def routes(services: SetupServices) -> list[Route]:
    """Returns the routes of these pages."""
    invitation = InvitationPage(services)
    path = f"{INVITATION.path}<token>"
    return [
        Route("GET", path, invitation.show),
        Route("POST", path, invitation.take, LONGEST_FORM),
        Route("GET", STYLE_PATH.decode(), _style),
    ]


async def _style(asked: Asked) -> Answer:
    return Answer(STYLE, content_type="text/css; charset=utf-8")
