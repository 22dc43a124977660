"""An upload that is needed again from its beginning: taken as it comes, and kept in a file that nobody else finds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Final

from mpcontinuity.web.inflow import Inflow

_IN_MEMORY: Final = 256 * 1024  # octets; a larger one is written to the disk, into a file without a name


@dataclass(slots=True)
class Upload:
    """What came, in ``file``, which stands at its beginning and has to be closed. ``digest`` is its SHA-256, ``octets``
    and ``lines`` how long it is: a line ends with LF."""

    file: SpooledTemporaryFile[bytes]
    digest: bytes
    octets: int
    lines: int

    def close(self) -> None:
        """Throws the file away."""
        self.file.close()


async def uploaded(pieces: Inflow) -> Upload:
    """Takes a body that comes in pieces. Raises ClientGone where its end does not come."""
    file = SpooledTemporaryFile[bytes](max_size=_IN_MEMORY)
    digest, octets, lines, last = hashlib.sha256(), 0, 0, b""
    try:
        async for piece in pieces:
            file.write(piece)
            digest.update(piece)
            octets += len(piece)
            lines += piece.count(b"\n")
            last = piece[-1:]
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return Upload(file, digest.digest(), octets, lines + (last not in (b"", b"\n")))


async def held(pieces: Inflow, longest: int) -> bytes | None:
    """Takes a body of up to ``longest`` octets into memory; returns None for a longer one. Raises ClientGone."""
    found, octets = [], 0
    async for piece in pieces:
        octets += len(piece)
        if octets > longest:
            return None
        found.append(piece)
    return b"".join(found)
