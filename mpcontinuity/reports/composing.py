"""Writes a report from the rows that it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mpcontinuity.message import report
from mpcontinuity.message.report import RecipientReport, Report
from mpcontinuity.model.outgoing import EXPIRED, REMOVED
from mpcontinuity.queue.unreported import LATE, Unreported
from mpcontinuity.reports.policy import action_of

_ENHANCED = re.compile(r"[45]\.\d{1,3}\.\d{1,3}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")

_REASONS = {
    EXPIRED: "It could not be delivered in the time that messages are tried for.",
    REMOVED: "It was taken out of the queue by an administrator of this mail system.",
    LATE: "It could not be delivered yet.",
}
_STATUS = {EXPIRED: "4.4.7", REMOVED: "5.7.0", LATE: "4.4.7"}  # where no reply says it (RFC 3463)


def compose(
    rows: Sequence[Unreported],
    hosts: Mapping[int, str],
    original: bytes,
    *,
    sender: str,
    hostname: str,
    identifier: str,
    time: int,
) -> bytes:
    """Returns the report as a whole message.

    ``rows`` are of one message and of one action. ``hosts`` has the host that answered last, by the id of the row.
    ``original`` is the message that is reported about, and ``time`` is in µs.
    """
    mail = rows[0].parameters.mail
    return report.compose(
        Report(
            hostname=hostname,
            identifier=identifier,
            time=time,
            sender=sender,
            arrived=rows[0].received,
            about=[_about(row, hosts.get(row.id, "")) for row in rows],
            envelope=xtext(mail.envid),
            full={"FULL": True, "HDRS": False}.get(mail.ret.upper()),
        ),
        original,
    )


def _about(row: Unreported, host: str) -> RecipientReport:
    action = action_of(row)
    key = LATE if row.found == LATE else row.state
    said = f"{row.code} {row.text}" if row.code else ""
    return RecipientReport(
        recipient=row.recipient,
        action=action,  # type: ignore[arg-type]
        status=_status(row, key, action),
        reason=_REASONS.get(key, "" if said else row.text or "The reason was not recorded."),
        reply=said if key != REMOVED else "",
        host=host if said else "",
        original=_original(row.parameters.rcpt.orcpt),
        until=row.expires if row.found == LATE else 0,
    )


def _status(row: Unreported, key: str, action: str) -> str:
    if action in (report.DELIVERED, report.RELAYED):
        return "2.1.5" if action == report.DELIVERED else report.status_of(row.code or 250, row.text)
    if row.code >= 400:
        return report.status_of(row.code, row.text)
    found = _ENHANCED.match(row.text)
    return found[0] if found else _STATUS.get(key, "5.0.0")


def _original(orcpt: str) -> str:
    kind, semicolon, address = orcpt.partition(";")
    return f"{kind};{xtext(address)}" if semicolon else ""


def xtext(text: str) -> str:
    """Returns the text that xtext stands for (RFC 3461 §4).

    It may hold anything, so it goes into cleaned lines only.
    """
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)
