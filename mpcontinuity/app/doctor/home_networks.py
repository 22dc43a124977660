"""Whether addresses in a domain's ``home-networks`` deliver mail of others as well, which home's own mail is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.delivery.from_home import of_home
from mpcontinuity.delivery.replies import FOREIGN_DOMAIN

_BACK = "7d"
_LIMIT = 1000  # refusals that are looked at

# Where Exchange Online sends from, for all its tenants (Microsoft's 'Office 365 URLs and IP address ranges', id 10).
_MICROSOFT = [
    ip_network(text)
    for text in (
        "40.92.0.0/15",
        "40.107.0.0/16",
        "52.100.0.0/14",
        "104.47.0.0/17",
        "2a01:111:f400::/48",
        "2a01:111:f403::/48",
    )
]
_ADVICE = "name home's own addresses only; for Microsoft 365 also set home-tenant to the domain in its X-OriginatorOrg"


def examine(control: Any, domains: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Gives a finding for each domain that has ``home-networks``. ``domains`` are rows of `domain show`."""
    wanted = [domain for domain in domains if domain["home-networks"]]
    if not wanted:
        return
    refused = control.call("track", status="rejected", since=_BACK, limit=_LIMIT)
    for domain in wanted:
        name = domain["domain"]
        strangers = {row["sender"] for row in refused if FOREIGN_DOMAIN in row["text"] and of_home(name) in row["text"]}
        if domain["home-tenant"]:
            yield Finding(name, "good", f"home's own mail comes from {domain['home-networks']}, by tenant")
        elif strangers:
            what = (
                f"home-networks: in {_BACK}, mail of others came from there, as of <{min(strangers)}>, and was refused"
            )
            yield Finding(name, "wrong", what, _ADVICE)
        elif any(_of_microsoft(text) for text in domain["home-networks"].split(",")):
            yield Finding(name, "wrong", "home-networks has addresses that all of Microsoft 365 sends from", _ADVICE)
        else:
            yield Finding(name, "good", f"home's own mail comes from {domain['home-networks']}")


def _of_microsoft(text: str) -> bool:
    network = ip_network(text)
    return any(network.version == other.version and network.overlaps(other) for other in _MICROSOFT)
