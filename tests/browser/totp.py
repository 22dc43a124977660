"""An authenticator as others wrote it: RFC 6238 in its usual form (HMAC-SHA-1, six digits, 30 seconds)."""

from __future__ import annotations

import base64
import hmac
import time

PERIOD = 30


def code(secret: str, at: float | None = None) -> str:
    """The code of a Base32 key at that time, now without."""
    key = base64.b32decode(secret.replace(" ", "").upper() + "=" * (-len(secret.replace(" ", "")) % 8))
    step = int((time.time() if at is None else at) // PERIOD)
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"
