"""Decides whether a message is from the domain that its From field shows: DMARC (RFC 9989, which obsoletes RFC 7489).

The domain whose policy counts is found by walking up the tree in DNS (§4.10), so that no list of public suffixes is
needed. The tag `pct` of RFC 7489 is ignored, like all unknown tags; `t` took its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from mpcontinuity.outbound.lookup import NoAnswer
from mpcontinuity.verdicts.dns import Dns

PASS, FAIL, NONE, TEMPERROR, PERMERROR = "pass", "fail", "none", "temperror", "permerror"

_MOST_QUESTIONS = 8
_POLICIES = ("none", "quarantine", "reject")  # each milder than the next
_URI = re.compile(r"[a-z][a-z0-9+.-]*:.")
_RECORD = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)")


class DmarcResult(msgspec.Struct, frozen=True):
    """The result for a message. ``wanted`` is the policy that the domain asks for: none, quarantine or reject."""

    result: str
    wanted: str = ""


class _Record(msgspec.Struct, frozen=True):
    domain: str
    tags: dict[str, str]


async def check(dns: Dns, author: str, spf: str, signed: Sequence[str]) -> DmarcResult:
    """Returns the result for a message from the domain ``author``, the one in its From field.

    ``spf`` is the domain that SPF passed for, or empty. ``signed`` has the domains of good signatures. All are in lower
    case, as A-labels.
    """
    if not author:
        return DmarcResult(PERMERROR)
    try:
        tree = await _tree(dns, author)
        record = _policy(tree, author)
        if record is None:
            return DmarcResult(NONE)
        if not _is_policy(record):
            return DmarcResult(PERMERROR)
        wanted = await _wanted(dns, record, author)
        for domains, mode in (((spf,) if spf else (), "aspf"), (signed, "adkim")):
            strict = record.tags.get(mode, "r") == "s"
            for domain in domains:
                if domain == author or (not strict and await _same_organisation(dns, domain, author, tree)):
                    return DmarcResult(PASS, wanted)
    except NoAnswer:
        return DmarcResult(TEMPERROR)
    return DmarcResult(FAIL, wanted)


def _readable(record: _Record) -> bool:
    return all(record.tags.get(tag, "none") in _POLICIES for tag in ("p", "sp", "np"))


def _is_policy(record: _Record) -> bool:
    """RFC 9989 §4.10.1: one whose policies cannot be read counts as ``p=none`` where it asks for reports; else it is
    none at all."""
    return _readable(record) or any(_URI.match(uri.strip()) for uri in record.tags.get("rua", "").split(","))


async def _wanted(dns: Dns, record: _Record, author: str) -> str:
    """The policy for this domain (RFC 9989 §4.7): `sp` for what lies below the record's, `np` for what does not exist
    there at all; each a step milder while it is tried out (`t=y`)."""
    if not _readable(record):
        return "none"
    tags = record.tags
    wanted = tags.get("p", "none")
    if record.domain != author:
        wanted = tags.get("sp", wanted)
        if "np" in tags and not await _exists(dns, author):
            wanted = tags["np"]
    if tags.get("t") == "y":
        wanted = _POLICIES[max(_POLICIES.index(wanted) - 1, 0)]
    return wanted


async def _exists(dns: Dns, name: str) -> bool:
    """RFC 9989 §3.2: it has an address or an MX. In doubt it does."""
    try:
        return bool(
            await dns.addresses(name, version=4) or await dns.addresses(name, version=6) or await dns.exchanges(name)
        )
    except NoAnswer:
        return True


async def _tree(dns: Dns, domain: str) -> list[_Record]:
    """Records from the domain itself upwards."""
    labels = domain.split(".")
    names = [domain]
    # Of a name with many labels only its last seven are looked at, beside the name itself.
    names += [".".join(labels[-count:]) for count in range(min(len(labels) - 1, _MOST_QUESTIONS - 1), 0, -1)]
    found = []
    for name in names:
        record = await _record(dns, name)
        if record is not None:
            found.append(record)
            if record.tags.get("psd", "u") in ("y", "n"):
                break
    return found


async def _record(dns: Dns, name: str) -> _Record | None:
    records = [text for text in await dns.texts(f"_dmarc.{name}") if _RECORD.match(text)]
    if len(records) != 1:
        return None
    tags = {}
    for part in records[0].split(";"):
        tag, _, value = part.partition("=")
        tags[tag.strip().lower()] = value.strip().lower()
    return _Record(name, tags)


def _policy(tree: Sequence[_Record], author: str) -> _Record | None:
    """The author domain's own, else that of its organisation, else that of the public suffix above."""
    if tree and tree[0].domain == author:
        return tree[0]
    organisation = _organisation(tree, author)
    own = [record for record in tree if record.domain == organisation]
    return own[0] if own else tree[-1] if tree and tree[-1].tags.get("psd") == "y" else None


def _organisation(tree: Sequence[_Record], domain: str) -> str:
    if not tree:
        return domain
    last = tree[-1]
    if last.tags.get("psd") == "y" and last.domain != domain:
        return ".".join(domain.split(".")[-last.domain.count(".") - 2 :])
    return last.domain


async def _same_organisation(dns: Dns, domain: str, author: str, tree: Sequence[_Record]) -> bool:
    if domain.rpartition(".")[2] != author.rpartition(".")[2]:
        return False
    return _organisation(await _tree(dns, domain), domain) == _organisation(tree, author)
