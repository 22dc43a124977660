"""Reads policies of MTA-STS (RFC 8461): which mail servers of a domain have to prove themselves, and how strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

Mode = Literal["enforce", "testing", "none"]

LONGEST: Final = 64 << 10  # octets of a policy, as RFC 8461 §3.3 suggests
LONGEST_AGE: Final = 31_557_600  # s: a year (§3.2)
_VERSION: Final = "STSv1"
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")  # §3.1


class BadPolicy(Exception):
    """A policy that those who heed it cannot read; the text says why."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. ``patterns`` are names of mail servers, in lower case, of which ``*.`` stands for one label;
    ``max_age`` is how many seconds others go by it."""

    mode: Mode
    max_age: int
    patterns: tuple[str, ...]

    def names(self, host: str) -> bool:
        """Says whether the mail server of that name is one of the policy's (§4.1)."""
        parent = host.partition(".")[2]
        return host in self.patterns or (parent != "" and f"*.{parent}" in self.patterns)


def identifies(text: str) -> bool:
    """Says whether the text of a TXT record has what has others look for a policy: ``v=STSv1; id=…`` (§3.1)."""
    pairs = [pair.strip().partition("=") for pair in text.split(";")]
    return (pairs[0][0].strip(), pairs[0][2].strip()) == ("v", _VERSION) and any(
        name.strip() == "id" and _ID.fullmatch(value.strip()) for name, _, value in pairs
    )


def read(octets: bytes) -> Policy:
    """Returns the policy of a file. Raises BadPolicy for one that does not count."""
    try:
        text = octets[:LONGEST].decode()
    except UnicodeDecodeError:
        raise BadPolicy("is not UTF-8 text") from None
    given: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if name.strip() == "mx" and colon:
            patterns.append(value.strip().lower())
        elif colon:
            given.setdefault(name.strip(), value.strip())  # of a key that is there twice the first counts (§3.2)
    if given.get("version") != _VERSION:
        raise BadPolicy(f"has no line `version: {_VERSION}`")
    age = given.get("max_age", "")
    if not (age.isascii() and age.isdigit() and len(age) <= len(str(LONGEST_AGE)) and int(age) <= LONGEST_AGE):
        raise BadPolicy(f"has no line `max_age:` with seconds up to {LONGEST_AGE}")
    for mode in get_args(Mode):
        if given.get("mode") == mode:
            if mode != "none" and not patterns:
                raise BadPolicy("has no line `mx:`")
            return Policy(mode, int(age), tuple(patterns))
    raise BadPolicy("has no line `mode:` with enforce, testing or none")
