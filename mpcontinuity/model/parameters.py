"""What a client asked for beside the addresses: kept with the envelope and passed on where home offers it."""

from __future__ import annotations

import msgspec


class MailParameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of MAIL FROM. RFC 1870 SIZE, RFC 6152 BODY, RFC 6531 SMTPUTF8, RFC 3461 RET and ENVID."""

    size: int = 0
    body: str = ""  # 7BIT | 8BITMIME | empty
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    bare: bool = False  # no parameter of MAIL: the content has a bare CR or LF, and goes on by BDAT only (RFC 3030)
    submitted: bool = False  # neither: who sent it is known, by a login or as a home server by its address


class RcptParameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of RCPT TO. RFC 3461 NOTIFY and ORCPT."""

    notify: str = ""
    orcpt: str = ""
