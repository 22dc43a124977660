"""Rows of the table ``verdict``: work for one transaction each."""

from __future__ import annotations

import re

import msgspec

from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ADD = Statement(
    """INSERT INTO verdict (body, spf, dkim, dmarc, details)
    SELECT id, :spf, :dkim, :dmarc, :details FROM body WHERE id = :body ON CONFLICT (body) DO NOTHING"""
)
_FIND = Statement("SELECT spf, dkim, dmarc, details FROM verdict WHERE body = :body")
_SIGNED = re.compile(r"\bdkim=pass header\.d=([^ ;]+)")  # as service.py writes it
_PLAIN = re.compile(r"[A-Za-z0-9._@:\[\]-]+")


class Verdict(msgspec.Struct, frozen=True):
    """``details``: the value of Authentication-Results (RFC 8601 §2.2), folded."""

    spf: str
    dkim: str
    dmarc: str
    details: str


def add(tx: Transaction, body: int, verdict: Verdict) -> None:
    """Nothing where the message is gone already."""
    tx.run(_ADD, body=body, spf=verdict.spf, dkim=verdict.dkim, dmarc=verdict.dmarc, details=verdict.details)


def find(tx: Transaction, body: int) -> Verdict | None:
    row = tx.one(_FIND, body=body)
    return Verdict(*row) if row else None


def signers(verdict: Verdict) -> list[str]:
    """The domains whose signatures are good."""
    return _SIGNED.findall(verdict.details)


def token(text: str) -> str:
    """Fit to stand behind an equals sign in the field: what a stranger wrote begins no field and no result."""
    text = text[:255]
    return text if _PLAIN.fullmatch(text) else "unknown"
