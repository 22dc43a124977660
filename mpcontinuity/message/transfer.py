"""Undoes transfer encodings (RFC 2045 §6) piece by piece, so that no body is in memory as a whole."""

from __future__ import annotations

import binascii
import re
from typing import Final, Protocol

from mpcontinuity.message import encodedwords

# Octets that a line may have before it is cut within: whoever sends longer ones waits for no line end.
_LONGEST_LINE: Final = 64 * 1024
_BEHIND_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")


# What is not its own octets.
ENCODINGS: Final = frozenset({"base64", "quoted-printable"})


class Decoder(Protocol):
    """Takes an encoded body in pieces, and gives what they hold."""

    def feed(self, piece: bytes) -> bytes:
        """Returns what is complete."""
        ...

    def finish(self) -> bytes:
        """Returns the rest."""
        ...


def decoder(encoding: str) -> Decoder:
    """Returns what undoes an encoding, given in lower case; one that is not known is none."""
    if encoding == "base64":
        return _Base64()
    return _QuotedPrintable() if encoding == "quoted-printable" else _Identity()


class _Identity:
    def feed(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> bytes:
        return b""


class _Base64:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        piece = self._rest + encodedwords.without_foreign(piece)
        left = len(piece.rpartition(b"=")[2]) % 4  # what makes no whole octets yet
        whole = len(piece) - left
        self._rest = piece[whole:]
        return encodedwords.base64(piece[:whole])

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return encodedwords.base64(rest)


class _QuotedPrintable:
    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        piece = self._rest + piece
        # Up to a line's end, so that no escape is cut; a line that is very long is cut before one.
        cut = piece.rfind(b"\n") + 1 or (len(piece) - 2 if len(piece) >= _LONGEST_LINE else 0)
        if cut and piece[cut - 1] != 10:
            cut = piece.find(b"=", cut - 2, cut) if b"=" in piece[cut - 2 : cut] else cut
        self._rest = piece[cut:]
        return binascii.a2b_qp(_BEHIND_SOFT_BREAK.sub(b"=", piece[:cut]))

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return binascii.a2b_qp(_BEHIND_SOFT_BREAK.sub(b"=", rest))
