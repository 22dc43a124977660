"""The operations by the names under which control socket, command line and API ask for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mpcontinuity.control import (
    administrators,
    backup,
    check,
    clock,
    dkim,
    domains,
    imports,
    queue,
    status,
    tracking,
    trial,
    users,
)
from mpcontinuity.control.operation import Operation

_FUNCTIONS: dict[str, Callable[..., Awaitable[Any]]] = {
    "domain add": domains.add,
    "domain set": domains.set_,
    "domain list": domains.list_,
    "domain show": domains.show,
    "domain remove": domains.remove,
    "domain dkim": dkim.key,
    "domain test": trial.send,
    "user add": users.add,
    "user import": imports.take,
    "user list": users.list_,
    "user show": users.show,
    "user remove": users.remove,
    "user activate": users.activate,
    "user deactivate": users.deactivate,
    "user password": users.password,
    "user alias add": users.alias_add,
    "user alias remove": users.alias_remove,
    "user continuity": users.continuity,
    "user relay": users.relay,
    "status": status.status,
    "report": status.report,
    "track": tracking.track,
    "queue list": queue.list_,
    "queue destinations": queue.destinations,
    "queue retry": queue.retry,
    "queue remove": queue.remove,
    "clock": clock.clock,
    "check": check.check,
    "backup": backup.backup,
    "admin add": administrators.add,
    "admin first": administrators.first,
    "admin list": administrators.list_,
    "admin remove": administrators.remove,
    "admin password": administrators.password,
    "admin token": administrators.token,
}
OPERATIONS = {name: Operation(function) for name, function in _FUNCTIONS.items()}
