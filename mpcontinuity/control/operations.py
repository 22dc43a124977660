"""The operations by the names under which control socket, command line and API ask for them, and who may call each."""

from __future__ import annotations

from mpcontinuity.control import (
    administrators,
    adoption,
    alerts,
    archive,
    archived,
    audit,
    backup,
    check,
    clock,
    containment,
    dkim,
    domains,
    imports,
    invitations,
    plans,
    queue,
    status,
    tokens,
    tracking,
    trial,
    users,
    webhooks,
)
from mpcontinuity.control.caller import Scope
from mpcontinuity.control.operation import Operation

OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("domain add", domains.add, Scope.ALL, domain_in="name"),
        Operation("domain set", domains.set_, Scope.DOMAIN, domain_in="name"),  # not every setting: Setting.scope
        Operation("domain list", domains.list_, Scope.DOMAIN, domain_in="domain", looks=True, cursor="domain"),
        Operation("domain show", domains.show, Scope.DOMAIN, domain_in="name", looks=True),
        Operation("domain remove", domains.remove, Scope.ALL, domain_in="name"),
        Operation("domain dkim show", dkim.show, Scope.DOMAIN, domain_in="name", looks=True),
        Operation("domain dkim", dkim.key, Scope.DOMAIN, domain_in="name"),
        Operation("domain plan", plans.add, Scope.DOMAIN, domain_in="name"),
        Operation("domain plan list", plans.list_, Scope.DOMAIN, domain_in="domain", looks=True, cursor="id"),
        Operation("domain plan extend", plans.extend, Scope.DOMAIN, domain_in="name"),
        Operation("domain plan end", plans.end, Scope.DOMAIN, domain_in="name"),
        Operation("domain test", trial.send, Scope.DOMAIN, domain_in="name"),
        Operation("contain on", containment.on, Scope.DOMAIN, domain_in="name"),
        Operation("contain off", containment.off, Scope.DOMAIN, domain_in="name"),
        Operation("contain list", containment.list_, Scope.DOMAIN, domain_in="domain", looks=True, cursor="id"),
        Operation("contain release", containment.release, Scope.DOMAIN, domain_in="name"),
        Operation("user add", users.add, Scope.DOMAIN, address_in="address"),
        Operation("user import", imports.take, Scope.DOMAIN, domain_in="domain"),
        Operation("user list", users.list_, Scope.DOMAIN, domain_in="domain", looks=True, cursor="address"),
        Operation("user show", users.show, Scope.SELF, address_in="address", looks=True),
        Operation("user set", users.set_, Scope.DOMAIN, address_in="address"),
        Operation("user remove", users.remove, Scope.DOMAIN, address_in="address"),
        Operation("user activate", users.activate, Scope.DOMAIN, address_in="address"),
        Operation("user deactivate", users.deactivate, Scope.DOMAIN, address_in="address"),
        Operation("user password", users.password, Scope.SELF, address_in="address"),
        Operation("user invite", invitations.invite, Scope.DOMAIN, address_in="address"),
        Operation("user adopt list", adoption.held, Scope.DOMAIN, domain_in="domain", looks=True, cursor="address"),
        Operation("user adopt", adoption.register, Scope.DOMAIN, domain_in="domain"),
        Operation("user alias add", users.alias_add, Scope.DOMAIN, address_in="address"),
        Operation("user alias remove", users.alias_remove, Scope.DOMAIN, address_in="address"),
        Operation("user continuity", users.continuity, Scope.SELF, address_in="address"),
        # Sends in the name of anybody of the domain, as home-networks may, which is a setting for all as well.
        Operation("user relay", users.relay, Scope.ALL, address_in="address"),
        Operation("alert add", alerts.add, Scope.DOMAIN, domain_in="domain"),
        Operation("alert remove", alerts.remove, Scope.DOMAIN, domain_in="domain"),
        Operation("alert list", alerts.list_, Scope.DOMAIN, domain_in="domain", looks=True, cursor="domain email"),
        # The URL is the administrator's to choose, and what it tells goes out of the house.
        Operation("webhook add", webhooks.add, Scope.ALL, domain_in="domain"),
        Operation("webhook list", webhooks.list_, Scope.ALL, domain_in="domain", looks=True, cursor="id"),
        Operation("webhook remove", webhooks.remove, Scope.ALL),
        Operation("webhook test", webhooks.test, Scope.ALL),
        Operation("status", status.status, Scope.DOMAIN, domain_in="domain", looks=True, cursor="domain"),
        Operation("status history", status.history, Scope.DOMAIN, domain_in="domain", looks=True, cursor="id"),
        Operation("report", status.report, Scope.DOMAIN, domain_in="domain", looks=True),
        # Users see what came to them; what was sent in their name may be a stranger's doing, and to others.
        Operation(
            "track", tracking.track, Scope.SELF, domain_in="domain", address_in="recipient", looks=True, cursor="id"
        ),
        # Users find their own mail; whoever looks for others' leaves a note.
        Operation(
            "archive search",
            archive.search,
            Scope.SELF,
            domain_in="domain",
            address_in="user",
            looks=True,
            audited=True,
            cursor="id",
        ),
        Operation("queue list", queue.list_, Scope.DOMAIN, domain_in="domain", looks=True, cursor="id"),
        Operation(
            "queue destinations",
            queue.destinations,
            Scope.DOMAIN,
            domain_in="domain",
            looks=True,
            cursor="messages destination",
        ),
        Operation("queue retry", queue.retry, Scope.DOMAIN, domain_in="domain"),
        Operation("queue remove", queue.remove, Scope.DOMAIN, domain_in="domain"),
        Operation(
            "archive show",
            archived.show,
            Scope.DOMAIN,
            domain_in="domain",
            looks=True,
            audited=True,
            about=archived.about,
        ),
        Operation("archive release", archived.release, Scope.DOMAIN, domain_in="domain", about=archived.about),
        Operation("audit", audit.audit, Scope.DOMAIN, domain_in="domain", looks=True, cursor="id"),
        Operation("clock", clock.clock, Scope.ALL, looks=True),
        Operation("check", check.check, Scope.ALL),
        Operation("backup", backup.backup, Scope.ALL),
        Operation("admin add", administrators.add, Scope.ALL),
        Operation("admin first", administrators.first, Scope.ALL),
        Operation("admin list", administrators.list_, Scope.ALL, looks=True, cursor="name"),
        Operation("admin remove", administrators.remove, Scope.ALL),
        Operation("admin password", administrators.password, Scope.ALL),
        # Of one with a scope and an end, its holder could make one without.
        Operation("admin token", tokens.make, Scope.ALL),
        Operation("admin token list", tokens.list_, Scope.ALL, looks=True),
        Operation("admin token remove", tokens.remove, Scope.ALL),
    )
}
