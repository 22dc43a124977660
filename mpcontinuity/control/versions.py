"""Versions of what several administrators may edit: who changes what another has changed meanwhile is told."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from mpcontinuity.model.errors import Refused

_OCTETS: Final = 10  # 80 bits: two states of one thing are never taken for each other by chance


def version_of(shown: Any) -> str:
    """Returns the version of what is shown of a thing: another text whenever any of that is another.

    What is not shown, as a password, has no part in it, since a digest would let it be guessed.
    """
    return hashlib.blake2b(msgspec.json.encode(shown), digest_size=_OCTETS).hexdigest()


def refuse_changed(what: str, given: str, current: str) -> None:
    """Raises Refused, as a conflict, where a version is given and is not the current one."""
    if given and given != current:
        raise Refused(f"{what}: was changed meanwhile; look at it again, then change it", "conflict")
