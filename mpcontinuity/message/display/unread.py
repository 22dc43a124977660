"""What is shown of a message that no reader process has read: its first octets, as they are."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from mpcontinuity.message.charset import decode
from mpcontinuity.message.display.shown import Shortfall, Shown

LONGEST: Final = 64 * 1024  # octets
_BLANK_LINE = re.compile(rb"\n\r?\n")


def unread(beginning: bytes, why: Shortfall) -> Shown:
    """Returns the first octets of a message as text. Nothing is looked for in them but where the header ends."""
    blank = _BLANK_LINE.search(beginning)
    body = beginning[blank.end() if blank else 0 : LONGEST]
    text = decode(body).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Shown(
        subject="",
        sender=(),
        reply_to=(),
        to=(),
        cc=(),
        bcc=(),
        more=0,
        sent=0,
        message_id="",
        in_reply_to="",
        references="",
        list_id="",
        text=text,
        html=f'<div class="mpc-text">{escape(text)}</div>',
        css="",
        rich=False,
        coloured=False,
        remote=0,
        shortfalls=(why,),
    )
