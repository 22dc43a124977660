"""Which pages there are for people who begin, and for their mail programs."""

from __future__ import annotations

from mpcontinuity.access.setup import well_known
from mpcontinuity.access.setup.device import DevicePages
from mpcontinuity.access.setup.discovery import Discovery
from mpcontinuity.access.setup.guide import Guide
from mpcontinuity.access.setup.invitation import LONGEST_FORM, InvitationPage
from mpcontinuity.access.setup.services import SetupServices
from mpcontinuity.accounts.links import INVITATION
from mpcontinuity.web.routes import Route


def routes(services: SetupServices) -> list[Route]:
    """Returns the routes of these pages."""
    invitation = InvitationPage(services)
    path = f"{INVITATION.path}<token>"
    return [
        Route("GET", path, invitation.show),
        Route("POST", path, invitation.take, LONGEST_FORM),
        *Guide(services).routes(),
        *DevicePages(services).routes(),
        *Discovery(services).routes(),
        *well_known.routes(services.control),
    ]
