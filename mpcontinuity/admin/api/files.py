"""Messages of the archive as files: one message octet by octet, many as an mbox."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from twisted.logger import Logger

from mpcontinuity.control.heard import Heard
from mpcontinuity.message.mbox import separated

MESSAGE: Final = "message/rfc822"
MBOX: Final = "application/mbox"

_IN_MEMORY: Final = 1 << 20  # octets of one message; a larger one is spooled to the disk

_log = Logger()


async def message(running: Heard) -> AsyncGenerator[bytes, None]:
    """Gives the octets of the one message that ``archive show`` says. Raises what that raises: a message that is
    damaged does not end as if it were whole."""
    pieces = running.pieces()
    try:
        async for said in pieces:
            if "data" in said:
                yield b64decode(said["data"])
    finally:
        await pieces.aclose()


async def mbox(running: Heard) -> AsyncGenerator[bytes, None]:
    """Gives what ``archive export`` says as an mbox, without messages that are damaged, which the log names."""
    pieces = running.pieces()
    spool: IO[bytes] = _spool()
    try:
        async for said in pieces:
            if "data" in said:
                spool.write(b64decode(said["data"]))
                continue
            if "message" in said:
                spool.seek(0)
                for piece in separated(said["message"]["sender"], said["message"]["time"], spool):
                    yield piece
            elif "damaged" in said:
                _log.warn("{id} is damaged, and is not in the mbox", id=said["damaged"]["id"])
            spool.close()
            spool = _spool()
    finally:
        spool.close()
        await pieces.aclose()


def _spool() -> IO[bytes]:
    """Keeps one message until it is known to be whole."""
    return SpooledTemporaryFile(max_size=_IN_MEMORY)
