"""Whether home has what it was owed, as rows of `owed` tell."""

from __future__ import annotations

from mpcontinuity.model.address import Address, BadAddress, parse
from mpcontinuity.model.owed import DELETED, EXPIRED, FAILED, RELEASED
from mpcontinuity.store.statement import Statement
from mpcontinuity.store.transaction import Transaction

_ENDED_WITHOUT_HOME = frozenset({DELETED, EXPIRED, FAILED, RELEASED})

_OF_BODY = Statement("SELECT recipient, state FROM owed WHERE body = :body")


def never_taken(tx: Transaction, body: int, recipient: Address) -> bool:
    """Returns whether home was owed a message for this recipient, and the end of that was another than delivery.

    What is owed still is not ended. Of what has ended longer ago than the ledger keeps rows (queue/folding.py) nothing
    is known: it counts as taken.
    """
    states = {state for address, state in tx.all(_OF_BODY, body=body) if _is(address, recipient)}
    return bool(states) and states <= _ENDED_WITHOUT_HOME


def _is(text: str, recipient: Address) -> bool:
    try:
        return parse(text).key == recipient.key
    except BadAddress:
        return False
