"""Decides whether a message came from the domain that its reverse path names. Nobody else is sent a report, or
an answer of a program."""

from __future__ import annotations

from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import SECOND
from mpcontinuity.store.transaction import Transaction
from mpcontinuity.verdicts import record
from mpcontinuity.verdicts.record import SenderVerdict, signers

# µs from a message's arrival in which its verdict is waited for. Verdicts are made within seconds or not at all
# (verdicts/service.py); a process that died in between leaves none.
VERDICT_WITHIN = 60 * SECOND

_PASS = "pass"


def proves(verdict: SenderVerdict, sender: Address) -> bool:
    """Returns whether the verdict proves it.

    Either SPF passed, which is about the reverse path, or that is the address in From, and a good signature is of its
    domain or of a domain above it, since the owner of a domain answers for what is below. A signature of another
    author's message proves nothing: whoever has such a message can send it again in anybody's name. DMARC says nothing
    here, because it is about the address in From.
    """
    if verdict.spf == _PASS:
        return True
    return any(f".{sender.domain}".endswith(f".{signer.lower()}") for signer in signers(verdict))


def proven(tx: Transaction, body: int, received: int, sender: Address) -> bool | None:
    """Returns whether the message with that body, which came at ``received`` (µs), is proven to be of the sender's
    domain; None while that is being looked into."""
    verdict = record.find(tx, body)
    if verdict is None:
        return None if tx.now < received + VERDICT_WITHIN else False
    return proves(verdict, sender)
