"""Which pages there are for people who begin."""

from __future__ import annotations

from typing import Final

from mpcontinuity.access.setup.html import STYLE, STYLE_PATH
from mpcontinuity.access.setup.invitation import LONGEST_FORM, InvitationPage
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.accounts.links import INVITATION
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Asked, Route, RoutedSite

# Connections are bounded by the gatekeeper, whose limit may change while the server runs: never here first, since the
# TLS around a connection cannot be told that there is none.
_MOST: Final = 1 << 30


class SetupSite(RoutedSite):
    """The pages of the door ``web``."""

    def __init__(self, services: SetupServices) -> None:
        invitation = InvitationPage(services)
        routes = {
            INVITATION.path.encode(): Route(invitation.show, invitation.take, LONGEST_FORM),
            STYLE_PATH: Route(_style),
        }
        super().__init__(routes, services.timer, services.rations, most=_MOST)


async def _style(asked: Asked) -> Answer:
    return Answer(STYLE, content_type="text/css; charset=utf-8")
