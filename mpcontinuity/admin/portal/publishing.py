"""What is to be set elsewhere for a domain, to copy: in DNS, ``/admin/domain/D/dns``, and in Microsoft 365."""

from __future__ import annotations

from typing import Any, Final

from twisted.web import http

from mpcontinuity.admin.portal.signed_in import Portal, Visit, refused_at
from mpcontinuity.model.errors import Refused
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.routes import Route

_PATH: Final = "/admin/domain/<domain>"
# How a state is shown where a record is needed, and where it is not.
_KINDS: Final = {"right": "good", "missing": "bad", "different": "bad", "unknown": "warning"}


def routes(portal: Portal) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        portal.get(f"{_PATH}/dns", dns),
        portal.get(f"{_PATH}/microsoft-365", microsoft),
        portal.post(f"{_PATH}/microsoft-365/test", test),
    ]


async def dns(visit: Visit) -> Answer:
    """Shows what DNS is to say of a domain, and what it says now. It may take some seconds."""
    name = visit.asked.parts["domain"]
    await visit.call("domain show", name=name)
    try:
        said = await visit.call("domain dns", name=name)
    except Refused as refused:  # this server has no name yet, which is no fault of the page
        return visit.render("domain_dns.html", domain=name, said=None, refused=refused_at(refused), kind=_kind)
    return visit.render("domain_dns.html", domain=said.domain, said=said, refused="", kind=_kind)


def _kind(row: Any) -> str:
    if row.need == "needed" or row.state == "right":
        return _KINDS[row.state]
    return "plain" if row.need == "optional" else "warning"


async def microsoft(visit: Visit, trial: Any = None, refused: str = "") -> Answer:
    """Shows the steps for Microsoft 365; ``trial`` is what became of test messages, or why there are none."""
    said = await visit.call("domain microsoft-365", name=visit.asked.parts["domain"])
    return visit.render(
        "domain_microsoft.html",
        http.BAD_REQUEST if refused else http.OK,
        domain=said.domain,
        said=said,
        trial=trial,
        refused=refused,
        typed=visit.asked.form,
    )


async def test(visit: Visit) -> Answer:
    """Sends a test message each way, as `domain test` does, and shows what home said."""
    name = visit.asked.parts["domain"]
    try:
        trial = await visit.call("domain test", name=name, recipient=visit.asked.form.get("recipient").strip() or None)
    except Refused as refused:
        return await microsoft(visit, refused=refused_at(refused))
    return await microsoft(visit, trial)
