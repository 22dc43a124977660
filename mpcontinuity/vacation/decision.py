"""Decides whether mail may be answered by a vacation text, and to whom the answer goes (RFC 3834). The functions are
pure.

Whatever is not clearly a letter of a person to this user, whose sender has proven to be who they are, is not answered:
an answer that is missing is asked for, one too many goes round in circles or to somebody who never wrote.
"""

from __future__ import annotations

import enum
import re
from typing import Final

import msgspec

from mpcontinuity.message.automatic import Circumstances
from mpcontinuity.model.address import Address, BadAddress, parse

# Local parts behind which nobody reads (RFC 3834 §2, RFC 5230 §4.6): of reports, of lists, of who wants no answer. A
# run of letters is compared, so that `bounce-1234` and `no.reply+x` are among them and `bouncer` is not.
_NOBODY: Final = re.compile(
    r"mailer[-_]?daemon|postmaster|listserv|majordomo|(?:do)?[-_.]?no?t?[-_.]?reply|(?:auto|vacation)[-_.]?reply"
    r"|bounces?|owner-.*|.*-(?:owner|request|bounces?|errors?)|(?:bounces?|no[-_.]?reply)[-+=._].*",
    re.DOTALL,
)
_LONGEST: Final = 64  # characters of a local part (RFC 5321 §4.5.3.1.1): a longer one is a program's


class Ruling(enum.Enum):
    """What is done about one message. The value says why it is not answered."""

    ANSWER = ""
    WAIT = "it is not known yet who sent it"
    NO_SENDER = "it has no sender"
    PROGRAM = "its sender is a program"
    OWN = "it is the user's own"
    UNPROVEN = "nothing proves who sent it"
    JUNK = "it fails the policy of the domain in From"
    AGAIN = "its sender was answered within a week"
    RATIONED = "too many were answered within a day"
    OFF = "the text was turned off meanwhile"
    NOT_PERSONAL = "it does not name the address that it came for"
    AUTOMATIC = "its header forbids it"


class SenderFacts(msgspec.Struct, frozen=True):
    """What is known of who sent a message.

    ``reverse_path`` is as in MAIL, empty for the null one. ``own`` are all addresses of the user (`Address.key`).
    ``proven`` says whether the sender is who they claim to be, and is None while that is being looked into. ``junk``:
    the domain in From says by DMARC that it is not from there. ``on``: the text is still on. ``answered``: this sender
    was, within a week; ``today`` is how many were within a day, of ``most``.
    """

    reverse_path: str
    own: frozenset[str]
    proven: bool | None
    junk: bool = False
    on: bool = True
    answered: bool = False
    today: int = 0
    most: int = 1


def address_of(reverse_path: str) -> Address | None:
    """Returns to whom an answer goes: the reverse path (RFC 3834 §4); None where nobody is there."""
    try:
        return parse(reverse_path) if reverse_path else None
    except BadAddress:
        return None


def by_sender(facts: SenderFacts) -> Ruling:
    """Decides by what is known of the sender. ANSWER: that depends on the message itself (`by_message`)."""
    address = address_of(facts.reverse_path)
    if address is None:
        return Ruling.NO_SENDER
    if not facts.on:
        return Ruling.OFF
    local = address.local.lower()
    if len(local) > _LONGEST or _NOBODY.fullmatch(local):
        return Ruling.PROGRAM
    if address.key in facts.own or address.untagged_key in facts.own:
        return Ruling.OWN
    if facts.answered:
        return Ruling.AGAIN
    if facts.proven is None:
        return Ruling.WAIT
    if not facts.proven:
        return Ruling.UNPROVEN
    if facts.junk:
        return Ruling.JUNK
    return Ruling.RATIONED if facts.today >= facts.most else Ruling.ANSWER


def by_message(circumstances: Circumstances, recipient: Address) -> Ruling:
    """Decides by the header of the message: it has to name the address that it came for, and no program may have sent
    it. That it names another address of the same user is not enough, since an answer would say whose both are."""
    if circumstances.automatic:
        return Ruling.AUTOMATIC
    named = circumstances.recipients & {recipient.key, recipient.untagged_key}
    return Ruling.ANSWER if named else Ruling.NOT_PERSONAL
