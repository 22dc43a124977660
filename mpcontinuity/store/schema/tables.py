"""All tables, and the packages whose SQL names each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import MetaData

from mpcontinuity.store.schema import (
    accounts,
    alerts,
    columns,
    drafts,
    events,
    indexes,
    machine,
    mailboxes,
    messages,
    passages,
    queues,
    trail,
    web,
    webhooks,
)

# Tables stand in the modules of their subjects, which have to be imported before the metadata are complete.
SUBJECTS = (
    accounts,
    alerts,
    drafts,
    events,
    indexes,
    machine,
    mailboxes,
    messages,
    passages,
    queues,
    trail,
    web,
    webhooks,
)
metadata: Final[MetaData] = columns.metadata

# The packages whose SQL names each table: the first writes it, the others only read it, in joins that its owner could
# not make. Whoever else needs a change asks a function of the owner (tests/store/test_schema.py holds it).
OWNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "meta": ("store",),
    "domain": ("accounts", "alerts", "check", "control", "queue", "webhooks"),
    "home_users": ("accounts",),
    "account": ("accounts", "check", "control", "mailbox", "queue"),
    "address": ("accounts", "check"),
    "app_password": ("accounts",),
    "taken": ("accounts",),
    "mailbox": ("mailbox", "accounts", "check", "queue"),
    "subscription": ("mailbox",),
    "keyword": ("mailbox",),
    "entry": ("mailbox", "check", "queue", "store"),
    "conversation_entry": ("mailbox",),
    "conversation_key": ("mailbox",),
    "expunged": ("mailbox", "check"),
    "pack": ("store", "check"),
    "body": ("store", "archive", "check", "mailbox", "queue", "verdicts"),
    "owed": ("queue", "check", "control", "store", "webhooks"),
    "progress": ("queue",),
    "webhook": ("webhooks",),
    "webhook_event": ("webhooks",),
    "webhook_told": ("webhooks",),
    "tracking": ("tracking", "accounts", "check", "control", "queue"),
    "archive": ("archive", "check", "store"),
    "archive_segment": ("archive",),
    "archive_block": ("archive",),
    "archive_place": ("archive",),
    "answered": ("delivery",),
    "administrator": ("accounts",),
    "token": ("accounts",),
    "web_session": ("accounts",),
    "totp": ("accounts",),
    "recovery_code": ("accounts",),
    "answered_request": ("admin",),
    "page_run": ("admin",),
    "node": ("store",),
    "content": ("store",),
    "outgoing": ("queue", "check", "control", "store"),
    "dkim": ("accounts",),
    "verdict": ("verdicts", "queue"),
    "sent": ("mailbox",),
    "trusted_sender": ("mailbox",),
    "draft": ("mailbox",),
    "enclosure": ("mailbox",),
    "enclosure_piece": ("mailbox",),
    "login_failure": ("accounts",),
    "spending": ("door",),
    "home_change": ("accounts", "webhooks"),
    "subscriber": ("alerts",),
    "plan": ("accounts",),
    "drill": ("accounts",),
    "drill_login": ("accounts",),
    "outage": ("alerts",),
    "alarm": ("alerts",),
    "alerted": ("alerts",),
    "link": ("accounts",),
    "removed_address": ("accounts",),
    "telling": ("alerts",),
    "archive_hold": ("archive",),
    "archive_held": ("archive",),
    "audit": ("accounts",),
    "audit_end": ("accounts",),
}
