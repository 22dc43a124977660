"""The parameters of MAIL and RCPT that a client gave: kept with the envelope, and passed on where home offers them."""

from __future__ import annotations

import msgspec


class MailParameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parameters of MAIL FROM: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461).

    The last two fields are none that a client can give; they are kept in the same place.
    """

    size: int = 0
    body: str = ""  # 7BIT | 8BITMIME | empty
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    bare: bool = False  # no parameter of MAIL: the content has a bare CR or LF, and goes on by BDAT only (RFC 3030)
    submitted: bool = False  # neither: who sent it is known, by a login or as a home server by its address


class RcptParameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parameters of RCPT TO: NOTIFY and ORCPT (RFC 3461)."""

    notify: str = ""
    orcpt: str = ""
