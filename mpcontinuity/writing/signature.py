"""Where the text that a user signs with stands in a letter that begins."""

from __future__ import annotations

from typing import Final

import msgspec

from mpcontinuity.mailbox.drafts import Written
from mpcontinuity.mailbox.signature import Signature

# Its blank is a part of it: by this line mail programs know where a signature begins (RFC 3676 §4.3).
SEPARATOR: Final = "-- "


def signed(written: Written, signature: Signature) -> Written:
    """Returns what a letter begins with, and the signature in it, where the user wants that.

    It stands below what is written: at the end of a new letter, and above what an answer quotes or a message forwards,
    which is none of the user's. It is called once, when a letter begins; a draft has it in its text.
    """
    wanted = signature.answers if written.how else signature.new
    if not wanted or not signature.text.strip():
        return written
    block = f"{SEPARATOR}\n{signature.text.rstrip()}\n"
    if written.how:
        return msgspec.structs.replace(written, text=f"\n\n{block}{written.text}")
    begun = written.text.rstrip("\n")
    return msgspec.structs.replace(written, text=f"{begun}\n\n{block}")
