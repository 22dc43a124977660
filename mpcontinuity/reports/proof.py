"""Whether a message came from the domain that its reverse path names: nobody else is sent anything."""

from __future__ import annotations

from mpcontinuity.model.address import Address
from mpcontinuity.model.clock import SECOND
from mpcontinuity.verdicts.record import Verdict, signers

# µs from a message's arrival in which its verdict is waited for. Verdicts are made within seconds or not at all
# (verdicts/service.py); a process that died in between leaves none.
VERDICT_WITHIN = 60 * SECOND

_PASS = "pass"


def proves(verdict: Verdict, sender: Address) -> bool:
    """By SPF, which is about the reverse path, or by a good signature of its domain or of one above it, since who has a
    domain answers for what is below. DMARC is about another address, that of From.
    """
    if verdict.spf == _PASS:
        return True
    return any(f".{sender.domain}".endswith(f".{signer.lower()}") for signer in signers(verdict))
