"""The rows of the table ``verdict``. Each function runs in one transaction."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ADD = Statement(
    """INSERT INTO verdict (body, spf, dkim, dmarc, details)
    SELECT id, :spf, :dkim, :dmarc, :details FROM body WHERE id = :body ON CONFLICT (body) DO NOTHING"""
)
_FIND = Statement("SELECT spf, dkim, dmarc, details FROM verdict WHERE body = :body")
# What service.py writes behind a good signature where the address in From, which it covers, is that of the reverse
# path. RFC 8601 §2.3 has `policy` for what the receiver finds by its own rules.
BY_AUTHOR: Final = " policy.reverse-path=author"
_GOOD: Final = "dkim=pass header.d="
_PLAIN = re.compile(r"[A-Za-z0-9._@:\[\]-]+")


class SenderVerdict(msgspec.Struct, frozen=True):
    """What SPF, DKIM and DMARC said of a message.

    The first three are single words such as ``pass`` (RFC 8601 §2.7). ``details`` is the value of the field
    Authentication-Results (RFC 8601 §2.2), folded.
    """

    spf: str
    dkim: str
    dmarc: str
    details: str


def add(tx: Transaction, body: int, verdict: SenderVerdict) -> None:
    """Adds the verdict on a message, unless the message is gone already."""
    tx.run(_ADD, body=body, spf=verdict.spf, dkim=verdict.dkim, dmarc=verdict.dmarc, details=verdict.details)


def find(tx: Transaction, body: int) -> SenderVerdict | None:
    """Returns the verdict on a message, or None if there is none."""
    return tx.record(SenderVerdict, _FIND, body=body)


def signers(verdict: SenderVerdict) -> list[str]:
    """Returns the domains whose signatures are good, and of a message whose reverse path is its author's address.

    A good signature alone says who wrote the message, and nothing of who sends it: anybody may send a message that
    they have once more, from any address.
    """
    results = [one.strip() for one in verdict.details.split(";")]
    return [
        one.removeprefix(_GOOD).split(" ")[0] for one in results if one.startswith(_GOOD) and one.endswith(BY_AUTHOR)
    ]


def token(text: str) -> str:
    """Returns the text if it may stand behind an equals sign in the field, else ``unknown``.

    What a stranger wrote must not begin another field or result.
    """
    text = text[:255]
    return text if _PLAIN.fullmatch(text) else "unknown"
