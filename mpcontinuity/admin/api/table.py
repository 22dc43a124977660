"""Which method and path each operation has: the whole of the API as data.

A path names arguments of its operation in braces. The other arguments are in the query of a GET or DELETE, and in the
body of a POST, PUT or PATCH, an object of JSON. What an operation is called on the command line is its operationId.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BASE: Final = "/api/v1/"

# What only whoever is on the machine may do, and why.
ON_THE_MACHINE: Final[Mapping[str, str]] = {
    "admin first": "is for a server that has no administrator yet, whose token could call it",
    "backup": "writes into any folder of the machine, which administrators of its domains need not be let into",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How an operation is called.

    ``code`` is the status of success. ``secret`` says that the answer has a secret that is shown once, and so is kept
    nowhere. ``long`` says that it tells its progress, which whoever accepts JSON lines is shown.
    """

    operation: str
    method: str
    path: str
    code: int = 200
    secret: bool = False
    long: bool = False

    @property
    def writes(self) -> bool:
        """Whether its arguments come in a body."""
        return self.method in ("POST", "PUT", "PATCH")


WAYS: Final[tuple[Way, ...]] = (
    Way("domain list", "GET", "domains"),
    Way("domain add", "POST", "domains", 201),
    Way("domain show", "GET", "domains/{name}"),
    Way("domain set", "PATCH", "domains/{name}"),
    Way("domain remove", "DELETE", "domains/{name}"),
    Way("domain dkim show", "GET", "domains/{name}/dkim"),
    Way("domain dkim", "POST", "domains/{name}/dkim"),
    Way("domain dns", "GET", "domains/{name}/dns"),
    Way("domain microsoft-365", "GET", "domains/{name}/microsoft-365"),
    Way("domain plan list", "GET", "plans"),
    Way("domain plan", "POST", "domains/{name}/plans", 201),
    Way("domain plan extend", "POST", "domains/{name}/plans/extend"),
    Way("domain plan end", "POST", "domains/{name}/plans/end"),
    Way("domain users-out", "PUT", "domains/{name}/users-out"),
    Way("domain tell list", "GET", "tellings"),
    Way("domain tell", "POST", "domains/{name}/tellings", long=True),
    Way("domain test", "POST", "domains/{name}/test", long=True),
    Way("domain test-imap", "POST", "domains/{name}/test-imap", long=True),
    Way("contain list", "GET", "contained"),
    Way("contain on", "POST", "domains/{name}/contain"),
    Way("contain off", "POST", "domains/{name}/contain/end"),
    Way("contain release", "POST", "domains/{name}/contain/release", long=True),
    Way("drill list", "GET", "drills"),
    Way("drill report", "GET", "drills/{id}"),
    Way("drill", "POST", "domains/{name}/drills", 201),
    Way("drill end", "POST", "domains/{name}/drills/end"),
    Way("user list", "GET", "users"),
    Way("user add", "POST", "users", 201),
    Way("user import", "POST", "users/import", long=True),
    Way("user show", "GET", "users/{address}"),
    Way("user set", "PATCH", "users/{address}"),
    Way("user remove", "DELETE", "users/{address}"),
    Way("user activate", "POST", "users/{address}/activate"),
    Way("user deactivate", "POST", "users/{address}/deactivate"),
    Way("user password", "PUT", "users/{address}/password"),
    Way("user invite", "POST", "users/{address}/invitation", secret=True),
    Way("user app-password list", "GET", "users/{address}/app-passwords"),
    Way("user app-password add", "POST", "users/{address}/app-passwords", 201, secret=True),
    Way("user app-password remove", "DELETE", "users/{address}/app-passwords/{id}"),
    Way("user second-factor show", "GET", "users/{address}/second-factor"),
    Way("user second-factor remove", "DELETE", "users/{address}/second-factor"),
    Way("user alias add", "PUT", "users/{address}/aliases/{alias}"),
    Way("user alias remove", "DELETE", "users/{address}/aliases/{alias}"),
    Way("user relay", "PUT", "users/{address}/relay"),
    Way("user continuity show", "GET", "users/{address}/continuity"),
    Way("user continuity", "PUT", "users/{address}/continuity"),
    Way("user continuity all", "PUT", "domains/{name}/users/continuity"),
    Way("user adopt list", "GET", "held"),
    Way("user adopt", "POST", "domains/{domain}/adopt", long=True),
    Way("alert list", "GET", "alerts"),
    Way("alert add", "POST", "alerts", 201),
    Way("alert remove", "DELETE", "alerts/{domain}/{email}"),
    Way("webhook list", "GET", "webhooks"),
    Way("webhook add", "POST", "webhooks", 201, secret=True),
    Way("webhook remove", "DELETE", "webhooks/{id}"),
    Way("webhook test", "POST", "webhooks/{id}/test"),
    Way("outage list", "GET", "outages"),
    Way("outage show", "GET", "outages/{id}"),
    Way("outage room", "GET", "domains/{domain}/outage"),
    Way("outage act", "POST", "domains/{domain}/outage"),
    Way("outage link", "GET", "outage-links/{token}"),
    Way("outage redeem", "POST", "outage-links/{token}"),
    Way("status", "GET", "status"),
    Way("status history", "GET", "status/history"),
    Way("status flow", "GET", "status/flow"),
    Way("report", "GET", "report"),
    Way("track", "GET", "track"),
    Way("queue list", "GET", "queue"),
    Way("queue destinations", "GET", "queue/destinations"),
    Way("queue retry", "POST", "queue/retry"),
    Way("queue remove", "POST", "queue/remove"),
    Way("archive search", "GET", "archive"),
    Way("archive export", "GET", "archive/export", long=True),
    Way("archive show", "GET", "archive/{id}", long=True),
    Way("archive release", "POST", "archive/release", long=True),
    Way("archive release found", "POST", "archive/release-found", long=True),
    Way("archive purge", "POST", "archive/purge", long=True),
    Way("archive hold list", "GET", "archive/holds"),
    Way("archive hold", "POST", "archive/holds", 201, long=True),
    Way("archive hold lift", "DELETE", "archive/holds/{id}"),
    Way("audit", "GET", "audit"),
    Way("clock", "GET", "clock"),
    Way("doctor", "GET", "doctor"),
    Way("check", "POST", "check", long=True),
    Way("admin list", "GET", "administrators"),
    Way("admin add", "POST", "administrators", 201),
    Way("admin remove", "DELETE", "administrators/{name}"),
    Way("admin password", "PUT", "administrators/{name}/password"),
    Way("admin session list", "GET", "sessions"),
    Way("admin session revoke", "POST", "administrators/{name}/sessions/revoke"),
    Way("admin totp show", "GET", "administrators/{name}/totp"),
    Way("admin totp begin", "POST", "administrators/{name}/totp", secret=True),
    Way("admin totp confirm", "POST", "administrators/{name}/totp/confirm", secret=True),
    Way("admin totp remove", "POST", "administrators/{name}/totp/remove"),
    Way("admin token list", "GET", "administrators/{name}/tokens"),
    Way("admin token", "POST", "administrators/{name}/tokens", 201, secret=True),
    Way("admin token remove", "DELETE", "administrators/{name}/tokens/{id}"),
)

# What two may edit at once: the operation that changes it, by the one that shows it.
EDITED: Final[Mapping[str, str]] = {"domain show": "domain set", "user show": "user set"}
