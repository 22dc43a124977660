"""Looking into a message without making others wait: what may take long is done beside the reactor (design 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from mpcontinuity.message.fields import Content
from mpcontinuity.store.store import Store

T = TypeVar("T")

# Below all three a message is scanned and rendered within a millisecond.
LARGE: Final = 64 * 1024  # octets
_PARTS = 64
_SIGNS = 1000  # that make a token of an address, a parameter or an encoded word each

_MADE_OF = b',;<(":@['


def takes_long(content: Content) -> bool:
    """Whether scanning or rendering it may; by its size and what it is made of, in some microseconds."""
    if not isinstance(content, bytes) or len(content) > LARGE:
        return True
    signs = len(content) - len(content.translate(None, _MADE_OF))  # one pass, a fifth of what counting each costs
    return content.count(b"\n--") > _PARTS or signs + content.count(b"=?") > _SIGNS


async def aside(store: Store, work: Callable[[], T]) -> T:
    """``work`` in a thread that may wait and compute; what it looks at must not be discarded meanwhile."""
    return await store.bodies.background(work)
