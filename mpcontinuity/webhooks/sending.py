"""Signs an event and sends it by HTTPS. Whoever gets it checks the signature with the secret of the hook."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Protocol

from mpcontinuity.model.clock import HOUR, SECOND
from mpcontinuity.model.identifier import show
from mpcontinuity.outbound.https import Answer, Unanswered
from mpcontinuity.webhooks.hooks import Due, encoded

WITHIN = 10.0  # seconds for a request, with all that belongs to it: an acknowledgement needs no work
MOST_ANSWERED = 64 << 10  # octets of an answer, which nobody reads
_FIRST, LONGEST = 15 * SECOND, HOUR  # µs until the next attempt: longer than WITHIN, twice as long each time
_MOST_DOUBLINGS = 20

TIMESTAMP, SIGNATURE, DELIVERY = "X-MPContinuity-Timestamp", "X-MPContinuity-Signature", "X-MPContinuity-Delivery"


class Client(Protocol):
    """The HTTPS client (outbound/https.py)."""

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        within: float = ...,
        most: int = ...,
        private: bool = ...,
        authorities: str = "",
    ) -> Answer: ...


def wait(attempts: int) -> int:
    """Returns the µs after which an event is tried again, of which ``attempts`` were made before this one."""
    return min(_FIRST << min(attempts, _MOST_DOUBLINGS), LONGEST)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Returns what the header field SIGNATURE has: HMAC-SHA256 (RFC 2104) over timestamp, a dot and the body, in
    hexadecimal behind ``sha256=``."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


async def send(client: Client, event: Due, now: int) -> tuple[bool, str]:
    """Sends an event at ``now`` (µs). Returns whether it was taken, by a status of 2xx, and what was answered."""
    timestamp, body = str(now // SECOND), encoded(event)
    fields = {
        "Content-Type": "application/json",
        "User-Agent": "mpcontinuity",
        DELIVERY: show(event.id),
        TIMESTAMP: timestamp,
        SIGNATURE: signature(event.secret, timestamp, body),
    }
    try:
        answer = await client.ask(
            "POST",
            event.url,
            headers=fields,
            body=body,
            within=WITHIN,
            most=MOST_ANSWERED,
            authorities=event.authorities,
        )
    except Unanswered as error:
        return False, str(error)
    return 200 <= answer.status < 300, str(answer.status)
