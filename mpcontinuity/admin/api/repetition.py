"""Idempotency-Key: a POST that is sent again, because its answer was lost, is not done again.

The key (draft-ietf-httpapi-idempotency-key-header) is the client's own choice, for one request. What was answered is
kept for a day in the store, so that any process can answer again; a request that was refused or failed changed nothing
and may be sent again with its key. All functions but the first two are work for one transaction.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from twisted.web import http

from mpcontinuity.admin.api.problems import UNPROCESSABLE, Problem
from mpcontinuity.model.clock import DAY
from mpcontinuity.model.errors import Refused
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

LASTS: Final = DAY
LONGEST_KEY: Final = 200  # characters; a UUID has 36
LONGEST_KEPT: Final = 16 * 1024  # octets of an answer
MOST: Final = 2_000  # answers of one administrator: some 2 MiB, and at the fastest three minutes of requests
_STEP: Final = 50  # rows that are dropped by one request

_BEGIN = Statement(
    """INSERT INTO answered_request (digest, administrator, created, fingerprint, code, body)
    VALUES (:digest, :administrator, :now, :fingerprint, 0, '') ON CONFLICT (digest) DO NOTHING"""
)
_FIND = Statement("SELECT fingerprint, code, body FROM answered_request WHERE digest = :digest")
_KEEP = Statement("UPDATE answered_request SET code = :code, body = :body WHERE digest = :digest")
_FORGET = Statement("DELETE FROM answered_request WHERE digest = :digest")
_OLD = Statement(
    """DELETE FROM answered_request WHERE digest IN (
        SELECT digest FROM answered_request WHERE created < :before ORDER BY created LIMIT :step)"""
)
_TOO_MANY = Statement(
    """DELETE FROM answered_request WHERE digest IN (
        SELECT digest FROM answered_request WHERE administrator = :administrator AND code <> 0
        ORDER BY created DESC LIMIT :step OFFSET :most)"""
)


class Repetition(NamedTuple):
    """A request with a key: whose it is, the digest by which it is kept, and what it asks for."""

    administrator: str
    digest: bytes
    fingerprint: bytes


class Kept(NamedTuple):
    """What was answered: a status code, and JSON, empty where that was not kept."""

    code: int
    body: str


def read_key(text: str) -> str:
    """Returns the key of the header field, a string of RFC 8941 or the bare text that many clients send. Raises
    Refused."""
    key = text.strip()
    key = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not 1 <= len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Refused(f"Idempotency-Key: must have 1 to {LONGEST_KEY} printable characters of ASCII")
    return key


def of_request(administrator: str, key: str, *request: bytes) -> Repetition:
    """Returns a request with its key, neither of which can be read from what is kept: a body may have a password."""
    secret = key.encode()
    whose = hashlib.sha256(administrator.encode() + b"\n" + secret).digest()
    lengths = b"".join(len(part).to_bytes(8) for part in request)
    return Repetition(administrator, whose, hmac.digest(secret, lengths + b"".join(request), "sha256"))


def begin(tx: Transaction, request: Repetition) -> Kept | None:
    """Notes that a request begins, or returns what was answered to it before.

    Raises Problem for another request with the same key, and for one that is under way.
    """
    tx.run(_OLD, before=tx.now - LASTS, step=_STEP)
    begun = tx.run(
        _BEGIN,
        digest=request.digest,
        administrator=request.administrator,
        now=tx.now,
        fingerprint=request.fingerprint,
    )
    if begun:
        tx.run(_TOO_MANY, administrator=request.administrator, step=_STEP, most=MOST)
        return None
    fingerprint, code, body = tx.one(_FIND, digest=request.digest) or (b"", 0, "")
    if not hmac.compare_digest(bytes(fingerprint), request.fingerprint):
        raise Problem(UNPROCESSABLE, "Idempotency-Key: was used for another request", kind="conflict")
    if not code:
        raise Problem(
            http.CONFLICT,
            "Idempotency-Key: that request is under way, or its server stopped in the middle; look whether it was done",
        )
    return Kept(code, body)


def keep(tx: Transaction, request: Repetition, code: int, body: str) -> None:
    """Keeps what was answered to a request that was done."""
    tx.run(_KEEP, digest=request.digest, code=code, body=body)


def forget(tx: Transaction, request: Repetition) -> None:
    """Forgets a request that was refused: it changed nothing, and may come again."""
    tx.run(_FORGET, digest=request.digest)
